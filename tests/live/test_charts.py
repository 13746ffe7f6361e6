"""Altair is imported without `rfc3987_syntax`, and other imports of it still work."""

import subprocess
import sys

LOADING = """
import sys
from genai_lib.live import charts
assert "rfc3987_syntax" not in sys.modules
assert charts.alt is sys.modules["altair"]
import importlib.util
try:
    import rfc3987_syntax
except ModuleNotFoundError as error:
    # Not installed is fine; "None in sys.modules" would be our doing.
    assert importlib.util.find_spec("rfc3987_syntax") is None, error
"""


def test_the_grammar_is_left_out_and_can_still_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", LOADING], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_grammar_that_is_already_there_stays():
    script = (
        "import sys, types; mine = types.ModuleType('rfc3987_syntax');"
        "mine.is_valid_syntax = lambda *_: True;"
        "sys.modules['rfc3987_syntax'] = mine;"
        "import genai_lib.live.charts; assert sys.modules['rfc3987_syntax'] is mine"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == 0, done.stderr
