"""Technical English: the narrative parts of scikit-learn's own documentation.

The summary and the Notes of every docstring are read from the installed package's
source with `ast`, so the text depends on the version of scikit-learn alone. The
text of another version is converted to the same alphabet, and a printed line says that
numbers will differ.

The split is clean: no window of 30 characters of the validation text occurs in the
training text. A plain split of documentation leaks, because docstrings repeat.
"""

import ast
import functools
import hashlib
import importlib.util
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from genai_lib.data.alphabet import ALPHABET, in_alphabet

# The version that requirements.txt pins, and the SHA-256 of all that is read from it.
PINNED = "1.9.1"
DIGEST = "bdf9bcb264866729086924af98e116cc4893f9f3e08e2426595f5ceecf4d9192"
WINDOW = 30
VALIDATION_SHARE = 0.1
SECTION = re.compile(r"^(?P<name>[A-Z][\w ]+)\n-{3,}\s*$", re.MULTILINE)
NARRATIVE = {"Summary", "Notes"}
STOCK = ("Read more in the :ref:", ".. version", ".. deprecated")
SKIPPED = {"tests", "externals", "_build_utils"}


@dataclass(frozen=True)
class Documentation:
    """Text to train on and text to validate with.

    Attributes
    ----------
    train, validation : str
        Paragraphs separated by empty lines.
    alphabet : str, default=""
        Characters that belong to the vocabulary even where neither part has them.
    """

    train: str
    validation: str
    alphabet: str = ""

    @functools.cached_property
    def characters(self) -> list[str]:
        """All characters of both parts and of the alphabet, sorted."""
        return sorted({*self.train, *self.validation, *self.alphabet})


class Section(NamedTuple):
    """A section of one docstring, as a document to search for.

    Attributes
    ----------
    place : str
        What is described, such as "cluster.KMeans".
    heading : str
        "Summary" or "Notes".
    text : str
    """

    place: str
    heading: str
    text: str


@functools.lru_cache(maxsize=1)
def load_sections() -> tuple[Section, ...]:
    """Return the same text as sections, unsplit, each different one once."""
    found: dict[str, Section] = {}
    for section in _read():
        found.setdefault(section.text, section)
    return tuple(found.values())


@functools.lru_cache(maxsize=1)
def load_documentation() -> Documentation:
    """Read, de-duplicate and split the text: the same on every machine.

    With another scikit-learn than the pinned one the alphabet is the same, and one line
    is printed, once.
    """
    paragraphs = list(dict.fromkeys(_paragraphs(_read())))
    held_out = [p for p in paragraphs if _held_out(p)]
    kept = [p for p in paragraphs if not _held_out(p)]
    return replace(clean_split(kept, held_out), alphabet=ALPHABET)


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
        # With the end of the text so far, because a window can span two paragraphs.
        addition = paragraph + "\n\n"
        if seen.isdisjoint(windows(train[1 - WINDOW :] + addition)):
            train += addition
    return Documentation(train.strip(), validation)


def windows(text: str) -> set[str]:
    """Return the set of all windows of 30 characters."""
    return {text[i : i + WINDOW] for i in range(len(text) - WINDOW + 1)}


def parts(docstring: str) -> list[tuple[str, str]]:
    """Return the summary and the Notes of a docstring, each with its heading.

    >>> parts("Sum.\\n\\nReturns\\n-------\\nx : int\\n\\nNotes\\n-----\\nFast.")
    [('Summary', 'Sum.'), ('Notes', 'Fast.')]
    """
    text = inspect.cleandoc(docstring)
    headings = list(SECTION.finditer(text))
    starts = [0] + [heading.end() for heading in headings]
    ends = [heading.start() for heading in headings] + [len(text)]
    names = ["Summary"] + [heading["name"] for heading in headings]
    found = [
        (name, text[start:end].strip())
        for name, start, end in zip(names, starts, ends, strict=True)
    ]
    return [(name, part) for name, part in found if name in NARRATIVE and part]


def _package_folder() -> Path:
    place = importlib.util.find_spec("sklearn")
    if place is None:
        raise ValueError("scikit-learn is not installed: pip install scikit-learn")
    return Path(place.submodule_search_locations[0])


@functools.lru_cache(maxsize=1)
def _read() -> tuple[Section, ...]:
    """Read all sections; print a line once if they are not those of the book."""
    sections = tuple(_sections(_package_folder()))
    whole = "\0".join(part for section in sections for part in section)
    if hashlib.sha256(whole.encode()).hexdigest() != DIGEST:
        print(
            f"The documentation text is that of scikit-learn {_installed()}; the book "
            f"has that of {PINNED}, so numbers will differ."
        )
    return sections


def _installed() -> str:
    try:
        return metadata.version("scikit-learn")
    except metadata.PackageNotFoundError:  # a folder on the path, without metadata
        return "of an unknown version"


def _paragraphs(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        yield from (p for p in section.text.split("\n\n") if len(p) >= WINDOW)


def _sections(folder: Path) -> Iterator[Section]:
    for path in sorted(folder.rglob("*.py"), key=lambda p: p.as_posix()):
        inside = path.relative_to(folder)
        if SKIPPED & set(inside.parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        files = [name for name in inside.with_suffix("").parts if name[0] != "_"]
        for names, node in _documented(tree, files or [folder.name]):
            for heading, part in parts(_text_of(node)):
                kept = [p for p in re.split(r"\n\s*\n", part) if not _is_stock(p)]
                if kept:
                    yield Section(".".join(names), heading, "\n\n".join(kept))


def _documented(node: ast.AST, names: list[str]) -> Iterator[tuple[list[str], ast.AST]]:
    """Walk modules, classes and functions, outermost first, with their names."""
    yield names, node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from _documented(child, [*names, child.name])


def _text_of(node: ast.AST) -> str:
    return in_alphabet(ast.get_docstring(node) or "")


def _is_stock(paragraph: str) -> bool:
    return paragraph.lstrip().startswith(STOCK)


def _held_out(paragraph: str) -> bool:
    """Choose one paragraph in ten by a hash of its content."""
    digest = hashlib.sha256(paragraph.encode()).digest()
    return int.from_bytes(digest[:4], "big") < VALIDATION_SHARE * 2**32
