"""The chart library of the live figures, Altair, and what their marks have in common.

Tests    tests/live/test_charts.py

References
    [1] Okabe and Ito, "Color Universal Design", 2008
"""

import importlib
import sys
from types import ModuleType

GRAMMAR = "rfc3987_syntax"
# From the palette of [1], those with a contrast of at least 3 on white and on black.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"


def _load_altair() -> ModuleType:
    """Import Altair without `rfc3987_syntax`, whose import takes two seconds.

    Altair validates charts with jsonschema, which imports that package where it is
    installed, for a format of web addresses that no chart uses.
    """
    absent = GRAMMAR not in sys.modules
    if absent:
        sys.modules[GRAMMAR] = None  # Python now takes it for not installed
    try:
        return importlib.import_module("altair")
    finally:
        if absent:
            sys.modules.pop(GRAMMAR, None)


alt = _load_altair()


def described(chart: alt.Chart, expression: str) -> alt.Chart:
    """Give each mark its numbers in full, for tooltips and screen readers."""
    return chart.transform_calculate(description=expression).encode(
        description="description:N", tooltip="description:N"
    )
