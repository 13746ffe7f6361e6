"""The triangle of all distributions over three classes.

Tests    tests/components/softmax
"""

import math

from genai_lib.live.charts import alt
from genai_lib.live.marks import GREY

CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.5, math.sqrt(3) / 2))


def corner_scales() -> dict[str, alt.X | alt.Y]:
    """Keep the triangle's sides equal whatever the width of the panel."""
    low, high = -0.16, 1.0
    half = f"{(high - low) / 2} * width / height"
    x = alt.Scale(
        domainMin=alt.ExprRef(f"0.5 - {half}"), domainMax=alt.ExprRef(f"0.5 + {half}")
    )
    x.nice = x.zero = False
    y = alt.Scale(domain=[low, high], nice=False)
    return {
        "x": alt.X("x:Q", scale=x, axis=None),
        "y": alt.Y("y:Q", scale=y, axis=None),
    }


def at_corners(chart: alt.Chart) -> alt.Chart:
    """Place three weights as a point between the corners of a triangle."""
    shares = [f"datum.weights[{index}] / datum.total" for index in range(3)]
    coordinates = [
        " + ".join(
            f"{share} * {corner[axis]!r}"
            for share, corner in zip(shares, CORNERS, strict=True)
        )
        for axis in range(2)
    ]
    return chart.transform_calculate(x=coordinates[0], y=coordinates[1])


def triangle(names: str) -> list[alt.Chart]:
    """Draw the outline and name its corners."""
    outline = [
        {"order": order, "x": x, "y": y}
        for order, (x, y) in enumerate((*CORNERS, CORNERS[0]))
    ]
    corners = [
        {"x": x, "y": y, "name": f"only {name}"}
        for name, (x, y) in zip(names, CORNERS, strict=True)
    ]
    scales = corner_scales()
    side = alt.Chart(alt.Data(values=outline)).mark_line(
        color=GREY, strokeWidth=1, aria=False
    )
    below = alt.Chart(alt.Data(values=corners[:2])).mark_text(dy=14, aria=False)
    above = alt.Chart(alt.Data(values=corners[2:])).mark_text(dy=-10, aria=False)
    return [
        side.encode(**scales, order="order:O"),
        below.encode(**scales, text="name:N"),
        above.encode(**scales, text="name:N"),
    ]
