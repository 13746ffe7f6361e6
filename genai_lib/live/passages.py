"""Passages: named texts that a page shows side by side.

Tests    tests/live/test_passages.py

They are drawn without matplotlib, which the build of the website does not have.
"""

import html
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import vl_convert

from genai_lib.live.specification import PICTURE_SCALE, compress_png

COLUMNS = 46
FONT_SIZE, LINE_HEIGHT, MARGIN = 13, 18, 10
LETTER = 0.6 * FONT_SIZE  # width of a monospaced letter


class Passage(NamedTuple):
    """A text and who wrote it.

    Attributes
    ----------
    title : str
        A short name.
    note : str
        One line about the author.
    given : str
        The beginning, which the author was given.
    text : str
        The continuation, with a space at its start where one is needed.
    """

    title: str
    note: str
    given: str
    text: str


def plain_text(passages: Sequence[Passage], columns: int = COLUMNS) -> str:
    """Format passages below one another, in lines of at most `columns` characters.

    >>> print(plain_text([Passage("Dice", "Throws.", "Six", " and one")], columns=9))
    Dice
    Six and
    one
    Throws.
    """
    return "\n".join(line for line, _ in _lines(passages, columns))


def to_picture(passages: Sequence[Passage]) -> bytes:
    """Draw passages as a PNG that is legible on a phone."""
    lines = _lines(passages, COLUMNS)
    rows = "".join(
        f'<text x="{MARGIN}" y="{MARGIN + LINE_HEIGHT * (number + 0.75):g}" {style}>'
        f"{html.escape(line)}</text>"
        for number, (line, style) in enumerate(lines)
    )
    width = 2 * MARGIN + COLUMNS * LETTER
    height = 2 * MARGIN + len(lines) * LINE_HEIGHT
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" '
        f'height="{height}" font-family="monospace" font-size="{FONT_SIZE}">'
        f'<rect width="100%" height="100%" fill="white"/>{rows}</svg>'
    )
    return compress_png(vl_convert.svg_to_png(picture, scale=PICTURE_SCALE))


def _lines(passages: Sequence[Passage], columns: int) -> list[tuple[str, str]]:
    """List the lines, each with the SVG attributes of its letters."""
    lines = []
    for passage in passages:
        lines += [("", "")] if lines else []
        for part, style in (
            (passage.title, 'font-weight="bold"'),
            (passage.given + passage.text, 'fill="black"'),
            (passage.note, 'fill="#595959"'),
        ):
            lines += [(line, style) for line in textwrap.wrap(part, columns)]
    return lines
