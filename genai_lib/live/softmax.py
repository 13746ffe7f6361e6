"""Live figures of temperature: the index page's and the softmax chapter's.

Chapter  chapters/components/softmax.ipynb
Tests    tests/live/test_softmax_figures.py

The figures compute what `genai_lib.components.softmax.softmax` computes: temperature
0 shares the weight among the largest logits, infinity gives equal weights.
"""

import math

from genai_lib.live.charts import alt
from genai_lib.live.expressions import (
    LAST_STEP,
    MIDDLE_STEP,
    STEPS_PER_DECADE,
    distribution,
    entropy_of,
    peak_of,
    sum_of,
    temperature_at,
    weights_of,
)
from genai_lib.live.figure import LiveFigure, Slider
from genai_lib.live.marks import BLUE, GREEN, GREY, VERMILION, described
from genai_lib.live.simplex import at_corners, corner_scales, triangle

WORD_LOGITS = {
    "mat": 4.0,
    "sofa": 3.1,
    "roof": 2.2,
    "keyboard": 1.4,
    "moon": -0.5,
    "theorem": -2.0,
}
START_LOGITS = (2.0, 1.0, 0.5, 0.0, -1.0)
CLASSES = len(START_LOGITS)
NAMES = "ABCDE"
HEIGHT = 200


def temperature_slider() -> Slider:
    """Make the slider that every figure of this module starts with."""
    return Slider(
        "theta_step", "temperature θ", 0, LAST_STEP, 1, MIDDLE_STEP, shows="theta"
    )


def bars(names: list[str], title: str = "probability") -> list[alt.Chart]:
    """Draw `weights` over their `total` as bars, and their numbers beside them."""
    values = [{"index": index, "name": name} for index, name in enumerate(names)]
    base = (
        alt.Chart(alt.Data(values=values))
        .transform_calculate(probability="weights[datum.index] / total")
        .encode(
            x=alt.X(
                "probability:Q",
                title=title,
                scale=alt.Scale(domain=[0, 1.15]),
                axis=alt.Axis(values=[0, 0.5, 1], grid=False),
            ),
            y=alt.Y("name:N", title=None, sort=None),
        )
    )
    bar = base.mark_bar(color=BLUE, height={"band": 0.7})
    number = (
        base.transform_calculate(shown="format(datum.probability, '.3~g')")
        .mark_text(align="left", dx=5, aria=False)
        .encode(text="shown:N")
    )
    return [described(bar, "datum.name + ': ' + datum.probability"), number]


def entropy_text() -> alt.Chart:
    """Write the entropy into the lower right corner of the bars."""
    chart = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(shown="'entropy ' + format(entropy, '.3~g') + ' nats'")
        .mark_text(align="right", baseline="bottom", dy=-6, fontWeight="bold")
        .encode(
            x=alt.XValue("width"),
            y=alt.YValue("height"),
            text="shown:N",
        )
    )
    return described(chart, "'entropy: ' + entropy")


def temperature() -> LiveFigure:
    """Show the next word's probabilities while the temperature moves.

    Returns
    -------
    LiveFigure
        Its numbers are the probabilities, by word, and "entropy" in nats.
    """
    words = list(WORD_LOGITS)
    panel = alt.layer(*bars(words), entropy_text()).properties(
        title="The cat sat on the …", height=HEIGHT
    )
    return LiveFigure(
        [panel],
        [temperature_slider()],
        derived=distribution([repr(logit) for logit in WORD_LOGITS.values()]),
        caption=(
            "Move θ. At 0 only the likeliest word is left; at ∞ every word is as "
            "likely as any other. The six scores behind the bars are written by hand."
        ),
        alt=(
            "Bars of the probability of six next words at temperature 1: mat leads, "
            "then sofa, roof, keyboard, moon and theorem."
        ),
        name="temperature",
    )


def temperature_rows(logits: str, classes: int) -> alt.Chart:
    """Sweep the temperature: one row for each step of the slider."""
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
