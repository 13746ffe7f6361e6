"""The stored form of a notebook: equal runs give equal bytes."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"
_KEPT_OF_CELL = ("tags", "mystnb")
_PAYLOAD = re.compile(r"base64,[A-Za-z0-9+/=\s]+")


def clear(cells: Iterable[NotebookNode]) -> None:
    """Remove the outputs of cells, so that none passes for a result of new code."""
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def tidy(notebook: NotebookNode, topic: str) -> NotebookNode:
    """Bring a notebook into the stored form, in place.

    Cell ids count the cells of the topic, only the kernel's name and our own
    metadata stay, widgets go (their HTML twins stay) and the pieces into
    which a stream happened to be cut are joined.
    """
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"{topic}-{number:02d}"
        cell.metadata = _only(cell.metadata, _KEPT_OF_CELL)
        if cell.cell_type == "code":
            cell.outputs = [_tidy_output(x) for x in _joined(cell.outputs)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = NotebookNode(
        _only(notebook.metadata, ("genai",)),
        kernelspec=NotebookNode(kernel),
        language_info=NotebookNode(name="python"),
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _only(metadata: dict, names: tuple[str, ...]) -> NotebookNode:
    return NotebookNode({name: metadata[name] for name in names if name in metadata})


def _joined(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    last = None
    for output in outputs:
        if last is not None and last.get("name", 0) == output.get("name", 1):
            last.text += output.text
            continue
        if last is not None:
            yield last
        last = output
    if last is not None:
        yield last


def _tidy_output(output: NotebookNode) -> NotebookNode:
    output.get("data", {}).pop(WIDGET, None)
    output.pop("transient", None)
    return output


def traces_of_machine(notebook: NotebookNode, root: Path) -> str:
    """Say which cell shows a path of this machine, and which; "" if none does."""
    places = {str(root), str(Path.home()), tempfile.gettempdir()}
    paths = [re.escape(x) + r"(?![\w.-])" for x in places if len(x) > 1]
    trace = re.compile("|".join([*paths, "site-packages", r"ipykernel_\d"]))
    for number, cell in enumerate(notebook.cells, start=1):
        for text in _texts(cell):
            if found := trace.search(_PAYLOAD.sub("", text)):
                return f"cell {number} shows {found[0]!r}, a path of this machine"
    return ""


def _texts(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield from output.get("traceback", [])
        for kind, data in output.get("data", {}).items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield str(data)


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, whole or not at all, and only if it changed."""
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    if path.is_file() and path.read_bytes() == text.encode():
        return
    part = path.with_suffix(".part")
    part.write_bytes(text.encode())
    os.replace(part, path)
