"""Exact search: the distance to every vector, and the smallest of them.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

Letters used in this file
    N  vectors      Q  queries      d  width of a vector      k  results per query
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import check_floating, describe

Distance = Callable[[Tensor, Tensor], Tensor]


def check_vectors(name: str, vectors: object, width: int | None = None) -> None:
    """Raise ValueError unless `vectors` is (rows, width), finite floating point."""
    check_floating(name, vectors)
    if vectors.ndim != 2 or width not in (None, vectors.shape[1]):
        wanted = "(rows, width)" if width is None else f"(rows, {width})"
        raise ValueError(f"{name}={describe(vectors)} must have shape {wanted}")
    if not vectors.isfinite().all():
        raise ValueError(f"{name} holds a value that is not finite")


def as_array(vectors: Tensor) -> np.ndarray:
    """Return the numbers of a tensor as an array, those of 16 bits in 32."""
    wide = torch.promote_types(vectors.dtype, torch.float32)
    return np.ascontiguousarray(vectors.detach().cpu().to(wide).numpy())


def unit_length(vectors: Tensor, name: str = "vectors") -> Tensor:
    """Divide each row by its length; a row of zeros has no direction: ValueError."""
    lengths = vectors.norm(dim=-1, keepdim=True)
    if not (lengths > 0).all():
        raise ValueError(f"{name} has a row of zeros, whose direction is undefined")
    return vectors / lengths


def cosine_distance(queries: Tensor, vectors: Tensor) -> Tensor:
    """Compare directions, 1 - cos: (Q, d) and (N, d) give (Q, N), from 0 to 2."""
    return 1 - unit_length(queries, "queries") @ unit_length(vectors).mT


def euclidean_distance(queries: Tensor, vectors: Tensor) -> Tensor:
    """Compare places, |q - v|: (Q, d) and (N, d) give (Q, N)."""
    wide = torch.promote_types(queries.dtype, torch.float32)  # none for 16 bits
    queries, vectors = queries.to(wide), vectors.to(wide)
    # The faster form |q|² - 2 q·v + |v|² loses small distances to rounding.
    return torch.cdist(queries, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def exact_search(
    vectors: Tensor, queries: Tensor, k: int, distance: Distance = cosine_distance
) -> tuple[Tensor, Tensor]:
    """Find the k nearest vectors of each query by looking at all of them.

    Parameters
    ----------
    vectors : floating-point Tensor of shape (N, d)
    queries : floating-point Tensor of shape (Q, d)
    k : int, from 1 to N
    distance : function of queries and vectors, default=cosine_distance

    Returns
    -------
    ids : int64 Tensor of shape (Q, k)
        Rows of `vectors`, the nearest first; equal distances in any order.
    distances : Tensor of shape (Q, k)

    Raises
    ------
    ValueError
        If the widths differ, a value is not finite, `k` is out of range, or a cosine
        with a row of zeros is asked for.
    """
    check_vectors("vectors", vectors)
    check_vectors("queries", queries, vectors.shape[1])
    if queries.dtype != vectors.dtype:
        raise ValueError(
            f"queries={describe(queries)} and vectors={describe(vectors)} must have "
            "the same dtype"
        )
    if not 1 <= k <= len(vectors):
        raise ValueError(
            f"k={k} must be from 1 to the {len(vectors)} vectors there are"
        )
    distances, ids = distance(queries, vectors).topk(k, largest=False)
    return ids, distances


def recall(found: Tensor, exact: Tensor) -> float:
    """Average the share of the exact neighbours (Q, k) that were found (Q, any).

    >>> recall(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[2, 9], [4, 3]]))
    0.75
    """
    if found.ndim != 2 or exact.ndim != 2 or len(found) != len(exact):
        raise ValueError(
            f"found={describe(found)} and exact={describe(exact)} must be (Q, any), "
            "(Q, k)"
        )
    if exact.numel() == 0:
        raise ValueError(f"exact={describe(exact)} holds no neighbour to be found")
    hits = (exact[:, :, None] == found[:, None, :]).any(-1)  # (Q, k)
    return hits.double().mean().item()
