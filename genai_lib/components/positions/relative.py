"""Positional encodings that bias the scores: T5's buckets and ALiBi.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

Shape letters used in this file
    Q  query positions    K  key positions

References
    [1] Raffel et al., "Exploring the Limits of Transfer Learning with a Unified
        Text-to-Text Transformer", 2019, arXiv:1910.10683
    [2] Press, Smith and Lewis, "Train Short, Test Long", 2021, arXiv:2108.12409
"""

import math

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    check_flags,
    check_positive,
    check_whole,
    describe,
    is_whole_dtype,
)
from genai_lib.components.attention import PositionalEncoding


def t5_bucket(
    offset: Tensor,
    bidirectional: bool = True,
    buckets: int = 32,
    max_distance: int = 128,
) -> Tensor:
    """Map offsets to T5's buckets: small ones one to one, large ones by logarithm [1].

    Parameters
    ----------
    offset : integer Tensor of any shape
        Position of the key minus position of the query.
    bidirectional : bool, default=True
        Whether half of the buckets are for keys after the query. Otherwise all of
        these keys share bucket 0 with the query's own position.
    buckets : int, default=32
        The number of buckets: at least 4, or 2 for one direction. If it is not a
        multiple of that, some buckets stay empty, as in T5.
    max_distance : int, default=128
        All distances from this one on share the last bucket.

    Returns
    -------
    int64 Tensor of the shape of `offset`

    >>> t5_bucket(torch.tensor([-16, -1, 0, 1, 128])).tolist()
    [10, 1, 0, 17, 31]
    """
    buckets, max_distance = _check_buckets(offset, bidirectional, buckets, max_distance)
    if bidirectional:
        buckets //= 2
        start = (offset > 0).long() * buckets
        distance = offset.abs()
    else:
        start = torch.zeros_like(offset, dtype=torch.long)
        distance = (-offset).clamp(min=0)
    exact = buckets // 2
    ratio = distance.clamp(min=1).float() / exact
    steps = ratio.log() / math.log(max_distance / exact) * (buckets - exact)
    far = (exact + steps.long()).clamp(max=buckets - 1)
    return start + torch.where(distance < exact, distance, far)


def _check_buckets(offset, bidirectional, buckets, max_distance) -> tuple[int, int]:
    """Return the number of buckets and the largest distance."""
    if not isinstance(offset, Tensor) or not is_whole_dtype(offset.dtype):
        raise ValueError(f"offset={describe(offset)} must hold whole numbers")
    check_flags(bidirectional=bidirectional)
    (max_distance,) = check_positive(max_distance=max_distance)
    least = 4 if bidirectional else 2
    (buckets,) = check_whole(least, None, buckets=buckets)
    exact = buckets // least
    if max_distance <= exact:
        raise ValueError(
            f"max_distance={max_distance} must be above {exact}, below which every "
            "distance has its own bucket"
        )
    return buckets, max_distance


class BucketPositions(PositionalEncoding):
    """T5's relative positions: a learned bias per head and bucket of distances [1].

    All biases start at 0 and stay 0 for distances that do not occur in training.

    Parameters
    ----------
    heads : int
    bidirectional, buckets, max_distance
        As in `t5_bucket`; by default for a causal model.
    """

    def __init__(
        self,
        heads: int,
        bidirectional: bool = False,
        buckets: int = 32,
        max_distance: int = 128,
    ) -> None:
        super().__init__()
        check_positive(heads=heads)
        self.settings = (bidirectional, buckets, max_distance)
        t5_bucket(torch.zeros(1, dtype=torch.long), *self.settings)  # complains
        self.table = nn.Embedding(buckets, heads)
        nn.init.zeros_(self.table.weight)

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Look up the biases (heads, Q, K) for positions (Q,) and (K,)."""
        offset = key_positions - query_positions[:, None]  # (Q, K)
        return self.table(t5_bucket(offset, *self.settings)).movedim(-1, 0)


def alibi_slopes(heads: int) -> Tensor:
    """Compute the slope of each head: 2^(-8/heads) and its powers [2, §3].

    If `heads` is not a power of two, the missing slopes are every other one of those
    for twice as many heads, as in the paper's code.

    Returns
    -------
    Tensor of shape (heads,)

    >>> alibi_slopes(6).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
    """
    (heads,) = check_positive(heads=heads)
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    slopes += [2 ** (-4 * (i + 1) / power) for i in range(0, 2 * (heads - power), 2)]
    return torch.tensor(slopes)


def alibi_bias(heads: int, length: int) -> Tensor:
    """Compute -slope · |t - s| for queries t and keys s [2, §3].

    The paper has only keys s ≤ t; later keys are masked there.

    Returns
    -------
    Tensor of shape (heads, length, length)
    """
    (length,) = check_positive(length=length)
    positions = torch.arange(length)
    return AlibiPositions(heads).bias(positions, positions)


class AlibiPositions(PositionalEncoding):
    """ALiBi: lower each score in proportion to the distance; no parameters [2].

    Parameters
    ----------
    heads : int
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.register_buffer("slopes", alibi_slopes(heads), persistent=False)

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Compute the bias (heads, Q, K) for positions (Q,) and (K,)."""
        distance = (query_positions[:, None] - key_positions).abs()  # (Q, K)
        return -self.slopes[:, None, None] * distance
