"""The live figure of vector search: a greedy walk on a graph of points in the plane.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

The figure computes what `search_layer` of the library computes with ef = 1, on the
graph that `genai_lib.components.vector_search.stored` made.
"""

import json
from pathlib import Path

from genai_lib.live.charts import BLUE, GREEN, GREY, VERMILION, alt, described
from genai_lib.live.figure import LiveFigure, Slider

DATA = json.loads((Path(__file__).with_name("stored") / "figures.json").read_text())
POINTS, LINKS = DATA["plane"]["points"], DATA["plane"]["links"]
MOST_LINKS = max(map(len, LINKS))
HOPS = 8
HEIGHT = 300


def square_to(node: str) -> str:
    """Write the squared distance from the query to a node."""
    return f"(pow(xs[{node}] - qx, 2) + pow(ys[{node}] - qy, 2))"


def walk() -> dict[str, str]:
    """Write the walk hop by hop: to the neighbour nearest to the query, or nowhere."""
    # A node stands in for the neighbours that it lacks; nobody hops to itself.
    full = [row + [node] * (MOST_LINKS - len(row)) for node, row in enumerate(LINKS)]
    derived = {
        "xs": json.dumps([x for x, _ in POINTS]),
        "ys": json.dumps([y for _, y in POINTS]),
        "links": json.dumps(full),
        "node_0": "0 * qx",
    }
    for hop in range(HOPS):
        here = f"node_{hop}"
        squares = [square_to(f"links[{here}][{n}]") for n in range(MOST_LINKS)]
        derived[f"squares_{hop}"] = f"[{', '.join(squares)}]"
        entries = ", ".join(f"squares_{hop}[{n}]" for n in range(MOST_LINKS))
        derived[f"best_{hop}"] = f"min({entries})"
        onward = f"links[{here}][indexof(squares_{hop}, best_{hop})]"
        better = f"best_{hop} < {square_to(here)}"
        derived[f"node_{hop + 1}"] = f"({better} ? {onward} : {here})"
    nodes = ", ".join(f"node_{hop}" for hop in range(HOPS + 1))
    everyone = ", ".join(square_to(str(node)) for node in range(len(POINTS)))
    derived["path"] = f"[{nodes}]"
    derived["all_squares"] = f"[{everyone}]"
    derived["least"] = (
        "min(" + ", ".join(f"all_squares[{node}]" for node in range(len(POINTS))) + ")"
    )
    derived["nearest"] = "indexof(all_squares, least)"
    derived["reached"] = f"node_{HOPS}"
    return derived


def axes() -> dict[str, alt.X | alt.Y]:
    """Make one unit as long to the right as upwards, whatever the width."""
    half = "max(5.4, 5.4 * width / height)"
    scale = alt.Scale(
        domainMin=alt.ExprRef(f"5 - {half}"),
        domainMax=alt.ExprRef(f"5 + {half}"),
        nice=False,
        zero=False,
    )
    y = alt.Scale(domain=[-0.4, 10.4], nice=False)
    return {
        "x": alt.X("x:Q", scale=scale, axis=None),
        "y": alt.Y("y:Q", scale=y, axis=None),
    }


def places(rows: list[dict], node: str) -> alt.Chart:
    """Place each row at the node that an expression names."""
    return (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(node=node)
        .transform_calculate(x="xs[datum.node]", y="ys[datum.node]")
        .encode(**axes())
    )


def segments(rows: list[dict], start: str, end: str) -> alt.Chart:
    """Place each row between two nodes."""
    return (
        places(rows, start)
        .transform_calculate(end=end)
        .transform_calculate(x2="xs[datum.end]", y2="ys[datum.end]")
        .encode(x2="x2:Q", y2="y2:Q")
    )


def measured() -> str:
    """Write whether the walk computed the distance of the node in `datum.node`."""
    seen = [f"indexof(links[node_{hop}], datum.node) >= 0" for hop in range(HOPS + 1)]
    return "datum.node == 0 || " + " || ".join(seen)


