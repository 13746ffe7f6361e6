"""The sizes of a BERT, and how many parameters they make.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Letters used in this file
    V  tokens in the vocabulary    C  longest context    S  types of a token
    D  width    L  layers    F  width of the hidden layer in a feed-forward network
"""

from dataclasses import dataclass

from genai_lib.checks import check_positive
from genai_lib.genres.decoder_only.config import ACTIVATIONS


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT; the defaults train on one core within a minute.

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
    types : int, default=2
        S, how many kinds of text there are: the first sentence and the second.
    activation : str, default="gelu"
        One of `ACTIVATIONS`.
    epsilon : float, default=1e-12
        Added to the variance in each LayerNorm.
    tied : bool, default=True
        Whether the scores of the tokens are products with their own embeddings.
    deviation : float, default=0.02
        Of the initial weights.
    head : bool, default=True
        Whether there is a head that scores tokens.
    pooler : bool, default=True
        Whether there is a pooler, which sums a text up in one vector.

    Raises
    ------
    ValueError
        If a size is no whole number above 0, `width` no multiple of `heads`, or
        `activation`, `epsilon` or `deviation` is not possible.

    >>> BertConfig.base(head=False).parameters
    109482240
    """

    vocab_size: int
    context: int = 64
    width: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int | None = None
    types: int = 2
    activation: str = "gelu"
    epsilon: float = 1e-12
    tied: bool = True
    deviation: float = 0.02
    head: bool = True
    pooler: bool = True

    def __post_init__(self) -> None:
        if self.hidden is None and isinstance(self.width, int):
            object.__setattr__(self, "hidden", 4 * self.width)
        names = ("vocab_size", "context", "width", "heads", "layers", "hidden", "types")
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
    def base(cls, *, head: bool = True, pooler: bool = True) -> "BertConfig":
        """Return the sizes of BERT-base with words in lower case."""
        sizes = {"context": 512, "width": 768, "heads": 12, "layers": 12}
        return cls(vocab_size=30522, **sizes, head=head, pooler=pooler)

    @property
    def parameters(self) -> int:
        """Count all: (V + C + S + 2) D + L (4 D² + 2 D F + 9 D + F), head and pooler.

        The pooler adds D² + D, and the head D² + 3 D + V; untied, another V D.
        """
        square = self.width**2 + self.width
        attention = 4 * square
        feed_forward = 2 * self.width * self.hidden + self.width + self.hidden
        norms = 2 * 2 * self.width
        tables = (self.vocab_size + self.context + self.types + 2) * self.width
        head = square + 2 * self.width + self.vocab_size
        if not self.tied:
            head += self.vocab_size * self.width
        blocks = self.layers * (attention + feed_forward + norms)
        return tables + blocks + head * self.head + square * self.pooler
