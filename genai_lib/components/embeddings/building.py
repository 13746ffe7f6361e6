"""Build the graph of HNSW, one vector after the other, in a form to be read.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

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

from genai_lib.components.embeddings.graph import (
    Found,
    Graph,
    Ruler,
    descend,
    search_layer,
)
from genai_lib.components.embeddings.search import as_array, check_vectors


def build_graph(
    vectors: Tensor,
    links: int = 8,
    ef: int = 64,
    generator: torch.Generator | None = None,
) -> Graph:
    """Insert the vectors one after the other [1, alg. 1].

    A vector that equals an earlier one becomes its twin and gets no links: seen from a
    node, a twin would lie before all else, and all other links would be passed over.

    Parameters
    ----------
    vectors : floating-point Tensor of shape (N, d)
    links : int, default=8
        M: neighbours of a node; twice as many in layer 0.
    ef : int, default=64
        How many candidates are kept in mind while inserting.
    generator : torch.Generator, default=None
        Draws the top layer of each node.
    """
    check_vectors("vectors", vectors)
    if len(vectors) < 1 or links < 2 or ef < links:
        raise ValueError(
            f"links={links} must be 2 or more, ef={ef} at least as many, for at least "
            f"one of {len(vectors)} vectors"
        )
    draws = torch.rand(len(vectors), generator=generator, dtype=torch.double)
    tops = (-(1 - draws).log() / math.log(links)).long().tolist()  # 1/ln M [1, §4.1]
    array = as_array(vectors)
    graph = Graph([{0: np.array([], dtype=int)} for _ in range(tops[0] + 1)], entry=0)
    first = first_equal(array)
    for node in range(1, len(array)):
        if first[node] == node:
            insert(graph, array, node, tops[node], links, ef)
        else:
            graph.twins.setdefault(first[node], []).append(node)
    return graph


def first_equal(vectors: np.ndarray) -> list[int]:
    """Number for each row of (N, d) the first row that equals it, often its own."""
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
    ruler = Ruler(vectors, vectors[node])
    highest = len(graph.layers) - 1
    nearest = descend(ruler, graph, min(top, highest))
    for number in range(min(top, highest), -1, -1):
        layer, most = graph.layers[number], links if number else 2 * links
        nearest = search_layer(ruler, layer, nearest, ef)
        layer[node] = diverse(vectors, nearest, links)
        for other in layer[node].tolist():
            joined = np.append(layer[other], node)
            if len(joined) > most:
                distances = Ruler(vectors, vectors[other])(joined)
                ranked = sorted(zip(distances, joined.tolist(), strict=True))
                joined = diverse(vectors, ranked, most)
            layer[other] = joined
    for _ in range(highest, top):
        graph.layers.append({node: np.array([], dtype=int)})
        graph.entry = node


def diverse(vectors: np.ndarray, candidates: Found, most: int) -> np.ndarray:
    """Choose neighbours that lie in different directions [1, alg. 4].

    Parameters
    ----------
    vectors : array of shape (N, d)
    candidates : list of (distance, node), the nearest first
    most : int

    Returns
    -------
    int64 array of at most `most` nodes
        A candidate is passed over if one already chosen is nearer to it.
    """
    chosen: list[int] = []
    for distance, node in candidates:
        if len(chosen) == most:
            break
        to_chosen = Ruler(vectors, vectors[node])(np.array(chosen, dtype=int))
        if all(distance < other for other in to_chosen):
            chosen.append(node)
    return np.array(chosen, dtype=int)
