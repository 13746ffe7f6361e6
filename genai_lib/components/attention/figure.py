"""Live figures of attention: one query and five keys, and the weights of a model.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

The first figure computes what `attend` of the library does for one query of width 2.
"""

import math
from collections.abc import Sequence

from genai_lib.live.charts import BLUE, GREEN, GREY, VERMILION, alt, described
from genai_lib.live.distribution import bars, peak_of, sum_of, weights_of
from genai_lib.live.figure import LiveFigure, Slider

NAMES = "ABCDE"
POINTS = ((2.4, 0.5), (0.9, 2.1), (-1.9, 1.2), (-1.2, -1.9), (1.5, -1.5))
HEIGHT = 280
HALF = 3.4
DIGITS = 7  # enough for the tests; none of them shows in the drawing


def plane() -> dict[str, alt.X | alt.Y]:
    """Make axes with equal units whatever the width of the panel."""
    half = f"{HALF} * width / height"
    x = alt.Scale(domainMin=alt.ExprRef(f"-{half}"), domainMax=alt.ExprRef(half))
    x.nice = x.zero = False
    y = alt.Scale(domain=[-HALF, HALF], nice=False)
    return {
        "x": alt.X("x:Q", scale=x, axis=None),
        "y": alt.Y("y:Q", scale=y, axis=None),
    }


def points() -> list[dict]:
    """List the five points that are both keys and values."""
    return [
        {"index": index, "name": name, "x": x, "y": y}
        for index, (name, (x, y)) in enumerate(zip(NAMES, POINTS, strict=True))
    ]


def weights_of_query() -> dict[str, str]:
    """Write the weights and the output as derived parameters."""
    scores = [
        f"(visible > {index} ? (query_x * {x} + query_y * {y}) / {math.sqrt(2)!r}"
        " : -(1 / 0))"
        for index, (x, y) in enumerate(POINTS)
    ]
    outputs = {
        f"output_{axis}": "("
        + " + ".join(f"weights[{i}] * {p[side]}" for i, p in enumerate(POINTS))
        + ") / total"
        for side, axis in enumerate("xy")
    }
    return {
        "query_x": "query_length * cos(angle * PI / 180)",
        "query_y": "query_length * sin(angle * PI / 180)",
        "scores": f"[{', '.join(scores)}]",
        "peak": peak_of("scores", len(POINTS)),
        "weights": weights_of("scores", len(POINTS), "peak", "1"),
        "total": sum_of("weights", len(POINTS)),
        **outputs,
    }


def arrow() -> alt.Chart:
    """Draw the query from the origin to its end."""
    ends = [{"order": 0, "at": 0}, {"order": 1, "at": 1}]
    return (
        alt.Chart(alt.Data(values=ends))
        .transform_calculate(x="datum.at * query_x", y="datum.at * query_y")
        .mark_line(color=GREEN, strokeWidth=3, aria=False)
        .encode(**plane(), order="order:O")
    )


def threads() -> alt.Chart:
    """Draw a line from the output to each value, as thick as its weight."""
    ends = [point | {"order": 0} for point in points()]
    ends += [point | {"order": 1} for point in points()]
    return (
        alt.Chart(alt.Data(values=ends))
        .transform_calculate(
            x="datum.order == 0 ? datum.x : output_x",
            y="datum.order == 0 ? datum.y : output_y",
            weight="weights[datum.index] / total",
        )
        .mark_line(color=VERMILION, opacity=0.6, aria=False)
        .encode(
            **plane(),
            detail="name:N",
            order="order:O",
            strokeWidth=alt.StrokeWidth(
                "weight:Q", scale=alt.Scale(domain=[0, 1], range=[0, 9]), legend=None
            ),
        )
    )


def plane_panel() -> alt.LayerChart:
    """Draw points, query and output in one plane."""
    shown = alt.Chart(alt.Data(values=points())).transform_calculate(
        seen="datum.index < visible ? 1 : 0.25"
    )
    opacity = alt.Opacity("seen:Q", scale=None, legend=None)
    dots = shown.mark_point(color=BLUE, filled=True, size=90, aria=False)
    names = shown.mark_text(dx=11, dy=-9, fontWeight="bold", aria=False)
    output = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(x="output_x", y="output_y")
        .mark_point(color=VERMILION, filled=True, size=130, opacity=1)
        .encode(**plane())
    )
    origin = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}])).mark_point(
        color=GREY, shape="cross", filled=True, size=40, opacity=1, aria=False
    )
    numbers = "'output x: ' + output_x + '; output y: ' + output_y"
    return alt.layer(
        threads(),
        arrow(),
        origin.encode(**plane()),
        dots.encode(**plane(), opacity=opacity),
        names.encode(**plane(), text="name:N", opacity=opacity),
        described(output, numbers),
    ).properties(title="Query (green), points, output (red)", height=HEIGHT)


