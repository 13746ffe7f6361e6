"""Tests of a group stay together, and the longest group comes first."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.book.groups import CACHED, NOTEBOOK, PAGE, TEST, expected, group_of
from tests.browser import ROOT

PAGES = """
import pytest

NAMES = ["a.html", "b.html"]

@pytest.fixture(scope="module")
def page(request):
    return request.param

def test_of_the_file(): pass

@pytest.mark.parametrize("page", NAMES, indirect=True)
def test_all(page): pass

@pytest.mark.parametrize("page", NAMES[1:], indirect=True)
def test_some(page): pass
"""
FILES = {
    "pytest.ini": "[pytest]",
    "test_small.py": "def test_small(): pass",
    "tests/website/test_pages.py": PAGES,
}
FILE = "tests/website/test_pages.py"
LINE = re.compile(r"\[(gw\d)\].* PASSED \S+::(\S+)")


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("tests/website/test_a.py::test_b[chapters/c/d_e.html]", "chapters/c/d_e.html"),
        ("tests/website/test_a.py::test_b[c.html-1]", "c.html"),
        ("tests/website/test_a.py::test_b[1]", "tests/website/test_a.py"),
        ("tests/book/test_a.py::test_b[c.html]", "tests/book/test_a.py"),
        ("chapters/a/b.ipynb::Cell 3", "chapters/a/b.ipynb"),
    ],
)
def test_a_page_is_a_group_and_else_a_file(name, group):
    assert group_of(name) == group


def test_a_group_costs_what_it_did_and_a_new_one_a_guess():
    names = ["a.py::b", "a.py::c", "tests/website/a.py::b[x.html]", "b.ipynb::0"]
    found = expected([*names, "known.py::a"], {"known.py": 7.0, "gone.py": 1.0})
    guesses = {"a.py": 2 * TEST, "x.html": PAGE, "b.ipynb": NOTEBOOK}
    assert found == guesses | {"known.py": 7.0}


def session(folder, workers):
    """Run the tests of a folder; return the worker and the name of each, in order."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.book.groups", "-v"]
    run = subprocess.run(
        [*command, "-n", workers, "--dist", "loadgroup"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return LINE.findall(run.stdout)


def test_groups_stay_together_and_the_longest_comes_first(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    a, b = ["test_all[a.html]"], ["test_all[b.html]", "test_some[b.html]"]
    small, file = ["test_small"], ["test_of_the_file"]
    ran = session(tmp_path, "2")
    for group in (a, b):
        assert len({worker for worker, name in ran if name in group}) == 1

    [cached] = (tmp_path / ".pytest_cache").rglob(CACHED)
    groups = {"a.html", "b.html", FILE, "test_small.py"}
    assert set(json.loads(cached.read_text())) == groups
    seconds = {"a.html": 1.0, "b.html": 2.0, "test_small.py": 9.0, FILE: 0.5}
    cached.write_text(json.dumps(seconds))
    ran = [name for _, name in session(tmp_path, "1")]
    assert ran == [*small, *b, *a, *file]
