"""The option ``--topic NAME``: exactly what tests this topic.

A topic is a room: its notebook, its folder of the library and its folder of the tests.
Besides these belong to it the rules and the tests of pages that are run for its page.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    """Add the option."""
    parser.addoption(
        "--topic",
        metavar="NAME",
        help="run only the tests, notebook, page and doctests of this topic",
    )


def pytest_configure(config):
    """Reject a topic that nothing in the book carries."""
    topic = config.getoption("topic")
    known = topics(ROOT)
    if topic is not None and topic not in known:
        raise pytest.UsageError(
            f"--topic {topic!r}: there is no such topic; there are {', '.join(known)}"
        )


def pytest_collection_modifyitems(config, items):
    """Deselect what is not of the topic."""
    topic = config.getoption("topic")
    if topic is None:
        return
    wanted = [item for item in items if is_of_topic(item, topic)]
    config.hook.pytest_deselected(items=[i for i in items if i not in wanted])
    items[:] = wanted


def topics(root: Path) -> list[str]:
    """Return the names of the pages and notebooks of the book under ``root``."""
    pages = [*root.glob("chapters/**/*.ipynb"), *root.glob("chapters/**/*.md")]
    return sorted(
        {page.stem for page in pages if ".ipynb_checkpoints" not in page.parts}
    )


def is_of_topic(item: pytest.Item, topic: str) -> bool:
    """Tell whether a test lies in a topic's room or is one for its page."""
    path = item.path.relative_to(ROOT) if item.path.is_relative_to(ROOT) else item.path
    tree, *folders = path.parent.parts or ("",)
    if tree == "chapters":
        return path.stem == topic
    if topic in folders[1:]:
        return True
    call = getattr(item, "callspec", None)
    page = rf"(^|[/-]){re.escape(topic)}(\.\w+)?($|-)"
    for_pages = path.parts[:2] in (("tests", "book"), ("tests", "website"))
    return for_pages and call is not None and re.search(page, call.id) is not None
