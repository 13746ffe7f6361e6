"""Explorers: figures that need PyTorch, interactive in a kernel and on a page.

Tests    tests/live/test_explorer.py

In a kernel the controls call `draw` at any value. On a page they choose among frames
that were drawn beforehand at the listed values. Everywhere else the start state shows.
"""

import html
import itertools
import math
import sys
from collections.abc import Callable, Mapping, Sequence

from genai_lib.live.controls import (
    PAGE,
    embedded_json,
    picture_address,
    require_name,
    require_parameter_name,
    require_text,
)
from genai_lib.live.passages import to_picture

MOST_FRAMES = 24


class Explorer:
    """A figure drawn by a function, with a control for each of its arguments.

    It is made by `explore`, which documents the arguments.
    """

    def __init__(
        self,
        draw: Callable,
        lists: Mapping[str, Sequence],
        *,
        name: str,
        caption: str,
        alt: str | Callable[..., str],
        labels: Mapping[str, str],
        start: Mapping,
        log: Sequence[str],
    ) -> None:
        require_name("name", name)
        require_text("caption", caption)
        self.draw, self.name, self.caption, self._alt = draw, name, caption, alt
        self.lists = {key: list(values) for key, values in lists.items()}
        self.labels = {key: labels.get(key, key) for key in self.lists}
        self.log = tuple(log)
        self.start = {key: values[0] for key, values in self.lists.items() if values}
        self.start |= dict(start)
        self._check(labels, start)

    def alt(self, **state) -> str:
        """Return the alternative text of a state."""
        text = self._alt(**state) if callable(self._alt) else self._alt
        require_text("alt", text)
        return text

    def states(self) -> list[dict]:
        """List the states of all frames, the start first."""
        product = itertools.product(*self.lists.values())
        states = [dict(zip(self.lists, values, strict=True)) for values in product]
        return [self.start, *(state for state in states if state != self.start)]

    def frame(self, **state) -> dict:
        """Draw one state: indices in the lists, alt, and image, text or passages."""
        drawn = self.draw(**state)
        positions = [self.lists[key].index(state[key]) for key in self.lists]
        frame = {"state": positions, "alt": self.alt(**state)}
        if isinstance(drawn, str):
            return frame | {"text": drawn}
        if isinstance(drawn, list):
            return frame | {"passages": [passage._asdict() for passage in drawn]}
        return frame | {"src": _picture(drawn)}

    def to_html(self) -> str:
        """Write the explorer as HTML with one visible image, the start state."""
        frames = [self.frame(**state) for state in self.states()]
        first = frames[0]
        data = {
            "name": self.name,
            "caption": self.caption,
            "controls": [self._control(key) for key in self.lists],
            "frames": frames,
        }
        return PAGE.format(
            kind="frames",
            name=self.name,
            source=first.get("src") or self._start_picture(),
            alt=html.escape(first["alt"]),
            caption=html.escape(self.caption, quote=False),
            data=embedded_json(data),
            loader="",
        )

    def widget(self):
        """Build ipywidgets controls that call `draw` at any value and redraw."""
        from genai_lib.live.widgets import explorer_widget

        return explorer_widget(self)

    def __repr__(self) -> str:
        return f"Explorer {self.name}: {self.caption}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        bundle = {"text/plain": repr(self)}
        view = self.widget()._repr_mimebundle_() or {}
        kind = "application/vnd.jupyter.widget-view+json"
        if kind in view:
            bundle[kind] = view[kind]
        # Colab would show the image in place of the controls.
        if "google.colab" not in sys.modules:
            bundle["text/html"] = self.to_html()
        return bundle

    def _start_picture(self) -> str:
        drawn = self.draw(**self.start)
        if isinstance(drawn, list):
            return picture_address(to_picture(drawn))
        from genai_lib.live.pictures import text_figure

        return _picture(text_figure(drawn))

    def _control(self, key: str) -> dict:
        values = self.lists[key]
        numbers = all(isinstance(value, int | float) for value in values)
        return {
            "kind": "slider" if numbers else "choice",
            "label": self.labels[key],
            "param": key,
            "values": list(range(len(values))),
            "display": [_shown(value) for value in values],
            "labels": [_shown(value) for value in values],
        }

    def _check(self, labels: Mapping, start: Mapping) -> None:
        for given, argument in (
            (labels, "labels"),
            (start, "start"),
            (self.log, "log"),
        ):
            unknown = [key for key in given if key not in self.lists]
            if unknown:
                raise ValueError(
                    f"{argument} names {unknown}, not in {list(self.lists)}"
                )
        for key, values in self.lists.items():
            require_parameter_name("lists", key)
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{key}={values} must list values without repeats")
            if self.start[key] not in values:
                raise ValueError(f"start {key}={self.start[key]!r} must be in {values}")
        count = math.prod(len(values) for values in self.lists.values())
        if not self.lists or count > MOST_FRAMES:
            raise ValueError(f"{count} frames: from 1 to {MOST_FRAMES} are possible")


def explore(
    draw: Callable,
    *,
    name: str,
    caption: str,
    alt: str | Callable[..., str],
    labels: Mapping[str, str] | None = None,
    start: Mapping | None = None,
    log: Sequence[str] = (),
    **lists: Sequence,
) -> Explorer:
    """Make a figure whose controls set the arguments of a drawing function.

    Parameters
    ----------
    draw : function
        `draw(**state)` returns a matplotlib Figure, an array of shape (H, W) or
        (H, W, 3) with values from 0 to 1, a string, or a list of `Passage`.
    name : str
        A name that no other figure of the book has.
    caption : str
        What to move and what to see.
    alt : str or function of the state
        Alternative text: what the figure shows.
    labels : dict, default=None
        The label of the control of each argument.
    start : dict, default=the first value of each list
        The state at the start.
    log : sequence of str, default=()
        The arguments whose slider is logarithmic in a kernel.
    **lists
        For each argument of `draw` the values that a page can show, at most 24
        combinations. Numbers become a slider, anything else a choice.

    Raises
    ------
    ValueError
        If a text is empty, a list is empty or repeats a value, a name is unknown, or
        there are more than 24 frames.
    """
    return Explorer(
        draw,
        lists,
        name=name,
        caption=caption,
        alt=alt,
        labels=labels or {},
        start=start or {},
        log=log,
    )


def _picture(drawn: object) -> str:
    # Imported here, because the website with its passages is built without matplotlib.
    from genai_lib.live.pictures import to_png

    return picture_address(to_png(drawn))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "∞" if value == math.inf else f"{value:.3g}"
    return str(value)
