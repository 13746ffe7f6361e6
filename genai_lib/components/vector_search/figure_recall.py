"""A live figure of what an approximate search finds, and what it costs.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

The numbers are those of `recall_curve` of the library, measured once by
`genai_lib.components.vector_search.stored`.
"""

import json

from genai_lib.components.vector_search.figure import DATA
from genai_lib.live.charts import BLUE, GREEN, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

COSTS = DATA["costs"]
ROWS = 20_000
HEIGHT = 260


def trade_axes() -> dict[str, alt.X | alt.Y]:
    """Recall upwards, distances to the right on a logarithmic scale."""
    return {
        "x": alt.X(
            "distances:Q",
            title="distances computed for a query",
            scale=alt.Scale(type="log", domain=[200, ROWS], nice=False),
            axis=alt.Axis(values=[200, 1000, 5000, 20_000], grid=False),
        ),
        "y": alt.Y("recall:Q", title="recall", scale=alt.Scale(domain=[0, 1.05])),
    }


def trade_panel() -> alt.LayerChart:
    """Draw recall over the distances computed, with a dot at the present ef."""
    rows = [
        {"structure": name, "ef": ef, "recall": found, "distances": count}
        for name, costs in COSTS.items()
        for ef, found, count in costs
    ]
    colour = alt.Color(
        "structure:N",
        scale=alt.Scale(domain=list(COSTS), range=[BLUE, GREEN]),
        legend=alt.Legend(orient="bottom", title=None, labelFontSize=13),
    )
    curve = alt.Chart(alt.Data(values=rows)).mark_line(aria=False)
    dot = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(recall="cost[1]", distances="cost[2]")
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(**trade_axes())
    )
    text = "'recall: ' + datum.recall + '; distances: ' + datum.distances"
    return alt.layer(
        curve.encode(color=colour, **trade_axes()), described(dot, text)
    ).properties(title="What is found, and for how much", height=HEIGHT)


def cost_panel() -> alt.LayerChart:
    """Draw the distances computed beside those of an exact search."""
    rows = [{"search": "exact", "which": 0}, {"search": "graph", "which": 1}]
    base = (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(count=f"datum.which ? cost[2] : {ROWS}")
        .encode(
            x=alt.X(
                "count:Q", title="distances", scale=alt.Scale(domain=[0, 1.2 * ROWS])
            ),
            y=alt.Y("search:N", title=None, sort=None),
        )
    )
    bar = base.mark_bar(color=BLUE, height={"band": 0.6})
    number = (
        base.transform_calculate(shown="format(datum.count, '.3~r')")
        .mark_text(align="left", dx=5, aria=False)
        .encode(text="shown:N")
    )
    text = "'distances of the ' + datum.search + ' search: ' + datum.count"
    return alt.layer(described(bar, text), number).properties(
        title="Work for one query", height=HEIGHT
    )


def recall_against_ef() -> LiveFigure:
    """Show what a walk finds and costs while it keeps more or fewer nodes in mind.

    Returns
    -------
    LiveFigure
        Its numbers are "recall", "distances" and "distances of the exact search" and
        "of the graph search", as measured.
    """
    efs = [ef for ef, _, _ in COSTS["in groups"]]
    return LiveFigure(
        [trade_panel(), cost_panel()],
        [
            Slider("step", "ef", 0, len(efs) - 1, 1, efs.index(64), shows="ef"),
            Choice("structure", "the vectors lie", tuple(COSTS), "in groups"),
        ],
        derived={
            "cost": f"({json.dumps(COSTS)})[structure][step]",
            "ef": "cost[0]",
        },
        caption=(
            "Move ef, the number of candidates a walk keeps in mind: more is found, "
            "for more work. Then let the vectors lie without structure: the same "
            "recall costs several times as much. Measured on 20,000 vectors of 64 "
            "numbers."
        ),
        alt=(
            "Two curves of recall over distances computed: for vectors in groups it "
            "is near 1 from 500 distances on, without structure from 6,000 on."
        ),
        name="recall_against_ef",
    )
