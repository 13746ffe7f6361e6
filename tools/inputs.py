"""Compute one hash of everything that the outputs of a notebook depend on.

The hash covers the code cells, the code of every module of `genai_lib` that they
import, directly or through other modules, without comments and docstrings, the text of
what they show with `show_source`, every stored file that one of these modules names,
and the pinned versions of the library's needs. Editing words does not change it.
"""

import ast
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools import checks

_PACKAGE = "genai_lib"
_SHOWN = re.compile(r"show_source\(([^)]*)\)")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


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
    return hash_of(["".join(cell["source"]) for cell in cells], root)


def hash_of(sources: Iterable[str], root: Path) -> str:
    """Return the hash of pieces of code and of everything that they depend on."""
    sources = list(sources)
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.encode() + b"\0")
    modules = library_modules(sources, root)
    for path in modules:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(code_of(path.read_text(encoding="utf-8")).encode() + b"\0")
    for path in stored_files(modules):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    for text in shown_sources(sources, modules):
        digest.update(text.encode() + b"\0")
    digest.update(_pins(root).encode())
    return digest.hexdigest()[:16]


def library_modules(sources: Iterable[str], root: Path) -> list[Path]:
    """Return the modules of the library that some pieces of code depend on."""
    seen: set[Path] = set()
    waiting = [path for source in sources for path in _imported(source, "", root)]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            package = ".".join(path.relative_to(root).parent.parts)
            waiting += _imported(path.read_text(encoding="utf-8"), package, root)
    return sorted(seen)


@functools.cache
def code_of(text: str) -> str:
    """Return the syntax tree of Python code without docstrings and comments."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *_DEFINITIONS)) and _is_text(node.body[:1]):
            node.body = node.body[1:]
    return ast.dump(tree)


def _is_text(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(
        getattr(first.value, "value", None), str
    )


def stored_files(modules: Iterable[Path]) -> list[Path]:
    """Return the files beside modules, or in a folder there, that these name."""
    found: set[Path] = set()
    for path in modules:
        for name in _file_names(path.read_text(encoding="utf-8")):
            place = path.parent / name
            found |= set(place.iterdir()) if place.is_dir() else {place}
    kept = (path for path in found if path.is_file() and path.suffix != ".py")
    return sorted(path for path in kept if path.name != "made.json")


@functools.cache
def _file_names(text: str) -> set[str]:
    """Return the constants of a module that could be names of files."""
    constants = (x for x in ast.walk(ast.parse(text)) if isinstance(x, ast.Constant))
    texts = (x.value for x in constants if isinstance(x.value, str))
    return {text for text in texts if re.fullmatch(r"\w[\w.-]*", text)}


def shown_sources(sources: Iterable[str], modules: Iterable[Path]) -> list[str]:
    """Return the text of each definition that pieces of code show to the reader."""
    calls = [call for source in sources for call in _SHOWN.findall(source)]
    names = {
        name.split(".")[-1] for call in calls for name in re.findall(r"[\w.]+", call)
    }
    texts = []
    for path in modules if names else ():
        defined = _definitions(path.read_text(encoding="utf-8"))
        texts += [text for name, text in defined if name in names]
    return texts


@functools.cache
def _definitions(text: str) -> list[tuple[str, str]]:
    lines = text.splitlines()
    return [
        (node.name, "\n".join(lines[node.lineno - 1 : node.end_lineno]))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, _DEFINITIONS)
    ]


def _pins(root: Path) -> str:
    path = root / "requirements.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    section = re.search(
        r"^# \[library\].*?(?=^# \[|\Z)", text, re.DOTALL | re.MULTILINE
    )
    return section[0] if section else ""


def _imported(source: str, package: str, root: Path) -> Iterator[Path]:
    for name in _names(source, package):
        if name.split(".")[0] == _PACKAGE:
            yield from _files(name, root)


def _names(source: str, package: str) -> Iterator[str]:
    for level, module, names in _import_statements(source):
        parts = package.split(".")[: 1 - level or None] if level else []
        base = [*parts, *filter(None, [module])]
        # What is imported from a package may be a module of its own.
        yield from (".".join([*base, name]) for name in names)


@functools.cache
def _import_statements(source: str) -> list[tuple[int, str | None, list[str]]]:
    found = []
    for node in ast.walk(_parse(source)):
        if isinstance(node, ast.Import):
            found.append((0, None, [alias.name for alias in node.names]))
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            found.append((node.level, node.module, names))
    return found


def _parse(source: str) -> ast.AST:
    lines = source.splitlines()
    # Lines for IPython are not Python, and import nothing of the library.
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
