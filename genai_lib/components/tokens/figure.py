"""The live figure of the chapter on tokens: one text at any vocabulary size.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

The tokens of a text at every size are the nodes of one forest (see `figure_layout`).
The figure shows those nodes that exist already and whose parent does not.
"""

from genai_lib.components.tokens.figure_layout import (
    CELLS,
    DOUBLINGS,
    LARGEST,
    SMALLEST,
    all_samples,
    samples,
)
from genai_lib.live.charts import BLUE, GREEN, GREY, VERMILION, alt, described
from genai_lib.live.figure import Choice, LiveFigure, Slider

STEPS = 48
START_STEP = 2 * STEPS
LINES = 4
LINE_HEIGHT = 34
ALIVE = "datum.sample == sample && datum.id < vocab && vocab <= datum.parent"

CAPTION = (
    "Move the vocabulary from the 256 bytes to 4,096 tokens: boxes join as "
    "pairs are merged, and each token carries more bytes. Choose another text: "
    "in Russian and Chinese nothing joins, for the training text was English. "
    "The blue curve is the chosen text, the grey ones are the others."
)
ALTERNATIVE = (
    "An English sentence cut into coloured boxes, one for each token of a "
    "vocabulary of 1,024, and curves of bytes per token that rise with the "
    "vocabulary size for English and stay at 1 for Russian and Chinese."
)


def _x(field: str) -> alt.X:
    return alt.X(field, scale=alt.Scale(domain=[0, CELLS], nice=False), axis=None)


def _y(field: str) -> alt.Y:
    return alt.Y(field, scale=alt.Scale(domain=[LINES, -1], nice=False), axis=None)


def _headline() -> alt.Chart:
    """Say how many tokens the text has, and how many bytes each carries."""
    return (
        alt.Chart()
        .transform_filter(ALIVE)
        .transform_aggregate(tokens="count()", bytes="sum(length)")
        .transform_calculate(
            rate="datum.bytes / datum.tokens",
            x="0",
            y="-0.2",
            shown="datum.tokens + ' tokens for ' + datum.bytes + ' bytes: '"
            " + format(datum.rate, '.3~r') + ' each'",
        )
        .mark_text(align="left", baseline="bottom", fontWeight="bold")
        .encode(x=_x("x:Q"), y=_y("y:Q"), text="shown:N")
    )


def _tiles() -> alt.Chart:
    """Draw each token as a box, three colours in turn."""
    return (
        alt.Chart()
        .transform_filter(ALIVE)
        .transform_window(index="row_number()", sort=[alt.SortField("start")])
        .transform_calculate(
            colour="datum.index % 3",
            left="datum.left + 0.05",
            right="datum.right - 0.05",
            top="datum.line + 0.06",
            bottom="datum.line + 0.94",
        )
        .mark_rect(opacity=0.35, cornerRadius=3)
        .encode(
            x=_x("left:Q"),
            x2="right:Q",
            y=_y("top:Q"),
            y2="bottom:Q",
            color=alt.Color(
                "colour:N",
                scale=alt.Scale(domain=[0, 1, 2], range=[BLUE, VERMILION, GREEN]),
                legend=None,
            ),
        )
    )


def _letters(characters: list[dict]) -> alt.Chart:
    return (
        alt.Chart(alt.Data(values=characters))
        .transform_filter("datum.sample == sample")
        .transform_calculate(middle="datum.line + 0.5")
        .mark_text(font="monospace", fontSize=15, baseline="middle", aria=False)
        .encode(x=_x("x:Q"), y=_y("middle:Q"), text="text:N")
    )


def sentence_panel(boxes: list[dict], characters: list[dict]) -> alt.LayerChart:
    """Draw the tokens as coloured boxes, with the text over them."""
    summary = "'tokens: ' + datum.tokens + '; bytes per token: ' + datum.rate"
    token = "'token ' + datum.index + ' ‘' + datum.piece + '’, id: ' + datum.id"
    return alt.layer(
        described(_headline(), summary),
        described(_tiles(), token),
        _letters(characters),
        data=alt.Data(values=boxes),
    ).properties(title="The text in tokens", height=LINE_HEIGHT * (LINES + 1))


def curve_panel(points: list[dict]) -> alt.LayerChart:
    """Draw bytes per token over the vocabulary size, with a dot at the present one."""
    sizes = [SMALLEST * 2**doubling for doubling in range(DOUBLINGS + 1)]
    x = alt.X(
        "size:Q",
        title="vocabulary size",
        scale=alt.Scale(type="log", base=2, domain=[SMALLEST, LARGEST]),
        axis=alt.Axis(values=sizes, format="d"),
    )
    y = alt.Y("rate:Q", title="bytes per token", scale=alt.Scale(domain=[0, 4]))
    chosen = alt.Chart().transform_filter("datum.sample == sample")
    others = (
        alt.Chart()
        .mark_line(color=GREY, strokeWidth=1, interpolate="step-after", aria=False)
        .encode(x=x, y=y, detail="sample:N")
    )
    line = chosen.mark_line(
        color=BLUE, strokeWidth=3, interpolate="step-after", aria=False
    ).encode(x=x, y=y)
    dot = (
        chosen.transform_filter("datum.size <= vocab")
        .transform_aggregate(rate="max(rate)")
        .transform_calculate(size="vocab")
        .mark_point(color=VERMILION, filled=True, size=110, opacity=1)
        .encode(x=x, y=y)
    )
    return alt.layer(
        others,
        line,
        described(dot, "'bytes per token: ' + datum.rate"),
        data=alt.Data(values=points),
    ).properties(title="Bytes per token", height=LINE_HEIGHT * LINES)


def tokens_by_vocabulary() -> LiveFigure:
    """Show the tokens of a text as the vocabulary grows.

    Returns
    -------
    LiveFigure
        Its numbers are "tokens", "bytes per token" and, for each token, its id under
        "token 1 ‘All’, id".
    """
    boxes, characters, points = all_samples()
    names = tuple(samples())
    last = STEPS * DOUBLINGS
    size = Slider(
        "vocab_step", "vocabulary", 0, last, 1, START_STEP, shows="vocab_shown"
    )
    return LiveFigure(
        [sentence_panel(boxes, characters), curve_panel(points)],
        [size, Choice("sample", "text", names, names[0])],
        derived={
            "vocab": f"floor({SMALLEST} * pow(2, vocab_step / {STEPS}) + 0.5)",
            # As a text, because numbers are shown with three digits.
            "vocab_shown": "format(vocab, ',')",
        },
        caption=CAPTION,
        alt=ALTERNATIVE,
        name="tokens_by_vocabulary",
    )
