"""Embeddings: how they are learned, compared, searched and stored.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings
"""

from genai_lib.components.embeddings.building import build_graph
from genai_lib.components.embeddings.graph import (
    Cost,
    Graph,
    Walk,
    recall_curve,
    search_graph,
    search_layer,
)
from genai_lib.components.embeddings.index import VectorIndex
from genai_lib.components.embeddings.quantization import ProductQuantizer
from genai_lib.components.embeddings.search import (
    cosine_distance,
    euclidean_distance,
    exact_search,
    recall,
    unit_length,
)
from genai_lib.components.embeddings.sentences import (
    TextEncoder,
    info_nce,
    matryoshka_loss,
)
from genai_lib.components.embeddings.words import (
    SkipGram,
    Vocabulary,
    count_pairs,
    keep_probability,
    negative_sampling_loss,
    noise_distribution,
    pmi,
    ppmi_vectors,
    skip_gram_pairs,
    split_words,
)

__all__ = [
    "Cost",
    "Graph",
    "ProductQuantizer",
    "SkipGram",
    "TextEncoder",
    "VectorIndex",
    "Vocabulary",
    "Walk",
    "build_graph",
    "cosine_distance",
    "count_pairs",
    "euclidean_distance",
    "exact_search",
    "info_nce",
    "keep_probability",
    "matryoshka_loss",
    "negative_sampling_loss",
    "noise_distribution",
    "pmi",
    "ppmi_vectors",
    "recall",
    "recall_curve",
    "search_graph",
    "search_layer",
    "skip_gram_pairs",
    "split_words",
    "unit_length",
]
