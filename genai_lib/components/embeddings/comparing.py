"""Compare vectors: two distances, the search among all of them, and its measure.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

Letters used in this file
    N  vectors      Q  queries      d  width of a vector      k  results per query
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import as_whole, check_floating, describe

Distance = Callable[[Tensor, Tensor], Tensor]


def check_vectors(name: str, vectors: object, width: int | None = None) -> None:
    """Raise ValueError unless `vectors` is (rows, width), finite floating point."""
    check_floating(name, vectors)
    if vectors.ndim != 2 or width not in (None, vectors.shape[1]):
        wanted = "(rows, width)" if width is None else f"(rows, {width})"
        raise ValueError(f"{name}={describe(vectors)} must have shape {wanted}")
    if not vectors.isfinite().all():
        raise ValueError(f"{name} holds a value that is not finite")


def check_pair(queries: object, vectors: object) -> None:
    """Raise ValueError unless both hold vectors of one width and dtype."""
    check_vectors("vectors", vectors)
    check_vectors("queries", queries, vectors.shape[1])
    if queries.dtype != vectors.dtype:
        raise ValueError(
            f"queries={describe(queries)} and vectors={describe(vectors)} must have "
            "the same dtype"
        )


def check_count(name: str, count: object, rows: int) -> None:
    """Raise ValueError unless `count` is a whole number from 1 to the rows."""
    whole = as_whole(count)
    if whole is None or not 1 <= whole <= rows:
        raise ValueError(
            f"{name}={count!r} must be from 1 to the {rows} vectors there are"
        )


def as_array(vectors: Tensor) -> np.ndarray:
    """Return the numbers of a tensor as an array, those of 16 bits in 32."""
    wide = torch.promote_types(vectors.dtype, torch.float32)
    return np.ascontiguousarray(vectors.detach().cpu().to(wide).numpy())


def check_squares(name: str, vectors: Tensor) -> None:
    """Raise ValueError unless squared distances between such vectors can be stored.

    The largest magnitude of a row must be 0 or far enough from both ends of the range
    of the dtype: from 3e-16 to about 9e18 / √d in 32 bits.
    """
    numbers = torch.finfo(torch.promote_types(vectors.dtype, torch.float32))
    width = max(1, vectors.shape[-1])
    low, high = (numbers.tiny / numbers.eps) ** 0.5, (numbers.max / width) ** 0.5 / 2
    if vectors.numel() == 0:
        return
    largest = vectors.detach().abs().amax(dim=-1)
    if ((largest > high) | (largest < low) & (largest > 0)).any():
        raise ValueError(
            f"{name} has a row whose largest magnitude is not from {low:.0e} to "
            f"{high:.0e}: its squares leave the range of {numbers.dtype}, so multiply "
            "all vectors and queries by one constant"
        )


def unit_length(vectors: Tensor, name: str = "vectors") -> Tensor:
    """Divide each row by its length; a row of zeros has no direction: ValueError."""
    if not (vectors != 0).any(dim=-1).all():
        raise ValueError(f"{name} has a row of zeros, whose direction is undefined")
    # Near the ends of a dtype's range a number can be stored and its square cannot.
    scaled = vectors / vectors.detach().abs().amax(dim=-1, keepdim=True)
    return scaled / scaled.norm(dim=-1, keepdim=True)


def cosine_distance(queries: Tensor, vectors: Tensor) -> Tensor:
    """Compute cosine distances, 1 - cos: (Q, d) and (N, d) give (Q, N), 0 to 2."""
    check_pair(queries, vectors)
    return 1 - unit_length(queries, "queries") @ unit_length(vectors).mT


def euclidean_distance(queries: Tensor, vectors: Tensor) -> Tensor:
    """Compute Euclidean distances |q - v|: (Q, d) and (N, d) give (Q, N)."""
    check_pair(queries, vectors)
    check_squares("queries", queries)
    check_squares("vectors", vectors)
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
        If the widths differ, a value or a distance is not finite, `k` is out of range,
        a cosine with a row of zeros is asked for, or a Euclidean distance of vectors
        so large or so small that their squares cannot be stored.
    """
    check_pair(queries, vectors)
    check_count("k", k, len(vectors))
    if not callable(distance):
        raise ValueError(f"distance={describe(distance)} must be a function")
    distances, ids = distance(queries, vectors).topk(as_whole(k), largest=False)
    if not distances.isfinite().all():
        raise ValueError(f"distance={describe(distance)} gives a value not finite")
    return ids, distances


def recall(found: Tensor, exact: Tensor) -> float:
    """Return the fraction of the exact neighbours (Q, k) that were found (Q, any).

    >>> recall(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[2, 9], [4, 3]]))
    0.75
    """
    tensors = isinstance(found, Tensor) and isinstance(exact, Tensor)
    if not tensors or not found.ndim == exact.ndim == 2 or len(found) != len(exact):
        raise ValueError(
            f"found={describe(found)} and exact={describe(exact)} must be (Q, any), "
            "(Q, k)"
        )
    if exact.numel() == 0:
        raise ValueError(f"exact={describe(exact)} holds no neighbour to be found")
    hits = (exact[:, :, None] == found[:, None, :]).any(-1)  # (Q, k)
    return hits.double().mean().item()
