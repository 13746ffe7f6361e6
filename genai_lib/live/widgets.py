"""The explorer in a kernel: ipywidgets that redraw the figure at any value."""

import html
import math

import ipywidgets

from genai_lib.live.explorer import Explorer
from genai_lib.live.passages import plain_text
from genai_lib.live.pictures import to_png

STYLE = {"description_width": "8em"}


def explorer_widget(explorer: Explorer) -> ipywidgets.Widget:
    """Build one control for each argument, and the image or text that they redraw.

    Neither `interact` nor `Output` is used, because nbval does not support them.
    """
    controls = {key: _control(explorer, key) for key in explorer.lists}
    drawn = explorer.draw(**explorer.start)
    place = _place(drawn)
    _fill(place, drawn)

    def redraw(_) -> None:
        state = {key: control.value for key, control in controls.items()}
        _fill(place, explorer.draw(**state))

    for control in controls.values():
        control.observe(redraw, names="value")
    caption = ipywidgets.HTML(f"<p>{html.escape(explorer.caption)}</p>")
    return ipywidgets.VBox([*controls.values(), place, caption])


def _control(explorer: Explorer, key: str) -> ipywidgets.Widget:
    values, start = explorer.lists[key], explorer.start[key]
    common = {"description": explorer.labels[key], "style": STYLE, "value": start}
    plain = [v for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if len(plain) < len(values):
        return ipywidgets.Dropdown(options=values, **common)
    low, high = min(values), max(values)
    if all(isinstance(value, int) for value in values):
        return ipywidgets.IntSlider(min=low, max=high, **common)
    if key in explorer.log:
        ends = {"min": math.log10(low), "max": math.log10(high)}
        return ipywidgets.FloatLogSlider(**ends, step=0.01, **common)
    step = (high - low) / 100
    return ipywidgets.FloatSlider(
        min=low, max=high, step=step, readout_format=".3g", **common
    )


def _place(drawn: object) -> ipywidgets.Widget:
    if isinstance(drawn, str | list):
        return ipywidgets.HTML()
    return ipywidgets.Image(format="png")


def _fill(place: ipywidgets.Widget, drawn: object) -> None:
    if isinstance(drawn, list):
        drawn = plain_text(drawn)
    if isinstance(drawn, str):
        place.value = f"<pre>{html.escape(drawn)}</pre>"
    else:
        place.value = to_png(drawn)
