"""Settings of every test of the book."""

import sys

import pytest

pytest_plugins = ["tests.book.topic", "tests.book.notebooks"]


@pytest.fixture(autouse=True)
def fixed_seed():
    """Seed what the test has imported, so that every run draws the same numbers."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
