"""softmax against torch.softmax: forward and backward, one thread."""

import torch

from genai_lib.components.softmax import softmax
from tests.bench._timing import compare, forward_backward, row

SHAPES = ((64, 32_768), (8, 12, 512, 512))


def main() -> None:
    """Print milliseconds of ours and of torch, and their ratio."""
    torch.set_num_threads(1)
    print(f"{'softmax, forward and backward':<48}{'ours':>12}{'torch':>12}  ratio")
    for shape in SHAPES:
        x = torch.randn(shape, requires_grad=True)
        theta = torch.rand(*shape[:-1], 1) + 0.5
        cases = {
            "θ = 1": (lambda x: softmax(x, dim=-1), 1.1),
            "θ = 0.7": (lambda x: softmax(x, 0.7, dim=-1), 2.0),
            "θ a tensor": (lambda x, t=theta: softmax(x, t, dim=-1), 2.0),
        }
        for name, (ours, goal) in cases.items():
            figures = compare(
                lambda f=ours, x=x: forward_backward(f, x),
                lambda x=x: forward_backward(lambda x: torch.softmax(x, -1), x),
            )
            print(row(f"{shape}, {name}", *figures, goal))


if __name__ == "__main__":
    main()
