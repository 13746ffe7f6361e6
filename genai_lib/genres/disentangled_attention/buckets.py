"""Which vector stands for the distance between two positions.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Shape letters used in this file
    Q  query positions    K  key positions    k  distances on each side    D  width

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


def log_bucket(distance: Tensor, reach: int, max_distance: int) -> Tensor:
    """Keep small distances, and let larger ones share a number by their logarithm [2].

    Distances up to `reach` / 2 keep their number. From there to `max_distance` - 1
    the logarithm spreads them over what is left up to `reach` - 1.

    Parameters
    ----------
    distance : integer Tensor of any shape
        Query minus key; negative ones mirror the positive ones.
    reach : int
        k, at least 2.
    max_distance : int
        Above `reach` / 2 + 1. Distances beyond it get numbers beyond `reach` - 1.

    Returns
    -------
    int64 Tensor of the shape of `distance`

    >>> log_bucket(torch.tensor([-3, 128, 129, 200, 300, 511]), 256, 512).tolist()
    [-3, 128, 129, 169, 207, 255]
    """
    _check_distance(distance)
    reach, max_distance = check_positive(reach=reach, max_distance=max_distance)
    exact = reach // 2
    if exact < 1 or max_distance - 1 <= exact:
        raise ValueError(
            f"reach={reach} must be at least 2, and max_distance={max_distance} above "
            f"{exact + 1}: smaller distances are not grouped"
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
    reach: int,
    max_distance: int | None = None,
) -> Tensor:
    """Compute δ(i, j), the row of the table for query i and key j [1, eq. 3].

    Row `reach` stands for distance 0, later rows for keys before the query, earlier
    ones for keys after it. Whatever is farther shares the first or the last row.

    Parameters
    ----------
    query_positions : integer Tensor of shape (Q,)
    key_positions : integer Tensor of shape (K,)
    reach : int
        k; there are 2 k rows.
    max_distance : int, default=None
        Groups distances by `log_bucket` first.

    Returns
    -------
    int64 Tensor of shape (Q, K)

    >>> places = torch.arange(4)
    >>> relative_rows(places, places, reach=2).tolist()
    [[2, 1, 0, 0], [3, 2, 1, 0], [3, 3, 2, 1], [3, 3, 3, 2]]
    """
    (reach,) = check_positive(reach=reach)
    distance = query_positions[:, None] - key_positions  # (Q, K)
    _check_distance(distance)
    if max_distance is not None:
        distance = log_bucket(distance, reach, max_distance)
    return (distance + reach).clamp(0, 2 * reach - 1)


class RelativePositions(PositionalEncoding):
    """One vector for each distance, shared by all layers of a model [1, §3.1].

    Nothing is added to an input: `DebertaAttention` compares these vectors with the
    contents.

    Parameters
    ----------
    width : int
        D, of the vectors.
    reach : int
        k; there are 2 k vectors.
    max_distance : int, default=None
        As in `relative_rows`.
    norm : function of a width, default=nn.Identity
        Makes what the vectors pass through; version 2 of DeBERTa has a LayerNorm.
    """

    def __init__(
        self,
        width: int,
        reach: int,
        max_distance: int | None = None,
        norm: Callable[[int], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__()
        width, reach = check_positive(width=width, reach=reach)
        self.reach, self.max_distance = reach, max_distance
        self.table = nn.Embedding(2 * reach, width)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(width))
        self.norm = norm(width)
        self.rows(torch.arange(1), torch.arange(1))  # complains about the sizes

    def rows(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Compute `relative_rows` (Q, K) for positions (Q,) and (K,)."""
        return relative_rows(
            query_positions, key_positions, self.reach, self.max_distance
        )

    def vectors(self) -> Tensor:
        """Return all vectors, of shape (2 k, D)."""
        return self.norm(self.table.weight)


def _check_distance(distance: Tensor) -> None:
    if not isinstance(distance, Tensor) or not is_whole_dtype(distance.dtype):
        raise ValueError(f"distance={describe(distance)} must hold whole numbers")
