"""Approximate search by walking a graph: HNSW, written to be read and to count.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

Distances here are squared and Euclidean; on vectors of length one their order is that
of the cosine.

Letters used in this file
    N  vectors      d  width of a vector      M  links of a node per layer
    ef  how many of the best nodes a walk keeps in mind

References
    [1] Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
        Using Hierarchical Navigable Small World Graphs", 2016, arXiv:1603.09320
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genai_lib.components.embeddings.search import check_vectors, recall

Layer = dict[int, np.ndarray]
Found = list[tuple[float, int]]


@dataclass
class Graph:
    """Who is linked to whom, layer by layer; layer 0 holds every node.

    Attributes
    ----------
    layers : list of dict from node to int64 array of its neighbours
    entry : int
        The node of the top layer at which every walk starts.
    """

    layers: list[Layer]
    entry: int


class Walk(NamedTuple):
    """What a search found, and how many distances it computed on the way."""

    ids: Tensor
    distances: Tensor
    evaluations: int


class Ruler:
    """Squared distances from one query, each one counted."""

    def __init__(self, vectors: np.ndarray, query: np.ndarray) -> None:
        self.vectors, self.query, self.evaluations = vectors, query, 0

    def __call__(self, nodes: np.ndarray) -> list[float]:
        """Measure to each of the nodes."""
        self.evaluations += len(nodes)
        return ((self.vectors[nodes] - self.query) ** 2).sum(-1).tolist()


def search_layer(ruler: Ruler, layer: Layer, entries: Found, ef: int) -> Found:
    """Walk one layer towards the query and keep the `ef` nearest nodes [1, alg. 2].

    Parameters
    ----------
    ruler : Ruler
    layer : dict from node to neighbours
    entries : list of (distance, node)
        Where the walk starts.
    ef : int

    Returns
    -------
    list of (distance, node), the nearest first
    """
    to_visit = list(entries)
    heapq.heapify(to_visit)
    best = [(-distance, node) for distance, node in entries]  # the farthest on top
    heapq.heapify(best)
    seen = {node for _, node in entries}
    while to_visit:
        distance, node = heapq.heappop(to_visit)
        if distance > -best[0][0] and len(best) >= ef:
            break  # the rest lies farther than all that is kept
        fresh = [int(n) for n in layer[node] if n not in seen]
        seen.update(fresh)
        for near, other in zip(ruler(np.array(fresh, dtype=int)), fresh, strict=True):
            if len(best) < ef or near < -best[0][0]:
                heapq.heappush(to_visit, (near, other))
                heapq.heappush(best, (-near, other))
                if len(best) > ef:
                    heapq.heappop(best)
    return sorted((-distance, node) for distance, node in best)


def descend(ruler: Ruler, graph: Graph, to_layer: int) -> Found:
    """Walk greedily from the entry of the top layer down to just above a layer."""
    nearest = [(ruler(np.array([graph.entry]))[0], graph.entry)]
    for layer in reversed(graph.layers[to_layer + 1 :]):
        nearest = search_layer(ruler, layer, nearest, ef=1)
    return nearest


def search_graph(graph: Graph, vectors: Tensor, query: Tensor, k: int, ef: int) -> Walk:
    """Find about the k nearest vectors and count the distances computed [1, alg. 5].

    Parameters
    ----------
    graph : Graph
    vectors : floating-point Tensor of shape (N, d)
    query : floating-point Tensor of shape (d,)
    k : int
    ef : int, at least k

    Returns
    -------
    Walk
        int64 ids of shape (k,) and squared distances, the nearest first.
    """
    if not 1 <= k <= ef:
        raise ValueError(f"ef={ef} must be at least k={k}, and k at least 1")
    check_vectors("vectors", vectors)
    check_vectors("query", query[None], vectors.shape[1])
    ruler = Ruler(vectors.numpy(), query.numpy())
    found = search_layer(ruler, graph.layers[0], descend(ruler, graph, 0), ef)[:k]
    distances, ids = zip(*found, strict=True)
    return Walk(torch.tensor(ids), torch.tensor(distances), ruler.evaluations)


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
    costs = []
    for ef in efs:
        walks = [search_graph(graph, vectors, q, exact.shape[1], ef) for q in queries]
        found = torch.stack([walk.ids for walk in walks])
        mean = sum(walk.evaluations for walk in walks) / len(walks)
        costs.append(Cost(ef, recall(found, exact), mean))
    return costs
