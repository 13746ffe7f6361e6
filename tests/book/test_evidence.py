"""Evidence over seeds: what is recorded, what aborts, and what the notebook stores."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import evidence, stamp
from tools.approximate import agree, interval, values
from tools.checks import notebooks
from tools.common import ROOT, Stop

NUMBERS = """
from genai_lib import runtime
print("loss", "≈", runtime.seed() + 0.12345, "after 100 steps")
display({"text/plain": "≈ 2", "text/html": "<p>≈ 2</p>"}, raw=True)
display({"text/plain": "table", "text/html": "<p>≈ 3 and ≈ 4</p>"}, raw=True)
"""
CLAIM = """
from genai_lib import runtime
from genai_lib.claims import claim
claim("seed", "the seed", runtime.seed() + 0.5, at_least={bound})
"""


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """Return a function that writes a notebook with one cell of code."""
    for name in ("GENAI_SEED", "GENAI_SCALE", "GENAI_CLAIMS"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def write(source):
        path = tmp_path / "topic.ipynb"
        cells = [
            new_markdown_cell("# Topic\n\nchecked against `torch` <!-- badges -->"),
            new_code_cell(source),
        ]
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


def test_a_claim_that_fails_on_one_seed_is_recorded(chapter):
    path = chapter(CLAIM.format(bound=1.0))

    measured = evidence.measure(path, [0, 2], "cpu")

    assert measured["claims"] == {"seed": [0.5, 2.5]}
    assert len(measured["seconds"]) == len(measured["peak_mb"]) == 2
    assert set(measured["versions"]) == {"python", "torch", "numpy", "scikit-learn"}


def test_measured_numbers_are_recorded_per_cell_and_seed(chapter):
    path = chapter(CLAIM.format(bound=0) + NUMBERS)

    measured = evidence.measure(path, [0, 2], "cpu")

    assert measured["numbers"] == {
        "topic-02": [[0.5, 2.0, 3.0, 4.0, 0.123], [2.5, 2.0, 3.0, 4.0, 2.12]]
    }
    assert measured["processor"].keys() == {"vendor", "vectors", "rounding"}


def test_every_seed_must_print_as_many_numbers(chapter):
    source = CLAIM.format(bound=0) + "if runtime.seed():\n    print('≈ 1')"
    with pytest.raises(Stop, match=r"prints as many numbers in \['topic-02'\]"):
        evidence.measure(chapter(source), [0, 1], "cpu")


def test_a_cell_error_aborts_and_nothing_is_written(chapter):
    path = chapter(CLAIM.format(bound=0) + "1 / (runtime.seed() - 1)")
    with pytest.raises(Stop, match="ZeroDivisionError"):
        evidence.measure(path, [0, 1], "cpu")
    assert not path.with_suffix(".evidence.json").exists()


def test_every_seed_must_make_the_same_claims(chapter):
    source = CLAIM.format(bound=0) + (
        "if runtime.seed():\n    claim('odd', 'odd', 1.0, at_least=0)"
    )
    with pytest.raises(Stop, match=r"not every seed makes the claims \['odd'\]"):
        evidence.measure(chapter(source), [0, 1], "cpu")


def test_a_chapter_without_a_claim_is_an_error(chapter):
    with pytest.raises(Stop, match="no claim was made"):
        evidence.measure(chapter("1 + 1"), [0], "cpu")


def test_each_scale_replaces_only_its_own_part(tmp_path):
    path = tmp_path / "topic.ipynb"
    evidence.store(path, "gpu", {"seconds": [9.0, 1.0]})
    evidence.store(path, "cpu", {"seconds": [1.0]})
    target = evidence.store(path, "cpu", {"seconds": [2.0]})
    parts = json.loads(target.read_text())
    assert parts == {"cpu": {"seconds": [2.0]}, "gpu": {"seconds": [9.0, 1.0]}}
    assert '"seconds": [ 9.0, 1.0 ]' in target.read_text()


@pytest.mark.parametrize("text", ["", "a", "1-2-3", "0,0", "4-1", "-1"])
def test_bad_seeds_are_named(text):
    with pytest.raises(Stop, match="SEEDS="):
        evidence.parse_seeds(text)


def test_badges_say_cost_and_reference_and_keep_outputs_fresh(chapter):
    path = chapter('REPOSITORY = ""\nprint("hello")')
    cost = {"seconds": [30.0, 34.4, 60.0], "peak_mb": [600, 640, 610]}
    evidence.store(path, "cpu", cost)
    address = ("https://github.com/owner/book", "main")

    assert stamp.stamp(path, path.parent, address)
    assert not stamp.stamp(path, path.parent, address)

    notebook = nbformat.read(path, 4)
    assert notebook.cells[0].source.splitlines()[-1] == (
        "[Open in Colab](https://colab.research.google.com/github/"
        "owner/book/blob/main/topic.ipynb) · about 34 s and 0.6 GB on a laptop's CPU"
        " · checked against `torch` <!-- badges -->"
    )
    assert 'REPOSITORY = "https://github.com/owner/book"' in notebook.cells[1].source
    assert stamp.stamp(path, path.parent, None)
    assert 'REPOSITORY = ""' in nbformat.read(path, 4).cells[1].source


def stored_claims(path):
    """Collect each claim's printed line by its name."""
    lines = {}
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", []):
            record = output.get("metadata", {}).get("genai_claim")
            if record:
                lines[record["name"]] = output["data"]["text/plain"]
    return lines


@pytest.mark.parametrize("path", notebooks(ROOT), ids=lambda path: path.stem)
def test_the_notebook_stores_what_seed_0_measured(path):
    target = path.with_suffix(".evidence.json")
    assert target.exists(), f"{target.name} is missing: make evidence TOPIC={path.stem}"
    row = json.loads(target.read_text("utf-8"))["cpu"]
    lines = stored_claims(path)
    assert lines.keys() == row["claims"].keys(), f"make evidence TOPIC={path.stem}"
    assert row["seeds"] == [0, 1, 2, 3, 4]
    same = nbformat.read(path, 4).metadata.genai.get("processor") == row.get(
        "processor", ""
    )
    for name, seeds in row["claims"].items():
        assert len(seeds) == 5
        (stored,) = values(lines[name])
        assert is_true(stored, seeds, same), (
            f"{path.name}, claim {name}: stores {stored}, the seeds gave {seeds}; "
            f"make notebooks TOPIC={path.stem} ALL=1, then make evidence"
        )


def is_true(stored, seeds, same_class):
    """Compare with seed 0 on the class of processor that ran it, else with all."""
    if same_class:
        return agree(stored, seeds[0])
    between = interval(seeds)
    return between is None or between[0] <= stored <= between[1]


@pytest.mark.parametrize("path", notebooks(ROOT), ids=lambda path: path.stem)
def test_the_numbers_of_the_evidence_are_those_that_the_notebook_prints(path):
    row = json.loads(path.with_suffix(".evidence.json").read_text("utf-8"))["cpu"]
    if "numbers" not in row:
        return
    printed = evidence.numbers_of(nbformat.read(path, 4))
    for cell in printed.keys() | row["numbers"].keys():
        seeds = row["numbers"].get(cell, [[]])
        assert len(seeds[0]) == len(printed.get(cell, [])), (
            f"{path.name}, cell {cell}: its evidence is older; "
            f"make evidence TOPIC={path.stem}"
        )
