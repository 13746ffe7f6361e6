"""The sizes of a GPT, and how many parameters they make.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Letters used in this file
    V  tokens in the vocabulary    C  longest context    D  width    L  layers
    F  width of the hidden layer in a feed-forward network
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor
from torch.nn import functional

from genai_lib.checks import check_positive

# Named as in the files of Hugging Face; GPT-2 has the approximation by tanh.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
}


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT; the defaults train on one core within a minute.

    Attributes
    ----------
    vocab_size : int
        V.
    context : int, default=64
        C, for how many positions a vector is learned.
    width : int, default=64
        D, a multiple of `heads`.
    heads : int, default=4
    layers : int, default=2
        L, the number of blocks.
    hidden : int, default=4 * width
        F. It is filled in when it is None.
    activation : str, default="gelu_new"
        One of `ACTIVATIONS`.
    epsilon : float, default=1e-5
        Added to the variance in each LayerNorm.
    tied : bool, default=True
        Whether the scores of the tokens are products with their own embeddings.
    deviation : float, default=0.02
        Of the initial weights.

    Raises
    ------
    ValueError
        If a size is no whole number above 0, `width` no multiple of `heads`, or
        `activation`, `epsilon` or `deviation` is not possible.

    >>> GPTConfig.gpt2().parameters
    124439808
    """

    vocab_size: int
    context: int = 64
    width: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int | None = None
    activation: str = "gelu_new"
    epsilon: float = 1e-5
    tied: bool = True
    deviation: float = 0.02

    def __post_init__(self) -> None:
        if self.hidden is None and isinstance(self.width, int):
            object.__setattr__(self, "hidden", 4 * self.width)
        names = ("vocab_size", "context", "width", "heads", "layers", "hidden")
        check_positive(**{name: getattr(self, name) for name in names})
        if self.width % self.heads:
            raise ValueError(
                f"width={self.width} must be a multiple of heads={self.heads}"
            )
        if self.activation not in ACTIVATIONS:
            options = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation={self.activation!r} must be one of {options}")
        for name in ("epsilon", "deviation"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")

    @classmethod
    def gpt2(cls) -> "GPTConfig":
        """Return the sizes of the smallest GPT-2."""
        return cls(vocab_size=50257, context=1024, width=768, heads=12, layers=12)

    @property
    def parameters(self) -> int:
        """Count all parameters: V D + C D + L (4 D² + 2 D F + 9 D + F) + 2 D."""
        attention = 4 * self.width**2 + 4 * self.width
        feed_forward = 2 * self.width * self.hidden + self.width + self.hidden
        norms = 2 * 2 * self.width
        tables = (self.vocab_size * (1 if self.tied else 2) + self.context) * self.width
        blocks = self.layers * (attention + feed_forward + norms)
        return tables + blocks + 2 * self.width
