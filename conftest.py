"""Settings of every test of the book."""

import sys

import pytest

pytest_plugins = [
    "tests.book.topic",
    "tests.book.proven",  # before the notebooks, which import it
    "tests.book.notebooks",
    "tests.book.groups",
    "tests.browser",
]


@pytest.fixture(autouse=True)
def fixed_seed():
    """Seed what the test has imported, so that every run draws the same numbers."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    """Close what a test has drawn, so that none finds the figures of another."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
