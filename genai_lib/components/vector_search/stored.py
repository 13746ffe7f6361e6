"""Make what the live figures of the chapter on vector search show.

`make stored TOPIC=vector_search` writes figures.json: points in a plane with their
graph, and what a search among 20,000 vectors finds and costs.

Tests    tests/components/vector_search
"""

import json
from pathlib import Path

import torch

from genai_lib.components.embeddings import euclidean_distance, exact_search
from genai_lib.components.vector_search import (
    VectorIndex,
    build_graph,
    clustered_vectors,
    recall_curve,
)

PATH = Path(__file__).with_name("stored") / "figures.json"
POINTS = 40
ROWS, WIDTH, QUERIES = 20_000, 64, 100
EFS = (10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
STRUCTURES = {"in groups": 200, "without structure": 0}


def plane() -> dict:
    """Link points in a plane so sparsely that some greedy walks go astray."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(POINTS, 2, generator=generator, dtype=torch.double) * 10
    rounded = [[round(place, 3) for place in point] for point in points.tolist()]
    points = torch.tensor(rounded, dtype=torch.double)
    graph = build_graph(points, links=3, ef=8, generator=generator)
    links = [graph.layers[0][node].tolist() for node in range(POINTS)]
    return {"points": rounded, "links": links}


def recall_costs(clusters: int) -> list[list[float]]:
    """Measure recall and distances computed for each of `EFS`."""
    generator = torch.Generator().manual_seed(0)
    drawn = clustered_vectors(ROWS + QUERIES, WIDTH, generator, clusters)
    vectors, queries = drawn[:ROWS], drawn[ROWS:]
    exact, _ = exact_search(vectors, queries, 10, euclidean_distance)
    index = VectorIndex(WIDTH, "euclidean", ef_construction=100)
    index.add(vectors)
    graph, stored, _ = index.graph()
    costs = recall_curve(graph, stored, queries, exact, EFS)
    return [[cost.ef, round(cost.recall, 3), cost.evaluations] for cost in costs]


def make_figures(folder: Path) -> None:
    """Write the numbers of the chapter's figures into a folder."""
    costs = {name: recall_costs(number) for name, number in STRUCTURES.items()}
    numbers = {"plane": plane(), "costs": costs}
    (folder / PATH.name).write_text(json.dumps(numbers) + "\n", encoding="utf-8")


MAKERS = {make_figures: ("figures.json",)}
