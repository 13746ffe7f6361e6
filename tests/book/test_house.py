"""The rules of the house hold in this book."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.book.chapter_rules import CHAPTER_RULES
from tests.book.citation_rules import CITATION_RULES
from tests.book.library_rules import LIBRARY_RULES
from tests.book.notebook_rules import RULES, notebooks
from tests.book.picture_rules import PICTURE_RULES
from tests.book.reporting import report
from tests.book.source_rules import SOURCE_RULES
from tools import checks

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = notebooks(ROOT)
CHAPTERS = [notebook for notebook in NOTEBOOKS if notebook.part != "reading"]
BOOK_RULES = (checks.problems, *LIBRARY_RULES, *CITATION_RULES, *SOURCE_RULES)
WITHOUT_TORCH = """
import importlib, pkgutil, sys
sys.modules["torch"] = None
import genai_lib
heavy = {"numpy", "matplotlib", "altair"} & set(sys.modules)
assert not heavy, f"genai_lib/__init__.py imports {heavy}; import where it is used"
for name in ("live", "website", "reading"):
    room = importlib.import_module(f"genai_lib.{name}")
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        if not module.name.endswith(".stored"):
            importlib.import_module(module.name)
"""


def name_of(value):
    return getattr(value, "__name__", None) or value.name.removeprefix("chapters/")


@pytest.mark.parametrize("rule", RULES + PICTURE_RULES, ids=name_of)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name_of)
def test_notebook_keeps_the_rule(notebook, rule):
    report(rule(notebook))


@pytest.mark.parametrize("rule", CHAPTER_RULES, ids=name_of)
@pytest.mark.parametrize("notebook", CHAPTERS, ids=name_of)
def test_chapter_keeps_the_rule(notebook, rule):
    report(rule(notebook))


@pytest.mark.parametrize("rule", BOOK_RULES, ids=name_of)
def test_book_keeps_the_rule(rule):
    report(rule(ROOT))


def test_engine_website_and_front_page_need_no_torch():
    command = [sys.executable, "-c", WITHOUT_TORCH]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    report(run.stderr.strip().splitlines()[-1:] if run.returncode else [])


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["check", "--output-format=concise"], "ruff check --fix"),
        (["format", "--check", "--output-format=concise"], "ruff format"),
    ],
)
def test_code_is_clean(arguments, remedy):
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    if run.returncode != 0:
        report([f"run `{remedy}`", *f"{run.stdout}{run.stderr}".splitlines()])
