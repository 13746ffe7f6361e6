"""Remove the files that the other commands have made."""

import shutil
from pathlib import Path

_MADE = (
    "_build",
    "build",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "*.egg-info",
)
_MADE_ANYWHERE = ("__pycache__", ".ipynb_checkpoints", ".hypothesis")
_SOURCES = ("chapters", "genai_lib", "tests", "tools")


def clean(root: Path, *, everything: bool = False) -> None:
    """Remove the website and all caches, with `everything` also `.venv`."""
    patterns = (*_MADE, ".venv") if everything else _MADE
    found = [path for pattern in patterns for path in root.glob(pattern)]
    for source in _SOURCES:
        for name in _MADE_ANYWHERE:
            found += (root / source).rglob(name)
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
