"""Softmax, temperature and entropy as Vega expressions, and bars that show them.

Tests    tests/components/softmax/test_figure.py

Most functions return a Vega expression as a text. Arrays are names of derived
parameters; the largest logit is subtracted before exponentiating, as in the library's
softmax.
"""

from genai_lib.live.charts import BLUE, alt, described
from genai_lib.live.figure import Slider

LAST_STEP = 202
MIDDLE_STEP = LAST_STEP // 2
STEPS_PER_DECADE = 50
# Vega expressions have no name for infinity.
INFINITY = "1 / 0"


def temperature_at(step: str) -> str:
    """Write the temperature at a slider step: 0, then 0.01 to 100, then infinity."""
    power = f"pow(10, ({step} - {MIDDLE_STEP}) / {STEPS_PER_DECADE})"
    return f"({step} == 0 ? 0 : {step} == {LAST_STEP} ? {INFINITY} : {power})"


def weight_of(logit: str, peak: str, temperature: str) -> str:
    """Write a class's weight before division by the sum of weights."""
    at_zero = f"({logit} == {peak} ? 1 : 0)"
    return f"({temperature} == 0 ? {at_zero} : exp(({logit} - {peak}) / {temperature}))"


def weights_of(logits: str, classes: int, peak: str, temperature: str) -> str:
    """Write the array of weights of the first `classes` logits."""
    parts = [
        weight_of(f"{logits}[{index}]", peak, temperature) for index in range(classes)
    ]
    return f"[{', '.join(parts)}]"


def sum_of(array: str, classes: int) -> str:
    """Write the sum of an array's first entries."""
    return "(" + " + ".join(f"{array}[{index}]" for index in range(classes)) + ")"


def peak_of(array: str, classes: int) -> str:
    """Write the largest of an array's first entries."""
    return "max(" + ", ".join(f"{array}[{index}]" for index in range(classes)) + ")"


def entropy_of(weights: str, classes: int, total: str) -> str:
    """Write the entropy in nats of weights that are not yet divided by their sum."""
    parts = [f"{weights}[{index}]" for index in range(classes)]
    # A weight of 0 would give 0 * log 0, which is not a number.
    terms = " + ".join(f"({part} > 0 ? {part} * log({part}) : 0)" for part in parts)
    return f"(log({total}) - ({terms}) / {total})"


def distribution(logits: list[str]) -> dict[str, str]:
    """Write logits, weights, their sum and the entropy as derived parameters."""
    classes = len(logits)
    return {
        "theta": temperature_at("theta_step"),
        "logits": f"[{', '.join(logits)}]",
        "peak": peak_of("logits", classes),
        "weights": weights_of("logits", classes, "peak", "theta"),
        "total": sum_of("weights", classes),
        "entropy": entropy_of("weights", classes, "total"),
    }


def temperature_slider() -> Slider:
    """Make the slider of the temperature, from 0 by decades to infinity."""
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
