"""The sizes of a BERT, and how many parameters they make.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Letters used in this file
    V  tokens in the vocabulary    C  longest context    S  types of a token
    D  width    L  layers    F  width of the hidden layer in a feed-forward network
"""

from dataclasses import dataclass

from genai_lib.checks import check_flags, check_positive
from genai_lib.genres.decoder_only import StackConfig


@dataclass(frozen=True)
class BertConfig(StackConfig):
    """The sizes of a BERT, as in `StackConfig`, and what it has beside its blocks.

    Attributes
    ----------
    activation : str, default="gelu"
    epsilon : float, default=1e-12
    token_types : int, default=2
        S, how many kinds of text there are: the first sentence and the second.
    head : bool, default=True
        Whether there is a head that scores tokens.
    pooler : bool, default=True
        Whether there is a pooler, which sums a text up in one vector.

    >>> BertConfig.base(head=False).parameters
    109482240
    """

    epsilon: float = 1e-12
    token_types: int = 2
    head: bool = True
    pooler: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(token_types=self.token_types)
        check_flags(head=self.head, pooler=self.pooler)

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
        feed_forward = 2 * self.width * self.ffn_width + self.width + self.ffn_width
        norms = 2 * 2 * self.width
        tables = (self.vocab_size + self.context + self.token_types + 2) * self.width
        head = square + 2 * self.width + self.vocab_size
        if not self.tied:
            head += self.vocab_size * self.width
        blocks = self.layers * (attention + feed_forward + norms)
        return tables + blocks + head * self.head + square * self.pooler
