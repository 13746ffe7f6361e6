"""The live figure of the tokens chapter: one text at any vocabulary size.

Chapter  chapters/components/tokens.ipynb
Tests    tests/live/test_tokens_figures.py

A token that a merge made has two parts, which are tokens too, down to the bytes. At a
smaller vocabulary its place is taken by its parts. So the tokens of a text at every
size are the nodes of one forest, and the figure shows those nodes that exist already
and whose parent does not.
"""

import unicodedata
from collections.abc import Iterator
from functools import partial

import altair as alt

from genai_lib.live.figure import Choice, LiveFigure, Slider
from genai_lib.live.marks import BLUE, GREEN, GREY, VERMILION, described

SMALLEST, DOUBLINGS, STEPS = 256, 4, 48
LARGEST = SMALLEST * 2**DOUBLINGS
START_STEP = 2 * STEPS
CELLS = 24
LINES = 4
LINE_HEIGHT = 34
NO_PARENT = 10**6
OWN_SAMPLES = {
    "code": "for row in range(10): total += table[row]",
    "numbers": "In 2024 it was 3.14159 in 65,536 of 1,048,576 cases.",
}
TRANSLATED = ("English", "German", "Russian", "Chinese")
ALIVE = "datum.sample == sample && datum.id < vocab && vocab <= datum.parent"


def samples() -> dict[str, str]:
    """Return the texts that the reader can choose among."""
    from genai_lib.data.translations import TRANSLATIONS

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
    """Share the cells of each character among its bytes: line, left, right."""
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
            # The sign of no width says: a digit here is no number of the figure.
            "text": visible(entry["text"]) + "\u200b",
            "line": entry["line"],
            "x": entry["x"] + entry["cells"] / 2,
        }
        for entry in placed
    ]


def visible(text: str) -> str:
    """Give a space a sign."""
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


def sentence_panel(boxes: list[dict], characters: list[dict]) -> alt.LayerChart:
    """Draw the tokens as coloured boxes, with the text over them."""
    x = partial(alt.X, scale=alt.Scale(domain=[0, CELLS], nice=False), axis=None)
    y = partial(alt.Y, scale=alt.Scale(domain=[LINES, -1], nice=False), axis=None)
    alive = alt.Chart().transform_filter(ALIVE)
    headline = (
        alive.transform_aggregate(tokens="count()", bytes="sum(length)")
        .transform_calculate(
            rate="datum.bytes / datum.tokens",
            x="0",
            y="-0.2",
            shown="datum.tokens + ' tokens for ' + datum.bytes + ' bytes: '"
            " + format(datum.rate, '.3~r') + ' each'",
        )
        .mark_text(align="left", baseline="bottom", fontWeight="bold")
        .encode(x=x("x:Q"), y=y("y:Q"), text="shown:N")
    )
    numbered = alive.transform_window(
        index="row_number()", sort=[alt.SortField("start")]
    ).transform_calculate(
        colour="datum.index % 3",
        left="datum.left + 0.05",
        right="datum.right - 0.05",
        top="datum.line + 0.06",
        bottom="datum.line + 0.94",
    )
    tiles = numbered.mark_rect(opacity=0.35, cornerRadius=3).encode(
        x=x("left:Q"),
        x2="right:Q",
        y=y("top:Q"),
        y2="bottom:Q",
        color=alt.Color(
            "colour:N",
            scale=alt.Scale(domain=[0, 1, 2], range=[BLUE, VERMILION, GREEN]),
            legend=None,
        ),
    )
    letters = (
        alt.Chart(alt.Data(values=characters))
        .transform_filter("datum.sample == sample")
        .transform_calculate(middle="datum.line + 0.5")
        .mark_text(font="monospace", fontSize=15, baseline="middle", aria=False)
        .encode(x=x("x:Q"), y=y("middle:Q"), text="text:N")
    )
    summary = "'tokens: ' + datum.tokens + '; bytes per token: ' + datum.rate"
    token = "'token ' + datum.index + ' ‘' + datum.piece + '’, id: ' + datum.id"
    return alt.layer(
        described(headline, summary),
        described(tiles, token),
        letters,
        data=alt.Data(values=boxes),
    ).properties(title="The text in tokens", height=LINE_HEIGHT * (LINES + 1))


def curve_panel(points: list[dict]) -> alt.LayerChart:
    """Draw bytes per token over the vocabulary size, with a dot at the present one."""
    sizes = [SMALLEST * 2**doubling for doubling in range(DOUBLINGS + 1)]
    x = alt.X(
        "size:Q",
        title="vocabulary size",
        scale=alt.Scale(type="log", base=2, domain=[SMALLEST, LARGEST]),
        axis=alt.Axis(values=sizes, format="d"),
    )
    y = alt.Y("rate:Q", title="bytes per token", scale=alt.Scale(domain=[0, 4]))
    chosen = alt.Chart().transform_filter("datum.sample == sample")
    others = (
        alt.Chart()
        .mark_line(color=GREY, strokeWidth=1, interpolate="step-after", aria=False)
        .encode(x=x, y=y, detail="sample:N")
    )
    line = chosen.mark_line(
        color=BLUE, strokeWidth=3, interpolate="step-after", aria=False
    ).encode(x=x, y=y)
    dot = (
        chosen.transform_filter("datum.size <= vocab")
        .transform_aggregate(rate="max(rate)")
        .transform_calculate(size="vocab")
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(x=x, y=y)
    )
    return alt.layer(
        others,
        line,
        described(dot, "'bytes per token: ' + datum.rate"),
        data=alt.Data(values=points),
    ).properties(title="Bytes per token", height=LINE_HEIGHT * LINES)


def tokens_by_vocabulary() -> LiveFigure:
    """Show the tokens of a text as the vocabulary grows.

    Returns
    -------
    LiveFigure
        Its numbers are "tokens", "bytes per token" and, for each token, its id under
        "token 1 ‘All’, id".
    """
    from genai_lib.components.tokens import split_words
    from genai_lib.data import load_tokenizer

    tokenizer = load_tokenizer(LARGEST)
    boxes, characters, points = [], [], []
    for name, text in samples().items():
        placed = layout(split_words(text))
        own = boxes_of(name, text, placed, tokenizer)
        boxes += own
        characters += characters_of(name, placed)
        points += curve(name, own)
    names = tuple(samples())
    return LiveFigure(
        [sentence_panel(boxes, characters), curve_panel(points)],
        [
            Slider(
                "vocab_step",
                "vocabulary",
                0,
                STEPS * DOUBLINGS,
                1,
                START_STEP,
                shows="vocab",
            ),
            Choice("sample", "text", names, names[0]),
        ],
        derived={"vocab": f"floor({SMALLEST} * pow(2, vocab_step / {STEPS}) + 0.5)"},
        caption=(
            "Move the vocabulary from the 256 bytes to 4,096 tokens: boxes join as "
            "pairs are merged, and each token carries more bytes. Choose another text: "
            "in Russian and Chinese nothing joins, for the training text was English. "
            "The blue curve is the chosen text, the grey ones are the others."
        ),
        alt=(
            "An English sentence cut into coloured boxes, one for each token of a "
            "vocabulary of 1,024, and curves of bytes per token that rise with the "
            "vocabulary size for English and stay at 1 for Russian and Chinese."
        ),
        name="tokens_by_vocabulary",
    )
