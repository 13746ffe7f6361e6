"""Relative positions: the row of a table for each query and key.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Shape letters used in this file
    Q  query positions    K  key positions    k  maximum relative distance    D  width

References
    [1] He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", 2020,
        arXiv:2006.03654
    [2] Its code, github.com/microsoft/DeBERTa
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genai_lib.checks import check_positive, describe, is_whole_dtype
from genai_lib.components.attention import PositionalEncoding


def log_bucket(
    distance: Tensor, max_relative_distance: int, max_distance: int
) -> Tensor:
    """Map distances to buckets: small ones one to one, large ones by logarithm [2].

    Distances up to k / 2 keep their number. Those from there to `max_distance` - 1 are
    spread over the numbers up to k - 1 by their logarithm.

    Parameters
    ----------
    distance : integer Tensor of any shape
        Query minus key; negative ones mirror the positive ones.
    max_relative_distance : int
        k, at least 2.
    max_distance : int
        Above k / 2 + 1. Distances beyond it get numbers beyond k - 1.

    Returns
    -------
    int64 Tensor of the shape of `distance`

    >>> log_bucket(torch.tensor([-3, 128, 129, 200, 300, 511]), 256, 512).tolist()
    [-3, 128, 129, 169, 207, 255]
    """
    _check_distance(distance)
    max_relative_distance, max_distance = check_positive(
        max_relative_distance=max_relative_distance, max_distance=max_distance
    )
    exact = max_relative_distance // 2
    if exact < 1 or max_distance - 1 <= exact:
        raise ValueError(
            f"max_relative_distance={max_relative_distance} must be at least 2, and "
            f"max_distance={max_distance} above {exact + 1}: smaller distances are not "
            "grouped"
        )
    size = distance.abs()
    # In 32 bits as in the released code, so that ties round as they do there.
    ratio = (size.clamp(min=exact) / exact).log()
    steps = ratio / torch.tensor((max_distance - 1) / exact).log() * (exact - 1)
    far = (steps.ceil() + exact).long() * distance.sign()
    return torch.where(size <= exact, distance, far)


def relative_rows(
    query_positions: Tensor,
    key_positions: Tensor,
    max_relative_distance: int,
    max_distance: int | None = None,
) -> Tensor:
    """Compute δ(i, j), the row of the table for query i and key j [1, eq. 3].

    Row k stands for distance 0, later rows for keys before the query, earlier rows for
    keys after it. Distances beyond k share the first or the last row.

    Parameters
    ----------
    query_positions : integer Tensor of shape (Q,)
    key_positions : integer Tensor of shape (K,)
    max_relative_distance : int
        k; the table has 2 k rows.
    max_distance : int, default=None
        If given, distances are first grouped by `log_bucket`.

    Returns
    -------
    int64 Tensor of shape (Q, K)

    >>> places = torch.arange(4)
    >>> relative_rows(places, places, max_relative_distance=2).tolist()
    [[2, 1, 0, 0], [3, 2, 1, 0], [3, 3, 2, 1], [3, 3, 3, 2]]
    """
    (max_relative_distance,) = check_positive(
        max_relative_distance=max_relative_distance
    )
    distance = query_positions[:, None] - key_positions  # (Q, K)
    _check_distance(distance)
    if max_distance is not None:
        distance = log_bucket(distance, max_relative_distance, max_distance)
    return (distance + max_relative_distance).clamp(0, 2 * max_relative_distance - 1)


class RelativePositions(PositionalEncoding):
    """A table with one learned vector per relative distance [1, §3.1].

    All layers of a model share it. It adds nothing to inputs: `DebertaAttention`
    multiplies its vectors with queries and keys.

    Parameters
    ----------
    width : int
        D, the width of the vectors.
    max_relative_distance : int
        k; the table has 2 k vectors.
    max_distance : int, default=None
        As in `relative_rows`.
    norm : function of a width, default=nn.Identity
        Makes the normalisation of the vectors; versions 2 and 3 use a LayerNorm.
    """

    def __init__(
        self,
        width: int,
        max_relative_distance: int,
        max_distance: int | None = None,
        norm: Callable[[int], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        width, max_relative_distance = check_positive(
            width=width, max_relative_distance=max_relative_distance
        )
        self.max_relative_distance = max_relative_distance
        self.max_distance = max_distance
        self.table = nn.Embedding(2 * max_relative_distance, width)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(width))
        self.norm = norm(width)
        self.rows(torch.arange(1), torch.arange(1))  # raises if the sizes do not fit

    def rows(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Compute `relative_rows` (Q, K) for positions (Q,) and (K,)."""
        return relative_rows(
            query_positions,
            key_positions,
            self.max_relative_distance,
            self.max_distance,
        )

    def vectors(self) -> Tensor:
        """Return all vectors, of shape (2 k, D)."""
        return self.norm(self.table.weight)


def _check_distance(distance: Tensor) -> None:
    if not isinstance(distance, Tensor) or not is_whole_dtype(distance.dtype):
        raise ValueError(f"distance={describe(distance)} must hold whole numbers")
