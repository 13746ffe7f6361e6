"""Make what the live figures of the embeddings chapter show.

`make stored TOPIC=embeddings` writes figures.json: vectors of frequent words, points in
a plane with their graph, and what a search among 20,000 vectors finds and costs.

Tests    tests/components/embeddings
"""

import json
from pathlib import Path

import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from genai_lib.components.embeddings import (
    VectorIndex,
    Vocabulary,
    build_graph,
    count_pairs,
    euclidean_distance,
    exact_search,
    ppmi_vectors,
    recall_curve,
    skip_gram_pairs,
)
from genai_lib.components.embeddings.vectors import clustered_vectors
from genai_lib.data.documentation import load_documentation

PATH = Path(__file__).with_name("stored") / "figures.json"
WORDS, NUMBERS = 96, 16
SHORTEST = 4
POINTS = 40
ROWS, WIDTH, QUERIES = 20_000, 64, 100
EFS = (10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
STRUCTURES = {"in groups": 200, "without structure": 0}


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
    return {"words": words, "vectors": _rounded(rotated, 3)}


def plane() -> dict:
    """Link points in a plane so sparsely that some greedy walks go astray."""
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(POINTS, 2, generator=generator, dtype=torch.double) * 10
    points = torch.tensor(_rounded(points, 3), dtype=torch.double)
    graph = build_graph(points, links=3, ef=8, generator=generator)
    links = [graph.layers[0][node].tolist() for node in range(POINTS)]
    return {"points": points.tolist(), "links": links}


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


def make() -> dict:
    """Compute everything."""
    costs = {name: recall_costs(number) for name, number in STRUCTURES.items()}
    return {"map": word_map(), "plane": plane(), "costs": costs}


def _rounded(rows: torch.Tensor, digits: int) -> list[list[float]]:
    return [[round(number, digits) for number in row] for row in rows.tolist()]


def make_figures(folder: Path) -> None:
    """Write the numbers of the chapter's figures into a folder."""
    (folder / PATH.name).write_text(json.dumps(make()) + "\n", encoding="utf-8")


MAKERS = {make_figures: ("figures.json",)}
