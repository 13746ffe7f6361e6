"""Live figure of disentangled attention: three terms of a score, each with a switch.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

It computes what `content_to_position`, `position_to_content` and `relative_rows` of the
library compute, for one head of width 4 whose vectors were chosen by hand. The first
two entries are about words, the last two about distances.
"""

import math

from genai_lib.live.charts import alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

WORDS = ("a", "new", "store", "opened", "beside", "the", "new", "mall")
WIDTH = 4
MOST = len(WORDS) - 1
HEIGHT = 230
TERMS = {
    "c2c": "content to content",
    "c2p": "content to position",
    "p2c": "position to content",
}
# Query and key of each word: nouns, verbs; the next word, the one before.
QUERIES = {
    "a": (1.0, 0.0, 1.0, 0.0),
    "new": (3.0, 0.0, 3.0, 0.0),
    "store": (0.0, 2.0, 1.0, 0.0),
    "opened": (2.0, 0.0, 0.0, 2.0),
    "beside": (2.0, 0.0, 1.0, 0.0),
    "the": (1.0, 0.0, 1.0, 0.0),
    "mall": (0.0, 2.0, 0.0, 1.0),
}
KEYS = {
    "a": (-1.0, 0.0, 0.0, 0.0),
    "new": (0.0, 0.0, 1.0, 0.0),
    "store": (2.5, 0.0, 1.0, 0.0),
    "opened": (0.0, 2.5, 0.0, 2.0),
    "beside": (0.0, 0.5, 0.0, 2.5),
    "the": (-1.0, 0.0, 0.0, 0.0),
    "mall": (2.5, 0.0, 1.0, 0.0),
}


def table() -> list[tuple[float, ...]]:
    """List the vectors of the distances -7 to 7, both as keys and as queries.

    The third entry is large one word ahead, the fourth one word back.
    """
    return [
        (0.0, 0.0, *(round(2.5 * math.exp(-((r - c) ** 2) / 2), 3) for c in (-1, 1)))
        for r in range(-MOST, MOST + 1)
    ]


def product(left: str, right: str) -> str:
    """Write the inner product of two arrays."""
    parts = " + ".join(f"{left}[{i}] * {right}[{i}]" for i in range(WIDTH))
    return f"({parts})"


def vectors() -> dict[str, str]:
    """Write all vectors, and the divisor of the scores, as derived parameters."""
    return {
        "queries": _written([QUERIES[word] for word in WORDS]),
        "keys": _written([KEYS[word] for word in WORDS]),
        "rows": _written(table()),
        "divisor": f"sqrt({WIDTH} * max(1, on_c2c + on_c2p + on_p2c))",
    }


def scores() -> dict[str, str]:
    """Write each term for a pair of words, with query minus key cut to [-k, k-1]."""
    query, key = "queries[datum.query]", "keys[datum.key]"
    near = "min(k - 1, max(-k, datum.query - datum.key))"
    row = f"rows[{near} + {MOST}]"
    pairs = {"c2c": (query, key), "c2p": (query, row), "p2c": (key, row)}
    return {
        term: f"on_{term} * {product(*pair)} / divisor" for term, pair in pairs.items()
    }


def _written(rows: list[tuple[float, ...]]) -> str:
    return str([list(row) for row in rows])


def word_axis(title: str, channel: type) -> alt.X | alt.Y:
    """Make an axis with the words, which repeat, in their order."""
    axis = alt.Axis(
        labelExpr=f"({list(WORDS)!r})[datum.value]", labelAngle=0, ticks=False
    )
    if channel is alt.X:
        axis.labelAngle = -60
    return channel(f"{title}:O", title=None, axis=axis, sort=None)


def pairs_of_words() -> alt.Chart:
    """Make one entry for each pair of words, with its three terms."""
    places = range(len(WORDS))
    values = [{"query": i, "key": j} for i in places for j in places]
    return alt.Chart(alt.Data(values=values)).transform_calculate(**scores())


def heat_map(pairs: alt.Chart, name: str, title: str, highest: float) -> alt.Chart:
    """Draw one square for each pair of words, by a field of the pairs."""
    squares = pairs.mark_rect().encode(
        x=word_axis("key", alt.X),
        y=word_axis("query", alt.Y),
        color=alt.Color(
            f"{name}:Q",
            scale=alt.Scale(scheme="cividis", domain=[0, highest], clamp=True),
            legend=None,
        ),
    )
    words = f"({list(WORDS)!r})"
    label = (
        f"'{name}, ' + (datum.query + 1) + ' ' + {words}[datum.query] + ' to ' + "
        f"(datum.key + 1) + ' ' + {words}[datum.key] + ': ' + datum.{name}"
    )
    return described(squares, label).properties(title=title, height=HEIGHT)


def three_terms() -> LiveFigure:
    """Show three terms of a score and the weights that their sum gives.

    Returns
    -------
    LiveFigure
        Its numbers are "c2c, 2 new to 3 store" and so on for the scaled terms, and
        "weight, 2 new to 3 store" for the weights.
    """
    pairs = pairs_of_words()
    panels = [heat_map(pairs, term, title, 3) for term, title in TERMS.items()]
    weights = (
        pairs.transform_calculate(power="exp(datum.c2c + datum.c2p + datum.p2c)")
        .transform_joinaggregate(total="sum(power)", groupby=["query"])
        .transform_calculate(weight="datum.power / datum.total")
    )
    panels.append(heat_map(weights, "weight", "weights: softmax of the sum", 1))
    switches = [
        Choice(f"on_{term}", title, (1, 0), 1, ("on", "off"))
        for term, title in TERMS.items()
    ]
    return LiveFigure(
        panels,
        [*switches, Slider("k", "maximum relative distance k", 1, MOST, 1, 4)],
        derived=vectors(),
        caption=(
            "Each row is the query of a word, each column the key of a word; bright "
            "is high. Switch the terms off one by one and follow the two rows "
            "“new”. With k = 1 only “after me” and “not after me” can be told apart."
        ),
        alt=(
            "Four maps of eight by eight words. Content to content has equal rows for "
            "equal words; content to position is bright beside the diagonal; in the "
            "weights each “new” attends mostly to its own noun."
        ),
        name="three_terms",
    )
