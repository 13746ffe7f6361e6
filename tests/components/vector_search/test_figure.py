"""The live figures of vector search compute what the library computes."""

from random import Random

import numpy as np
import pytest

from genai_lib.components.vector_search import search_layer
from genai_lib.components.vector_search.figure import (
    HOPS,
    LINKS,
    POINTS,
    graph_walk,
)
from genai_lib.components.vector_search.figure_recall import COSTS, recall_against_ef
from genai_lib.components.vector_search.graph import DistanceCounter
from tests.live.states import check_states

POINT_TABLE = np.array(POINTS)
LAYER = {node: np.array(row) for node, row in enumerate(LINKS)}


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
    counter = DistanceCounter(POINT_TABLE, query)
    [(reached, _)] = search_layer(
        counter, LAYER, [(counter(np.array([0]))[0], 0)], ef=1
    )
    nearest = ((POINT_TABLE - query) ** 2).sum(1).min()
    return {
        "reached point": reached**0.5,
        "nearest point": nearest**0.5,
        "distances computed": counter.evaluations,
    }


FIGURES = {
    "recall_against_ef": (recall_against_ef, recall_against_ef_numbers),
    "graph_walk": (graph_walk, graph_walk_numbers),
}


@pytest.mark.parametrize("name", FIGURES)
def test_random_states_give_the_numbers_of_the_library(request, name):
    check_states(request, *FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_start_state_gives_the_numbers_of_the_library(name):
    make, library = FIGURES[name]
    figure = make()
    state = {control.param: control.value for control in figure.controls}
    assert figure.evaluate() == pytest.approx(library(state), rel=0, abs=1e-12)


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
