"""The configuration of a BERT.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Letters used in this file
    V  tokens in the vocabulary    C  longest context    S  token types
    D  width    L  layers    F  width of the hidden layer in a feed-forward network
"""

from dataclasses import dataclass

from genai_lib.checks import check_flags, check_positive
from genai_lib.genres.decoder_only import StackConfig


@dataclass(frozen=True)
class BertConfig(StackConfig):
    """The configuration of a BERT: a `StackConfig` and its other parts.

    Attributes
    ----------
    activation : str, default="gelu"
    epsilon : float, default=1e-12
    token_types : int, default=2
        S, the number of token types (segments): the first and the second sentence.
    head : bool, default=True
        Whether there is a head that computes the logits of tokens.
    pooler : bool, default=True
        Whether there is a pooler, which computes one vector for a whole text.

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
        """Return the configuration of BERT-base (uncased)."""
        sizes = {"context": 512, "width": 768, "heads": 12, "layers": 12}
        return cls(vocab_size=30522, **sizes, head=head, pooler=pooler)

    @property
    def parameters(self) -> int:
        """The number of parameters: (V + C + S + 2) D + L (4 D² + 2 D F + 9 D + F).

        The pooler adds D² + D, the head D² + 3 D + V, and one that is not tied V D.
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
