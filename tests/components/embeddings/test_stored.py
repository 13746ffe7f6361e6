"""The stored numbers of the embeddings chapter's live figure can be made again."""

import json

import numpy as np

from genai_lib.components.embeddings.stored import PATH, word_map

STORED = json.loads(PATH.read_text(encoding="utf-8"))


def test_file_is_small():
    assert PATH.stat().st_size < 100_000


def test_words_and_their_vectors():
    again = word_map()
    assert again["words"] == STORED["map"]["words"]
    np.testing.assert_allclose(again["vectors"], STORED["map"]["vectors"], atol=2e-3)
