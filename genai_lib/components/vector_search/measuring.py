"""Measure what a search finds and what it costs, and make vectors to measure with.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

Letters used in this file
    N  vectors      Q  queries      d  width of a vector      k  results per query
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from genai_lib.checks import (
    as_whole,
    check_above_zero,
    check_positive,
    describe,
    is_whole_dtype,
)
from genai_lib.components.embeddings.comparing import check_vectors, recall
from genai_lib.components.vector_search.graph import Graph, search_graph


class Cost(NamedTuple):
    """What a search with one `ef` finds and costs, averaged over the queries."""

    ef: int
    recall: float
    evaluations: float


def recall_curve(
    graph: Graph, vectors: Tensor, queries: Tensor, exact: Tensor, efs: Sequence[int]
) -> list[Cost]:
    """Search with each `ef` and compare with the exact neighbours.

    Parameters
    ----------
    graph : Graph
    vectors : floating-point Tensor of shape (N, d)
    queries : floating-point Tensor of shape (Q, d)
    exact : int64 Tensor of shape (Q, k)
        The true nodes, as `exact_search` finds them.
    efs : sequence of int
    """
    check_vectors("vectors", vectors)
    check_vectors("queries", queries, vectors.shape[1])
    whole = isinstance(exact, Tensor) and is_whole_dtype(exact.dtype)
    if not whole or exact.ndim != 2 or not len(queries) == len(exact) > 0:
        raise ValueError(
            f"exact={describe(exact)} must be whole numbers (Q, k) for "
            f"queries={describe(queries)}, with Q above 0"
        )
    costs = []
    for ef in efs:
        walks = [search_graph(graph, vectors, q, exact.shape[1], ef) for q in queries]
        found = torch.stack([walk.ids for walk in walks])
        mean = sum(walk.evaluations for walk in walks) / len(walks)
        costs.append(Cost(ef, recall(found, exact), mean))
    return costs


def clustered_vectors(
    rows: int,
    width: int,
    generator: torch.Generator,
    clusters: int = 200,
    spread: float = 1.0,
) -> Tensor:
    """Scatter vectors around random centres, as embeddings scatter around topics.

    Parameters
    ----------
    rows, width : int
    generator : torch.Generator
    clusters : int, default=200
        Their centres are drawn from a standard normal distribution; with 0 there is
        one cluster at the origin, without any structure.
    spread : float, default=1.0
        Standard deviation around a centre.

    Returns
    -------
    Tensor of shape (rows, width)
    """
    check_positive(rows=rows, width=width)
    check_above_zero(spread=spread)
    clusters = as_whole(clusters)
    if clusters is None or clusters < 0:
        raise ValueError(f"clusters={clusters!r} must be a whole number from 0 on")
    noise = spread * torch.randn(rows, width, generator=generator)
    if clusters == 0:
        return noise
    centres = torch.randn(clusters, width, generator=generator)
    return centres[torch.randint(clusters, (rows,), generator=generator)] + noise
