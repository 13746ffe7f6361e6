"""The option --topic picks what tests a topic and nothing else."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.book.topic import ROOT, is_of_topic, topics


def item(path, parameters=None):
    """Return what an item of pytest shows of itself."""
    found = SimpleNamespace(path=ROOT / path)
    if parameters is not None:
        found.callspec = SimpleNamespace(id=parameters)
    return found


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("tests/components/softmax/test_softmax.py", None),
        ("tests/components/softmax/test_figure.py", "7"),
        ("chapters/components/softmax.ipynb", None),
        ("genai_lib/components/softmax/__init__.py", None),
        ("genai_lib/components/softmax/exercises.py", None),
        ("tests/reading/softmax/test_page.py", None),
        ("tests/book/test_house.py", "components/softmax.ipynb-has_outputs"),
        ("tests/book/test_links.py", "chapters/components/softmax.html-ids_are_unique"),
        ("tests/website/test_pages_browser.py", "softmax"),
    ],
)
def test_item_of_the_topic_is_kept(path, parameters):
    assert is_of_topic(item(path, parameters), "softmax")


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("tests/components/softmax_one/test_softmax_one.py", None),
        ("tests/components/attention/test_softmax.py", "softmax"),
        ("tests/book/test_house.py", None),
        ("tests/book/test_house.py", "components/softmax_one.ipynb-has_outputs"),
        ("tests/book/test_house.py", "components/log_softmax.ipynb-has_outputs"),
        ("chapters/components/softmax_one.ipynb", None),
        ("genai_lib/components/attention/heads.py", None),
        ("genai_lib/claims.py", None),
        ("tests/test_claims.py", "softmax"),
    ],
)
def test_item_of_another_topic_is_left_out(path, parameters):
    assert not is_of_topic(item(path, parameters), "softmax")


def test_topics_are_the_pages_of_the_book(tmp_path):
    for name in ("index.md", "components/b.ipynb", ".ipynb_checkpoints/c.ipynb"):
        path = tmp_path / "chapters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    assert topics(tmp_path) == ["b", "index"]


def test_unknown_topic_is_a_clear_error():
    command = [sys.executable, "-m", "pytest", "--topic", "sofmax", __file__]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--topic 'sofmax': there is no such topic; there are" in run.stderr
    assert "no tests ran" not in run.stdout
