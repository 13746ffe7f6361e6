"""Vector search: find the nearest of many vectors without comparing them all.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search
"""

from genai_lib.components.vector_search.building import build_graph
from genai_lib.components.vector_search.graph import (
    Graph,
    Walk,
    search_graph,
    search_layer,
)
from genai_lib.components.vector_search.index import VectorIndex
from genai_lib.components.vector_search.measuring import (
    Cost,
    clustered_vectors,
    recall_curve,
)
from genai_lib.components.vector_search.quantization import ProductQuantizer

__all__ = [
    "Cost",
    "Graph",
    "ProductQuantizer",
    "VectorIndex",
    "Walk",
    "build_graph",
    "clustered_vectors",
    "recall_curve",
    "search_graph",
    "search_layer",
]
