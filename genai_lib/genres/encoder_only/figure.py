"""The live figure of encoder_only: mask a character, see the predictions.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

The numbers are those of genai_lib/genres/encoder_only/stored/masked_characters.json.
"""

import functools
import json
from pathlib import Path

from genai_lib.genres.decoder_only.figure import LINE_HEIGHT
from genai_lib.genres.decoder_only.figure_pieces import CELLS, cells, visible
from genai_lib.live.charts import BLUE, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

START = 48
HEIGHT = 220


@functools.lru_cache(maxsize=1)
def stored() -> dict[str, dict]:
    """Read the passages and the predictions of both models."""
    path = Path(__file__).with_name("stored") / "masked_characters.json"
    return json.loads(path.read_text(encoding="utf-8"))


def options() -> list[dict]:
    """List every option at every place."""
    return [
        {
            "passage": name,
            "place": place,
            "rank": rank,
            "option": visible(character),
            "right": character == entry["text"][place],
            "bert": bert,
            "gpt": gpt,
        }
        for name, entry in stored().items()
        for place, expected in enumerate(entry["places"], start=1)
        for rank, (character, bert, gpt) in enumerate(expected)
    ]


def letters() -> list[dict]:
    """Place the characters of the texts in lines."""
    return [
        {
            "passage": name,
            "place": place,
            # A space of no width marks text: a digit in it is not a number to test.
            "text": character + "\u200b",
            "x": x,
            "y": line,
        }
        for name, entry in stored().items()
        for place, (character, (x, line)) in enumerate(
            zip(entry["text"], cells(entry["text"]), strict=True)
        )
    ]


def text_panel() -> alt.LayerChart:
    """Show the text with one character masked; a click masks another."""
    lines = max(letter["y"] for letter in letters()) + 1
    scales = {"x": [0, CELLS + 1], "y": [lines, 0]}
    x, y = (
        functools.partial(
            channel, scale=alt.Scale(domain=scales[name], nice=False), axis=None
        )
        for name, channel in (("x", alt.X), ("y", alt.Y))
    )
    chosen = alt.Chart().transform_filter("datum.passage == passage")
    boxes = chosen.transform_calculate(right="datum.x + 1", bottom="datum.y + 1")
    at = {"x": x("x:Q"), "x2": "right:Q", "y": y("y:Q"), "y2": "bottom:Q"}
    frame = boxes.transform_filter("datum.place == place").mark_rect(
        filled=False, stroke=BLUE, strokeWidth=3, aria=False
    )
    pieces = chosen.transform_calculate(
        middle="datum.x + 0.5",
        centre="datum.y + 0.5",
        symbol="datum.place == place ? '?' : datum.text",
        # A left-to-right model does not see what stands to the right.
        strength="datum.place > place ? 0.55 : 1",
    ).mark_text(font="monospace", fontSize=15, baseline="middle", aria=False)
    opacity = alt.Opacity("strength:Q", scale=None)
    pieces = pieces.encode(x("middle:Q"), y("centre:Q"), opacity, text="symbol:N")
    # Invisible cells on top of the text take the clicks.
    targets = boxes.mark_rect(opacity=0, cursor="pointer", aria=False)
    layers = (frame.encode(**at), pieces, targets.encode(**at))
    return alt.layer(*layers, data=alt.Data(values=letters())).properties(
        title="The text; paler: GPT does not see it", height=LINE_HEIGHT * lines
    )


def bars_panel() -> alt.LayerChart:
    """Draw the probabilities of the masked character, BERT's slim and GPT's wide."""
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
    left = described(
        here.mark_bar(color=GREY, opacity=0.45, height=26),
        "'‘' + datum.option + '’ by GPT: ' + datum.gpt",
    ).encode(x=x("gpt:Q"), y=y)
    both = described(
        here.mark_bar(height=11),
        "'‘' + datum.option + '’ by BERT: ' + datum.bert",
    ).encode(
        x=x("bert:Q"),
        y=y,
        color=alt.condition("datum.right", alt.value(VERMILION), alt.value(BLUE)),
    )
    return alt.layer(left, both, data=alt.Data(values=options())).properties(
        title="The predictions; red: it is right", height=HEIGHT
    )


def masked_character() -> LiveFigure:
    """Mask any character of a held-out sentence and see two models' predictions.

    Returns
    -------
    LiveFigure
        Its numbers are "‘e’ by BERT" and "‘e’ by GPT" for each option.
    """
    names = tuple(stored())
    last = len(stored()[names[0]]["places"])
    return LiveFigure(
        [text_panel(), bars_panel()],
        [
            Slider("place", "masked character", 1, last, 1, START, picked=True),
            Choice("passage", "sentence", names, names[0]),
        ],
        caption=(
            "Mask a character with the slider, or on the website with a click on it. "
            "The slim bars are a small BERT, which sees all other characters. The "
            "grey ones are a small GPT, which sees only those before the mask. "
            "Neither has read the sentence. Compare the beginning of a word with its "
            "end."
        ),
        alt=(
            "A sentence with one character masked, and bars for the most probable "
            "characters under a small BERT and under a small GPT."
        ),
        name="masked_character",
    )
