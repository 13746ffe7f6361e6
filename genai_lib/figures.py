"""Static figures in one style, each with an alternative text, and small tables."""

import html
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from IPython.display import publish_display_data
from matplotlib.figure import Figure
from PIL import Image

from genai_lib.live.controls import picture_address

# Okabe and Ito's palette, which most colour-blind readers can distinguish.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, GREY = "#AA4499", "#E69F00", "#56B4E9", "#5F6670"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY)

STYLE = {
    "figure.figsize": (5.6, 3.2),
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "legend.frameon": False,
    "image.cmap": "cividis",
    "axes.prop_cycle": plt.cycler(
        color=PALETTE, linestyle=["-", "--", "-.", ":", "-", "--", "-."]
    ),
}


def new_figure(columns: int = 1, **options) -> tuple:
    """Make a figure in the book's style, as `plt.subplots` with `columns` axes."""
    with plt.rc_context(STYLE):
        return plt.subplots(1, columns, **options)


def show(figure: Figure, alt: str, caption: str = "") -> None:
    """Display a figure with an alternative text, and close it.

    Parameters
    ----------
    figure : matplotlib Figure
    alt : str
        What the figure shows, for readers who cannot see it.
    caption : str, default=""
    """
    publish_display_data(
        {"text/plain": f"Figure: {alt}", "text/html": figure_html(figure, alt, caption)}
    )
    plt.close(figure)


def figure_html(figure: Figure, alt: str, caption: str = "") -> str:
    """Draw a figure as one HTML image; ValueError if `alt` is missing."""
    if not alt.strip():
        raise ValueError("alt must say what is to be seen in the figure")
    legend = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    width = round(figure.get_figwidth() * 100)
    return (
        f'<figure class="genai-figure"><img src="{png_uri(figure)}" '
        f'alt="{html.escape(alt, quote=True)}" width="{width}" />{legend}</figure>'
    )


def png_uri(figure: Figure, dots_per_inch: int = 150) -> str:
    """Draw a figure as a PNG in a data address; the same figure gives the same bytes.

    It has 256 colours, which makes the file a quarter as large and looks the same.
    """
    drawn, buffer = io.BytesIO(), io.BytesIO()
    with plt.rc_context(STYLE):
        figure.savefig(drawn, format="png", dpi=dots_per_inch)
    picture = Image.open(drawn).quantize(256, method=Image.Quantize.FASTOCTREE)
    picture.save(buffer, format="png", optimize=True)
    return picture_address(buffer.getvalue())


def show_table(columns: Mapping[str, Sequence], caption: str = "") -> None:
    """Display columns of equal length as a table.

    Cells are shown as they are: write measured numbers with `approximately`.
    """
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"columns must have equal lengths, got {lengths}")
    rows = list(zip(*columns.values(), strict=True))
    publish_display_data(
        {
            "text/plain": _text_table(list(columns), rows, caption),
            "text/html": _html_table(list(columns), rows, caption),
        }
    )


def show_writing(text: str, caption: str) -> None:
    """Display what a freshly trained model wrote, with its line breaks.

    Such a text differs from one processor to another, so the tests compare it on the
    class of processor that stored it and nowhere else; no sentence may depend on it.

    Parameters
    ----------
    text : str
    caption : str
        Says what was written; shown above the text and in place of it where there is
        no HTML.

    Raises
    ------
    ValueError
        If there is no caption.
    """
    if not caption:
        raise ValueError("caption must say what was written")
    shown = f"<pre class='genai-writing'>{html.escape(text)}</pre>"
    publish_display_data(
        {
            "text/plain": f"Written by a model: {caption}",
            "text/html": f"<p>{html.escape(caption)}</p>{shown}",
        }
    )


def _text_table(names: list[str], rows: list[tuple], caption: str) -> str:
    cells = [names, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join([*([caption] if caption else []), *map(str.rstrip, lines)])


def _html_table(names: list[str], rows: list[tuple], caption: str) -> str:
    head = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><th scope='row'>{html.escape(str(first))}</th>"
        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return (
        f"<table class='genai-table'>{title}<thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )
