"""Disentangled attention: scores from content and relative position, in three terms.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Shape letters used in this file
    B  sequences in a batch    Q  query positions    K  key positions
    D  width of the model      d  width of one head
    2k rows of the table of relative positions

References
    [1] He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", 2020,
        arXiv:2006.03654
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genai_lib.checks import describe
from genai_lib.components.attention import (
    KeyValueCache,
    KeyValues,
    MultiHeadAttention,
    Normalizer,
    attend,
    attend_fast,
)
from genai_lib.components.softmax import softmax
from genai_lib.genres.disentangled_attention.buckets import RelativePositions

TERMS = ("c2c", "c2p", "p2c")
"""Terms of a score: content to content, content to position, position to content."""


def content_to_position(query: Tensor, position_key: Tensor, rows: Tensor) -> Tensor:
    """Multiply each query by the vector of its distance to each key [1, eq. 4, term 2].

    Parameters
    ----------
    query : Tensor of shape (B, heads, Q, d)
    position_key : Tensor of shape (heads, 2k, d)
        K^r, the projected keys of the table's rows.
    rows : int64 Tensor of shape (Q, K)
        The row of the table for query i and key j.

    Returns
    -------
    Tensor of shape (B, heads, Q, K)
        The second term of the scores, not yet scaled.
    """
    # All 2k products first, then one of them for each pair: no (Q, K, d) in memory.
    products = query @ position_key.mT  # (B, heads, Q, 2k)
    return products.gather(-1, rows.expand(*products.shape[:-2], *rows.shape))


def position_to_content(key: Tensor, position_query: Tensor, rows: Tensor) -> Tensor:
    """Multiply each key by the vector of its distance to each query [1, eq. 4, term 3].

    Parameters
    ----------
    key : Tensor of shape (B, heads, K, d)
    position_query : Tensor of shape (heads, 2k, d)
        Q^r, the projected queries of the table's rows.
    rows : int64 Tensor of shape (Q, K)
        The row of the table for query i and key j.

    Returns
    -------
    Tensor of shape (B, heads, Q, K)
        The third term of the scores, not yet scaled.
    """
    products = position_query @ key.mT  # (B, heads, 2k, K)
    return products.gather(-2, rows.expand(*products.shape[:-2], *rows.shape))


class DebertaAttention(MultiHeadAttention):
    """Multi-head attention whose score is the sum of up to three terms [1, eq. 4].

    Parameters
    ----------
    width : int
        D.
    heads : int
    positions : RelativePositions
        The table of relative positions; all layers share one object.
    terms : sequence of str, default=`TERMS`
        Which terms are added. The sum is divided by √(d · number of terms).
    shared : bool, default=False
        Whether relative positions are projected by the linear layers of the contents,
        as in versions 2 and 3, or by two linear layers of their own, as in the paper.
    normalize : function of (logits, dim), default=softmax

    Raises
    ------
    ValueError
        If `terms` is empty, repeats one or has an unknown one, or `positions` has
        another width.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        positions: RelativePositions,
        *,
        terms: Sequence[str] = TERMS,
        shared: bool = False,
        normalize: Normalizer = softmax,
    ) -> None:
        super().__init__(
            width, heads, normalize=normalize, positional_encoding=positions
        )
        check_terms(terms)
        if positions.table.embedding_dim != width:
            raise ValueError(
                f"positions of width={positions.table.embedding_dim} must have the "
                f"width={width} of the attention"
            )
        self.terms = tuple(term for term in TERMS if term in terms)
        self.term_scale = 1 / math.sqrt(len(terms) * (width // heads))
        # What the parent multiplies the products of contents by: 0 leaves them out.
        self.scale = self.term_scale if "c2c" in terms else 0.0
        own = (term for term in ("c2p", "p2c") if term in terms and not shared)
        self.position_projections = nn.ModuleDict(
            {term: nn.Linear(width, width) for term in own}
        )

    def position_key(self) -> Tensor:
        """Compute K^r, of shape (heads, 2k, d)."""
        return self._project_positions("c2p", self.to_key)

    def position_query(self) -> Tensor:
        """Compute Q^r, of shape (heads, 2k, d)."""
        return self._project_positions("p2c", self.to_query)

    def position_query_rows(self, positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return the row of Q^r for each pair (Q, K): δ(i, j), as in the code."""
        return self.positional_encoding.rows(positions, key_positions)

    def score_bias(
        self, query: Tensor, key: Tensor, positions: Tensor, key_positions: Tensor
    ) -> Tensor | None:
        """Return the sum of the position terms, scaled, of shape (B, heads, Q, K)."""
        found = self.position_terms(query, key, positions, key_positions)
        return sum(found.values()) if found else None

    def position_terms(
        self, query: Tensor, key: Tensor, positions: Tensor, key_positions: Tensor
    ) -> dict[str, Tensor]:
        """Return each position term in use, scaled, of shape (B, heads, Q, K)."""
        found = {}
        if "c2p" in self.terms:
            rows = self.positional_encoding.rows(positions, key_positions)
            found["c2p"] = content_to_position(query, self.position_key(), rows)
        if "p2c" in self.terms:
            rows = self.position_query_rows(positions, key_positions)
            found["p2c"] = position_to_content(key, self.position_query(), rows)
        return {term: scores * self.term_scale for term, scores in found.items()}

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the terms of the scores when `x` (B, T, D) attends to itself.

        Each has the shape (B, heads, T, T) and is scaled; their sum is the score.
        """
        positions = torch.arange(x.shape[1], device=x.device)
        query = self._split_heads(self.to_query(x))
        key = self._split_heads(self.to_key(x))
        found = {"c2c": query @ key.mT * self.scale} if "c2c" in self.terms else {}
        return found | self.position_terms(query, key, positions, positions)

    def mix(
        self,
        x: Tensor,
        memory: Tensor | KeyValues | None = None,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return the output of each head, of shape (B, heads, Q, d).

        Unlike the parent, it combines a memory with relative positions: `x` and
        `memory` then have the same positions, as in the enhanced mask decoder.
        """
        if memory is None:
            return super().mix(x, mask=mask, positions=positions, cache=cache)
        query = self._split_heads(self.to_query(x))
        key, value = self.project_kv(memory)
        if cache is not None or query.shape[-2] != key.shape[-2]:
            raise ValueError(
                f"memory={describe(memory)} must have as many positions as "
                f"x={describe(x)}, and does not go with a cache"
            )
        if positions is None:
            positions = torch.arange(x.shape[1], device=x.device)
        bias = self.score_bias(query, key, positions, positions)
        if self.normalize is softmax:
            return attend_fast(query, key, value, mask, bias, scale=self.scale)
        return attend(query, key, value, mask, self.normalize, bias, scale=self.scale)[
            0
        ]

    def _project_positions(self, term: str, shared: nn.Linear) -> Tensor:
        own = self.position_projections
        linear = own[term] if term in own else shared
        return self._split_heads(linear(self.positional_encoding.vectors()))

    def _split_heads(self, x: Tensor) -> Tensor:
        # (..., T, heads * d) -> (..., heads, T, d)
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)


class DebertaAttentionAsPrinted(DebertaAttention):
    """DeBERTa's attention with the δ(j, i) that the paper prints [1, eq. 4].

    The released code uses δ(i, j), and every published checkpoint was trained with it.
    """

    def position_query_rows(self, positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return the row of Q^r for each pair (Q, K): δ(j, i)."""
        return self.positional_encoding.rows(key_positions, positions).mT


def check_terms(terms: Sequence[str]) -> None:
    """Raise ValueError unless these are some of `TERMS`, each once."""
    listed = isinstance(terms, list | tuple) and all(term in TERMS for term in terms)
    if not listed or not terms or len(set(terms)) != len(terms):
        raise ValueError(f"terms={terms!r} must be some of {TERMS}, each once")
