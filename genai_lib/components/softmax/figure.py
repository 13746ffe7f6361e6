"""The live figure of the chapter on softmax: five logits and their temperature.

Chapter  chapters/components/softmax.ipynb
Tests    tests/components/softmax

It computes what `genai_lib.components.softmax.softmax` computes: temperature 0 shares
the weight among the largest logits, infinity gives equal weights.
"""

import math

from genai_lib.live.charts import BLUE, GREEN, GREY, VERMILION, alt, described
from genai_lib.live.distribution import (
    LAST_STEP,
    MIDDLE_STEP,
    STEPS_PER_DECADE,
    bars,
    distribution,
    entropy_of,
    peak_of,
    sum_of,
    temperature_at,
    temperature_slider,
    weights_of,
)
from genai_lib.live.figure import LiveFigure, Slider

START_LOGITS = (2.0, 1.0, 0.5, 0.0, -1.0)
CLASSES = len(START_LOGITS)
NAMES = "ABCDE"
HEIGHT = 200
# The corners of the triangle of all distributions over three classes.
CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.5, math.sqrt(3) / 2))


def temperature_rows(logits: str, classes: int) -> alt.Chart:
    """Compute a sweep of the temperature: one row for each step of the slider."""
    data = alt.sequence(0, LAST_STEP + 1, 1, as_="step")
    return (
        alt.Chart(data)
        .transform_calculate(theta=temperature_at("datum.step"))
        .transform_calculate(
            weights=weights_of(logits, classes, peak_of(logits, classes), "datum.theta")
        )
        .transform_calculate(total=sum_of("datum.weights", classes))
    )


def temperature_axis() -> alt.X:
    """Make the logarithmic axis of the slider, with 0 and infinity at its ends."""
    decades = [0, MIDDLE_STEP - STEPS_PER_DECADE, MIDDLE_STEP]
    decades += [MIDDLE_STEP + STEPS_PER_DECADE, LAST_STEP]
    names = dict(zip(decades, ["0", "0.1", "1", "10", "∞"], strict=True))
    axis = alt.Axis(values=decades, labelExpr=f"({names})[datum.value]", grid=False)
    scale = alt.Scale(domain=[0, LAST_STEP])
    return alt.X("step:Q", title="temperature θ", scale=scale, axis=axis)


def entropy_panel() -> alt.LayerChart:
    """Draw the entropy over the temperature with a dot at the present one."""
    x = temperature_axis()
    y = alt.Y("entropy:Q", title="nats", scale=alt.Scale(domain=[0, 1.75]))
    curve = (
        temperature_rows("logits", CLASSES)
        .transform_calculate(
            entropy=entropy_of("datum.weights", CLASSES, "datum.total")
        )
        .mark_line(color=BLUE, aria=False)
        .encode(x=x, y=y)
    )
    dot = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(step="theta_step", entropy="entropy")
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(x=x, y=y)
    )
    most = (
        alt.Chart(alt.Data(values=[{"entropy": math.log(CLASSES)}]))
        .mark_rule(color=GREY, strokeDash=[4, 4], aria=False)
        .encode(y=y)
    )
    return alt.layer(
        most, curve, described(dot, "'entropy: ' + datum.entropy")
    ).properties(title="Entropy", height=HEIGHT)


def corner_scales() -> dict[str, alt.X | alt.Y]:
    """Return axes that keep the triangle's sides equal at any width of the panel."""
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
    weights = [f"datum.weights[{index}] / datum.total" for index in range(3)]
    coordinates = [
        " + ".join(
            f"{weight} * {corner[axis]!r}"
            for weight, corner in zip(weights, CORNERS, strict=True)
        )
        for axis in range(2)
    ]
    return chart.transform_calculate(x=coordinates[0], y=coordinates[1])


def triangle(names: str) -> list[alt.Chart]:
    """Draw the triangle of all distributions over three classes, with named corners."""
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


def simplex_panel() -> alt.LayerChart:
    """Draw the path of the first three classes from temperature 0 to infinity."""
    scales = corner_scales()
    path = (
        at_corners(temperature_rows("logits", 3))
        .mark_line(color=GREEN, strokeWidth=3, aria=False)
        .encode(**scales, order="step:Q")
    )
    now = alt.Chart(alt.Data(values=[{}])).transform_calculate(
        weights=weights_of("logits", 3, peak_of("logits", 3), "theta")
    )
    now = now.transform_calculate(total=sum_of("datum.weights", 3))
    dot = (
        at_corners(now)
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(**scales)
    )
    numbers = " + '; ' + ".join(
        f"'{name} of three: ' + datum.weights[{index}] / datum.total"
        for index, name in enumerate(NAMES[:3])
    )
    return alt.layer(*triangle(NAMES[:3]), path, described(dot, numbers)).properties(
        title="Softmax of A, B, C alone", height=HEIGHT
    )


def logits_and_temperature() -> LiveFigure:
    """Show softmax of five logits, its entropy and its path as θ moves.

    Returns
    -------
    LiveFigure
        Its numbers are the probabilities "A" to "E", "entropy" in nats and, for the
        softmax of the first three logits alone, "A of three" to "C of three".
    """
    logits = [
        Slider(f"logit_{name}", f"logit of {name}", -5, 5, 0.01, value)
        for name, value in zip(NAMES, START_LOGITS, strict=True)
    ]
    shift = Slider("shift", "+c to all", -100, 100, 1, 0)
    probabilities = alt.layer(*bars(list(NAMES))).properties(
        title="Probabilities", height=HEIGHT
    )
    return LiveFigure(
        [probabilities, entropy_panel(), simplex_panel()],
        [temperature_slider(), *logits, shift],
        derived=distribution([f"logit_{name} + shift" for name in NAMES]),
        caption=(
            "Move θ: the entropy climbs and the dot walks from a corner to the "
            "centre. Move +c to all: nothing changes. Make two largest logits equal "
            "and set θ to 0: they share; nudge one and it takes all."
        ),
        alt=(
            "Five bars of probabilities at temperature 1, largest first; a curve of "
            "entropy rising with temperature, with a dot at 1; a triangle with the "
            "path of three classes from one corner to the centre."
        ),
        name="logits_and_temperature",
    )
