"""A live figure: charts that sliders recompute in the reader's browser.

Tests    tests/live/test_figure.py

A figure's MIME bundle is the same on every run. Its HTML holds one visible image,
the start state, so it also reads well where no script runs.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from genai_lib.live.charts import alt
from genai_lib.live.controls import (
    PAGE,
    Choice,
    Control,
    Slider,
    embedded_json,
    picture_address,
    require_name,
    require_parameter_name,
    require_text,
)
from genai_lib.live.specification import (
    add_parameters,
    draw_png,
    evaluate,
    plain_panel,
)

__all__ = ["Choice", "LiveFigure", "Slider"]

LOADER = Path(__file__).with_name("loader.js")
LOADER_ELEMENT = "<script data-genai-loader>{}</script>\n"


class LiveFigure:
    """Charts with controls that move on a page without a kernel.

    Parameters
    ----------
    panels : sequence of Altair charts or Vega-Lite dicts
        At least one. Each needs a title or a description. Marks that carry numbers
        have them in their description as "label: number", several joined by "; ".
    controls : sequence of Slider or Choice
        At least one. Each must be used by a panel.
    derived : dict of str to str, default=None
        Parameters computed by a Vega expression from controls and from one another.
    caption : str
        What to move and what to see.
    alt : str
        What the start state shows.
    name : str
        A name that no other figure of the book has.

    Raises
    ------
    ValueError
        If a text is empty, a name is repeated, unknown or unused, or a panel has
        neither title nor description.
    """

    def __init__(
        self,
        panels: Sequence[alt.TopLevelMixin | Mapping],
        controls: Sequence[Control],
        *,
        derived: Mapping[str, str] | None = None,
        caption: str,
        alt: str,
        name: str,
    ) -> None:
        """Check the names and texts and complete the panels."""
        derived = dict(derived or {})
        require_text("caption", caption)
        require_text("alt", alt)
        require_name("name", name)
        self._require_known_names(controls, derived)
        if not panels:
            raise ValueError(f"panels={panels!r} must hold at least one chart")
        self.caption, self.alt, self.name = caption, alt, name
        self.controls = tuple(controls)
        self.panels = tuple(
            add_parameters(plain_panel(panel), controls, derived) for panel in panels
        )
        self._require_used_controls()

    def specification(self) -> dict:
        """Return the figure as plain data: name, caption, controls and panels."""
        return {
            "name": self.name,
            "caption": self.caption,
            "controls": [control.to_dict() for control in self.controls],
            "panels": json.loads(json.dumps(self.panels)),
        }

    def evaluate(self, **state: float | str) -> dict[str, float]:
        """Compute the numbers of all marks at a state of the controls.

        Parameters
        ----------
        **state : float or str
            Values of controls by their `param`; the others stay at their start.

        Returns
        -------
        dict of str to float
            The number behind each label in the marks' descriptions.

        Raises
        ------
        ValueError
            If there is no such control or it cannot take the value.
        """
        controls = {control.param: control for control in self.controls}
        for param, value in state.items():
            if param not in controls:
                raise ValueError(f"state={param!r} must be one of {sorted(controls)}")
            controls[param].check(value)
        return evaluate(self.specification(), state)

    def to_html(self) -> str:
        """Write the figure as HTML with one visible image."""
        return PAGE.format(
            kind="vega",
            name=self.name,
            source=picture_address(draw_png(self.specification())),
            alt=html.escape(self.alt),
            caption=html.escape(self.caption, quote=False),
            data=embedded_json(self.specification()),
            loader=LOADER_ELEMENT.format(LOADER.read_text(encoding="utf-8")),
        )

    def __repr__(self) -> str:
        """Return the name and the caption."""
        return f"LiveFigure {self.name}: {self.caption}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.to_html()}

    @staticmethod
    def _require_known_names(
        controls: Sequence[Control], derived: Mapping[str, str]
    ) -> None:
        if not controls:
            raise ValueError(f"controls={controls!r} must hold at least one control")
        names = [control.param for control in controls] + list(derived)
        for name in names:
            require_parameter_name("derived", name)
            if names.count(name) > 1:
                raise ValueError(f"param={name!r} must not be used twice")
        for control in controls:
            shows = getattr(control, "shows", None)
            if shows is not None and shows not in names:
                raise ValueError(f"shows={shows!r} must be one of {names}")

    def _require_used_controls(self) -> None:
        used = {entry["name"] for panel in self.panels for entry in panel["params"]}
        for control in self.controls:
            if control.param not in used:
                raise ValueError(f"param={control.param!r} must be used by a panel")
