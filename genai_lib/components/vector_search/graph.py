"""Search by walking a graph: the HNSW algorithm in a form that counts distances.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

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

from genai_lib.checks import as_whole, describe
from genai_lib.components.embeddings.comparing import (
    as_array,
    check_count,
    check_squares,
    check_vectors,
)

Layer = dict[int, np.ndarray]
Found = list[tuple[float, int]]
TIED = 1e-5  # squared distances with a smaller relative difference count as equal


@dataclass
class Graph:
    """The links between vectors, layer by layer; layer 0 holds each different vector.

    Attributes
    ----------
    layers : list of dict from node to int64 array of its neighbours
    entry : int
        The node of the top layer at which every walk starts.
    duplicates : dict from node to list of nodes, default={}
        The nodes with an equal vector, which have no links: they are found with it.
    """

    layers: list[Layer]
    entry: int
    duplicates: dict[int, list[int]] = field(default_factory=dict)


class Walk(NamedTuple):
    """The nearest nodes that a search found, and the number of distances computed."""

    ids: Tensor
    distances: Tensor
    evaluations: int


class DistanceCounter:
    """A function that computes squared distances from one query and counts them.

    Parameters
    ----------
    vectors : array of shape (N, d)
    query : array of shape (d,)

    Attributes
    ----------
    evaluations : int
        How many distances have been computed.
    """

    def __init__(self, vectors: np.ndarray, query: np.ndarray) -> None:
        self.vectors, self.query, self.evaluations = vectors, query, 0

    def __call__(self, nodes: np.ndarray) -> list[float]:
        """Compute the distance to each of some nodes (n,)."""
        self.evaluations += len(nodes)
        return ((self.vectors[nodes] - self.query) ** 2).sum(-1).tolist()


def search_layer(
    counter: DistanceCounter, layer: Layer, entries: Found, ef: int
) -> Found:
    """Find about the `ef` nearest nodes of one layer by a best-first walk [1, alg. 2].

    Parameters
    ----------
    counter : DistanceCounter
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
        for near, other in zip(counter(np.array(fresh, dtype=int)), fresh, strict=True):
            if len(best) < ef or near < -best[0][0]:
                heapq.heappush(to_visit, (near, other))
                heapq.heappush(best, (-near, other))
                if len(best) > ef:
                    heapq.heappop(best)
    return sorted((-distance, node) for distance, node in best)


def greedy_descent(counter: DistanceCounter, graph: Graph, to_layer: int) -> Found:
    """Search greedily from the top layer down to the one above `to_layer` [1, alg. 5].

    In each layer the search goes on from the nearest node that it found in the layer
    above, and keeps one node. The result is where to enter layer `to_layer`.
    """
    nearest = [(counter(np.array([graph.entry]))[0], graph.entry)]
    for layer in reversed(graph.layers[to_layer + 1 :]):
        nearest = search_layer(counter, layer, nearest, ef=1)
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
        int64 ids of shape (k,) and squared distances, the nearest first. Where the
        walk cannot be trusted the distances to all vectors are computed: if it ends
        with fewer than `ef` nodes though there are more, because links to them are
        missing, or if more than half of its nodes lie equally far away.

    Raises
    ------
    ValueError
        If a shape or number is wrong, a value not finite or without a square in its
        dtype, or if the graph was made of another number of vectors.
    """
    check_search(graph, vectors, query, k, ef)
    k, ef = as_whole(k), as_whole(ef)
    counter = DistanceCounter(as_array(vectors), as_array(query))
    layer = graph.layers[0]
    walked = search_layer(counter, layer, greedy_descent(counter, graph, 0), ef)
    found = with_duplicates(walked, graph.duplicates)[:k]
    cut_off = len(walked) < min(ef, len(layer))
    partial = len(walked) < len(layer)
    if cut_off or (partial and without_direction([near for near, _ in walked])):
        everyone = np.arange(len(vectors))
        found = sorted(zip(counter(everyone), everyone.tolist(), strict=True))[:k]
    ids = torch.tensor([node for _, node in found])
    wide = torch.promote_types(vectors.dtype, torch.float32)
    distances = torch.tensor([distance for distance, _ in found], dtype=wide)
    return Walk(ids, distances, counter.evaluations)


def check_search(
    graph: Graph, vectors: Tensor, query: Tensor, k: object, ef: object
) -> None:
    """Raise ValueError unless the arguments of `search_graph` fit each other."""
    check_vectors("vectors", vectors)
    check_squares("vectors", vectors)
    check_count("k", k, len(vectors))
    check_at_least("ef", ef, "k", as_whole(k))
    if not isinstance(query, Tensor) or query.ndim != 1:
        raise ValueError(f"query={describe(query)} must have shape (d,)")
    check_vectors("query", query[None], vectors.shape[1])
    check_squares("query", query[None])
    nodes = len(graph.layers[0]) + sum(map(len, graph.duplicates.values()))
    if nodes != len(vectors):
        raise ValueError(f"graph has {nodes} nodes for vectors={describe(vectors)}")


def check_at_least(name: str, value: object, other: str, least: int) -> None:
    """Raise ValueError unless a number is whole and at least another argument."""
    whole = as_whole(value)
    if whole is None or whole < least:
        raise ValueError(
            f"{name}={value!r} must be at least {other}={least}, a whole number"
        )


def without_direction(distances: Sequence) -> bool | np.ndarray:
    """Tell whether more than half of the found nodes have equal distances.

    Among vectors at equal distances, such as one-hot ones, no step brings a walk
    nearer, and it may pass by a node that equals the query. Each entry is the distance
    of one node, or an array of those of several walks, in ascending order. A walk that
    keeps a single node tells nothing.
    """
    found = np.asarray(distances)
    half = max(1, len(found) // 2)
    return (found[half:] <= found[:-half] * (1 + TIED)).any(axis=0)


def with_duplicates(found: Found, duplicates: dict[int, list[int]]) -> Found:
    """Put after each node its duplicates, at the same distance."""
    return [
        (distance, one)
        for distance, node in found
        for one in (node, *duplicates.get(node, []))
    ]
