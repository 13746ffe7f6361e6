"""Live figures of decoder_only: predictions of the next token, and their bits.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

The numbers of `next_character` are those of stored/next_characters.json. Those of
`next_token` come from a model that the reader chose, such as GPT-2.
"""

import functools
import json
from collections.abc import Sequence
from pathlib import Path

from genai_lib.genres.decoder_only.figure_pieces import (
    CELLS,
    Entries,
    averages,
    letters,
    options,
    visible,
)
from genai_lib.live.charts import BLUE, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

__all__ = ["next_character", "next_token", "stored", "visible"]

LINE_HEIGHT, HEIGHT = 34, 220
START = 37
MODELS = {"GPT": "GPT", "5-gram": "the 5-gram"}


@functools.lru_cache(maxsize=1)
def stored() -> dict[str, dict]:
    """Read the passages and the predictions of both models."""
    path = Path(__file__).with_name("stored") / "next_characters.json"
    return json.loads(path.read_text(encoding="utf-8"))


def text_panel(entries: Entries) -> alt.LayerChart:
    """Show the text: what was read, the next piece, and the bits of each piece."""
    rows = letters(entries)
    lines = max(row["y"] for row in rows) + 1
    x = alt.Scale(domain=[0, CELLS + 1], nice=False)
    y = alt.Scale(domain=[lines, 0], nice=False)
    chosen = alt.Chart().transform_filter("datum.passage == passage")
    boxes = chosen.transform_calculate(
        right="datum.x + datum.cells",
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
    return alt.layer(
        costs, next_one, pieces(chosen, x, y), data=alt.Data(values=rows)
    ).properties(
        title="Text; red: many bits",
        height=LINE_HEIGHT * lines,
    )


def pieces(chosen: alt.Chart, x: alt.Scale, y: alt.Scale) -> alt.Chart:
    """Write the pieces of the text; those not read yet are pale."""
    return (
        chosen.transform_calculate(
            middle="datum.x + datum.cells / 2",
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


def bars_panel(entries: Entries, spoken: Sequence[str]) -> alt.LayerChart:
    """Draw the probabilities at the cursor; the wide grey bars are a second model."""
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
        axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
    )
    color = alt.condition("datum.came", alt.value(VERMILION), alt.value(BLUE))
    slim = here.mark_bar(height=11).encode(x=x("p0:Q"), y=y, color=color)
    wide = here.mark_bar(color=GREY, opacity=0.45, height=26).encode(x=x("p1:Q"), y=y)
    layers = [
        described(bars, f"'‘' + datum.option + '’ by {who}: ' + datum.p{index}")
        for index, (bars, who) in enumerate(zip((slim, wide), spoken, strict=False))
    ]
    return alt.layer(
        *reversed(layers), data=alt.Data(values=options(entries))
    ).properties(title="Next; red: it came", height=HEIGHT)


def averages_panel(
    entries: Entries, models: Sequence[str], piece: str
) -> alt.LayerChart:
    """Draw the bits per piece so far, with a dot for each model."""
    rows = averages(entries, models)
    top = max(8, *(row["mean"] for row in rows if row["place"] > 2))
    x = alt.X("place:Q", title=f"{piece}s read", scale=alt.Scale(nice=False))
    y = alt.Y(
        "mean:Q", title=f"bits per {piece}", scale=alt.Scale(domain=[0, round(top)])
    )
    colors, dashes = [BLUE, GREY][: len(models)], [[1, 0], [5, 3]][: len(models)]
    # One legend for both, so that they become one.
    legend = alt.Legend(title=None, orient="top-right")
    color = alt.Color(
        "model:N", scale=alt.Scale(domain=list(models), range=colors), legend=legend
    )
    dash = alt.StrokeDash(
        "model:N", scale=alt.Scale(domain=list(models), range=dashes), legend=legend
    )
    chosen = alt.Chart().transform_filter("datum.passage == passage")
    lines = chosen.mark_line(clip=True, aria=False).encode(
        x=x, y=y, color=color, strokeDash=dash
    )
    dots = described(
        chosen.transform_filter("datum.place == place").mark_point(
            filled=True, size=110, opacity=1, clip=True
        ),
        f"datum.model + ', bits per {piece} so far: ' + datum.mean",
    ).encode(x=x, y=y, color=color)
    return alt.layer(lines, dots, data=alt.Data(values=rows)).properties(
        title="Bits so far", height=HEIGHT
    )


def controls(entries: Entries, piece: str, start: int) -> list:
    """Make a cursor as long as the shortest text, and a choice of the text."""
    names = tuple(entries)
    last = min(len(entry["places"]) for entry in entries.values())
    cursor = Slider("place", f"{piece}s read", 1, last, 1, min(start, last))
    return [cursor, Choice("passage", "sentence", names, names[0])]


def next_character() -> LiveFigure:
    """Move through a held-out sentence and see the predictions of two models.

    Returns
    -------
    LiveFigure
        Its numbers are "‘e’ by GPT" and "‘e’ by the 5-gram" for each option, and for
        both models "bits per character so far".
    """
    return LiveFigure(
        [
            text_panel(stored()),
            bars_panel(stored(), tuple(MODELS.values())),
            averages_panel(stored(), tuple(MODELS), "character"),
        ],
        controls(stored(), "character", START),
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


def next_token(entries: Entries, model: str) -> LiveFigure:
    """Move through texts and see the predictions of one model, such as GPT-2.

    Parameters
    ----------
    entries : mapping of str to the pieces of a text and the predictions
        See `genai_lib.genres.decoder_only.public.expectations`.
    model : str
        Its name.

    Returns
    -------
    LiveFigure
        Its numbers are "‘e’ by GPT-2" for each option, and "GPT-2, bits per token so
        far".
    """
    return LiveFigure(
        [
            text_panel(entries),
            bars_panel(entries, (model,)),
            averages_panel(entries, (model,), "token"),
        ],
        controls(entries, "token", START),
        caption=f"Move the cursor and see which tokens {model} expects next.",
        alt=(
            "A text with a cursor, bars for the most probable next tokens under "
            f"{model}, and a curve of the average bits per token up to the cursor."
        ),
        name="next_token",
    )
