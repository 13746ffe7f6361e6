"""The live figure of the encoder-decoder chapter: a map of cross-attention.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

The numbers are those of genai_lib/genres/encoder_decoder/stored/cross_attention.json.
"""

import functools
import json
from pathlib import Path

from matplotlib.figure import Figure

from genai_lib.figures import new_figure
from genai_lib.live.charts import BLUE, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

HEIGHT = 340
START = 3


@functools.lru_cache(maxsize=1)
def stored() -> dict[str, dict]:
    """Return source, pieces and weights, by language and number."""
    path = Path(__file__).with_name("stored") / "cross_attention.json"
    return json.loads(path.read_text(encoding="utf-8"))


def visible(piece: str) -> str:
    """Show a leading space as a symbol and the end token by a short name."""
    return piece.replace(" ", "␣").replace("<end>", "end")


def cells() -> list[dict]:
    """Return one row for every weight, with its piece and its source token."""
    return [
        {
            "language": language,
            "number": number,
            "step": step,
            "last": len(entry["pieces"]),
            # A number and a zero-width space keep equal names apart and in order.
            "piece": f"{step}. {visible(piece)}",
            "place": place,
            "token": visible(token) + "\u200b" * place,
            "weight": weight,
        }
        for language, numbers in stored().items()
        for number, entry in numbers.items()
        for step, (piece, row) in enumerate(
            zip(entry["pieces"], entry["weights"], strict=True), start=1
        )
        for place, (token, weight) in enumerate(zip(entry["source"], row, strict=True))
    ]


def _chosen() -> alt.Chart:
    return alt.Chart(alt.Data(values=cells())).transform_filter(
        "datum.language == language && datum.number == number"
    )


def map_panel() -> alt.LayerChart:
    """Draw all weights: a row for each piece, a column for each token."""
    x = alt.X(
        "token:N",
        sort=alt.EncodingSortField("place", op="min"),
        title="source token",
        axis=alt.Axis(labelAngle=0, orient="top", labelFontSize=14),
    )
    y = alt.Y(
        "piece:N",
        sort=alt.EncodingSortField("step", op="min"),
        title=None,
        axis=alt.Axis(labelFontSize=13, ticks=False),
    )
    colour = alt.Color(
        "weight:Q", scale=alt.Scale(scheme="cividis", domain=[0, 1]), legend=None
    )
    all_of_them = _chosen().mark_rect(aria=False).encode(x=x, y=y, color=colour)
    row = (
        _chosen()
        .transform_filter("datum.step == min(step, datum.last)")
        .mark_rect(filled=False, stroke=VERMILION, strokeWidth=2, aria=False)
        .encode(x=x, y=y)
    )
    return alt.layer(all_of_them, row).properties(
        title="Cross-attention of the pieces", height=HEIGHT
    )


def bars_panel() -> alt.Chart:
    """Draw the weights of the chosen piece."""
    bars = described(
        _chosen()
        .transform_filter("datum.step == min(step, datum.last)")
        .mark_bar(color=BLUE),
        "'piece ' + datum.step + ' to token ' + (datum.place + 1) + ': '"
        " + datum.weight",
    )
    return bars.encode(
        x=alt.X(
            "token:N",
            sort=alt.EncodingSortField("place", op="min"),
            title=None,
            axis=alt.Axis(labelAngle=0, labelFontSize=14),
        ),
        y=alt.Y("weight:Q", title="weight", scale=alt.Scale(domain=[0, 1])),
    ).properties(title="The chosen piece", height=HEIGHT)


def translated_number() -> LiveFigure:
    """Make the figure that follows a translation piece by piece.

    Returns
    -------
    LiveFigure
        Its numbers are the weights of the chosen piece, "piece 3 to token 1" and so
        on, counted from 1.
    """
    languages = tuple(stored())
    numbers = tuple(stored()[languages[0]])
    most = max(cell["step"] for cell in cells())
    return LiveFigure(
        [map_panel(), bars_panel()],
        [
            Slider("step", "piece", 1, most, 1, START),
            Choice("number", "number", numbers, numbers[-1]),
            Choice("language", "language", languages, "German"),
        ],
        caption=(
            "Move along the pieces of the translation. The framed row is the "
            "piece being written; bright cells are the source tokens that it "
            "attends to. Compare German with English where units and tens change "
            "places."
        ),
        alt=(
            "A heat map with a row for each piece of a number in German words and a "
            "column for each token of the source: the language, five digits, the end. "
            "Each digit is brightest in the row of the piece that names it. Beside "
            "it the weights of the third piece as bars."
        ),
        name="translated_number",
    )


def attention_map(found: dict[str, list]) -> Figure:
    """Draw the weights of one translation as a static map.

    Parameters
    ----------
    found : dict
        As `genai_lib.genres.encoder_decoder.cross_attention.alignment` returns it.
    """
    pieces = [visible(piece) for piece in found["pieces"]]
    tokens = [visible(token) for token in found["source"]]
    figure, axes = new_figure(figsize=(4.6, 0.8 + 0.3 * len(pieces)))
    axes.imshow(found["weights"], vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(tokens)), tokens)
    axes.set_yticks(range(len(pieces)), pieces)
    axes.xaxis.tick_top()
    axes.grid(False)
    return figure
