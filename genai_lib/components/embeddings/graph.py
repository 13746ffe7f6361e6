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
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import describe
from genai_lib.components.embeddings.search import as_array, check_vectors, recall

Layer = dict[int, np.ndarray]
Found = list[tuple[float, int]]
TIED = 1e-5  # squared distances nearer to each other than this share are equal


@dataclass
class Graph:
    """Who is linked to whom, layer by layer; layer 0 holds each different vector.

    Attributes
    ----------
    layers : list of dict from node to int64 array of its neighbours
    entry : int
        The node of the top layer at which every walk starts.
    twins : dict from node to list of nodes, default={}
        The nodes with an equal vector, which have no links: they are found with it.
    """

    layers: list[Layer]
    entry: int
    twins: dict[int, list[int]] = field(default_factory=dict)


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
    k : int, from 1 to N
    ef : int, at least k

    Returns
    -------
    Walk
        int64 ids of shape (k,) and squared distances, the nearest first. If the walk
        can reach fewer than k nodes, or half of those that it keeps lie as far as the
        nearest, all vectors are measured.
    """
    check_vectors("vectors", vectors)
    if not 1 <= k <= min(ef, len(vectors)):
        raise ValueError(
            f"ef={ef} must be at least k={k}, and k from 1 to the {len(vectors)} "
            "vectors there are"
        )
    if not isinstance(query, Tensor) or query.ndim != 1:
        raise ValueError(f"query={describe(query)} must have shape (d,)")
    check_vectors("query", query[None], vectors.shape[1])
    ruler = Ruler(as_array(vectors), as_array(query))
    walked = search_layer(ruler, graph.layers[0], descend(ruler, graph, 0), ef)
    found = with_twins(walked, graph.twins)[:k]
    partial = len(walked) < len(graph.layers[0])
    if len(found) < k or (partial and without_direction([near for near, _ in walked])):
        everyone = np.arange(len(vectors))
        found = sorted(zip(ruler(everyone), everyone.tolist(), strict=True))[:k]
    distances, ids = zip(*found, strict=True)
    return Walk(torch.tensor(ids), torch.tensor(distances), ruler.evaluations)


def without_direction(distances: Sequence) -> bool | np.ndarray:
    """Say whether half of the nodes of a walk lie as far as the nearest of them.

    Among vectors that all have the same distance, such as one-hot ones, no step brings
    a walk nearer, and it may pass by a node that is the query itself. Each entry is the
    distance of one node, or an array of those of several walks, in ascending order.
    """
    return distances[len(distances) // 2] <= distances[0] * (1 + TIED)


def with_twins(found: Found, twins: dict[int, list[int]]) -> Found:
    """Let each node be followed by its twins, at the same distance."""
    return [
        (distance, one)
        for distance, node in found
        for one in (node, *twins.get(node, []))
    ]


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
    check_vectors("queries", queries, vectors.shape[1])
    if exact.ndim != 2 or len(exact) != len(queries) or exact.numel() == 0:
        raise ValueError(
            f"exact={describe(exact)} must be (Q, k) for queries={describe(queries)}, "
            "with Q and k above 0"
        )
    costs = []
    for ef in efs:
        walks = [search_graph(graph, vectors, q, exact.shape[1], ef) for q in queries]
        found = torch.stack([walk.ids for walk in walks])
        mean = sum(walk.evaluations for walk in walks) / len(walks)
        costs.append(Cost(ef, recall(found, exact), mean))
    return costs
