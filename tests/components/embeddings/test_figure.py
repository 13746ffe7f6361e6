"""The live figure of the embeddings chapter computes what the library computes."""

import numpy as np
import pytest
import torch

from genai_lib.components.embeddings import (
    cosine_distance,
    euclidean_distance,
    exact_search,
)
from genai_lib.components.embeddings.figure import VECTORS, WORDS, word_map
from tests.live.states import check_states

VECTOR_TABLE = torch.tensor(VECTORS, dtype=torch.double)
WORD_MAP = word_map()


def word_map_numbers(state):
    vectors = VECTOR_TABLE[:, : int(state["used"])]
    query = vectors[WORDS.index(state["word"])][None]
    cosine = state["by"] == "cosine"
    distance = cosine_distance if cosine else euclidean_distance
    values = distance(query, vectors)[0]
    shown = (1 - values if cosine else values).tolist()
    numbers = dict(zip(WORDS, shown, strict=True))
    ids, _ = exact_search(vectors, query, 6, distance)
    nearest = [i for i in ids[0].tolist() if WORDS[i] != state["word"]][:5]
    return numbers | {
        f"nearest {place}, {WORDS[i]}": shown[i] for place, i in enumerate(nearest, 1)
    }


def test_random_states_give_the_numbers_of_the_library(request):
    check_states(request, word_map, word_map_numbers)


def test_start_state_gives_the_numbers_of_the_library():
    state = {control.param: control.value for control in WORD_MAP.controls}
    wanted = word_map_numbers(state)
    assert WORD_MAP.evaluate() == pytest.approx(wanted, rel=0, abs=1e-12)


def test_two_numbers_compared_by_euclid_are_the_distances_on_the_map():
    state = {"word": "matrix", "used": 2, "by": "Euclidean distance"}
    numbers = WORD_MAP.evaluate(**state)
    x, y = VECTORS[WORDS.index("matrix")][:2]
    for word, vector in zip(WORDS, VECTORS, strict=True):
        assert numbers[word] == pytest.approx(np.hypot(vector[0] - x, vector[1] - y))


def test_the_neighbours_on_the_map_are_not_those_of_all_numbers():
    few = WORD_MAP.evaluate(word="regression", used=2)
    all_of_them = WORD_MAP.evaluate(word="regression", used=16)
    assert {k for k in few if "nearest" in k} != {
        k for k in all_of_them if "nearest" in k
    }
