"""The sizes of a DeBERTa, and what it knows of positions.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Letters used in this file
    V  tokens in the vocabulary    D  width    L  layers
    F  width of the hidden layer in a feed-forward network    k  distances on each side
"""

from dataclasses import dataclass

from genai_lib.checks import check_positive
from genai_lib.genres.decoder_only import ACTIVATIONS
from genai_lib.genres.disentangled_attention.attention import TERMS, check_terms
from genai_lib.genres.disentangled_attention.convolution import CONVOLVED, check_size

ABSOLUTE = ("none", "input", "decoder")
OPTIONS = {"activation": ACTIVATIONS, "absolute": ABSOLUTE, "convolved": CONVOLVED}


@dataclass(frozen=True)
class DebertaConfig:
    """The sizes of a DeBERTa; the defaults train on one core within a minute.

    Attributes
    ----------
    vocab_size : int
        V.
    context : int, default=64
        For how many absolute positions a vector is learned, where there are any.
    width : int, default=64
        D, a multiple of `heads`.
    heads : int, default=4
    layers : int, default=2
        L, the number of blocks.
    hidden : int, default=4 * width
        F. It is filled in when it is None.
    reach : int, default=32
        k; there are 2 k vectors for distances.
    max_distance : int, default=None
        Where the groups of distances end; by default every distance stands alone.
    terms : tuple of str, default=("c2c", "c2p", "p2c")
        Which terms of the attention count.
    absolute : str, default="none"
        Where absolute positions come in: nowhere, at the "input" as in BERT, or in the
        mask "decoder".
    shared : bool, default=False
        Whether distances use the maps of the contents.
    normed : bool, default=False
        Whether the vectors of distances pass through a LayerNorm.
    activation : str, default="gelu"
        One of `ACTIVATIONS`.
    epsilon : float, default=1e-7
        Added to the variance in each LayerNorm.
    tied : bool, default=True
        Whether the scores of the tokens are products with their own embeddings.
    head : bool, default=True
        Whether there is what turns hidden states into scores of tokens.
    deviation : float, default=0.02
        Of the initial weights.
    convolution : int, default=None
        How many positions the window of the convolution beside the first block has; by
        default there is no convolution. In the released models of version 2 it is 3.
    convolved : str, default="tanh"
        The activation of the convolution, one of `CONVOLVED`.

    Raises
    ------
    ValueError
        If a size is no whole number above 0, `width` no multiple of `heads`,
        `convolution` even, or another field is not possible.
    """

    vocab_size: int
    context: int = 64
    width: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int | None = None
    reach: int = 32
    max_distance: int | None = None
    terms: tuple[str, ...] = TERMS
    absolute: str = "none"
    shared: bool = False
    normed: bool = False
    activation: str = "gelu"
    epsilon: float = 1e-7
    tied: bool = True
    head: bool = True
    deviation: float = 0.02
    convolution: int | None = None
    convolved: str = "tanh"

    def __post_init__(self) -> None:
        if self.hidden is None and isinstance(self.width, int):
            object.__setattr__(self, "hidden", 4 * self.width)
        names = ("vocab_size", "context", "width", "heads", "layers", "hidden", "reach")
        check_positive(**{name: getattr(self, name) for name in names})
        check_terms(self.terms)
        if self.width % self.heads:
            raise ValueError(
                f"width={self.width} must be a multiple of heads={self.heads}"
            )
        if self.convolution is not None:
            check_size(self.convolution)
            self._check_first_block()
        for name, options in OPTIONS.items():
            if getattr(self, name) not in options:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} must be one of "
                    f"{', '.join(options)}"
                )
        for name in ("epsilon", "deviation"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")

    def _check_first_block(self) -> None:
        if self.layers == 1 and self.absolute == "decoder":
            raise ValueError(
                f"convolution={self.convolution} stands beside the first block, which "
                "with layers=1 and absolute='decoder' is the mask decoder: layers must "
                "be above 1"
            )
