"""What all figures that move share: their controls, and the HTML around them.

A control is a slider or a choice that sets one parameter. No library of charts is
imported here.

Tests    tests/live/test_figure.py
"""

import base64
import json
import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A parameter of one of these names would take the place of Vega's own signal.
RESERVED = {"autosize", "background", "cursor", "datum", "event", "height", "item"}
RESERVED |= {"padding", "parent", "width"}
PAGE = """\
<figure class="genai-live" data-kind="{kind}" data-name="{name}">
<img src="{source}" alt="{alt}" />
<figcaption>{caption}</figcaption>
<script type="application/json">{data}</script>
{loader}</figure>
"""


def require_name(argument: str, name: str) -> None:
    """Raise ValueError unless `name` can be used as a name everywhere."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{argument}={name!r} must be letters, digits and underscores")


def require_parameter_name(argument: str, name: str) -> None:
    """Raise ValueError unless `name` can be used in a Vega expression."""
    require_name(argument, name)
    if name in RESERVED:
        raise ValueError(f"{argument}={name!r} must not be a name of Vega's own")


def require_text(argument: str, text: str) -> None:
    """Raise ValueError unless `text` is a text that is not empty."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{argument}={text!r} must be a text that is not empty")


@dataclass(frozen=True)
class Slider:
    """A slider over a range of numbers.

    Parameters
    ----------
    param : str
        The parameter of the specification that the slider sets.
    label : str
        The text beside the slider.
    minimum, maximum, step, value : float
        The ends, the step between neighbouring positions, and the start.
    shows : str, default=None
        A derived parameter that is shown to the reader instead of `param`.
    picked : bool, default=False
        Whether a click on a mark moves the slider to the mark's field `param`.

    Raises
    ------
    ValueError
        If a name or the label is unusable, the ends are not in order, the step is
        not positive or the value lies outside the ends.
    """

    param: str
    label: str
    minimum: float
    maximum: float
    step: float
    value: float
    shows: str | None = None
    picked: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        require_parameter_name("param", self.param)
        require_text("label", self.label)
        if self.shows is not None:
            require_parameter_name("shows", self.shows)
        if not self.minimum < self.maximum:
            raise ValueError(
                f"minimum={self.minimum} must be below maximum={self.maximum}"
            )
        if not self.step > 0:
            raise ValueError(f"step={self.step} must be positive")
        self.check(self.value)

    def check(self, value: float) -> None:
        """Raise ValueError unless the slider can stand at `value`."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(
                f"{self.param}={value} must lie between "
                f"{self.minimum} and {self.maximum}"
            )

    def to_dict(self) -> dict:
        """Describe the slider for the host script."""
        entry = {
            "kind": "slider",
            "param": self.param,
            "label": self.label,
            "min": self.minimum,
            "max": self.maximum,
            "step": self.step,
            "value": self.value,
        }
        entry |= {} if self.shows is None else {"shows": self.shows}
        return entry | ({"picked": True} if self.picked else {})


@dataclass(frozen=True)
class Choice:
    """A choice of one of several options.

    Parameters
    ----------
    param : str
        The parameter of the specification that the choice sets.
    label : str
        The text beside the choice.
    options : tuple of str or float
        The values the parameter can take.
    value : str or float
        The option at the start.
    labels : tuple of str, default=None
        What the reader sees instead of the options.

    Raises
    ------
    ValueError
        If a name or the label is unusable, options repeat, the value is none of
        them, or there is not one label for each.
    """

    param: str
    label: str
    options: tuple[str | float, ...]
    value: str | float
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        require_parameter_name("param", self.param)
        require_text("label", self.label)
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"options={self.options} must not repeat")
        if self.labels is not None and len(self.labels) != len(self.options):
            raise ValueError(
                f"labels={self.labels} must be as many as options={self.options}"
            )
        self.check(self.value)

    def check(self, value: str | float) -> None:
        """Raise ValueError unless `value` is one of the options."""
        if value not in self.options:
            raise ValueError(f"{self.param}={value!r} must be one of {self.options}")

    def to_dict(self) -> dict:
        """Describe the choice for the host script."""
        labels = self.labels or tuple(str(option) for option in self.options)
        return {
            "kind": "choice",
            "param": self.param,
            "label": self.label,
            "options": list(self.options),
            "labels": list(labels),
            "value": self.value,
        }


Control = Slider | Choice


def embedded_json(data: object) -> str:
    """Return JSON that can stand in a script element: `<`, `>` and `&` are escaped."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def picture_address(png: bytes) -> str:
    """Return a PNG as a data address, to be used as the source of an `<img>`."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
