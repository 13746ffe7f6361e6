"""Sentences as vectors, and the losses by which they are learned.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

Letters used in this file
    B  pairs in a batch      d  width of a vector      L  words of a text
    τ  temperature

References
    [1] van den Oord et al., "Representation Learning with Contrastive Predictive
        Coding", 2018, arXiv:1807.03748
    [2] Kusupati et al., "Matryoshka Representation Learning", 2022, arXiv:2205.13147
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    as_real,
    check_above_zero,
    check_each,
    check_finite,
    check_positive,
    describe,
)
from genai_lib.components.embeddings.comparing import check_vectors, unit_length
from genai_lib.components.softmax import log_softmax


class TextEncoder(nn.Module):
    """An encoder of texts: the sum of the vectors of their words.

    The direction of the sum says what the text is about. A word whose vector is short
    counts little, so the weight of each word is learned as well.

    Parameters
    ----------
    vocab_size : int
        Words of the vocabulary.
    width : int
        Numbers in a vector, d.
    """

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        check_positive(vocab_size=vocab_size, width=width)
        self.words = nn.EmbeddingBag(vocab_size, width, mode="sum")
        nn.init.normal_(self.words.weight, std=1 / math.sqrt(width))

    def forward(self, texts: Sequence[Tensor]) -> Tensor:
        """Map B texts, each int64 word ids (L,), to vectors (B, d)."""
        if len(texts) == 0:
            return self.words.weight.new_zeros(0, self.words.embedding_dim)
        lengths = torch.tensor([len(text) for text in texts])
        device = self.words.weight.device
        starts = (lengths.cumsum(0) - lengths).to(device)
        return self.words(torch.cat(list(texts)).to(device), starts)


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.05) -> Tensor:
    """Compute InfoNCE, the contrastive loss over the pairs of a batch [1, eq. 4].

    For row i it is -log e^{s_ii/τ} / Σ_j e^{s_ij/τ}.

    Parameters
    ----------
    first, second : floating-point Tensors of shape (B, d)
        Row i of one belongs to row i of the other; s_ij is the cosine of their angle.
    temperature : float, default=0.05

    Returns
    -------
    scalar Tensor
        The mean over both directions, in nats; log B if nothing is told apart.

    >>> same = torch.ones(4, 3)
    >>> info_nce(same, same).exp()
    tensor(4.)
    """
    check_vectors("first", first)
    check_vectors("second", second, first.shape[1])
    if first.shape != second.shape or len(first) == 0:
        raise ValueError(
            f"first={describe(first)} and second={describe(second)} must be B pairs"
        )
    check_above_zero(temperature=temperature)
    cosines = unit_length(first, "first") @ unit_length(second, "second").mT  # (B, B)
    tau = as_real(temperature)
    logs = [log_softmax(way, tau).diagonal() for way in (cosines, cosines.mT)]
    return 0.0 - (logs[0].mean() + logs[1].mean()) / 2  # a perfect loss is 0, not -0


def matryoshka_loss(
    loss: Callable[..., Tensor],
    *vectors: Tensor,
    widths: Sequence[int],
    weights: Sequence[float] | None = None,
) -> Tensor:
    """Return the weighted sum of the losses of prefixes, Σ_m c_m L(z_1:m) [2, eq. 1].

    Parameters
    ----------
    loss : function of vectors
        It must accept vectors of any width in `widths`.
    *vectors : Tensors of shape (..., d)
        All are cut to the same prefix.
    widths : sequence of int
        The nested sizes m, each from 1 to d.
    weights : sequence of float, default=1 for each width
        c_m.

    Returns
    -------
    scalar Tensor
    """
    width = min((v.shape[-1] for v in vectors), default=0)
    widths = check_each(check_positive, widths=widths)
    if not widths or max(widths) > width:
        raise ValueError(f"{widths=} must be from 1 to d={width}")
    weights = [1.0] * len(widths) if weights is None else weights
    weights = check_each(check_finite, weights=weights)
    if len(weights) != len(widths):
        raise ValueError(f"{weights=} must be as many as {widths}")
    parts = [
        weight * loss(*(v[..., :m] for v in vectors))
        for m, weight in zip(widths, weights, strict=True)
    ]
    return torch.stack(parts).sum()
