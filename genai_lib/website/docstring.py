"""Read docstrings in the numpydoc form: summary, sections, entries, blocks.

Tests    tests/website/test_library.py
"""

import re
import textwrap
from dataclasses import dataclass, field

SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}[ ]*$", re.MULTILINE)
ENTRIES = ("Parameters", "Attributes", "Returns", "Yields", "Raises")
NAMED = ("Parameters", "Attributes")
BULLET = re.compile(r"[*-] ")


@dataclass(frozen=True)
class Block:
    """A piece of text: its kind is "words", "list", "session" or "code".

    Attributes
    ----------
    kind : str
    lines : tuple of str
        One paragraph, the items of a list, or the lines of a session or of code.
    """

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A parameter, an attribute, a result or an error.

    Attributes
    ----------
    name : str
        Empty for a result without a name.
    kind : str
        Its type, in words.
    blocks : tuple of Block
    """

    name: str
    kind: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Docstring:
    """A docstring in parts.

    Attributes
    ----------
    summary : str
    blocks : tuple of Block
        What stands between the summary and the first section.
    sections : dict of str to a tuple of Entry or of Block
        By title, in order.
    """

    summary: str
    blocks: tuple[Block, ...] = ()
    sections: dict[str, tuple] = field(default_factory=dict)


def parse(docstring: str) -> Docstring:
    """Take a docstring apart.

    Parameters
    ----------
    docstring : str
        Without indentation, as `ast.get_docstring` returns it.
    """
    pieces = SECTION.split(docstring.strip())
    summary, _, rest = pieces[0].partition("\n\n")
    sections, examples = {}, ""
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if title in ENTRIES:
            # A session after the entries needs no title of its own.
            body, prompt, session = body.partition("\n>>> ")
            sections[title] = entries(body, title)
            examples += prompt + session
        else:
            sections[title] = blocks(body)
    if examples:
        sections["Examples"] = blocks(examples) + sections.get("Examples", ())
    return Docstring(" ".join(summary.split()), blocks(rest), sections)


def entries(body: str, title: str) -> tuple[Entry, ...]:
    """Read the entries of a section: a heading each, what is said of it indented."""
    found: list[tuple[str, list[str]]] = []
    for line in body.strip("\n").splitlines():
        if line and not line[0].isspace():
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return tuple(
        Entry(*_heading(heading, title), blocks(textwrap.dedent("\n".join(lines))))
        for heading, lines in found
    )


def _heading(line: str, title: str) -> tuple[str, str]:
    name, colon, kind = line.partition(" : ")
    if colon or title in NAMED:
        return name.strip(), kind.strip()
    return "", line.strip()


def blocks(text: str) -> tuple[Block, ...]:
    """Cut a text at its empty lines and tell the kind of each piece."""
    pieces = re.split(r"\n[ ]*\n", text.strip("\n"))
    found: list[Block] = []
    for piece in filter(str.strip, pieces):
        lines = tuple(piece.rstrip().splitlines())
        block = _block(lines)
        if found and block.kind == "code" == found[-1].kind:
            found[-1] = Block("code", (*found[-1].lines, "", *block.lines))
        else:
            found.append(block)
    return tuple(found)


def _block(lines: tuple[str, ...]) -> Block:
    dedented = tuple(textwrap.dedent("\n".join(lines)).splitlines())
    if dedented[0].startswith(">>> "):
        return Block("session", dedented)
    if all(line[0].isspace() for line in lines if line):
        return Block("code", dedented)
    if BULLET.match(lines[0]):
        items = re.split(r"^[*-] ", "\n".join(lines), flags=re.MULTILINE)[1:]
        return Block("list", tuple(" ".join(item.split()) for item in items))
    return Block("words", (" ".join(line.strip() for line in lines),))
