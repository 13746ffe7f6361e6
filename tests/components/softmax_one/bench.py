"""Normalisers of this chapter against torch.softmax: forward and backward, one thread.

`softmax_one` is also compared with its definition by a logit that is appended.
"""

from functools import partial

import torch
from torch import Tensor

from genai_lib.components.softmax_one import (
    LearnedSink,
    clipped_softmax,
    softmax_one,
)
from tests.bench._timing import compare, forward_backward, row

SHAPE = (8, 12, 512, 512)


def appended(x: Tensor) -> Tensor:
    """Append a logit of 0, take softmax, drop its weight."""
    zeros = x.new_zeros(*x.shape[:-1], 1)
    return torch.softmax(torch.cat([x, zeros], dim=-1), dim=-1)[..., :-1]


CASES = {
    "softmax_one": (softmax_one, 3.0),
    "softmax_one, a logit appended": (appended, 6.0),
    "a sink per head": (LearnedSink(heads=12), 3.0),
    "clipped softmax": (partial(clipped_softmax, gamma=-0.01), 4.0),
}


def main() -> None:
    """Print milliseconds of ours and of torch, and their ratio."""
    torch.set_num_threads(1)
    print(f"{'normalisers, forward and backward':<48}{'ours':>12}{'torch':>12}  ratio")
    x = torch.randn(SHAPE, requires_grad=True)
    for name, (normalize, goal) in CASES.items():
        figures = compare(
            lambda f=normalize: forward_backward(f, x),
            lambda: forward_backward(lambda x: torch.softmax(x, -1), x),
            repeats=5,
        )
        print(row(f"{SHAPE}, {name}", *figures, goal))


if __name__ == "__main__":
    main()
