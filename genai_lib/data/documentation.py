"""Real technical English: the narrative parts of scikit-learn's own documentation.

The summary and the Notes of every docstring are read from the installed package's
source with `ast`, so the text depends on the pinned version of scikit-learn alone.

The split is clean: no window of 30 characters of the validation text occurs in the
training text. A plain split of documentation leaks, because docstrings repeat.
"""

import ast
import functools
import hashlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WINDOW = 30
VALIDATION_SHARE = 0.1
SECTION = re.compile(r"^(?P<name>[A-Z][\w ]+)\n-{3,}\s*$", re.MULTILINE)
STOCK = ("Read more in the :ref:", ".. version", ".. deprecated")
SKIPPED = {"tests", "externals", "_build_utils"}


@dataclass(frozen=True)
class Documentation:
    """Text to train on and text to validate with.

    Attributes
    ----------
    train, validation : str
        Paragraphs separated by empty lines.
    """

    train: str
    validation: str

    @functools.cached_property
    def characters(self) -> list[str]:
        """All characters of both parts, sorted."""
        return sorted(set(self.train) | set(self.validation))


@functools.lru_cache(maxsize=1)
def load_documentation() -> Documentation:
    """Read, de-duplicate and split the text: the same on every machine."""
    paragraphs = list(dict.fromkeys(_paragraphs(_package_folder())))
    held_out = [p for p in paragraphs if _held_out(p)]
    kept = [p for p in paragraphs if not _held_out(p)]
    return clean_split(kept, held_out)


def clean_split(kept: list[str], held_out: list[str]) -> Documentation:
    """Drop from the training part every paragraph that shares a window with the other.

    Parameters
    ----------
    kept, held_out : list of str
        Paragraphs of the training and of the validation part.
    """
    validation = "\n\n".join(held_out)
    seen = windows(validation + "\n\n")
    train = ""
    for paragraph in kept:
        # The end of what is there belongs to it: a window can span a gap.
        addition = paragraph + "\n\n"
        if seen.isdisjoint(windows(train[1 - WINDOW :] + addition)):
            train += addition
    return Documentation(train.strip(), validation)


def windows(text: str) -> set[str]:
    """Collect all stretches of 30 characters."""
    return {text[i : i + WINDOW] for i in range(len(text) - WINDOW + 1)}


def narrative(docstring: str) -> str:
    """Cut a docstring to its summary and its Notes.

    >>> narrative("Sum.\\n\\nReturns\\n-------\\nx : int\\n\\nNotes\\n-----\\nFast.")
    'Sum.\\n\\nFast.'
    """
    text = inspect.cleandoc(docstring)
    headings = list(SECTION.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    parts = [text[: headings[0].start()] if headings else text]
    parts += [
        text[heading.end() : end]
        for heading, end in zip(headings, ends, strict=bool(headings))
        if heading["name"] == "Notes"
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _package_folder() -> Path:
    place = importlib.util.find_spec("sklearn")
    if place is None:
        raise ValueError("scikit-learn is not installed: pip install scikit-learn")
    return Path(place.submodule_search_locations[0])


def _paragraphs(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py"), key=lambda p: p.as_posix()):
        if SKIPPED & set(path.relative_to(folder).parts):
            continue
        for node in _documented(ast.parse(path.read_text(encoding="utf-8"))):
            text = narrative(ast.get_docstring(node) or "")
            paragraphs = re.split(r"\n\s*\n", text)
            yield from (p for p in paragraphs if len(p) >= WINDOW and not _is_stock(p))


def _documented(node: ast.AST) -> Iterator[ast.AST]:
    """Walk modules, classes and functions, outermost first."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from _documented(child)


def _is_stock(paragraph: str) -> bool:
    return paragraph.lstrip().startswith(STOCK)


def _held_out(paragraph: str) -> bool:
    """Choose one paragraph in ten by its own content, whatever its place."""
    digest = hashlib.sha256(paragraph.encode()).digest()
    return int.from_bytes(digest[:4], "big") < VALIDATION_SHARE * 2**32
