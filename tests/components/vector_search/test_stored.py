"""The stored numbers of the live figures of vector search can be made again."""

import json

import pytest

from genai_lib.components.vector_search import stored as vector_figures
from genai_lib.components.vector_search.stored import (
    EFS,
    PATH,
    ROWS,
    plane,
    recall_costs,
)

STORED = json.loads(PATH.read_text(encoding="utf-8"))


def test_file_is_small():
    assert PATH.stat().st_size < 100_000


def test_points_and_links():
    assert plane() == STORED["plane"]


@pytest.mark.parametrize("name", vector_figures.STRUCTURES)
def test_costs_within_what_another_machine_may_round(name, monkeypatch):
    efs = (10, 64, 256)
    monkeypatch.setattr(vector_figures, "EFS", efs)
    stored = {ef: rest for ef, *rest in STORED["costs"][name]}
    assert list(stored) == list(EFS)
    for ef, found, distances in recall_costs(vector_figures.STRUCTURES[name]):
        assert found == pytest.approx(stored[ef][0], abs=0.02)
        assert distances == pytest.approx(stored[ef][1], rel=0.05)
        assert distances < ROWS