def query_and_keys() -> LiveFigure:
    """Show the attention of one query to five points.

    Returns
    -------
    LiveFigure
        Its numbers are the weights "A" to "E" and "output x", "output y".
    """
    weights = alt.layer(*bars(list(NAMES), title="weight")).properties(
        title="Weights", height=HEIGHT
    )
    return LiveFigure(
        [plane_panel(), weights],
        [
            Slider("angle", "direction (degrees)", -180, 180, 1, 40),
            Slider("query_length", "length of the query", 0, 4, 0.05, 1),
            Slider("visible", "points seen", 1, 5, 1, 5),
        ],
        derived=weights_of_query(),
        caption=(
            "Turn the query: it takes most from the points it is aligned with. Make "
            "it longer: the choice gets sharper. At length 0 the output is the plain "
            "mean. Let it see fewer points: the hidden ones get weight 0."
        ),
        alt=(
            "Five points in a plane. A query points to the upper right, between A and "
            "B, which get the largest weights; the output lies inside the five points."
        ),
        name="query_and_keys",
    )


def weight_rows(weights: Sequence, length: int) -> list[float]:
    """Flatten weights [layer][head][query][key] to the entries with key ≤ query."""
    return [
        round(float(row[key]), DIGITS)
        for layer in weights
        for head in layer
        for query, row in enumerate(head[:length])
        for key in range(query + 1)
    ]


def cells(weights: Sequence, text: str) -> alt.Chart:
    """Give each stored weight its layer, head, query and key, and keep one head."""
    triangle = len(text) * (len(text) + 1) // 2
    heads = len(weights[0])
    # The place k in a triangle lies in row floor((√(8k + 1) - 1) / 2).
    row = f"floor((sqrt(8 * (datum.place % {triangle}) + 1) - 1) / 2)"
    return (
        alt.Chart(alt.Data(values=weight_rows(weights, len(text))))
        .transform_window(number="row_number()")
        .transform_calculate(place="datum.number - 1")
        .transform_filter(
            f"floor(datum.place / {triangle}) == (layer - 1) * {heads} + head - 1"
        )
        .transform_calculate(query=row)
        .transform_calculate(
            key=f"datum.place % {triangle} - datum.query * (datum.query + 1) / 2"
        )
    )


def character_axis(text: str) -> alt.Axis:
    """Make an axis that shows the characters of a text, a dot for each space."""
    names = [letter.replace(" ", "·").replace("\n", "↵") for letter in text]
    return alt.Axis(labelExpr=f"({names!r})[datum.value]", labelAngle=0, ticks=False)


def weight_map(weights: Sequence, text: str) -> alt.Chart:
    """Draw the weights of one head as a triangle of coloured cells."""
    side = {"axis": character_axis(text), "sort": None}
    return (
        cells(weights, text)
        .mark_rect()
        .encode(
            x=alt.X("key:O", title="key", **side),
            y=alt.Y("query:O", title="query", **side),
            color=alt.Color(
                "data:Q",
                scale=alt.Scale(scheme="cividis", domain=[0, 1]),
                legend=alt.Legend(title="weight", gradientLength=120),
            ),
        )
        .properties(title="Attention weights", height=380)
    )


def trained_weights(weights: Sequence, text: str) -> LiveFigure:
    """Show the causal attention weights of a model on a text.

    Parameters
    ----------
    weights : nested sequence of numbers, [layer][head][query][key]
        At least as many queries as the text has characters, in every head.
    text : str

    Returns
    -------
    LiveFigure
        Its numbers are the weights "3 to 1" and so on, counted from 1.
    """
    layers, heads = len(weights), len(weights[0])
    if layers < 2 or heads < 2 or len(weights[0][0]) < len(text) or not text:
        raise ValueError("weights need two layers, two heads and a row per character")
    label = "(datum.query + 1) + ' to ' + (datum.key + 1) + ': ' + datum.data"
    return LiveFigure(
        [described(weight_map(weights, text), label)],
        [
            Slider("layer", "layer", 1, layers, 1, 1),
            Slider("head", "head", 1, heads, 1, 1),
        ],
        caption=(
            "Choose a layer and a head. Each row is the query of one character; bright "
            "cells are the keys with most weight. Point at a cell for its weight."
        ),
        alt="A triangular map of weights: each character attends to itself and back.",
        name="trained_weights",
    )
