"""Shared by all commands: the folder of the book, its environment, and errors."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Variables of the reader's machine that would change what a notebook prints.
_UNWANTED = (
    "GENAI_SEED",
    "GENAI_SCALE",
    "GENAI_CLAIMS",
    "GENAI_DOWNLOAD",
    "GENAI_PROGRESS",
    "MPLBACKEND",
    "PYTHONSTARTUP",
)


class Stop(Exception):
    """A command cannot go on; the message says what failed and what to do."""


def variables(root: Path = ROOT) -> dict[str, str]:
    """Return the environment in which notebooks, tests and the build run."""
    kept = {k: v for k, v in os.environ.items() if k not in _UNWANTED}
    paths = [str(root), kept.get("PYTHONPATH", "")]
    # Two threads of one process spin against a second busy process: a cell
    # of one second was seen to take a minute.
    return kept | {
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
    }


def plain(text: str) -> str:
    """Return `text` without the colour codes of a terminal.

    >>> plain("\x1b[31mWARNING\x1b[39m")
    'WARNING'
    """
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
