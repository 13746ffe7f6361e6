"""The live figure of the chapter on softmax_one: how much attention is given away.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one

Letters used in this file
    z  logits of four keys, all raised by c      s  sink      γ  lower end of the clip
    m  the largest logit
"""

from genai_lib.live.charts import BLUE, GREEN, GREY, VERMILION, alt, described
from genai_lib.live.distribution import peak_of, sum_of
from genai_lib.live.figure import LiveFigure, Slider

KEYS = "ABCD"
START_LOGITS = (1.0, 0.0, -0.5, -1.0)
COUNT = len(KEYS)
COLOURS = [BLUE, GREEN, "#AA4499", GREY]
NORMALIZERS = ("softmax", "softmax_one", "with sink s", "clipped γ", "wrong: m + 1")
LOWEST, HIGHEST = -12, 8
HEIGHT = 230


def powers_over(peak: str, logits: str = "logits") -> str:
    """Write the array of exp(z - peak)."""
    parts = [f"exp({logits}[{index}] - {peak})" for index in range(COUNT)]
    return f"[{', '.join(parts)}]"


def divided(powers: str, total: str) -> str:
    """Write an array, each entry divided by one total."""
    return f"[{', '.join(f'{powers}[{index}] / {total}' for index in range(COUNT))}]"


def with_sink(sink: str) -> tuple[str, str]:
    """Write exp(z - m) with m the larger of the largest logit and a sink, and the sum.

    The sink is shifted as the logits are.
    """
    peak = f"max(peak, {sink})"
    powers = powers_over(peak)
    return powers, f"({sum_of(powers, COUNT)} + exp({sink} - {peak}))"


def clipped(index: int) -> str:
    """Write one clipped weight."""
    return f"clamp((1 - gamma) * plain[{index}] + gamma, 0, 1)"


def derived() -> dict[str, str]:
    """Write the weights under every normaliser as derived parameters."""
    one, one_total = with_sink("0")
    sunk, sunk_total = with_sink("sink")
    parameters = {
        "logits": f"[{', '.join(f'logit_{name} + shift' for name in KEYS)}]",
        "peak": peak_of("logits", COUNT),
        "powers": powers_over("peak"),
        "plain": divided("powers", sum_of("powers", COUNT)),
        "one": divided(one, one_total),
        "sunk": divided(sunk, sunk_total),
        "cut": f"[{', '.join(map(clipped, range(COUNT)))}]",
        # The known error: the largest logit is subtracted, and the 1 stays a 1.
        "wrong": divided("powers", f"({sum_of('powers', COUNT)} + 1)"),
    }
    return parameters | {"all": "[plain, one, sunk, cut, wrong]"}


def mass_axis() -> alt.X:
    """Make the axis of the bars, with room for a number behind the longest."""
    return alt.X(
        "mass:Q",
        title="attention",
        stack="zero",
        scale=alt.Scale(domain=[0, 1.25]),
        axis=alt.Axis(values=[0, 0.5, 1], grid=False),
    )


def mass_bars() -> alt.Chart:
    """Draw one bar for each normaliser: its weights side by side."""
    rows = [
        {"place": place, "index": index, "name": name, "key": key}
        for place, name in enumerate(NORMALIZERS)
        for index, key in enumerate(KEYS)
    ]
    bars = (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(mass="all[datum.place][datum.index]")
        .mark_bar(height={"band": 0.7})
        .encode(
            x=mass_axis(),
            y=alt.Y("name:N", title=None, sort=list(NORMALIZERS)),
            order="index:Q",
            color=alt.Color(
                "key:N", title="key", scale=alt.Scale(domain=list(KEYS), range=COLOURS)
            ).legend(orient="top"),
        )
    )
    return described(bars, "datum.name + ', ' + datum.key + ': ' + datum.mass")


def mass_panel() -> alt.LayerChart:
    """Draw the bars, and behind each the sum of its weights."""
    sums = [{"place": place, "name": name} for place, name in enumerate(NORMALIZERS)]
    text = (
        alt.Chart(alt.Data(values=sums))
        .transform_calculate(mass=sum_of("all[datum.place]", COUNT))
        .transform_calculate(shown="format(datum.mass, '.3~g')")
        .mark_text(align="left", dx=5)
        .encode(
            x=mass_axis(),
            y=alt.Y("name:N", title=None, sort=list(NORMALIZERS)),
            text="shown:N",
        )
    )
    sums_described = described(text, "datum.name + ', all: ' + datum.mass")
    return alt.layer(mass_bars(), sums_described).properties(
        title="One query, four keys", height=HEIGHT
    )


def mass_curves() -> dict[str, str]:
    """Write, by colour, the mass of three normalisers when all logits rise by `at`."""
    # The sum of exponentials, when all logits are raised by `at` and not by `shift`.
    total = f"({sum_of('powers', COUNT)} * exp(peak - shift + datum.at))"
    return {
        GREY: "1",
        BLUE: f"{total} / ({total} + 1)",
        VERMILION: sum_of("wrong", COUNT),
    }


def shift_panel() -> alt.LayerChart:
    """Draw the mass of three normalisers as all logits are raised, with a dot each."""
    x = alt.X(
        "at:Q",
        title="c, added to all logits",
        scale=alt.Scale(domain=[LOWEST, HIGHEST], nice=False),
        axis=alt.Axis(grid=False),
    )
    y = alt.Y("mass:Q", title=None, scale=alt.Scale(domain=[0, 1.08], nice=False))
    steps = alt.Chart(alt.sequence(LOWEST, HIGHEST + 0.01, 0.1, as_="at"))
    lines = [
        steps.transform_calculate(mass=text)
        .mark_line(color=colour, aria=False)
        .encode(x=x, y=y)
        for colour, text in mass_curves().items()
    ]
    masses = {"plain": GREY, "one": BLUE, "wrong": VERMILION}
    dots = [
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(at="shift", mass=sum_of(name, COUNT))
        .mark_point(color=colour, filled=True, size=110, opacity=1, aria=False)
        .encode(x=x, y=y)
        for name, colour in masses.items()
    ]
    return alt.layer(*lines, *dots).properties(
        title="All attention, while every logit rises", height=HEIGHT
    )


def attention_given_away() -> LiveFigure:
    """Show the sum of the attention weights under five normalisers.

    Returns
    -------
    LiveFigure
        Its numbers are "normaliser, key" for the weights and "normaliser, all" for
        their sum.
    """
    logits = [
        Slider(f"logit_{name}", f"logit of {name}", -5, 5, 0.05, value)
        for name, value in zip(KEYS, START_LOGITS, strict=True)
    ]
    return LiveFigure(
        [mass_panel(), shift_panel()],
        [
            Slider("shift", "+c to all", LOWEST, HIGHEST, 0.1, 0),
            *logits,
            Slider("sink", "sink s", -8, 8, 0.1, 2),
            Slider("gamma", "clip γ", -1, 0, 0.01, -0.2),
        ],
        derived=derived(),
        caption=(
            "Move +c to all down: softmax gives away all its attention at every c, "
            "softmax_one less and less, down to nothing. The last bar has the bug of "
            "adding 1 after the largest logit m was subtracted: it cannot fall silent, "
            "and c does not move it. Right: softmax grey, softmax_one blue, the bug "
            "orange."
        ),
        alt=(
            "Left: five bars of attention shared among four keys; softmax reaches 1, "
            "softmax_one about 0.82, the others less. Right: over c a flat line at 1, "
            "a rising curve from 0 to 1, and a flat line below 1."
        ),
        name="attention_given_away",
    )
