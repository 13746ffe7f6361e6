"""The live figure of the decoder-only chapter: what comes next, and what it costs.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/live/test_decoder_only_figures.py

The numbers are those of genai_lib/data/next_characters.json.
"""

import functools
import json
from importlib import resources

import altair as alt

from genai_lib.live.figure import Choice, LiveFigure, Slider
from genai_lib.live.marks import BLUE, GREY, VERMILION, described

CELLS, LINE_HEIGHT = 24, 34
START = 37
HEIGHT = 220
MODELS = ("GPT", "5-gram")


@functools.lru_cache(maxsize=1)
def stored() -> dict[str, dict]:
    """Read the texts, and what both models expect at each place."""
    path = resources.files("genai_lib.data") / "next_characters.json"
    return json.loads(path.read_text(encoding="utf-8"))


def visible(character: str) -> str:
    """Give a space a sign."""
    return character.replace(" ", "␣")


def options() -> list[dict]:
    """List every option at every place."""
    return [
        {
            "passage": name,
            "place": place,
            "rank": rank,
            "option": visible(character),
            "came": character == entry["text"][place],
            "gpt": gpt,
            "gram": gram,
        }
        for name, entry in stored().items()
        for place, expected in enumerate(entry["places"], start=1)
        for rank, (character, gpt, gram) in enumerate(expected["options"])
    ]


def cells(text: str) -> list[tuple[int, int]]:
    """Find a column and a line for each character; lines break between words."""
    found, line, x = [], 0, 0
    for word in text.replace(" ", " \n").split("\n"):
        if x + len(word.rstrip()) > CELLS:
            line, x = line + 1, 0
        found += [(x + i, line) for i in range(len(word))]
        x += len(word)
    return found


def letters() -> list[dict]:
    """Place the characters of the texts in lines, with what each cost."""
    return [
        {
            "passage": name,
            "place": place,
            # The sign of no width says: a digit here is no number of the figure.
            "text": character + "\u200b",
            "x": x,
            "y": line,
            "bits": entry["places"][place - 1]["bits"][0] if place else 0,
        }
        for name, entry in stored().items()
        for place, (character, (x, line)) in enumerate(
            zip(entry["text"], cells(entry["text"]), strict=True)
        )
    ]


def averages() -> list[dict]:
    """Average the bits of all characters up to each place, for both models."""
    rows = []
    for name, entry in stored().items():
        for index, model in enumerate(MODELS):
            total = 0.0
            for place, expected in enumerate(entry["places"], start=1):
                total += expected["bits"][index]
                row = {"passage": name, "model": model, "place": place}
                rows.append(row | {"mean": total / place})
    return rows


def text_panel() -> alt.LayerChart:
    """Show the text: what was read, what comes, and what each character cost."""
    lines = max(letter["y"] for letter in letters()) + 1
    x = alt.Scale(domain=[0, CELLS + 1], nice=False)
    y = alt.Scale(domain=[lines, 0], nice=False)
    chosen = alt.Chart().transform_filter("datum.passage == passage")
    boxes = chosen.transform_calculate(
        right="datum.x + 1",
        bottom="datum.y + 1",
        shade="datum.place < place ? min(datum.bits / 8, 1) * 0.75 : 0",
    )
    at = {"x": alt.X("x:Q", scale=x, axis=None), "x2": "right:Q"}
    at |= {"y": alt.Y("y:Q", scale=y, axis=None), "y2": "bottom:Q"}
    costs = boxes.mark_rect(color=VERMILION, aria=False).encode(
        **at, opacity=alt.Opacity("shade:Q", scale=None)
    )
    next_one = (
        boxes.transform_filter("datum.place == place")
        .mark_rect(filled=False, stroke=BLUE, strokeWidth=3, aria=False)
        .encode(**at)
    )
    signs = (
        chosen.transform_calculate(
            middle="datum.x + 0.5",
            centre="datum.y + 0.5",
            strength="datum.place < place ? 1 : datum.place == place ? 0.9 : 0.4",
        )
        .mark_text(font="monospace", fontSize=15, baseline="middle", aria=False)
        .encode(
            x=alt.X("middle:Q", scale=x, axis=None),
            y=alt.Y("centre:Q", scale=y, axis=None),
            text="text:N",
            opacity=alt.Opacity("strength:Q", scale=None),
        )
    )
    return alt.layer(
        costs, next_one, signs, data=alt.Data(values=letters())
    ).properties(
        title="The text; red: it cost many bits",
        height=LINE_HEIGHT * lines,
    )


