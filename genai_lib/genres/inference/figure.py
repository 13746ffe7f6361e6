"""The live figure of inference: a distribution and its truncation by each cut.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

The figure computes what `Sampling` of the library does, over all tokens it is given,
and shows the likeliest. The logits are those of
stored/next_tokens.json unless others are given.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from genai_lib.genres.decoder_only import figure_pieces as expected_pieces
from genai_lib.live.charts import BLUE, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

STEPS_PER_DECADE = 50
HEIGHT, SHOWN = 260, 40
START_TOP_P = 0.9
SYMBOLS = str.maketrans({"\n": "↵", ";": "；"})


@functools.lru_cache(maxsize=1)
def stored() -> dict[str, dict[str, float]]:
    """Return the logits of all next characters, by context and character."""
    path = Path(__file__).with_name("stored") / "next_tokens.json"
    return json.loads(path.read_text(encoding="utf-8"))


def visible(token: str) -> str:
    """Replace ";", which separates descriptions, and what cannot be drawn."""
    return expected_pieces.visible(token.translate(SYMBOLS))


def rows(contexts: Mapping[str, Mapping[str, float]]) -> list[dict]:
    """Return one row for each token of each context, the most probable first."""
    return [
        {
            "context": name,
            "place": place,
            "token": visible(token),
            # The zero-width space marks a digit as text, not a number of the figure.
            "symbol": visible(token) + "\u200b",
            "logit": logit,
        }
        for name, logits in contexts.items()
        for place, (token, logit) in enumerate(
            sorted(logits.items(), key=lambda pair: -pair[1]), start=1
        )
    ]


def cut_tokens() -> alt.Chart:
    """Compute the distributions `before` and `after` the cuts, at temperature θ."""
    chart = alt.Chart().transform_filter("datum.context == context")
    chart = chart.transform_joinaggregate(peak="max(logit)")
    chart = chart.transform_calculate(
        weight="exp((datum.logit - datum.peak) / theta)",
        candidate="datum.place <= top_k ? datum.logit : datum.peak",
    )
    # All tokens that are equal to the last of the k stay.
    chart = chart.transform_joinaggregate(total="sum(weight)", last="min(candidate)")
    chart = chart.transform_calculate(
        before="datum.weight / datum.total",
        first_cut="datum.logit >= datum.last ? datum.weight : 0",
    )
    chart = chart.transform_joinaggregate(first_total="sum(first_cut)")
    chart = chart.transform_calculate(fraction="datum.first_cut / datum.first_total")
    # From the least probable up: a token is cut if it and those below sum to 1 - p.
    chart = chart.transform_window(
        below="sum(fraction)", sort=[{"field": "place", "order": "descending"}]
    )
    chart = chart.transform_calculate(
        second_cut="datum.below > 1 - top_p || datum.place == 1 ? datum.first_cut : 0"
    )
    kept = "datum.second_cut > 0 && datum.weight >= min_p"
    chart = chart.transform_calculate(third_cut=f"{kept} ? datum.weight : 0")
    chart = chart.transform_joinaggregate(third_total="sum(third_cut)")
    return chart.transform_calculate(
        after="datum.third_cut / datum.third_total", kept="datum.third_cut > 0"
    )


def bars() -> list[alt.Chart]:
    """Draw the most probable tokens: kept ones blue, cut ones grey, `before` as a tick.

    Tokens that are not shown count in all sums.
    """
    x = alt.X(
        "symbol:N",
        # Layers share an order only if it uses the operation "min" or "max".
        sort=alt.EncodingSortField("place", op="min"),
        title="next token, the likeliest first",
        axis=alt.Axis(labelAngle=0, labelFont="monospace", ticks=False, grid=False),
    )
    y = alt.Y("height:Q", title="probability")
    y.scale = alt.Scale(domainMin=0)
    shown = cut_tokens().transform_filter(f"datum.place <= {SHOWN}")
    chart = shown.transform_calculate(height="datum.kept ? datum.after : datum.before")
    label = (
        "'‘' + datum.token + '’' + (datum.kept ? ': ' + datum.after "
        ": ' is cut, it had: ' + datum.before)"
    )
    color = alt.condition("datum.kept", alt.value(BLUE), alt.value(GREY))
    bar = described(chart.mark_bar(), label).encode(x=x, y=y, color=color)
    tick = (
        shown.transform_filter("datum.kept")
        .transform_calculate(height="datum.before")
        .mark_tick(color=VERMILION, thickness=2, aria=False)
        .encode(x=x, y=y)
    )
    return [bar, tick]


def summary() -> alt.Chart:
    """Write how many tokens are kept, and their total probability before the cuts."""
    chart = cut_tokens().transform_calculate(
        left="datum.kept ? datum.before : 0", one="datum.kept ? 1 : 0"
    )
    chart = chart.transform_aggregate(count="sum(one)", held="sum(left)")
    chart = chart.transform_calculate(
        shown="'kept: ' + datum.count + ', which held ' + format(datum.held, '.3~f')"
    )
    mark = chart.mark_text(align="right", baseline="top", fontSize=14).encode(
        x=alt.XValue("width"), y=alt.YValue(4), text="shown:N"
    )
    return described(mark, "'tokens kept: ' + datum.count + '; held: ' + datum.held")


def sliders(most: int) -> list[Slider]:
    """Return the sliders of temperature and cuts for up to `most` tokens."""
    decade = STEPS_PER_DECADE
    return [
        Slider("theta_step", "temperature θ", -decade, decade, 1, 0, shows="theta"),
        Slider("top_k", "top-k", 1, most, 1, most),
        Slider("top_p", "top-p", 0, 1, 0.01, START_TOP_P),
        Slider("min_p", "min-p", 0, 1, 0.01, 0),
    ]


def next_tokens(
    contexts: Mapping[str, Mapping[str, float]] | None = None,
) -> LiveFigure:
    """Make the figure of a next-token distribution and its cuts.

    Parameters
    ----------
    contexts : mapping of str to mapping of token to logit, default=`stored()`
        At least two contexts. The probabilities of the tokens given sum to one.

    Returns
    -------
    LiveFigure
        Its numbers are the probability of each kept token, as "‘e’", and what each
        cut token had before, as "‘e’ is cut, it had", both for the 40 likeliest tokens;
        of all tokens, how many are "tokens kept" and what they "held".

    Raises
    ------
    ValueError
        If there are fewer than two contexts, or one has no token.
    """
    contexts = stored() if contexts is None else contexts
    if len(contexts) < 2 or not all(contexts.values()):
        raise ValueError(f"contexts={list(contexts)} must be two or more, with tokens")
    names = tuple(contexts)
    most = max(map(len, contexts.values()))
    panel = alt.layer(*bars(), summary(), data=alt.Data(values=rows(contexts)))
    return LiveFigure(
        [panel.properties(title="What may come next", height=HEIGHT)],
        [Choice("context", "text so far", names, names[0]), *sliders(most)],
        derived={"theta": f"pow(10, theta_step / {STEPS_PER_DECADE})"},
        caption=(
            "Blue tokens may be drawn, grey ones are cut; a red line is what a token "
            "had before the cuts. Keep top-p at 0.9 and change the text: one "
            "setting, very different numbers of tokens. Then raise θ and see which "
            f"cut lets the tail back in. All are counted; the {SHOWN} likeliest are "
            "shown."
        ),
        alt=(
            "Bars of the probabilities of the likeliest next characters, the "
            "likeliest first: those that top-p keeps in blue, the others in grey."
        ),
        name="next_tokens",
    )
