"""The rows of a live figure of predictions: a text in pieces, and their options.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Entries map the name of a text to "text", its pieces in order (a string has characters
as pieces), and "places". These hold for each piece but the first the "options", a few
pieces with their probability under each model, and the "bits" of the true piece under
each model.
"""

from collections.abc import Iterator, Mapping, Sequence

CELLS = 24
SYMBOLS = {" ": "␣", "\n": "⏎", "\t": "⇥"}

Entries = Mapping[str, Mapping]


def visible(piece: str) -> str:
    """Replace blanks by symbols, and characters that cannot be drawn by their codes.

    >>> print(visible(" a\\x07"))
    ␣a<07>
    """
    return "".join(
        SYMBOLS.get(c, c if c.isprintable() else f"<{ord(c):02x}>") for c in piece
    )


def options(entries: Entries) -> list[dict]:
    """List every option at every place, with one probability for each model."""
    return [
        {
            "passage": name,
            "place": place,
            "rank": rank,
            "option": visible(piece),
            "came": piece == entry["text"][place],
            **{f"p{index}": chance for index, chance in enumerate(chances)},
        }
        for name, entry in entries.items()
        for place, expected in enumerate(entry["places"], start=1)
        for rank, (piece, *chances) in enumerate(expected["options"])
    ]


def words(pieces: Sequence[str]) -> Iterator[list[str]]:
    """Yield the pieces of each word; blanks belong to the word before.

    A piece that begins with a blank begins a word.

    >>> [*words("to be")], [*words(["to", " b", "e"])]
    ([['t', 'o', ' '], ['b', 'e']], [['to'], [' b', 'e']])
    """
    word = []
    for piece in pieces:
        starts = piece[:1] == " " and piece.strip()
        if word and (starts or not word[-1].strip()):
            yield word
            word = []
        word.append(piece)
    if word:
        yield word


def cells(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Find a column and a line for each piece; lines break between words."""
    found, line, x = [], 0, 0
    for word in words(pieces):
        if x and x + len("".join(word).rstrip()) > CELLS:
            line, x = line + 1, 0
        for piece in word:
            found.append((x, line))
            x += len(piece)
    return found


def letters(entries: Entries) -> list[dict]:
    """Place the pieces of the texts in lines, with their bits under the first model."""
    return [
        {
            "passage": name,
            "place": place,
            # A space of no width marks text: a digit in it is not a number to test.
            "text": visible(piece).replace("␣", " ") + "\u200b",
            "x": x,
            "y": line,
            "cells": len(piece),
            "bits": entry["places"][place - 1]["bits"][0] if place else 0,
        }
        for name, entry in entries.items()
        for place, (piece, (x, line)) in enumerate(
            zip(entry["text"], cells(entry["text"]), strict=True)
        )
    ]


def averages(entries: Entries, models: Sequence[str]) -> list[dict]:
    """Average the bits of all pieces up to each place, for each model."""
    rows = []
    for name, entry in entries.items():
        for index, model in enumerate(models):
            total = 0.0
            for place, expected in enumerate(entry["places"], start=1):
                total += expected["bits"][index]
                row = {"passage": name, "model": model, "place": place}
                rows.append(row | {"mean": total / place})
    return rows
