"""Make what the live figure of the embeddings chapter shows.

`make stored TOPIC=embeddings` writes figures.json: vectors of frequent words.

Tests    tests/components/embeddings
"""

import json
from pathlib import Path

import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from genai_lib.components.embeddings import (
    Vocabulary,
    count_pairs,
    ppmi_vectors,
    skip_gram_pairs,
)
from genai_lib.data.documentation import load_documentation

PATH = Path(__file__).with_name("stored") / "figures.json"
WORDS, NUMBERS = 96, 16
SHORTEST = 4


def word_map() -> dict:
    """Take the most frequent words; rotate their vectors to their own main axes."""
    texts = load_documentation().train.split("\n\n")
    vocabulary = Vocabulary.from_texts(texts, at_least=8)
    pairs = skip_gram_pairs([vocabulary.encode(text) for text in texts], window=5)
    vectors = ppmi_vectors(count_pairs(*pairs, len(vocabulary)), width=64)
    words = [
        word
        for word in vocabulary.words
        if len(word) >= SHORTEST and word not in ENGLISH_STOP_WORDS
    ][:WORDS]
    chosen = vectors[[vocabulary.ids[word] for word in words]]
    left, sizes, _ = torch.linalg.svd(chosen - chosen.mean(0), full_matrices=False)
    rotated = (left * sizes)[:, :NUMBERS]
    rotated *= rotated[0].sign()  # a singular vector has no sign of its own
    vectors = [[round(number, 3) for number in row] for row in rotated.tolist()]
    return {"words": words, "vectors": vectors}


def make_figures(folder: Path) -> None:
    """Write the numbers of the chapter's figure into a folder."""
    numbers = {"map": word_map()}
    (folder / PATH.name).write_text(json.dumps(numbers) + "\n", encoding="utf-8")


MAKERS = {make_figures: ("figures.json",)}
