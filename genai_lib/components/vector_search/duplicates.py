"""A record of which vectors of an index are equal and share a node of its graph.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search/test_degenerate.py

Letters used in this file
    N  vectors      Q  queries      d  width of a vector      k  results per query
"""

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import describe


class Duplicates:
    """The rows of an index, grouped by equality.

    Parameters
    ----------
    digits : int or None
        Vectors are equal if they agree when rounded to this many digits after the
        point; with None they must agree exactly.

    Attributes
    ----------
    first : int64 array of shape (N,)
        For each row the first row that equals it, often its own number.
    groups : dict from a first row to the list of all rows that equal it
        Only groups of several rows.
    """

    def __init__(self, digits: int | None) -> None:
        self.digits = digits
        self.first = np.empty(0, dtype=np.int64)
        self.groups: dict[int, list[int]] = {}
        self._rows: dict[bytes, int] = {}

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Add rows (n, d); return which of them, (n,), are not duplicates."""
        start = len(self.first)
        keys = enumerate(self._keys(vectors), start)
        found = [self._rows.setdefault(key, row) for row, key in keys]
        first = np.array(found, dtype=np.int64)
        self._join(first, start)
        return first == np.arange(start, start + len(first))

    def restore(self, first: np.ndarray, vectors: np.ndarray) -> None:
        """Take over the rows of a stored index; `vectors` holds each different one."""
        own = np.flatnonzero(first == np.arange(len(first))).tolist()
        self._rows = dict(zip(self._keys(vectors), own, strict=True))
        self._join(first, 0)

    def expand(
        self, rows: np.ndarray, distances: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Put after each found row (Q, n) its duplicates, and keep k of them."""
        if not self.groups:
            return rows, distances
        found = [
            [self.groups.get(row, [row]) for row in line] for line in rows.tolist()
        ]
        counts = [[len(group) for group in line] for line in found]
        lines = [sum(line, [])[:k] for line in found]
        spread = [
            np.repeat(d, count)[:k] for d, count in zip(distances, counts, strict=True)
        ]
        return np.array(lines), np.stack(spread)

    def _keys(self, vectors: np.ndarray) -> list[bytes]:
        if self.digits is not None:
            vectors = vectors.round(self.digits)
        return [row.tobytes() for row in vectors + 0.0]  # -0 becomes 0

    def _join(self, first: np.ndarray, start: int) -> None:
        self.first = np.append(self.first, first)
        for row, same in enumerate(first.tolist(), start):
            if row != same:
                self.groups.setdefault(same, [same]).append(row)


def check_ids(ids: Tensor, rows: int, taken: np.ndarray) -> None:
    """Raise ValueError unless `ids` are int64 (rows,), from 0 on, new and different."""
    if not isinstance(ids, Tensor) or ids.dtype != torch.int64 or ids.shape != (rows,):
        raise ValueError(f"ids={describe(ids)}: int64 of shape ({rows},) is needed")
    new = np.unique(ids.cpu().numpy())
    if len(new) < rows or new.min(initial=0) < 0 or np.isin(new, taken).any():
        raise ValueError(
            f"ids must not be negative, repeated or in the index: {describe(ids)}"
        )
