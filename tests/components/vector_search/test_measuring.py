"""What is measured of a search, the vectors to measure with, and the checker."""

from math import nan

import pytest
import torch

from genai_lib.components.embeddings import euclidean_distance
from genai_lib.components.vector_search import (
    build_graph,
    clustered_vectors,
    recall_curve,
)
from genai_lib.components.vector_search.exercises import check_greedy_walk


def test_clustered_vectors_lie_closer_to_their_neighbours():
    draw = torch.Generator().manual_seed
    grouped = clustered_vectors(400, 16, draw(0), clusters=20, spread=0.3)
    loose = clustered_vectors(400, 16, draw(0), clusters=0)
    ratios = []
    for vectors in (grouped, loose):
        distances = euclidean_distance(vectors[:50], vectors).sort(1).values
        ratios.append((distances[:, 10] / distances.mean(1)).mean().item())
    assert ratios[0] < 0.9 * ratios[1]


VECTORS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
EXACT = torch.zeros(2, 1, dtype=torch.long)


def curve(vectors=VECTORS, queries=VECTORS[:2], exact=EXACT, efs=(4,)):
    return recall_curve(build_graph(VECTORS), vectors, queries, exact, efs)


def test_every_ef_is_searched_with():
    assert [cost.ef for cost in curve(efs=(1, 4))] == [1, 4]
    assert curve(efs=()) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: curve(vectors=[[1.0]]), "vectors="),
        (lambda: curve(queries=None), "queries="),
        (lambda: curve(queries=VECTORS[:2] * nan), "queries holds a value"),
        (lambda: curve(exact=EXACT.float()), "exact=.*whole numbers"),
        (lambda: curve(exact=[[0], [0]]), "exact="),
        (lambda: curve(exact=EXACT[0]), "exact="),
        (lambda: curve(exact=EXACT[:, :0]), "k=0"),
        (lambda: curve(efs=(0,)), "ef=0"),
        (lambda: curve(efs=(nan,)), "ef=nan"),
        (lambda: clustered_vectors(0, 3, torch.Generator()), "rows=0"),
        (lambda: clustered_vectors(3, 2.5, torch.Generator()), "width=2.5"),
        (lambda: clustered_vectors(3, 2, torch.Generator(), -1), "clusters=-1"),
        (lambda: clustered_vectors(3, 2, torch.Generator(), None), "clusters=None"),
        (lambda: clustered_vectors(3, 2, torch.Generator(), 2, nan), "spread=nan"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The checker of the exercise


def right_walk(vectors, links, query, start):
    path = [start]
    while True:
        here = path[-1]
        squares = {n: ((vectors[n] - query) ** 2).sum() for n in [here, *links[here]]}
        nearest = min(squares, key=squares.get)
        if nearest == here:
            return path
        path.append(nearest)


def by_recursion(vectors, links, query, start):
    if not links[start]:
        return [start]
    lengths = (vectors[links[start]] - query).norm(dim=1)
    if lengths.min() >= (vectors[start] - query).norm():
        return [start]
    rest = by_recursion(vectors, links, query, links[start][int(lengths.argmin())])
    return [start, *rest]


def any_nearer(vectors, links, query, start):
    """Go to the first neighbour that is nearer, not to the nearest one."""
    squares, path = (vectors - query).square().sum(1), [start]
    while nearer := [n for n in links[path[-1]] if squares[n] < squares[path[-1]]]:
        path.append(nearer[0])
    return path


def without_an_end(vectors, links, query, start):
    """Go on to the nearest neighbour even where that leads away."""
    squares, path = (vectors - query).square().sum(1), [start]
    while links[path[-1]] and len(path) < 9:
        path.append(min(links[path[-1]], key=lambda n: squares[n]))
    return path


def among_all(vectors, links, query, start):
    """Jump to the nearest of all nodes, linked or not."""
    return [start, int((vectors - query).square().sum(1).argmin())]


def changes_its_input(vectors, links, query, start):
    path = right_walk(vectors, links, query, start)
    vectors.zero_()
    query.zero_()
    for others in links:
        others.clear()
    return path


RIGHT = {
    "loop": right_walk,
    "recursion": by_recursion,
    "tensor": lambda *a: torch.tensor(right_walk(*a)),
    "tuple": lambda *a: tuple(right_walk(*a)),
    "list of tensors": lambda *a: [torch.tensor(n) for n in right_walk(*a)],
    "array": lambda *a: torch.tensor(right_walk(*a)).numpy(),
    "changes its input": changes_its_input,
}
WRONG = {
    "any nearer": (any_nearer, "of the neighbours of node"),
    "without an end": (without_an_end, "the walk ends there"),
    "among all": (among_all, "there is no link"),
    "end alone": (lambda *a: right_walk(*a)[-1], "a list of nodes is wanted"),
    "end in a list": (lambda *a: right_walk(*a)[-1:], "the walk starts at node 0"),
    "without the start": (lambda *a: right_walk(*a)[1:], "the walk starts"),
    "one step": (lambda *a: right_walk(*a)[:2], "it stops at node 1, though"),
    "backwards": (lambda *a: right_walk(*a)[::-1], "the walk starts"),
    "nothing": (lambda *a: [], "the walk starts"),
    "fractions": (lambda *a: [n + 0.5 for n in right_walk(*a)], "a list of nodes"),
    "words": (lambda *a: "012", "a list of nodes"),
    "empty stub": (lambda *a: None, "not filled in"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_checker_accepts_right_walks_in_any_style(name):
    assert check_greedy_walk(RIGHT[name]).passed


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_says_what_is_wrong(name):
    walk, reason = WRONG[name]
    verdict = check_greedy_walk(walk)
    assert not verdict.passed
    assert reason in verdict.message


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {"greedy_walk": right_walk}
