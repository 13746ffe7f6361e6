"""The specifications of the embeddings chapter compute what the library computes."""

from random import Random

import numpy as np
import pytest
import torch

from genai_lib.components.embeddings import (
    cosine_distance,
    euclidean_distance,
    exact_search,
    search_layer,
)
from genai_lib.components.embeddings.figure import VECTORS, WORDS, word_map
from genai_lib.components.embeddings.figure_graph_walk import (
    HOPS,
    LINKS,
    POINTS,
    graph_walk,
)
from genai_lib.components.embeddings.figure_recall import COSTS, recall_against_ef
from genai_lib.components.embeddings.graph import Ruler
from tests.live.states import check_states

VECTOR_TABLE = torch.tensor(VECTORS, dtype=torch.double)
POINT_TABLE = np.array(POINTS)
LAYER = {node: np.array(row) for node, row in enumerate(LINKS)}


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


def recall_against_ef_numbers(state):
    _, found, distances = COSTS[state["structure"]][int(state["step"])]
    return {
        "recall": found,
        "distances": distances,
        "distances of the exact search": 20_000,
        "distances of the graph search": distances,
    }


def graph_walk_numbers(state):
    query = np.array([state["qx"], state["qy"]])
    ruler = Ruler(POINT_TABLE, query)
    [(reached, _)] = search_layer(ruler, LAYER, [(ruler(np.array([0]))[0], 0)], ef=1)
    nearest = ((POINT_TABLE - query) ** 2).sum(1).min()
    return {
        "reached point": reached**0.5,
        "nearest point": nearest**0.5,
        "distances computed": ruler.evaluations,
    }


FIGURES = {
    "word_map": (word_map, word_map_numbers),
    "recall_against_ef": (recall_against_ef, recall_against_ef_numbers),
    "graph_walk": (graph_walk, graph_walk_numbers),
}
WORD_MAP = word_map()


@pytest.mark.parametrize("name", FIGURES)
def test_random_states_give_the_numbers_of_the_library(request, name):
    check_states(request, *FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_start_state_gives_the_numbers_of_the_library(name):
    make, library = FIGURES[name]
    figure = make()
    state = {control.param: control.value for control in figure.controls}
    assert figure.evaluate() == pytest.approx(library(state), rel=0, abs=1e-12)


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


def test_no_walk_needs_more_hops_than_the_figure_shows():
    grid = np.arange(0, 10.1, 0.2)
    for query in np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2):
        squares = ((POINT_TABLE - query) ** 2).sum(1)
        node, hops = 0, 0
        while squares[LAYER[node]].min() < squares[node]:
            node = int(LAYER[node][squares[LAYER[node]].argmin()])
            hops += 1
        assert hops <= HOPS


def test_some_walks_stop_short_and_most_do_not():
    random = Random(5)
    results = [
        graph_walk_numbers({"qx": random.uniform(0, 10), "qy": random.uniform(0, 10)})
        for _ in range(400)
    ]
    short = [n["reached point"] > n["nearest point"] + 1e-9 for n in results]
    assert 0.02 <= sum(short) / len(short) <= 0.2
