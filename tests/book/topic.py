"""The option ``--topic NAME``: only what tests this topic."""

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
    known = topics(ROOT)
    wanted = [item for item in items if is_of_topic(item, topic, known)]
    config.hook.pytest_deselected(items=[i for i in items if i not in wanted])
    items[:] = wanted


def topics(root: Path) -> list[str]:
    """Return the names of the pages and notebooks of the book under ``root``."""
    pages = [*root.glob("chapters/**/*.ipynb"), *root.glob("chapters/**/*.md")]
    return sorted(
        {page.stem for page in pages if ".ipynb_checkpoints" not in page.parts}
    )


def is_of_topic(item: pytest.Item, topic: str, known: list[str]) -> bool:
    """Tell whether a test belongs to ``topic``.

    Parameters
    ----------
    item : pytest.Item
    topic : str
    known : list of str
        All topics: ``test_softmax_one.py`` belongs to ``softmax_one`` if there is such
        a topic, otherwise to ``softmax``.
    """
    path = item.path.relative_to(ROOT) if item.path.is_relative_to(ROOT) else item.path
    tree = path.parts[0]
    if path.stem.startswith("test_"):
        name = path.stem.removeprefix("test_")
        about_pages = path.parts[:2] in (("tests", "book"), ("tests", "live"))
        return owner(name, known) == topic or (about_pages and _names(item, topic))
    if tree == "genai_lib":
        return topic in (path.stem, *path.parent.parts)
    return path.stem == topic


def owner(name: str, known: list[str]) -> str | None:
    """Return the longest topic that ``name`` is or begins with."""
    owners = [topic for topic in known if f"{name}_".startswith(f"{topic}_")]
    return max(owners, key=len, default=None)


def _names(item: pytest.Item, topic: str) -> bool:
    call = getattr(item, "callspec", None)
    page = rf"(^|[/-]){re.escape(topic)}(\.\w+)?($|-)"
    return call is not None and re.search(page, call.id) is not None
