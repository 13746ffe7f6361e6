"""Places of the tokens of a text in the live figure, at every vocabulary size.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

A token that a merge made has two parts, which are tokens too, down to the bytes. At a
smaller vocabulary its place is taken by its parts. So the tokens of a text at every
size are the nodes of one forest.
"""

import unicodedata
from collections.abc import Iterator

SMALLEST, DOUBLINGS = 256, 4
LARGEST = SMALLEST * 2**DOUBLINGS
CELLS = 24
NO_PARENT = 10**6
OWN_SAMPLES = {
    "code": "for row in range(10): total += table[row]",
    "numbers": "In 2024 it was 3.14159 in 65,536 of 1,048,576 cases.",
}
# One sentence in several languages, to compare what they cost in tokens: the first of
# article 1 of the Universal Declaration of Human Rights, as the United Nations publish
# it.
TRANSLATIONS = {
    "English": "All human beings are born free and equal in dignity and rights.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "French": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits."
    ),
    "Russian": (
        "Все люди рождаются свободными и равными в своем достоинстве и правах."
    ),
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
    "Hindi": (
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।"
    ),
}
TRANSLATED = ("English", "German", "Russian", "Chinese")


def samples() -> dict[str, str]:
    """Return the texts that the reader can choose among."""
    return {name: TRANSLATIONS[name] for name in TRANSLATED} | OWN_SAMPLES


def forest(id: int, start: int, parent: int, tokenizer) -> Iterator[dict]:
    """Yield a token, its parts, their parts and so on, down to the bytes."""
    length = len(tokenizer.tokens[id])
    yield {"id": id, "parent": parent, "start": start, "length": length}
    if id >= SMALLEST:
        first, second = tokenizer.merges[id - SMALLEST]
        yield from forest(first, start, id, tokenizer)
        yield from forest(second, start + len(tokenizer.tokens[first]), id, tokenizer)


def nodes(text: str, tokenizer) -> list[dict]:
    """List the tokens of a text at all vocabulary sizes together."""
    found, start = [], 0
    for id in tokenizer.encode(text):
        found += forest(id, start, NO_PARENT, tokenizer)
        start += len(tokenizer.tokens[id])
    return found


def cells_of(character: str) -> int:
    """Count the cells that a character takes: two for a wide one."""
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def layout(words: list[str]) -> list[dict]:
    """Place each character in lines that break between words."""
    placed, line, x = [], 0, 0
    for word in words:
        width = sum(map(cells_of, word))
        if x and x + width > CELLS:
            line, x = line + 1, 0
        for character in word:
            cells = cells_of(character)
            placed.append({"text": character, "line": line, "x": x, "cells": cells})
            x += cells
    return placed


def byte_places(placed: list[dict]) -> list[tuple[int, float, float]]:
    """Divide the cells of each character among its bytes: line, left, right."""
    places = []
    for entry in placed:
        count = len(entry["text"].encode())
        width = entry["cells"] / count
        for index in range(count):
            left = entry["x"] + index * width
            places.append((entry["line"], left, left + width))
    return places


def boxes_of(name: str, text: str, placed: list[dict], tokenizer) -> list[dict]:
    """Place the tokens of all vocabulary sizes."""
    places = byte_places(placed)
    boxes = []
    for node in nodes(text, tokenizer):
        line, left, _ = places[node["start"]]
        _, _, right = places[node["start"] + node["length"] - 1]
        (piece,) = tokenizer.pieces([node["id"]])
        place = {"line": line, "left": round(left, 3), "right": round(right, 3)}
        boxes.append({"sample": name, "piece": visible(piece), **node, **place})
    return boxes


def characters_of(name: str, placed: list[dict]) -> list[dict]:
    """Place the characters of a text in the middle of their cells."""
    return [
        {
            "sample": name,
            # A zero-width space marks text: a digit here is not a number of the figure.
            "text": visible(entry["text"]) + "\u200b",
            "line": entry["line"],
            "x": entry["x"] + entry["cells"] / 2,
        }
        for entry in placed
    ]


def visible(text: str) -> str:
    """Write a space as a visible symbol."""
    return text.replace(" ", "·")


def curve(name: str, boxes: list[dict]) -> list[dict]:
    """Compute bytes per token wherever it changes, and at both ends."""
    length = sum(box["length"] for box in boxes if box["id"] < SMALLEST)
    sizes = {box["id"] + 1 for box in boxes if box["id"] >= SMALLEST}
    return [
        {
            "sample": name,
            "size": size,
            "rate": length
            / sum(box["id"] < size and size <= box["parent"] for box in boxes),
        }
        for size in sorted(sizes | {SMALLEST, LARGEST})
    ]


def all_samples() -> tuple[list[dict], list[dict], list[dict]]:
    """Return boxes, characters and points of the curves of all texts."""
    from genai_lib.components.tokens import split_words
    from genai_lib.components.tokens.stored import load_tokenizer

    tokenizer = load_tokenizer(LARGEST)
    boxes, characters, points = [], [], []
    for name, text in samples().items():
        placed = layout(split_words(text))
        own = boxes_of(name, text, placed, tokenizer)
        boxes += own
        characters += characters_of(name, placed)
        points += curve(name, own)
    return boxes, characters, points
