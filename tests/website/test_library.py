"""The reference of the library: docstrings taken apart, names read without import."""

import ast
import importlib

import pytest
from docutils import nodes

from genai_lib.website.docstring import Block, parse
from genai_lib.website.library import read_library
from genai_lib.website.reference import areas, module_section
from tests.browser import ROOT

DOCSTRING = """Mix two colours, r + g
[1, eq. 2].

More words
on two lines.

* first
  item
* second

    indented = True

Parameters
----------
first : Tensor of shape (..., 3)
    Between 0 and `limit`.

    Another paragraph.
second, third : float, default=None

Returns
-------
Tensor of shape (..., 3)
    The mixture.
name : int
    Named.

Raises
------
ValueError
    If `first` is black.

Notes
-----
All is well.

>>> mix(1, 2)
3
"""
PACKAGE = {
    "lib/__init__.py": '"""The library."""\n',
    "lib/parts/__init__.py": '"""Parts."""\n',
    "lib/parts/colour/__init__.py": '''"""Colours of light.

Chapter  chapters/parts/colour.ipynb
Tests    tests/parts/test_colour.py
"""

from lib.parts.colour.mixing import mix, Palette
from lib.other import helper

__all__ = ["Palette", "mix"]
''',
    "lib/parts/colour/mixing.py": '''"""How to mix.

References
    [1] Newton, "Opticks",
        1704
    [2] Goethe, 1810
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Some colours [2].

    Attributes
    ----------
    names : tuple of str
    """

    names: tuple[str, ...]
    size: int = 3

    @property
    def first(self) -> str:
        """The first colour."""
        return self.names[0]

    def without(self, name: str) -> "Palette":
        """Leave one out."""

    def hidden(self):
        pass

    def _private(self):
        """Private."""


def mix(first, /, second: float = 1.0, *rest, deep=None, **options) -> float:
    """Mix [1, eq. 2]."""


def spill():
    """Not listed."""


def _hidden():
    """Private."""
''',
    "lib/other.py": '"""Other."""\n\n\ndef helper(*, one):\n    """Help."""\n',
    "lib/_private.py": "def public():\n    pass\n",
}


@pytest.fixture
def modules(tmp_path):
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {module.name: module for module in read_library(tmp_path, "lib")}


def test_a_docstring_is_taken_apart():
    found = parse(DOCSTRING)

    assert found.summary == "Mix two colours, r + g [1, eq. 2]."
    assert found.blocks == (
        Block("words", ("More words on two lines.",)),
        Block("list", ("first item", "second")),
        Block("code", ("indented = True",)),
    )
    assert list(found.sections) == ["Parameters", "Returns", "Raises", "Notes"]
    first, second = found.sections["Parameters"]
    assert (first.name, first.kind) == ("first", "Tensor of shape (..., 3)")
    assert [block.lines[0] for block in first.blocks] == [
        "Between 0 and `limit`.",
        "Another paragraph.",
    ]
    assert (second.name, second.kind, second.blocks) == (
        "second, third",
        "float, default=None",
        (),
    )
    unnamed, named = found.sections["Returns"]
    assert (unnamed.name, unnamed.kind) == ("", "Tensor of shape (..., 3)")
    assert (named.name, named.kind) == ("name", "int")
    assert found.sections["Raises"][0].kind == "ValueError"
    assert found.sections["Notes"][1] == Block("session", (">>> mix(1, 2)", "3"))


def test_a_session_after_entries_is_an_example():
    found = parse("Sum.\n\nParameters\n----------\na : int\n\n>>> f(1)\n1\n")

    assert [entry.name for entry in found.sections["Parameters"]] == ["a"]
    assert found.sections["Examples"] == (Block("session", (">>> f(1)", "1")),)


def test_public_names_are_read_once(modules):
    names = {name: [one.name for one in m.names] for name, m in modules.items()}

    assert names == {
        "lib.other": ["helper"],
        "lib.parts.colour": ["Palette", "mix"],
        "lib.parts.colour.mixing": ["spill"],
    }


def test_a_module_names_its_chapter_and_references(modules):
    colour = modules["lib.parts.colour"]

    assert (colour.summary, colour.text) == ("Colours of light.", "")
    assert colour.chapter == "chapters/parts/colour"
    assert colour.references["lib/parts/colour/mixing.py"] == {
        "1": 'Newton, "Opticks", 1704',
        "2": "Goethe, 1810",
    }


def test_signatures_are_as_written(modules):
    palette, mix = modules["lib.parts.colour"].names

    assert mix.parameters == (
        "first",
        "/",
        "second: float = 1.0",
        "*rest",
        "deep=None",
        "**options",
    )
    assert mix.returns == "float"
    assert palette.parameters == ("names: tuple[str, ...]", "size: int = 3")
    assert [(m.name, m.kind, m.parameters) for m in palette.methods] == [
        ("Palette.first", "property", ()),
        ("Palette.without", "method", ("name: str",)),
    ]
    assert modules["lib.other"].names[0].parameters == ("*", "one")


def test_places_are_lines_of_the_file(modules):
    mix = modules["lib.parts.colour"].names[1]
    lines = PACKAGE[mix.path].splitlines()

    assert lines[mix.lines[0] - 1].startswith("def mix(")
    assert lines[mix.lines[1] - 1].endswith('"""Mix [1, eq. 2]."""')


def section_of(module):
    return module_section(
        module,
        lambda name: nodes.inline("", f"{name.path}:{name.lines[0]}"),
        lambda module: nodes.inline("", module.chapter),
    )


def test_an_entry_spells_out_what_it_cites(modules):
    text = section_of(modules["lib.parts.colour"]).astext()

    assert '[1] Newton, "Opticks", 1704' in text
    assert text.count("Goethe") == 1
    assert "lib/parts/colour/mixing.py:" in text
    assert "Chapter: chapters/parts/colour" in text


def test_backticks_become_code(modules):
    from genai_lib.website.reference import inline

    found = inline("If `first` is black.")
    assert [type(node).__name__ for node in found] == ["Text", "literal", "Text"]
    assert [node.astext() for node in found] == ["If ", "first", " is black."]


def test_parts_come_first_and_the_website_last():
    parts = ["components", "genres", "reading"]
    found = areas(read_library(ROOT), parts)

    wanted = ["Components", "Genres", "Shared by all parts", "Behind the website"]
    assert list(found) == wanted
    assert {"genai_lib.claims", "genai_lib.training"} <= {
        module.name for module in found["Shared by all parts"]
    }


def test_every_public_name_of_the_library_is_there():
    found = {(name.path, name.name) for m in read_library(ROOT) for name in m.names}
    wanted = set()
    for path in (ROOT / "genai_lib").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if getattr(node, "name", "_")[0] != "_":
                wanted.add((path.relative_to(ROOT).as_posix(), node.name))
    assert found == wanted


def test_names_can_be_imported_from_where_they_are_shown():
    for module in read_library(ROOT):
        if module.name.split(".")[1] == "components":
            there = importlib.import_module(module.name)
            assert all(hasattr(there, name.name) for name in module.names)
