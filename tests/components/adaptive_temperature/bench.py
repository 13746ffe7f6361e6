"""Normalisers against torch.softmax: forward and backward, one thread."""

from functools import partial

import torch

from genai_lib.components.adaptive_temperature import (
    adaptive_temperature_readable,
    adaptive_temperature_softmax,
    scalable_softmax,
    sparsemax,
)
from tests.bench._timing import compare, forward_backward, row

SHAPE = (8, 12, 512, 512)
# sparsemax sorts every row.
CASES = {
    "adaptive, gradient by hand": (adaptive_temperature_softmax, 4.0),
    "adaptive, as it is read": (adaptive_temperature_readable, 8.0),
    "SSMax": (partial(scalable_softmax, scale=0.43), 6.0),
    "sparsemax": (sparsemax, 40.0),
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
