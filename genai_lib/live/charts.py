"""Altair, the chart library of the live figures, loaded without what it never uses.

Tests    tests/live/test_charts.py
"""

import importlib
import sys
from types import ModuleType

GRAMMAR = "rfc3987_syntax"


def _load_altair() -> ModuleType:
    """Import Altair without a grammar of web addresses, which costs two seconds.

    Altair checks charts by jsonschema, which loads the grammar where it is installed,
    for a format that no chart has.
    """
    absent = GRAMMAR not in sys.modules
    if absent:
        sys.modules[GRAMMAR] = None  # to Python: not installed
    try:
        return importlib.import_module("altair")
    finally:
        if absent:
            sys.modules.pop(GRAMMAR, None)


alt = _load_altair()
