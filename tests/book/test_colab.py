"""Chapters with the packages of another environment: what is chosen and reported."""

import nbformat
import pytest

from tools import colab, run_chapters
from tools.common import Stop


def cell(*outputs, **metadata):
    made = nbformat.v4.new_code_cell("run()", metadata=metadata)
    made.outputs = list(outputs)
    return made


def output(**claim):
    metadata = {"genai_claim": claim} if claim else {}
    return nbformat.v4.new_output("display_data", metadata=metadata)


ERROR = nbformat.v4.new_output(
    "error", ename="ValueError", evalue="a=1\nb", traceback=[]
)


def test_every_cell_that_fails_is_one_line():
    wanted = cell(ERROR, tags=["raises-exception"])
    cells = [nbformat.v4.new_markdown_cell("# Topic"), cell(ERROR), cell(), wanted]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert list(run_chapters.errors(notebook)) == ["error in cell 2: ValueError: a=1"]


def test_claims_that_fall_are_told_and_others_not():
    fell = output(name="it-falls", holds=False, value=0.5)
    holds = output(name="it-holds", holds=True, value=0.9)
    notebook = nbformat.v4.new_notebook(cells=[cell(fell, output(), holds)])
    assert list(run_chapters.fallen(notebook)) == ["claim it-falls falls: 0.5"]


def test_topics_are_chosen_by_name():
    paths = colab.chosen(["softmax", "gato"])
    assert [path.parent.name for path in paths] == ["components", "genres"]
    with pytest.raises(Stop, match="softmacs"):
        colab.chosen(["softmacs"])


def test_a_step_that_fails_stops_with_its_words():
    with pytest.raises(Stop, match="no such thing"):
        colab.run("sh", "-c", "echo no such thing; exit 1")
