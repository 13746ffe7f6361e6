"""Edit a notebook as text: `# %%` starts a cell, prose stands in comments.

Run as `python -m tools.text text|untext TOPIC`; git ignores the text file.
"""

import sys
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs

from tools import notebooks, tidiness
from tools.common import ROOT, Stop

_FORMAT = "py:percent"


def to_text(notebook: Path) -> Path:
    """Write the text of a notebook beside it and return its path."""
    path = notebook.with_suffix(".py")
    content = nbformat.read(notebook, as_version=4)
    content.metadata = type(content.metadata)(kernelspec=content.metadata.kernelspec)
    path.write_text(jupytext.writes(content, fmt=_FORMAT), encoding="utf-8")
    return path


def from_text(notebook: Path) -> Path:
    """Write the text back; cells whose code is unchanged keep their outputs.

    Raises
    ------
    Stop
        There is no text beside the notebook.
    """
    path = notebook.with_suffix(".py")
    if not path.is_file():
        raise Stop(f"{path.name} is missing; write it with `book.py text` first")
    edited = jupytext.reads(path.read_text(encoding="utf-8"), fmt=_FORMAT)
    stored = nbformat.read(notebook, as_version=4)
    merged = combine_inputs_with_outputs(edited, stored, fmt=_FORMAT)
    merged.metadata = stored.metadata
    known = {cell.source for cell in stored.cells}
    # A changed cell would inherit the outputs of the one that stood there.
    tidiness.clear(cell for cell in merged.cells if cell.source not in known)
    tidiness.write(notebook, tidiness.tidy(merged, notebook.stem))
    return notebook


def main(direction: str, topic: str) -> int:
    """Convert the notebook of a topic in one direction."""
    try:
        notebook = notebooks.find(topic)[0]
        done = to_text(notebook) if direction == "text" else from_text(notebook)
    except Stop as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    print(f"wrote {done.relative_to(ROOT).as_posix()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