def bars_panel() -> alt.LayerChart:
    """Draw the probabilities at the cursor: wide grey bars and slim coloured ones."""
    here = alt.Chart().transform_filter(
        "datum.passage == passage && datum.place == place"
    )
    y = alt.Y(
        "option:N",
        sort=alt.EncodingSortField("rank", op="min"),
        title=None,
        axis=alt.Axis(labelFont="monospace", labelFontSize=15, ticks=False),
    )
    x = functools.partial(
        alt.X,
        title="probability",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1]),
    )
    counted = described(
        here.mark_bar(color=GREY, opacity=0.45, height=26),
        "'‘' + datum.option + '’ by the 5-gram: ' + datum.gram",
    ).encode(x=x("gram:Q"), y=y)
    learned = described(
        here.mark_bar(height=11),
        "'‘' + datum.option + '’ by GPT: ' + datum.gpt",
    ).encode(
        x=x("gpt:Q"),
        y=y,
        color=alt.condition("datum.came", alt.value(VERMILION), alt.value(BLUE)),
    )
    return alt.layer(counted, learned, data=alt.Data(values=options())).properties(
        title="The next character; red: it came", height=HEIGHT
    )


def averages_panel() -> alt.LayerChart:
    """Draw the bits per character so far, with a dot for each model."""
    x = alt.X("place:Q", title="characters read", scale=alt.Scale(nice=False))
    y = alt.Y("mean:Q", title="bits per character", scale=alt.Scale(domain=[0, 8]))
    color = alt.Color(
        "model:N",
        scale=alt.Scale(domain=list(MODELS), range=[BLUE, GREY]),
        legend=alt.Legend(title=None, orient="top-right"),
    )
    dash = alt.StrokeDash(
        "model:N",
        scale=alt.Scale(domain=list(MODELS), range=[[1, 0], [5, 3]]),
        legend=None,
    )
    chosen = alt.Chart().transform_filter("datum.passage == passage")
    lines = chosen.mark_line(clip=True, aria=False).encode(
        x=x, y=y, color=color, strokeDash=dash
    )
    dots = described(
        chosen.transform_filter("datum.place == place").mark_point(
            filled=True, size=110, opacity=1, clip=True
        ),
        "datum.model + ', bits per character so far: ' + datum.mean",
    ).encode(x=x, y=y, color=color)
    return alt.layer(lines, dots, data=alt.Data(values=averages())).properties(
        title="Bits per character so far", height=HEIGHT
    )


def next_character() -> LiveFigure:
    """Walk along a held-out sentence and see what two models expect.

    Returns
    -------
    LiveFigure
        Its numbers are "‘e’ by GPT" and "‘e’ by the 5-gram" for each option, and for
        both models "bits per character so far".
    """
    names = tuple(stored())
    last = len(stored()[names[0]]["places"])
    return LiveFigure(
        [text_panel(), bars_panel(), averages_panel()],
        [
            Slider("place", "characters read", 1, last, 1, START),
            Choice("passage", "sentence", names, names[0]),
        ],
        caption=(
            "Move the cursor through a sentence that neither model has seen. The slim "
            "bars are a small GPT, the grey ones count what followed the last four "
            "characters in the training text. Look for places where both are sure, "
            "and for places where only one of them is."
        ),
        alt=(
            "A sentence with a cursor, bars for the most probable next characters "
            "under a small GPT and under a 5-gram, and two curves of the average bits "
            "per character up to the cursor."
        ),
        name="next_character",
    )
