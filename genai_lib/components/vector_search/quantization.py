"""Product quantisation: vectors stored in a few bytes each.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

Letters used in this file
    N  vectors      Q  queries      d  width of a vector
    P  parts of a vector      C  centres for each part, at most 256

References
    [1] Jégou et al., "Product Quantization for Nearest Neighbor Search", 2011,
        doi:10.1109/TPAMI.2010.57
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from genai_lib.checks import as_whole, check_floating, describe
from genai_lib.components.embeddings.comparing import (
    as_array,
    check_squares,
    check_vectors,
)

BYTE = 256


@dataclass(frozen=True)
class ProductQuantizer:
    """A code for vectors: each part is replaced by the nearest of a few centres [1].

    Attributes
    ----------
    centres : Tensor of shape (P, C, d / P), of 32 or 64 bits
    """

    centres: Tensor

    @classmethod
    def fit(
        cls,
        vectors: Tensor,
        parts: int,
        centres: int = BYTE,
        generator: torch.Generator | None = None,
    ) -> "ProductQuantizer":
        """Place the centres of every part by k-means.

        Where a part has no more different values than centres, these are the centres,
        the last of them repeated.

        Parameters
        ----------
        vectors : floating-point Tensor of shape (N, d)
        parts : int
            It divides d.
        centres : int, default=256
            From 1 to 256 and to N, so that the number of a centre fits one byte.
        generator : torch.Generator, default=None
            Draws the seeds of k-means.
        """
        check_vectors("vectors", vectors)
        check_squares("vectors", vectors)
        width, most = vectors.shape[1], min(BYTE, len(vectors))
        if as_whole(parts) is None or parts < 1 or width % parts:
            raise ValueError(f"parts={parts!r} must divide the width {width}")
        if as_whole(centres) is None or not 1 <= centres <= most:
            raise ValueError(f"centres={centres!r} must be from 1 to {most}")
        parts, centres = as_whole(parts), as_whole(centres)
        seeds = torch.randint(2**31, (parts,), generator=generator).tolist()
        pieces = vectors.unflatten(1, (parts, -1)).unbind(1)  # P of (N, d/P)
        found = [
            torch.from_numpy(_place(as_array(piece), centres, seed))
            for piece, seed in zip(pieces, seeds, strict=True)
        ]
        return cls(torch.stack(found).to(vectors.device))

    def __post_init__(self) -> None:
        check_floating("centres", self.centres)
        if self.centres.ndim != 3 or not 1 <= self.centres.shape[1] <= BYTE:
            raise ValueError(
                f"centres={describe(self.centres)} must have shape (P, C, d / P) with "
                f"C from 1 to {BYTE}"
            )
        if not self.centres.isfinite().all():
            raise ValueError("centres holds a value that is not finite")
        check_squares("centres", self.centres)

    @property
    def width(self) -> int:
        """The width d of the vectors."""
        return self.centres.shape[0] * self.centres.shape[2]

    def encode(self, vectors: Tensor) -> Tensor:
        """Number the nearest centre of each part: (N, d) gives uint8 (N, P)."""
        self._check_vectors("vectors", vectors)
        pieces = vectors.unflatten(1, (len(self.centres), -1)).transpose(0, 1)
        return torch.cdist(pieces, self.centres).argmin(-1).T.to(torch.uint8)

    def decode(self, codes: Tensor) -> Tensor:
        """Reconstruct vectors from their codes: uint8 (N, P) gives (N, d)."""
        self._check_codes(codes)
        parts = torch.arange(len(self.centres))
        return self.centres[parts, codes.long()].flatten(1)  # (N, P, d/P) -> (N, d)

    def distances(self, queries: Tensor, codes: Tensor) -> Tensor:
        """Estimate squared distances |q - decode(code)|² from a table [1, eq. 13].

        Parameters
        ----------
        queries : floating-point Tensor of shape (Q, d)
        codes : uint8 Tensor of shape (N, P)

        Returns
        -------
        Tensor of shape (Q, N)
            Q x P x C small distances are computed once; the rest is looked up.
        """
        self._check_vectors("queries", queries)
        self._check_codes(codes)
        pieces = queries.unflatten(1, (len(self.centres), -1)).transpose(0, 1)
        table = torch.cdist(pieces, self.centres).square()  # (P, Q, C)
        total = queries.new_zeros(len(queries), len(codes))
        for part, column in zip(table, codes.long().T, strict=True):
            total += part[:, column]  # (Q, N)
        return total

    def _check_vectors(self, name: str, vectors: Tensor) -> None:
        check_vectors(name, vectors, self.width)
        check_squares(name, vectors)
        if vectors.dtype != self.centres.dtype:
            raise ValueError(
                f"{name}={describe(vectors)} must have the dtype of the centres, "
                f"{self.centres.dtype}"
            )

    def _check_codes(self, codes: Tensor) -> None:
        parts, centres, _ = self.centres.shape
        if not isinstance(codes, Tensor) or codes.dtype != torch.uint8:
            raise ValueError(f"codes={describe(codes)}: a uint8 tensor is needed")
        if codes.ndim != 2 or codes.shape[1] != parts:
            raise ValueError(f"codes={describe(codes)} must have shape (N, {parts})")
        if len(codes) and int(codes.max()) >= centres:
            raise ValueError(f"codes holds {int(codes.max())}: there is no such centre")


def _place(points: np.ndarray, centres: int, seed: int) -> np.ndarray:
    different = np.unique(points, axis=0)
    if len(different) <= centres:
        return different[np.arange(centres).clip(max=len(different) - 1)]
    with warnings.catch_warnings():
        # Nearly equal points may share a centre, and another one then stays unused.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(centres, n_init=1, max_iter=20, random_state=seed)
        return means.fit(points).cluster_centers_
