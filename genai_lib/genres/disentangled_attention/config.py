"""The sizes of a DeBERTa, and what it knows of positions.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Letters used in this file
    V  tokens in the vocabulary    D  width    L  layers
    F  width of the hidden layer in a feed-forward network    k  distances on each side
"""

from dataclasses import dataclass

import torch

from genai_lib.checks import check_flags, check_option, check_positive
from genai_lib.genres.decoder_only import StackConfig
from genai_lib.genres.disentangled_attention.attention import TERMS, check_terms
from genai_lib.genres.disentangled_attention.buckets import log_bucket
from genai_lib.genres.disentangled_attention.convolution import CONVOLVED, check_size

ABSOLUTE = ("none", "input", "decoder")


@dataclass(frozen=True)
class DebertaConfig(StackConfig):
    """The sizes of a DeBERTa, as in `StackConfig`, and what it knows of positions.

    Attributes
    ----------
    activation : str, default="gelu"
    epsilon : float, default=1e-7
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
    head : bool, default=True
        Whether there is what turns hidden states into scores of tokens.
    convolution : int, default=None
        How many positions the window of the convolution beside the first block has, an
        odd number; by default there is no convolution. In the released models of
        version 2 it is 3.
    convolved : str, default="tanh"
        The activation of the convolution, one of `CONVOLVED`.
    """

    epsilon: float = 1e-7
    reach: int = 32
    max_distance: int | None = None
    terms: tuple[str, ...] = TERMS
    absolute: str = "none"
    shared: bool = False
    normed: bool = False
    head: bool = True
    convolution: int | None = None
    convolved: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(reach=self.reach)
        if self.max_distance is not None:
            log_bucket(torch.arange(1), self.reach, self.max_distance)
        check_terms(self.terms)
        check_flags(shared=self.shared, normed=self.normed, head=self.head)
        check_option("absolute", self.absolute, ABSOLUTE)
        check_option("convolved", self.convolved, CONVOLVED)
        if self.convolution is not None:
            check_size(self.convolution)
            self._check_first_block()

    def _check_first_block(self) -> None:
        if self.layers == 1 and self.absolute == "decoder":
            raise ValueError(
                f"convolution={self.convolution} stands beside the first block, which "
                "with layers=1 and absolute='decoder' is the mask decoder: layers must "
                "be above 1"
            )
