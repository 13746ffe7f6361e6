"""Checkers for the exercises of chapters/components/vector_search.ipynb."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genai_lib.exercises import as_tensor, checker

Case = tuple[Tensor, list[list[int]], Tensor, int]


@checker
def check_greedy_walk(function: Callable[[Tensor, list, Tensor, int], list[int]]):
    """Check `function(vectors, links, query, start)`: the nodes of a greedy walk.

    From each node it goes to the neighbour nearest to the query, and it ends where no
    neighbour is nearer than the node itself.
    """
    for vectors, links, query, start in _cases():
        copies = [list(others) for others in links]
        found = as_tensor(function(vectors.clone(), copies, query.clone(), start))
        if found is None or found.ndim != 1 or not found.equal(found.long()):
            return "a list of nodes is wanted: the walk from its start to its end"
        path = found.long().tolist()
        if path[:1] != [start]:
            return f"the walk starts at node {start}: the list begins with it"
        if problem := _wrong_step(vectors, links, query, path):
            return problem
    return None


def _cases() -> Iterator[Case]:
    line = torch.tensor([[0.0], [1.0], [2.0], [4.0]])
    yield line, [[1], [0, 2], [1], [0]], torch.tensor([4.1]), 0
    yield line, [[1], [0, 2], [1], [0]], torch.tensor([0.9]), 1
    yield line, [[], [2], [1], []], torch.tensor([4.1]), 0
    generator = torch.Generator().manual_seed(4)
    for width in (1, 2, 3, 5):
        vectors = 10 * torch.rand(40, width, generator=generator)
        near = torch.cdist(vectors, vectors).argsort(1)[:, 1:7].tolist()
        for start in (0, 7, 39):
            yield vectors, near, 10 * torch.rand(width, generator=generator), start


def _wrong_step(
    vectors: Tensor, links: list[list[int]], query: Tensor, path: list[int]
) -> str | None:
    squares = (vectors - query).square().sum(1).tolist()
    for here, there in zip(path, [*path[1:], None], strict=True):
        nearest = min(links[here], key=squares.__getitem__, default=here)
        goes_on = squares[nearest] < squares[here]
        if there is None:
            said = f"it stops at node {here}, though its neighbour {nearest} is nearer"
            return said if goes_on else None
        if there not in links[here]:
            return f"there is no link from node {here} to node {there}"
        if not goes_on:
            return f"no neighbour of node {here} is nearer: the walk ends there"
        if there != nearest:
            return f"of the neighbours of node {here} the nearest is {nearest}"
    return None
