"""The configuration of a DeBERTa.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Letters used in this file
    V  tokens in the vocabulary    D  width    L  layers
    F  width of the hidden layer in a feed-forward network
    k  maximum relative distance
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
    """The configuration of a DeBERTa: a `StackConfig` and options of its positions.

    Attributes
    ----------
    activation : str, default="gelu"
    epsilon : float, default=1e-7
    max_relative_distance : int, default=32
        k; the table of relative positions has 2 k vectors.
    max_distance : int, default=None
        The distance at which logarithmic buckets end; by default each distance has a
        row of its own.
    terms : tuple of str, default=("c2c", "c2p", "p2c")
        The terms of the attention scores.
    absolute : str, default="none"
        Where absolute positions are added: nowhere ("none"), at the "input" as in BERT,
        or in the enhanced mask "decoder".
    shared : bool, default=False
        Whether relative positions are projected by the linear layers of the contents.
    normed : bool, default=False
        Whether the vectors of relative positions pass through a LayerNorm.
    head : bool, default=True
        Whether the model has an output head that computes logits.
    convolution : int, default=None
        The kernel size of the convolution beside the first block, an odd number; by
        default there is no convolution. The released models of version 2 use 3.
    convolved : str, default="tanh"
        The activation of the convolution, one of `CONVOLVED`.
    """

    epsilon: float = 1e-7
    max_relative_distance: int = 32
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
        check_positive(max_relative_distance=self.max_relative_distance)
        if self.max_distance is not None:
            log_bucket(torch.arange(1), self.max_relative_distance, self.max_distance)
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
                "with layers=1 and absolute='decoder' is the enhanced mask decoder: "
                "layers must be above 1"
            )