def plane_panel() -> alt.LayerChart:
    """Draw the graph, the walk, the query and the point that is truly nearest."""
    pairs = {(min(a, b), max(a, b)) for a, row in enumerate(LINKS) for b in row}
    edges = [{"a": a, "b": b} for a, b in sorted(pairs)]
    edge = segments(edges, "datum.a", "datum.b")
    hops = [{"hop": hop} for hop in range(HOPS)]
    step = segments(hops, "path[datum.hop]", "path[datum.hop + 1]")
    nodes = [{"row": row} for row in range(len(POINTS))]
    colour = alt.condition("datum.measured", alt.value(BLUE), alt.value(GREY))
    dot = (
        places(nodes, "datum.row")
        .transform_calculate(measured=measured())
        .mark_point(filled=True, size=45, opacity=1, aria=False)
        .encode(color=colour)
    )
    ring = {"filled": False, "size": 220, "strokeWidth": 3, "aria": False}
    goal = places([{}], "nearest").mark_point(color=GREEN, **ring)
    end = places([{}], "reached").mark_point(color=VERMILION, **ring | {"size": 110})
    query = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(x="qx", y="qy")
        .mark_point(shape="cross", color=VERMILION, filled=True, size=130, aria=False)
        .encode(**axes())
    )
    return alt.layer(
        edge.mark_rule(color=GREY, opacity=0.5, aria=False),
        step.mark_rule(color=VERMILION, strokeWidth=3, aria=False),
        dot,
        goal,
        end,
        query,
    ).properties(title="A greedy walk to the cross", height=HEIGHT)


def outcome_panel() -> alt.LayerChart:
    """Draw how far the query is from the point reached and from the nearest."""
    rows = [{"point": "reached", "which": 0}, {"point": "nearest", "which": 1}]
    base = (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(
            distance=f"sqrt(datum.which ? least : {square_to('reached')})"
        )
        .encode(
            x=alt.X("distance:Q", title="distance from the cross"),
            y=alt.Y("point:N", title=None, sort=None),
        )
    )
    bar = base.mark_bar(height={"band": 0.6}).encode(
        color=alt.condition("datum.which == 0", alt.value(VERMILION), alt.value(GREEN))
    )
    number = (
        base.transform_calculate(shown="format(datum.distance, '.3~g')")
        .mark_text(align="left", dx=5, aria=False)
        .encode(text="shown:N")
    )
    return alt.layer(
        described(bar, "datum.point + ' point: ' + datum.distance"), number, work()
    ).properties(title="What the walk has reached", height=HEIGHT)


def work() -> alt.Chart:
    """Write how many of the distances the walk has computed."""
    nodes = [{"node": node} for node in range(len(POINTS))]
    text = f"'distances computed: ' + datum.count + ' of {len(POINTS)}'"
    counted = (
        alt.Chart(alt.Data(values=nodes))
        .transform_calculate(measured=f"({measured()}) ? 1 : 0")
        .transform_aggregate(count="sum(measured)")
        .transform_calculate(shown=text)
        .mark_text(align="right", baseline="bottom", dy=-6, fontWeight="bold")
        .encode(x=alt.XValue("width"), y=alt.YValue("height"), text="shown:N")
    )
    return described(counted, "'distances computed: ' + datum.count")


def graph_walk() -> LiveFigure:
    """Show a greedy walk on a graph while the query moves.

    Returns
    -------
    LiveFigure
        Its numbers are the distances to the "reached point" and the "nearest point",
        and "distances computed".
    """
    return LiveFigure(
        [plane_panel(), outcome_panel()],
        [
            Slider("qx", "cross, to the right", 0, 10, 0.1, 0.5),
            Slider("qy", "cross, upwards", 0, 10, 0.1, 3.7),
        ],
        derived=walk(),
        caption=(
            "Move the cross. The walk starts at the same point each time and hops to "
            "whichever neighbour lies nearest to the cross; distances to blue points "
            "were computed. Find a place where it stops short of the nearest point, "
            "ringed in green."
        ),
        alt=(
            "Forty points linked to near neighbours; a red path hops across them to a "
            "cross at the left. Two bars compare the point reached and the "
            "nearest one."
        ),
        name="graph_walk",
    )
