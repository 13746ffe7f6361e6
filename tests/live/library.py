"""What the library says about each figure that moves: its numbers at a state."""

import importlib
from pathlib import Path

from genai_lib.components.softmax.figure import logits_and_temperature
from genai_lib.reading.index.temperature import temperature

ROOT = Path(__file__).resolve().parents[2]
# Each test of a room's figures has NUMBERS: functions of a state by name of figure.
LIBRARY = {
    name: numbers
    for pattern in ("*/*/test_figure*.py", "reading/index/test_temperature.py")
    for path in sorted((ROOT / "tests").glob(pattern))
    for name, numbers in getattr(
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)),
        "NUMBERS",
        {},
    ).items()
}
# Two figures computed in the page, for the tests of the engine.
FIGURES = {figure.name: figure for figure in (temperature(), logits_and_temperature())}
