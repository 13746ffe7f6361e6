"""The sizes of an encoder-decoder, as T5 has them.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Letters used in this file
    V  tokens in the vocabulary    D  width    d  width of one head
    F  width of the hidden layer in a feed-forward network
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    as_whole,
    check_above_zero,
    check_flags,
    check_option,
    check_positive,
    store_plain_numbers,
)
from genai_lib.components.attention import (
    ACTIVATIONS,
    GELU_TANH,
    FeedForward,
    GatedFeedForward,
)
from genai_lib.components.positions import t5_bucket

# Named as in the files of Hugging Face: "gated-gelu" has the approximation by tanh,
# "gelu" has not.
FEED_FORWARDS: dict[str, tuple[type[nn.Module], Callable[[Tensor], Tensor]]] = {
    **{name: (FeedForward, function) for name, function in ACTIVATIONS.items()},
    **{
        f"gated-{name}": (GatedFeedForward, function)
        for name, function in (ACTIVATIONS | {"gelu": GELU_TANH}).items()
    },
}


@dataclass(frozen=True)
class Seq2SeqConfig:
    """The sizes of a `Seq2Seq`; the defaults train on one core within a minute.

    Attributes
    ----------
    vocab_size : int
        V, of the source and of the target, which share one table.
    width : int, default=64
        D.
    heads : int, default=4
    head_width : int, default=width / heads
        d. It is filled in when it is None; with a value, D need not be heads · d.
    hidden : int, default=4 * width
        F. It is filled in when it is None.
    encoder_layers, decoder_layers : int, default=2
    feed_forward : str, default="relu"
        One of `FEED_FORWARDS`.
    buckets, max_distance : int, default=32, 128
        Of the distances, as in `t5_bucket`.
    epsilon : float, default=1e-6
        Added to the mean square in each RMSNorm.
    tied : bool, default=True
        Whether the scores of the tokens are products with their own embeddings.
    scaled : bool, default=`tied`
        Whether these scores are divided by √D.
    pad_token, start_token, end_token : int, default=0, 0, 1
        What fills up a short source, what a target starts from, what ends it.

    Raises
    ------
    ValueError
        If a size is no whole number above 0, D no multiple of `heads` where it must
        be, a token is not in the vocabulary, or another value is not possible.
    """

    vocab_size: int
    width: int = 64
    heads: int = 4
    head_width: int | None = None
    hidden: int | None = None
    encoder_layers: int = 2
    decoder_layers: int = 2
    feed_forward: str = "relu"
    buckets: int = 32
    max_distance: int = 128
    epsilon: float = 1e-6
    tied: bool = True
    scaled: bool | None = None
    pad_token: int = 0
    start_token: int = 0
    end_token: int = 1

    def __post_init__(self) -> None:
        store_plain_numbers(self)
        check_positive(width=self.width, heads=self.heads)
        if self.head_width is None:
            if self.width % self.heads:
                raise ValueError(
                    f"width={self.width} must be a multiple of heads={self.heads}, or "
                    "head_width must be given"
                )
            object.__setattr__(self, "head_width", self.width // self.heads)
        if self.hidden is None:
            object.__setattr__(self, "hidden", 4 * self.width)
        if self.scaled is None:
            object.__setattr__(self, "scaled", self.tied)
        names = ("vocab_size", "head_width", "hidden", "encoder_layers")
        names += ("decoder_layers", "buckets", "max_distance")
        check_positive(**{name: getattr(self, name) for name in names})
        check_option("feed_forward", self.feed_forward, FEED_FORWARDS)
        check_above_zero(epsilon=self.epsilon)
        check_flags(tied=self.tied, scaled=self.scaled)
        for bidirectional in (True, False):
            t5_bucket(torch.arange(1), bidirectional, self.buckets, self.max_distance)
        self._check_tokens()

    def _check_tokens(self) -> None:
        for name in ("pad_token", "start_token", "end_token"):
            token = getattr(self, name)
            if as_whole(token) is None or not 0 <= token < self.vocab_size:
                raise ValueError(
                    f"{name}={token!r} must be from 0 to vocab_size={self.vocab_size} "
                    "- 1"
                )

    @property
    def parameters(self) -> int:
        """Count all parameters: one look at them part by part."""
        attention = 4 * self.width * self.heads * self.head_width
        matrices = 3 if self.feed_forward.startswith("gated") else 2
        feed_forward = matrices * self.width * self.hidden
        encoder = attention + feed_forward + 2 * self.width
        decoder = 2 * attention + feed_forward + 3 * self.width
        tables = self.vocab_size * self.width * (1 if self.tied else 2)
        positions = 2 * self.buckets * self.heads
        blocks = self.encoder_layers * encoder + self.decoder_layers * decoder
        return tables + positions + blocks + 2 * self.width


def check_padding(name: str, tokens: Tensor, pad_token: int) -> None:
    """Raise ValueError unless in each row of (B, T) pads stand only at the end."""
    pads = tokens == pad_token
    wrong = (pads[:, :-1] & ~pads[:, 1:]).any(dim=1)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"{name}: row {row} has pads (pad_token={pad_token}) before its last "
            "token; they may stand only at the end"
        )
