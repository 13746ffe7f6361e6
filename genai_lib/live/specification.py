"""Build, draw and evaluate the specification of a live figure.

A specification is a dict with the controls and one Vega-Lite specification per
panel. The panels share their parameters by name.

Tests    tests/live/test_figure.py

References
    [1] Satyanarayan et al., "Vega-Lite: A Grammar of Interactive Graphics", 2017
"""

import copy
import html
import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence

import vl_convert

from genai_lib.live.charts import alt
from genai_lib.live.controls import Control

PANEL_WIDTH = 340
LONE_PANEL_WIDTH = 480
GAP = 16
PICTURE_SCALE = 1.5
# The image may be shown at 360 pixels, so its letters are larger than the page's.
PICTURE_CONFIG = {
    "axis": {"labelFontSize": 15, "titleFontSize": 15},
    "background": "white",
    "text": {"fontSize": 15},
    "title": {"fontSize": 17},
    "view": {"stroke": None},
}
SIDES = ("width", "height")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MARK_LABEL = re.compile(
    r'<(?=[^>]*\brole="graphics-symbol")'
    r'(?![^>]*\baria-roledescription="(?:axis|legend|title)")'
    r'[^>]*\baria-label="([^"]*)"'
)
NUMBER_IN_LABEL = re.compile(
    r"\s*(?P<label>[^;]*?): (?P<number>-?(?:\d[-+.\de]*|Infinity)|NaN)\s*"
)


def plain_panel(panel: alt.TopLevelMixin | Mapping) -> dict:
    """Turn a chart into a dict that is the same on every run."""
    if isinstance(panel, Mapping):
        plain = copy.deepcopy(dict(panel))
    else:
        # Consolidated data sets would get names that differ from run to run.
        with alt.data_transformers.enable("default", consolidate_datasets=False):
            plain = panel.to_dict()
    for key in ("$schema", "config"):
        plain.pop(key, None)
    title = plain.get("title", "")
    if not isinstance(title, str):
        title = title.get("text", "")
    plain.setdefault("description", title)
    if not isinstance(plain["description"], str) or not plain["description"]:
        raise ValueError(
            f"description={plain['description']!r} of a panel must be a text: "
            "give the panel a description or a title"
        )
    return plain | {
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
    }


def add_parameters(
    panel: dict, controls: Sequence[Control], derived: Mapping[str, str]
) -> dict:
    """Add the parameters that the panel's expressions use, directly or not."""
    values = {control.param: {"value": control.value} for control in controls}
    known = values | {name: {"expr": text} for name, text in derived.items()}
    shown = {
        control.param: control.shows
        for control in controls
        if getattr(control, "shows", None) in derived
    }
    used = set()
    texts = [json.dumps(panel)]
    while texts:
        words = set(re.findall(r"[A-Za-z_]\w*", texts.pop()))
        for name in words & known.keys() - used:
            used.add(name)
            texts.append(derived.get(name, "") + " " + shown.get(name, ""))
    own = panel.get("params", [])
    return panel | {
        "params": [{"name": name} | known[name] for name in known if name in used] + own
    }


def draw_panel(panel: Mapping, state: Mapping, width: int) -> str:
    """Draw one panel as SVG at a state of the controls."""
    parameters = [
        entry | {"value": state[entry["name"]]} if entry["name"] in state else entry
        for entry in panel["params"]
    ]
    still = {**panel, "params": parameters, "width": width, "config": PICTURE_CONFIG}
    return vl_convert.vegalite_to_svg(still)


def compose(drawings: Sequence[str]) -> str:
    """Place drawings of panels in rows of two on a white background."""
    sizes = [
        tuple(float(re.search(rf'\b{side}="([\d.]+)"', drawing)[1]) for side in SIDES)
        for drawing in drawings
    ]
    column = max(width for width, _ in sizes) + GAP
    parts, top, row_height = [], 0.0, 0.0
    for index, (drawing, (_, height)) in enumerate(zip(drawings, sizes, strict=True)):
        if index % 2 == 0:
            top, row_height = top + row_height, 0.0
        row_height = max(row_height, height + GAP)
        place = f'x="{index % 2 * column}" y="{top}"'
        parts.append(drawing.replace("<svg ", f"<svg {place} ", 1))
    width = column * min(len(drawings), 2) - GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{top + row_height - GAP}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
    )


def compress_png(png: bytes) -> bytes:
    """Compress the pixels of a PNG at zlib's highest level; drop its metadata."""
    header, pixels, start = b"", b"", len(PNG_SIGNATURE)
    while start < len(png):
        (size,) = struct.unpack(">I", png[start : start + 4])
        kind, content = png[start + 4 : start + 8], png[start + 8 : start + 8 + size]
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            pixels += content
        start += size + 12
    pixels = zlib.compress(zlib.decompress(pixels), 9)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def draw_png(specification: Mapping) -> bytes:
    """Draw the start state as a PNG."""
    panels = specification["panels"]
    width = LONE_PANEL_WIDTH if len(panels) == 1 else PANEL_WIDTH
    drawings = [draw_panel(panel, {}, width) for panel in panels]
    return compress_png(vl_convert.svg_to_png(compose(drawings), scale=PICTURE_SCALE))


def numbers_of(label: str) -> dict[str, float]:
    """Read the numbers of a mark's description.

    >>> numbers_of("cat: 0.25; dog: 1e-7")
    {'cat': 0.25, 'dog': 1e-07}
    """
    matches = [NUMBER_IN_LABEL.fullmatch(part) for part in label.split(";")]
    return {found["label"]: float(found["number"]) for found in matches if found}


def evaluate(specification: Mapping, state: Mapping | None = None) -> dict[str, float]:
    """Compute the numbers of all marks at a state, without a browser.

    Parameters
    ----------
    specification : dict
        As `LiveFigure.specification` returns it.
    state : dict of str to float or str, default=None
        Values of controls; the others stay at their start.

    Returns
    -------
    dict of str to float
        The number behind each label in the marks' descriptions.

    Raises
    ------
    ValueError
        If two marks give different numbers to one label.
    """
    drawings = [
        draw_panel(panel, state or {}, PANEL_WIDTH) for panel in specification["panels"]
    ]
    values: dict[str, float] = {}
    for label in MARK_LABEL.findall("".join(drawings)):
        for name, number in numbers_of(html.unescape(label)).items():
            if values.setdefault(name, number) != number:
                raise ValueError(
                    f"description {name!r} has two values: {values[name]} and {number}"
                )
    return values
