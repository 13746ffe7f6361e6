"""The reference of the library: names read without import, docstrings as nodes."""

import ast
import importlib
import subprocess
import sys

import pytest
from docutils import nodes

from genai_lib.website.reference import (
    described,
    kind,
    methods,
    module_section,
    read_library,
    signature,
)
from tests.book.library_rules import PARTS
from tests.browser import ROOT

DOCSTRING = """Mix two colours, r + g
[1, eq. 2].

More words
on two lines.

    indented = True * 2

    more

* first
  item
* second

Parameters
----------
first : Tensor of shape (..., 3)
    Between 0 and `limit`.

    Another paragraph.
second, third : float, default=None
    Of both.
fourth, fifth

Returns
-------
Tensor of shape (..., 3)
    The mixture.
int
int
name : int
    Named.

Raises
------
ValueError
    If `first` is *black*, <none> or __none__ [2].

Notes
-----
All is well.

>>> mix(1, 2)
3
"""
PACKAGE = {
    "lib/__init__.py": '"""The library."""\n',
    "lib/parts/__init__.py": (
        'from lib.parts.colour import mix\n\n__all__ = ["mix"]\n'
    ),
    "lib/parts/colour/__init__.py": '''"""Colours of light.

Chapter  chapters/parts/colour.ipynb
Tests    tests/parts/test_colour.py
"""

import json

import torch
from lib.parts.colour.mixing import mix, only, Fixed, Palette, Point, WHITE
from lib.parts.colour.glow import glow
from lib.other import helper

__all__ = ["Fixed", "Palette", "Point", "WHITE", "glow", "helper", "mix", "only"]
''',
    "lib/parts/colour/mixing.py": '''"""How to mix.

References
    [1] Newton, "Opticks",
        1704
    [2] Goethe, 1810
"""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Palette:
    """Some colours [2].

    Attributes
    ----------
    names : tuple of str
    """

    names: tuple[str, ...]
    size: int = 3
    seen: list = field(default_factory=list)

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


class Point(NamedTuple):
    """A place."""

    x: float
    y: float = 0.0

    @property
    def size(self) -> float:
        """Its distance."""

    @staticmethod
    def origin(size: int) -> "Point":
        """The middle."""


class Fixed(Palette):
    """Inherits [1]."""


# Not by its value.
WHITE = (255, 255)
"""All light."""
LOCAL = 1


def mix(first, /, second: float = 1.0, *rest, deep=None, **options) -> float:
    """Mix [1, eq. 2]."""


def only(first, /, *, deep: int):
    """Neither by its name nor by its place."""


def spill():
    """Not listed."""


def _hidden():
    """Private."""
''',
    "lib/parts/colour/glow.py": 'def glow():\n    """Named as its module."""\n',
    "lib/broken.py": 'raise ValueError("imported")\n',
    "lib/other.py": '"""Other."""\n\n\ndef helper(*, one):\n    """Help."""\n',
    "lib/_private.py": "def public():\n    pass\n",
}


@pytest.fixture
def library(tmp_path):
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return read_library(tmp_path, "lib")


@pytest.fixture
def names(library):
    return {one.path: one for names in library.values() for one in names}


def fields(docstring):
    """Return the title of each section with the text of its entries or blocks."""
    (found,) = [
        one for one in described(docstring) if isinstance(one, nodes.field_list)
    ]
    shown = {}
    for title, body in (field.children for field in found):
        lists = body.findall(nodes.definition_list_item)
        entries = [tuple(part.astext() for part in item) for item in lists]
        shown[title.astext()] = entries or [block.astext() for block in body]
    return shown


def test_a_docstring_is_taken_apart():
    *blocks, _ = described(DOCSTRING)

    assert [(type(one).__name__, one.astext()) for one in blocks] == [
        ("paragraph", "Mix two colours, r + g\n[1, eq. 2]."),
        ("paragraph", "More words\non two lines."),
        ("literal_block", "indented = True * 2\n\nmore"),
        ("bullet_list", "first\nitem\n\nsecond"),
    ]
    assert fields(DOCSTRING) == {
        "Parameters": [
            (
                "first : Tensor of shape (..., 3)",
                "Between 0 and limit.\n\nAnother paragraph.",
            ),
            ("second, third : float, default=None", "Of both."),
            ("fourth, fifth", ""),
        ],
        "Returns": [
            ("Tensor of shape (..., 3)", "The mixture."),
            ("int", ""),
            ("int", ""),
            ("name : int", "Named."),
        ],
        "Raises": [("ValueError", "If first is *black*, <none> or __none__ [2].")],
        "Notes": ["All is well."],
        "Examples": [">>> mix(1, 2)\n3"],
    }


@pytest.mark.parametrize("title", ["", "Examples\n--------\n"])
@pytest.mark.parametrize(
    "before", ["Sum.\n\n", "Sum.\n\nRaises\n------\nValueError\n\n"]
)
def test_a_session_is_an_example_with_and_without_a_title(before, title):
    docstring = f"{before}{title}>>> f(1)\n1\n\nWords.\n\n>>> f(2)\n2\n"

    assert fields(docstring)["Examples"] == [">>> f(1)\n1", "Words.", ">>> f(2)\n2"]


def test_public_names_are_read_once(library):
    found = {
        module.path: [one.name for one in names] for module, names in library.items()
    }

    assert found == {
        "lib.other": ["helper"],
        "lib.parts": ["mix"],
        "lib.parts.colour": ["Fixed", "Palette", "Point", "WHITE", "glow", "only"],
        "lib.parts.colour.mixing": ["spill"],
    }


def test_signatures_are_as_written(names):
    written = {path: signature(one).astext() for path, one in names.items()}
    written |= {
        one.path: signature(one).astext()
        for name in names.values()
        for one in methods(name)
    }

    colours = "(names: tuple[str, ...], size: int = 3, seen: list = list())"
    assert written == {
        "lib.other.helper": "helper(*, one)",
        "lib.parts.mix": (
            "mix(first, /, second: float = 1.0, *rest, deep=None, **options) -> float"
        ),
        "lib.parts.colour.only": "only(first, /, *, deep: int)",
        "lib.parts.colour.glow": "glow()",
        "lib.parts.colour.mixing.spill": "spill()",
        "lib.parts.colour.WHITE": "WHITE = (255, 255)",
        "lib.parts.colour.Fixed": f"class Fixed{colours}",
        "lib.parts.colour.Palette": f"class Palette{colours}",
        "lib.parts.colour.Palette.first": "property first -> str",
        "lib.parts.colour.Palette.without": "without(name: str) -> Palette",
        "lib.parts.colour.Point": "class Point(x: float, y: float = 0.0)",
        "lib.parts.colour.Point.size": "property size -> float",
        "lib.parts.colour.Point.origin": "origin(size: int) -> Point",
    }


def test_names_have_their_kinds(names):
    found = {one.name: kind(one) for one in names.values()}
    found |= {one.name: kind(one) for name in names.values() for one in methods(name)}

    assert found["WHITE"] == "data"
    assert (found["Palette"], found["mix"]) == ("class", "function")
    assert (found["first"], found["without"]) == ("property", "method")


def test_places_are_lines_of_the_file(names):
    mix = names["lib.parts.mix"]
    lines = PACKAGE["lib/parts/colour/mixing.py"].splitlines()

    assert mix.filepath.as_posix().endswith("lib/parts/colour/mixing.py")
    assert lines[mix.lineno - 1].startswith("def mix(")
    assert lines[mix.endlineno - 1].endswith('"""Mix [1, eq. 2]."""')


def section_of(library, path):
    (module,) = [one for one in library if one.path == path]
    return module_section(
        module, library[module], lambda one: nodes.inline("", f"{one.name} stands")
    )


def test_an_entry_spells_out_what_it_cites(library):
    mix = section_of(library, "lib.parts").astext()
    text = section_of(library, "lib.parts.colour").astext()

    assert '[1] Newton, "Opticks", 1704' in mix
    assert "Goethe" not in mix
    assert text.count("Goethe") == 1
    assert "Palette stands" in text


def test_a_module_shows_what_it_is_for_and_no_address(library):
    section = section_of(library, "lib.parts.colour")

    assert section["ids"] == ["module-lib.parts.colour"]
    assert section[1].astext() == "Colours of light."
    assert "test_colour" not in section.astext()


def test_backticks_become_code():
    (paragraph,) = described("`first` or ``second`` is black.")
    found = [(type(node).__name__, node.astext()) for node in paragraph]

    assert [one for one in found if one[0] == "literal"] == [
        ("literal", "first"),
        ("literal", "second"),
    ]
    assert paragraph.astext() == "first or second is black."


def test_nothing_is_imported():
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path; "
        "from genai_lib.website.reference import read_library; "
        "read_library(Path('.')); "
        "assert 'genai_lib.training' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def names_of_the_book():
    return [one for names in read_library(ROOT).values() for one in names]


def test_every_public_name_of_the_library_is_there():
    found = [
        (one.filepath.relative_to(ROOT).as_posix(), one.name)
        for one in names_of_the_book()
        if kind(one) != "data"
    ]
    wanted = []
    for path in (ROOT / "genai_lib").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if getattr(node, "name", "_")[0] != "_":
                wanted.append((path.relative_to(ROOT).as_posix(), node.name))
    assert sorted(found) == sorted(wanted)


def test_every_name_that_a_package_exports_is_there_once():
    found = [one.canonical_path for one in names_of_the_book()]
    for module in read_library(ROOT):
        for name in module.exports or ():
            one = module.members[name]
            path = f"{one.path}.{name}" if one.is_module else one.canonical_path
            assert found.count(path) == 1, f"{module.path}.{name}"


def test_names_can_be_imported_from_where_they_are_shown():
    for module, names in read_library(ROOT).items():
        if module.path.split(".")[1] in PARTS:
            there = importlib.import_module(module.path)
            assert all(hasattr(there, one.name) for one in names)
