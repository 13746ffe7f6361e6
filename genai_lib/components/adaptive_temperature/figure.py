"""The live figure of the chapter on adaptive temperature: one winner among many.

Chapter  chapters/components/adaptive_temperature.ipynb
Tests    tests/components/adaptive_temperature

One logit lies a gap above all others, which are equal. Then every normaliser has a
closed form, which equals what `genai_lib.components.adaptive_temperature` computes.

Letters used in this file
    n  items      H  entropy of softmax in nats      β  inverse temperature
"""

from genai_lib.live.charts import BLUE, GREEN, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

FEWEST, MOST = 4, 4096
STEPS_PER_DOUBLING = 12
LAST_STEP = 10 * STEPS_PER_DOUBLING
# The library's numbers, repeated because this module imports no torch; a test
# compares them.
POLYNOMIAL = (-0.037, 0.481, -2.3, 4.917, -1.791)
LEAST_ENTROPY = 0.5
SCALE = 0.43
LARGEST_ENTROPY = 8.4
HEIGHT = 260
CAPTION = (
    "Move n. Left, in blue, the weight of the winner under the chosen normaliser; in "
    "grey, under softmax, with the simpler of the two bounds on every weight of "
    "softmax (dashed). Right, the published polynomial (dashed) and the inverse "
    "temperature that the adaptive softmax takes (green), with a dot at the present "
    "entropy. Past 5.94 nats it is 1, and adaptive is plain softmax."
)
ALT = (
    "Left: with 128 items and a gap of 5 the winner's weight under adaptive softmax "
    "is near 1, under softmax about a half. Right: a hump of β over the entropy, "
    "with a dot on its rising side."
)


def polynomial_at(entropy: str) -> str:
    """Write the published polynomial by Horner's rule."""
    text = "0"
    for coefficient in POLYNOMIAL:
        text = f"({text} * {entropy} + {coefficient!r})"
    return text


def beta_at(entropy: str) -> str:
    """Write the inverse temperature that the adaptive softmax uses."""
    return f"({entropy} > {LEAST_ENTROPY} ? max({polynomial_at(entropy)}, 1) : 1)"


def entropy_at(items: str) -> str:
    """Write the entropy of softmax when one of the items lies `gap` above the rest."""
    total = f"(exp(gap) + {items} - 1)"
    return f"(log({total}) - gap * exp(gap) / {total})"


def weight_at(items: str, beta: str) -> str:
    """Write the winner's weight under softmax at an inverse temperature."""
    return f"(1 / (1 + ({items} - 1) * exp(-gap * {beta})))"


def winner_at(items: str, entropy: str) -> str:
    """Write the winner's weight under the chosen normaliser."""
    adaptive = weight_at(items, beta_at(entropy))
    ssmax = weight_at(items, f"({SCALE} * log({items}))")
    sparsemax = f"(gap >= 1 ? 1 : gap + (1 - gap) / {items})"
    return (
        f"(normalizer == 'adaptive' ? {adaptive} : normalizer == 'SSMax' ? {ssmax}"
        f" : normalizer == 'sparsemax' ? {sparsemax} : {weight_at(items, '1')})"
    )


def bound_at(items: str) -> str:
    """Write the bound on every weight of softmax: exp(gap) / n, and never above 1."""
    return f"min(1, exp(gap) / {items})"


def items_axis() -> alt.X:
    """Make the axis of the number of items, a doubling of equal length everywhere."""
    scale = alt.Scale(type="log", base=2, domain=[FEWEST, MOST], nice=False)
    axis = alt.Axis(values=[4, 16, 64, 256, 1024, 4096], grid=False, format="d")
    return alt.X("items:Q", title="items n", scale=scale, axis=axis)


def winner_panel() -> alt.LayerChart:
    """Draw the winner's weight over the number of items, its bound, and a dot."""
    y = alt.Y("weight:Q", title=None, scale=alt.Scale(domain=[0, 1]))
    steps = alt.Chart(alt.sequence(0, LAST_STEP + 1, 1, as_="step"))
    rows = steps.transform_calculate(
        items=f"{FEWEST} * pow(2, datum.step / {STEPS_PER_DOUBLING})"
    ).transform_calculate(entropy=entropy_at("datum.items"))
    curves = {
        (GREY, 4): bound_at("datum.items"),
        (GREY, 1): weight_at("datum.items", "1"),
        (BLUE, 1): winner_at("datum.items", "datum.entropy"),
    }
    lines = [
        rows.transform_calculate(weight=text)
        .mark_line(color=colour, strokeDash=[dash, dash - 1], aria=False)
        .encode(x=items_axis(), y=y)
        for (colour, dash), text in curves.items()
    ]
    dot = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(items="items", weight="winner")
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(x=items_axis(), y=y)
    )
    numbers = "'winner: ' + winner + '; softmax: ' + plain + '; bound: ' + bound"
    return alt.layer(*lines, described(dot, numbers)).properties(
        title="The winner's weight", height=HEIGHT
    )


def beta_panel() -> alt.LayerChart:
    """Draw the polynomial, the β that is used, and a dot at the present entropy."""
    x = alt.X(
        "entropy:Q",
        title="entropy H of softmax (nats)",
        scale=alt.Scale(domain=[0, LARGEST_ENTROPY], nice=False),
        axis=alt.Axis(grid=False),
    )
    y = alt.Y("beta:Q", title=None, scale=alt.Scale(domain=[-1, 3], nice=False))
    steps = alt.Chart(alt.sequence(0, LARGEST_ENTROPY, 0.05, as_="entropy"))
    polynomial = (
        steps.transform_calculate(beta=polynomial_at("datum.entropy"))
        .mark_line(color=GREY, strokeDash=[4, 3], clip=True, aria=False)
        .encode(x=x, y=y)
    )
    used = (
        steps.transform_calculate(beta=beta_at("datum.entropy"))
        .mark_line(color=GREEN, strokeWidth=3, aria=False)
        .encode(x=x, y=y)
    )
    dot = (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(entropy="entropy", beta="beta")
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(x=x, y=y)
    )
    numbers = "'entropy: ' + entropy + '; β: ' + beta"
    return alt.layer(polynomial, used, described(dot, numbers)).properties(
        title="Inverse temperature β", height=HEIGHT
    )


def winner_among_many() -> LiveFigure:
    """Show the weight of one winner as the items become many.

    Returns
    -------
    LiveFigure
        Its numbers are "winner" under the chosen normaliser, "softmax" and its
        "bound", "entropy" of softmax in nats, and "β" of the adaptive softmax.
    """
    position = f"pow(2, items_step / {STEPS_PER_DOUBLING})"
    return LiveFigure(
        [winner_panel(), beta_panel()],
        [
            Slider("items_step", "items n", 0, LAST_STEP, 1, 60, shows="items"),
            Slider("gap", "winner's gap", 0, 12, 0.05, 5),
            Choice(
                "normalizer",
                "normaliser",
                ("softmax", "adaptive", "SSMax", "sparsemax"),
                "adaptive",
            ),
        ],
        derived={
            "items": f"floor({FEWEST} * {position} + 0.5)",
            "entropy": entropy_at("items"),
            "beta": beta_at("entropy"),
            "winner": winner_at("items", "entropy"),
            "plain": weight_at("items", "1"),
            "bound": bound_at("items"),
        },
        caption=CAPTION,
        alt=ALT,
        name="winner_among_many",
    )
