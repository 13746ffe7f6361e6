"""Import hnswlib, and read the graph that it has built.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

The state that hnswlib pickles holds its memory. A record of layer 0 is
    number of links | room for 2M links | vector | id
and a record of a higher layer is: number of links | room for M links.
"""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from genai_lib.components.vector_search.graph import Graph

if TYPE_CHECKING:
    import hnswlib

COUNT = 4  # bytes that hold the number of links


def load_hnswlib() -> ModuleType:
    """Import hnswlib where it is used: all else works without it.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    try:
        import hnswlib
    except ImportError as error:
        raise ImportError(
            "VectorIndex needs the package hnswlib, which pip compiles: install a C++ "
            "compiler (Debian, Ubuntu: sudo apt-get install g++ python3-dev; macOS: "
            "xcode-select --install; Windows: the C++ build tools of Visual Studio), "
            "then run pip install hnswlib"
        ) from error
    return hnswlib


def read_graph(index: "hnswlib.Index") -> tuple[Graph, Tensor, Tensor]:
    """Return the graph, the vectors as stored (N, d), and their labels (N,)."""
    (state,) = index.__getstate__()
    count, size = state["cur_element_count"], state["size_data_per_element"]
    records = state["data_level0"][: count * size].view(np.uint8).reshape(count, size)
    start = state["offset_data"]
    vectors = _as(records[:, start : start + 4 * index.dim], np.float32)
    labels = _as(records[:, state["label_offset"] :], np.uint64)[:, 0].astype(np.int64)
    layers = [_links(records[:, : COUNT + 4 * state["max_M0"]], np.arange(count))]
    levels = state["element_levels"][:count]
    block = state["size_links_per_element"]
    upper = state["link_lists"].view(np.uint8).reshape(-1, block)
    first = np.cumsum(levels) - levels  # where the records of a node begin
    for level in range(1, max(levels, default=0) + 1):
        nodes = np.flatnonzero(levels >= level)
        layers.append(_links(upper[first[nodes] + level - 1], nodes))
    graph = Graph(layers, entry=state["enterpoint_node"])
    return graph, torch.from_numpy(vectors), torch.from_numpy(labels)


def relabelled(
    graph: Graph, labels: np.ndarray, duplicates: dict[int, list[int]]
) -> Graph:
    """Return the graph with labels (N,) as the numbers of its nodes, and duplicates."""
    layers = [
        {int(labels[node]): labels[others] for node, others in layer.items()}
        for layer in graph.layers
    ]
    entry = int(labels[graph.entry]) if len(labels) else graph.entry
    return Graph(layers, entry, duplicates)


def _links(records: np.ndarray, nodes: np.ndarray) -> dict[int, np.ndarray]:
    counts = _as(records[:, :2], np.uint16)[:, 0]
    links = _as(records[:, COUNT:], np.uint32).astype(np.int64)
    rows = zip(nodes.tolist(), links, counts, strict=True)
    return {node: row[:number] for node, row, number in rows}


def _as(columns: np.ndarray, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(columns).view(dtype)
