"""The live figure of rotary positions in longer texts: each repair and each pair.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

The figure computes what `interpolated_frequencies`, `ntk_frequencies` and
`yarn_frequencies` of `genai_lib.components.positions` compute, for the model of the
chapter: heads of width 16, trained on texts of length 64.
"""

import math

from genai_lib.live.charts import BLUE, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

PAIRS, BASE, LENGTH = 8, 10000, 64
HEIGHT = 260
REPAIRS = {
    "none": "none",
    "interpolation": "interpolation",
    "ntk": "NTK",
    "yarn": "YaRN",
}


def turns_of(pair: int, length: float = LENGTH) -> float:
    """Count the turns of a pair within a length, without a repair."""
    return length * BASE ** (-pair / PAIRS) / (2 * math.pi)


def kept_of(pair: int) -> str:
    """Write the fraction of its frequency that a pair keeps."""
    ntk = f"pow(factor, {-pair / (PAIRS - 1)!r})"
    mix = f"clamp(({turns_of(pair)!r} - slow) / (fast - slow), 0, 1)"
    return (
        f"(repair == 'interpolation' ? 1 / factor : repair == 'ntk' ? {ntk}"
        f" : repair == 'yarn' ? {mix} + (1 - {mix}) / factor : 1)"
    )


def rows() -> alt.Chart:
    """Make a row per pair: its turns in training and at the new length."""
    values = [
        {"pair": pair + 1, "before": turns_of(pair), "one": 1} for pair in range(PAIRS)
    ]
    return alt.Chart(alt.Data(values=values)).transform_calculate(
        kept="kept[datum.pair - 1]",
        after="datum.before * factor * kept[datum.pair - 1]",
        # A pair with a full turn in training has met every angle.
        news="datum.before < 1 && factor * kept[datum.pair - 1] > 1.000001",
    )


def pair_axis() -> alt.Y:
    """Make the axis of the pairs."""
    return alt.Y("pair:O", title="pair, fast to slow")


def kept_panel() -> alt.Chart:
    """Draw the fraction of its frequency that each pair keeps."""
    x = alt.X(
        "kept:Q", title="fraction of frequency kept", scale=alt.Scale(domain=[0, 1])
    )
    bar = rows().mark_bar(color=BLUE, height={"band": 0.6}).encode(x=x, y=pair_axis())
    label = "'pair ' + datum.pair + ' keeps: ' + datum.kept"
    return described(bar, label).properties(title="Frequency", height=HEIGHT)


def turns_axis(field: str) -> alt.X:
    """Make the logarithmic axis of the turns for one of the fields."""
    scale = alt.Scale(type="log", domain=[0.001, 100], clamp=True)
    axis = alt.Axis(values=[0.001, 0.01, 0.1, 1, 10, 100], format="~g", grid=False)
    return alt.X(f"{field}:Q", title="turns within the text", scale=scale, axis=axis)


def way_of_pairs() -> list[alt.Chart]:
    """Draw each pair's turns in training, at the new length, and a full turn."""
    full = (
        alt.Chart(alt.Data(values=[{"one": 1}]))
        .mark_rule(color=GREY, strokeDash=[4, 4], aria=False)
        .encode(x=turns_axis("one"))
    )
    before = rows().encode(x=turns_axis("before"), y=pair_axis())
    way = before.mark_rule(color=GREY, aria=False).encode(x2="after:Q")
    return [full, way, before.mark_tick(color=GREY, thickness=3, size=16, aria=False)]


def turns_panel() -> alt.LayerChart:
    """Draw the turns that each pair makes, in training and at the new length."""
    colours = alt.Scale(domain=[False, True], range=[BLUE, VERMILION])
    dot = (
        rows()
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=turns_axis("after"),
            y=pair_axis(),
            color=alt.Color("news:N", scale=colours, legend=None),
        )
    )
    label = "'pair ' + datum.pair + ' turns: ' + datum.after"
    return alt.layer(*way_of_pairs(), described(dot, label)).properties(
        title="Angles: red are new", height=HEIGHT
    )


def repaired_pairs() -> LiveFigure:
    """Show which pairs of a rotary model meet angles that did not occur in training.

    Returns
    -------
    LiveFigure
        Its numbers are "pair 1 keeps", the fraction of its frequency, and "pair 1
        turns", the turns within the longer text, for pairs 1 to 8.
    """
    return LiveFigure(
        [turns_panel(), kept_panel()],
        [
            Choice("repair", "repair", tuple(REPAIRS), "none", tuple(REPAIRS.values())),
            Slider("factor", "text longer by a factor of", 1, 8, 0.5, 4),
            Slider("slow", "YaRN: slow below (turns)", 0, 3, 0.25, 1),
            Slider("fast", "YaRN: fast above (turns)", 4, 32, 1, 32),
        ],
        derived={"kept": f"[{', '.join(kept_of(pair) for pair in range(PAIRS))}]"},
        caption=(
            "Make the text longer: a grey tick is where a pair ended in training, its "
            "dot where it ends now. Pairs right of the dashed line went all the way "
            "round in training. The others meet new angles: red. Choose a repair and "
            "watch what it costs the fast pairs."
        ),
        alt=(
            "Eight pairs by the turns they make in a text four times as long as in "
            "training. The three fast ones turned at least once before; the five slow "
            "ones reach angles that are new, drawn in red."
        ),
        name="repaired_pairs",
    )
