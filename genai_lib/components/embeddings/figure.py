"""The live figure of embeddings: a map of words and their neighbours.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

The map computes what `cosine_distance` and `euclidean_distance` of the library compute,
on vectors that `genai_lib.components.embeddings.stored` made.
"""

import json
from pathlib import Path

from genai_lib.live.charts import BLUE, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

DATA = json.loads((Path(__file__).with_name("stored") / "figures.json").read_text())
WORDS, VECTORS = DATA["map"]["words"], DATA["map"]["vectors"]
NUMBERS = len(VECTORS[0])
SHOWN = 5
HEIGHT = 260
# The zero-width character marks digits that are not numbers of the figure.
NAMED = "datum.place == 0 ? datum.word : datum.place + '\\u200b'"


def prefix_sum(term: str) -> str:
    """Add `term` over the numbers in use; in it # is the place of a number."""
    parts = [f"(used > {n} ? {term.replace('#', str(n))} : 0)" for n in range(NUMBERS)]
    return " + ".join(parts)


def compared(rows: list[dict]) -> alt.Chart:
    """Compare every word with the chosen one, and rank the others by nearness."""
    theirs, own = "vectors[datum.row][#]", "chosen[#]"
    product = prefix_sum(f"{theirs} * {own}")
    square = prefix_sum(f"pow({theirs}, 2)")
    gap = prefix_sum(f"pow({theirs} - {own}, 2)")
    cosine = f"({product}) / sqrt(({square}) * own_square)"
    return (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(value=f"by == 'cosine' ? {cosine} : sqrt({gap})")
        .transform_calculate(far="by == 'cosine' ? -datum.value : datum.value")
        .transform_calculate(key="datum.row == chosen_row ? -1 / 0 : datum.far")
        .transform_window(place="row_number()", sort=[alt.SortField("key")])
        .transform_calculate(place="datum.place - 1")
    )


def nearest_panel() -> alt.LayerChart:
    """Draw the nearest words as bars, the nearest on top."""
    rows = [{"row": row, "word": word} for row, word in enumerate(WORDS)]
    base = (
        compared(rows)
        .transform_filter(f"datum.place > 0 && datum.place <= {SHOWN}")
        .transform_calculate(label="datum.place + ' ' + datum.word")
        .encode(
            x=alt.X("value:Q", title="cosine, or distance"),
            y=alt.Y("label:N", title=None),  # starts with the place, so it is in order
        )
    )
    bar = base.mark_bar(color=BLUE, height={"band": 0.7})
    number = (
        base.transform_calculate(shown="format(datum.value, '.3~g')")
        .mark_text(align="left", dx=5, aria=False)
        .encode(text="shown:N")
    )
    text = "'nearest ' + datum.place + ', ' + datum.word + ': ' + datum.value"
    return alt.layer(described(bar, text), number).properties(
        title="The five nearest words", height=HEIGHT
    )


def map_scales() -> dict[str, alt.Scale]:
    """Make one unit as long to the right as it is upwards, whatever the width."""
    xs, ys = ([vector[axis] for vector in VECTORS] for axis in (0, 1))
    low, high = min(ys) - 0.2, max(ys) + 0.5
    middle, half = (min(xs) + max(xs)) / 2, (max(xs) - min(xs)) / 2 + 0.2
    shown = f"max({half}, {(high - low) / 2} * width / height)"
    ends = {
        "domainMin": alt.ExprRef(f"{middle} - {shown}"),
        "domainMax": alt.ExprRef(f"{middle} + {shown}"),
    }
    return {
        "x": alt.Scale(nice=False, zero=False, **ends),
        "y": alt.Scale(domain=[low, high], nice=False),
    }


def map_panel() -> alt.LayerChart:
    """Place every word at its first two numbers; number the nearest."""
    rows = [
        {"row": row, "word": word, "x": vector[0], "y": vector[1]}
        for row, (word, vector) in enumerate(zip(WORDS, VECTORS, strict=True))
    ]
    scales = map_scales()
    place = f"datum.place == 0 ? 'chosen' : datum.place <= {SHOWN} ? 'near' : 'other'"
    base = (
        compared(rows)
        .transform_calculate(kind=place)
        .encode(
            x=alt.X("x:Q", scale=scales["x"], axis=None),
            y=alt.Y("y:Q", scale=scales["y"], axis=None),
        )
    )
    range_ = [VERMILION, BLUE, GREY]
    colours = alt.Scale(domain=["chosen", "near", "other"], range=range_)
    dot = base.mark_point(filled=True, size=45, opacity=1).encode(
        color=alt.Color("kind:N", scale=colours, legend=None)
    )
    name = (
        base.transform_filter("datum.kind != 'other'")
        .transform_calculate(shown=NAMED)
        .mark_text(dy=-11, fontWeight="bold", aria=False)
        .encode(text="shown:N")
    )
    described_dot = described(dot, "datum.word + ': ' + datum.value")
    return alt.layer(described_dot, name).properties(
        title="Map: the first two numbers", height=HEIGHT
    )


def word_map() -> LiveFigure:
    """Show the neighbours of a word while the numbers in use change.

    Returns
    -------
    LiveFigure
        Its numbers are the cosine with the chosen word, or the distance from it: by
        word for all words, and as "nearest 1, word" to "nearest 5, word".
    """
    row = f"indexof({json.dumps(WORDS)}, word)"
    return LiveFigure(
        [nearest_panel(), map_panel()],
        [
            Choice("word", "word", tuple(WORDS), "regression"),
            Slider("used", "numbers in use", 2, NUMBERS, 1, NUMBERS),
            Choice("by", "compare by", ("cosine", "Euclidean distance"), "cosine"),
        ],
        derived={
            "vectors": json.dumps(VECTORS),
            "chosen_row": row,
            "chosen": "vectors[chosen_row]",
            "own_square": prefix_sum("pow(chosen[#], 2)"),
        },
        caption=(
            "Choose a word; its five nearest have the same numbers in the list and on "
            "the map. Point at a dot to read its name. Then move the slider from 16 "
            "numbers down to 2, all that the map can show: the neighbours change."
        ),
        alt=(
            "Bars of the five words nearest to regression by cosine, and a map of 96 "
            "words as dots with those five in blue around it."
        ),
        name="word_map",
    )
