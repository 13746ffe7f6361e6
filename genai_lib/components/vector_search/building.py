"""Build the graph of HNSW by inserting one vector after the other.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

Letters used in this file
    N  vectors      d  width of a vector      M  links of a node per layer
    ef  how many of the best nodes a walk keeps in mind

References
    [1] Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
        Using Hierarchical Navigable Small World Graphs", 2016, arXiv:1603.09320
"""

import math

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import as_whole, describe
from genai_lib.components.embeddings.comparing import (
    as_array,
    check_squares,
    check_vectors,
)
from genai_lib.components.vector_search.graph import (
    TIED,
    DistanceCounter,
    Found,
    Graph,
    check_at_least,
    greedy_descent,
    search_layer,
)


def build_graph(
    vectors: Tensor,
    links: int = 8,
    ef: int = 64,
    generator: torch.Generator | None = None,
) -> Graph:
    """Insert the vectors one after the other [1, alg. 1].

    A vector that equals an earlier one becomes a duplicate of it and gets no links:
    among many equal vectors the links of each would lead to the others alone.

    Parameters
    ----------
    vectors : floating-point Tensor of shape (N, d)
    links : int, default=8
        M: neighbours of a node; twice as many in layer 0.
    ef : int, default=64
        How many candidates are kept in mind while inserting, at least `links`.
    generator : torch.Generator, default=None
        Draws the top layer of each node.

    Raises
    ------
    ValueError
        If there is no vector, a value is not finite or has no square in its dtype, or
        a number is too small.
    """
    check_vectors("vectors", vectors)
    check_squares("vectors", vectors)
    if len(vectors) == 0:
        raise ValueError(f"vectors={describe(vectors)} holds 0 vectors; one is needed")
    check_links(links, ef=ef)
    links, ef = as_whole(links), as_whole(ef)
    draws = torch.rand(len(vectors), generator=generator, dtype=torch.double)
    tops = (-(1 - draws).log() / math.log(links)).long().tolist()  # 1/ln M [1, §4.1]
    array = as_array(vectors)
    graph = Graph([{0: np.array([], dtype=int)} for _ in range(tops[0] + 1)], entry=0)
    first = first_equal(array)
    for node in range(1, len(array)):
        if first[node] == node:
            insert(graph, array, node, tops[node], links, ef)
        else:
            graph.duplicates.setdefault(first[node], []).append(node)
    return graph


def check_links(links: object, **kept: object) -> None:
    """Raise ValueError unless `links` >= 2 and the other sizes are at least `links`."""
    least = as_whole(links)
    if least is None or least < 2:
        raise ValueError(f"links={links!r} must be at least 2, a whole number")
    for name, value in kept.items():
        check_at_least(name, value, "links", least)


def first_equal(vectors: np.ndarray) -> list[int]:
    """Return for each row of (N, d) the index of its first duplicate, or its own."""
    seen: dict[bytes, int] = {}
    rows = enumerate(vectors + 0.0)  # -0 becomes 0
    return [seen.setdefault(row.tobytes(), number) for number, row in rows]


def insert(
    graph: Graph, vectors: np.ndarray, node: int, top: int, links: int, ef: int
) -> None:
    """Link one more node to its neighbours in every layer from `top` to 0 [1, alg. 1].

    Parameters
    ----------
    graph : Graph
        It is changed.
    vectors : array of shape (N, d)
    node, top, links, ef : int
    """
    counter = DistanceCounter(vectors, vectors[node])
    highest = len(graph.layers) - 1
    nearest = greedy_descent(counter, graph, min(top, highest))
    for number in range(min(top, highest), -1, -1):
        layer, most = graph.layers[number], links if number else 2 * links
        nearest = search_layer(counter, layer, nearest, ef)
        layer[node] = select_neighbors(vectors, nearest, links)
        for other in layer[node].tolist():
            joined = np.append(layer[other], node)
            if len(joined) > most:
                distances = DistanceCounter(vectors, vectors[other])(joined)
                ranked = sorted(zip(distances, joined.tolist(), strict=True))
                joined = select_neighbors(vectors, ranked, most)
            layer[other] = joined
    for _ in range(highest, top):
        graph.layers.append({node: np.array([], dtype=int)})
        graph.entry = node


def select_neighbors(vectors: np.ndarray, candidates: Found, most: int) -> np.ndarray:
    """Choose neighbours that lie in different directions, by a heuristic [1, alg. 4].

    Parameters
    ----------
    vectors : array of shape (N, d)
    candidates : list of (distance, node), the nearest first
    most : int

    Returns
    -------
    int64 array of at most `most` nodes
        A candidate is passed over if one already chosen lies nearer to it than the
        vector whose neighbours are chosen. Where both are equally near it is taken.
    """
    chosen: list[int] = []
    for distance, node in candidates:
        if len(chosen) == most:
            break
        to_chosen = DistanceCounter(vectors, vectors[node])(np.array(chosen, dtype=int))
        if all(distance <= other * (1 + TIED) for other in to_chosen):
            chosen.append(node)
    return np.array(chosen, dtype=int)
