"""Embeddings: vectors of words and texts, how they are learned and compared.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings
"""

from genai_lib.components.embeddings.comparing import (
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
    "SkipGram",
    "TextEncoder",
    "Vocabulary",
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
    "skip_gram_pairs",
    "split_words",
    "unit_length",
]
