"""The live figure of positions: similarity of two positions under each encoding.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

It computes what `genai_lib.components.positions` computes: the products of rows of
`sinusoidal`, which are those of rotated vectors of ones; the buckets of `t5_bucket`;
and the factor of a weight that follows from `alibi_bias`.
"""

import math

from genai_lib.live.charts import BLUE, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

POSITIONS = 24
FARTHEST = 256
MOST_PAIRS = 32
HEADS = 8
BUCKETS, MAX_DISTANCE = 32, 128
STEPS_PER_DECADE = 10
HEIGHT = 300
SCHEMES = {
    "waves": "sinusoidal, or rotary",
    "buckets": "T5 buckets",
    "alibi": "ALiBi",
    "learned": "learned, before training",
    "none": "none",
}
# Distances at which the curve has a dot with its number.
MARKED = (1, 4, 16, 64, 256)


def waves_at(distance: str) -> str:
    """Write the mean cosine of the angles between two positions."""
    cosines = [f"cos({distance} * speeds[{pair}])" for pair in range(MOST_PAIRS)]
    # A pair that does not exist has the frequency 0 and the cosine 1.
    missing = f"{MOST_PAIRS} + entries / 2"
    return f"(({' + '.join(cosines)} - {missing}) / (entries / 2))"


def bucket_at(offset: str) -> str:
    """Write the T5 bucket of key minus query, with buckets for both directions."""
    half = BUCKETS // 2
    exact = half // 2
    ratio = f"log(abs({offset}) / {exact}) / {math.log(MAX_DISTANCE / exact)!r}"
    far = f"min({half - 1}, {exact} + floor({ratio} * {half - exact}))"
    near = f"abs({offset}) < {exact} ? abs({offset})"
    return f"(({offset} > 0 ? {half} : 0) + ({near} : {far}))"


def similarity_at(offset: str) -> str:
    """Write the number that the chosen encoding gives to an offset, key minus query."""
    return (
        f"(scheme == 'waves' ? {waves_at(offset)}"
        f" : scheme == 'buckets' ? {bucket_at(offset)}"
        f" : scheme == 'alibi' ? exp(-abs({offset}) * pow(2, -8 * head / {HEADS}))"
        f" : scheme == 'learned' ? ({offset} == 0 ? 1 : 0) : 1)"
    )


def speeds() -> dict[str, str]:
    """Write the base of RoPE and the angle per position of each pair."""
    parts = [
        f"(entries > {2 * pair} ? pow(base, {-2 * pair} / entries) : 0)"
        for pair in range(MOST_PAIRS)
    ]
    return {
        "base": f"pow(10, base_step / {STEPS_PER_DECADE})",
        "speeds": f"[{', '.join(parts)}]",
    }


def map_panel() -> alt.Chart:
    """Draw a square for each pair of positions."""
    places = range(POSITIONS)
    values = [{"m": m, "n": n} for m in places for n in places]
    sides = {"sort": None, "axis": alt.Axis(values=[0, 8, 16, 23], labelAngle=0)}
    squares = (
        alt.Chart(alt.Data(values=values))
        .transform_calculate(offset="datum.n - datum.m")
        .transform_calculate(number=similarity_at("datum.offset"))
        .transform_calculate(
            shade=f"scheme == 'buckets' ? datum.number / {(BUCKETS - 1) / 2} - 1"
            " : datum.number"
        )
        .mark_rect()
        .encode(
            x=alt.X("n:O", title="position n (key)", **sides),
            y=alt.Y("m:O", title="position m (query)", **sides),
            color=alt.Color(
                "shade:Q",
                scale=alt.Scale(scheme="cividis", domain=[-1, 1], clamp=True),
                legend=None,
            ),
        )
    )
    label = "datum.m + ' and ' + datum.n + ': ' + datum.number"
    return described(squares, label).properties(title="Every pair", height=HEIGHT)


def curve_panel() -> alt.LayerChart:
    """Draw the number of a query and an earlier key over their distance."""
    x = alt.X(
        "distance:Q",
        title="distance m − n",
        scale=alt.Scale(type="log", base=2, domain=[1, FARTHEST]),
        axis=alt.Axis(values=list(MARKED), format="d", grid=False),
    )
    ends = alt.Scale(
        domainMin=alt.ExprRef("scheme == 'buckets' ? 0 : -1"),
        domainMax=alt.ExprRef(f"scheme == 'buckets' ? {BUCKETS // 2 - 1} : 1"),
        nice=False,
    )
    y = alt.Y("number:Q", title=None, scale=ends)
    line = (
        alt.Chart(alt.sequence(1, FARTHEST + 1, 1, as_="distance"))
        .transform_calculate(number=similarity_at("-datum.distance"))
        .mark_line(color=BLUE, strokeWidth=2, aria=False)
        .encode(x=x, y=y)
    )
    dots = (
        alt.Chart(alt.Data(values=[{"distance": d} for d in MARKED]))
        .transform_calculate(number=similarity_at("-datum.distance"))
        .mark_point(color=VERMILION, filled=True, size=60, opacity=1)
        .encode(x=x, y=y)
    )
    label = "'distance ' + datum.distance + ': ' + datum.number"
    return alt.layer(line, described(dots, label)).properties(
        title="Looking back", height=HEIGHT
    )


def similarity_of_positions() -> LiveFigure:
    """Show the similarity of two positions under each positional encoding.

    Returns
    -------
    LiveFigure
        Its numbers are "3 and 7" for positions 3 and 7 and "distance 16" for a key 16
        positions before the query: a mean product of the waves, the bucket of T5, or
        ALiBi's factor.
    """
    return LiveFigure(
        [map_panel(), curve_panel()],
        [
            Choice(
                "scheme", "scheme", tuple(SCHEMES), "waves", tuple(SCHEMES.values())
            ),
            Slider("entries", "width (waves)", 2, 2 * MOST_PAIRS, 2, 16),
            Slider("base_step", "base (waves)", 1, 60, 1, 40, shows="base"),
            Slider("head", "head of 8 (ALiBi)", 1, HEADS, 1, 2),
        ],
        derived=speeds(),
        caption=(
            "Choose a scheme. Bright squares are pairs that look alike; for T5 the "
            "colour is the number of the bucket. Width and base shape the waves: at "
            "width 2 there is one wave, which repeats; a larger base makes slower "
            "ones. The head sets how far ALiBi sees."
        ),
        alt=(
            "A map of 24 by 24 positions, bright along the diagonal and the same along "
            "every parallel to it; beside it a curve that falls and wavers with the "
            "distance."
        ),
        name="similarity_of_positions",
    )
