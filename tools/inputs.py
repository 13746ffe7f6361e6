"""Say what the outputs of a notebook follow from, as one hash.

The hash covers the code cells and every file of `genai_lib` that they import,
directly or through other files of it, with the data that lie beside them.
Editing words around the code does not change it.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools import checks

_PACKAGE = "genai_lib"


def fingerprint(notebook: dict, root: Path) -> str:
    """Return the hash of a notebook's inputs.

    Parameters
    ----------
    notebook : dict
        A notebook as read from its JSON; outputs do not matter.
    root : Path
        The folder that holds `genai_lib`.
    """
    cells = [cell for cell in notebook["cells"] if checks.is_run(cell)]
    sources = ["".join(cell["source"]) for cell in cells]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.encode() + b"\0")
    for path in library_files(sources, root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def library_files(sources: Iterable[str], root: Path) -> list[Path]:
    """Return the files of the library that some pieces of code depend on."""
    seen: set[Path] = set()
    waiting = [path for source in sources for path in _imported(source, "", root)]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            package = ".".join(path.relative_to(root).parent.parts)
            waiting += _imported(path.read_text(encoding="utf-8"), package, root)
    return sorted(seen | set(_data_beside(seen)))


def _data_beside(modules: Iterable[Path]) -> Iterator[Path]:
    for folder in {path.parent for path in modules}:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                yield path


def _imported(source: str, package: str, root: Path) -> Iterator[Path]:
    for name in _names(source, package):
        if name.split(".")[0] == _PACKAGE:
            yield from _files(name, root)


def _names(source: str, package: str) -> Iterator[str]:
    for node in ast.walk(_parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            # What is imported from a package may be a module of its own.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _parse(source: str) -> ast.AST:
    lines = source.splitlines()
    # Lines for IPython are no Python, and import nothing of the library.
    python = ["" if line.lstrip().startswith(("%", "!")) else line for line in lines]
    try:
        return ast.parse("\n".join(python))
    except SyntaxError:
        return ast.Module([], [])


def _files(name: str, root: Path) -> Iterator[Path]:
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                yield path
