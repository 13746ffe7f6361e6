"""The public names of the library, read from its files without importing them.

Tests    tests/website/test_library.py
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genai_lib.website.signature import FUNCTIONS, construction, parameters

CHAPTER = re.compile(r"^Chapter\s+(\S+?)(?:\.ipynb|\.md)?\s*$", re.MULTILINE)
TESTS = re.compile(r"^Tests\s+\S+\s*$\n?", re.MULTILINE)
REFERENCES = re.compile(r"^References\n((?:[ ]+.*\n?)+)", re.MULTILINE)
REFERENCE = re.compile(r"^\s*\[(\d+)\]\s+", re.MULTILINE)


@dataclass(frozen=True)
class Name:
    """A public function, class or method.

    Attributes
    ----------
    name : str
        For a method with its class: "Digits.to".
    kind : str
        "function", "class", "method" or "property".
    parameters : tuple of str
        As written, "*" and "/" included; without self and cls.
    returns : str
        The annotation, or "".
    docstring : str
    path : str
        The file, relative to the book.
    lines : tuple of int
        The first and the last line.
    methods : tuple of Name
    """

    name: str
    kind: str
    parameters: tuple[str, ...]
    returns: str
    docstring: str
    path: str
    lines: tuple[int, int]
    methods: tuple["Name", ...] = ()


@dataclass(frozen=True)
class Module:
    """A module or package under the name by which its public names are imported.

    Attributes
    ----------
    name : str
        "genai_lib.components.softmax".
    summary, text : str
        The first paragraph of its docstring and the rest, without addresses.
    chapter : str
        The path of the chapter that it names, or "".
    names : tuple of Name
    references : dict
        For each of its files the texts of the references, by their number.
    """

    name: str
    summary: str
    text: str
    chapter: str
    names: tuple[Name, ...]
    references: dict[str, dict[str, str]]


def read_library(root: Path, package: str = "genai_lib") -> list[Module]:
    """Read every public name of a package once.

    A package whose `__init__` lists names in `__all__` takes them over from its
    modules; what it does not list stays where it is.

    Parameters
    ----------
    root : Path
        The folder that holds the package.
    package : str, default="genai_lib"

    Returns
    -------
    list of Module
        Sorted by name, those without public names left out.
    """
    files = {
        _module_name(path, root): path
        for path in sorted((root / package).rglob("*.py"))
        if not any(
            part.startswith("_") and part != "__init__.py"
            for part in path.relative_to(root).parts
        )
    }
    trees = {
        name: ast.parse(path.read_text(encoding="utf-8"))
        for name, path in files.items()
    }
    places = {name: path.relative_to(root).as_posix() for name, path in files.items()}
    moved = _re_exports(trees)
    return [
        module
        for name in sorted(trees)
        if (module := _module(name, trees, places, moved)).names
    ]


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _re_exports(trees: dict[str, ast.Module]) -> dict[tuple[str, str], str]:
    """Say for (module, name) which package shows the name as its own."""
    moved = {}
    for package, tree in trees.items():
        listed = _listed(tree) or []
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in trees:
                inside = node.module.startswith(f"{package}.")
                for alias in node.names if inside else ():
                    if (alias.asname or alias.name) in listed:
                        moved[node.module, alias.name] = package
    return moved


def _listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def _module(
    name: str,
    trees: dict[str, ast.Module],
    places: dict[str, str],
    moved: dict[tuple[str, str], str],
) -> Module:
    sources = {name} | {module for (module, _), home in moved.items() if home == name}
    found = [
        public
        for module in sorted(sources)
        for public in _public(trees[module], places[module])
        if moved.get((module, public.name), module) == name
    ]
    docstring = ast.get_docstring(trees[name]) or ""
    chapter = CHAPTER.search(docstring)
    summary, _, text = docstring.partition("\n\n")
    for pattern in (CHAPTER, TESTS):
        text = pattern.sub("", text)
    return Module(
        name=name,
        summary=" ".join(summary.split()),
        text=text.strip("\n"),
        chapter=chapter[1] if chapter else "",
        names=tuple(sorted(found, key=lambda one: (one.kind, one.name.lower()))),
        references={places[module]: _references(trees[module]) for module in sources},
    )


def _references(tree: ast.Module) -> dict[str, str]:
    found = REFERENCES.search((ast.get_docstring(tree) or "") + "\n")
    pieces = REFERENCE.split(found[1])[1:] if found else []
    return {
        number: " ".join(words.split())
        for number, words in zip(pieces[::2], pieces[1::2], strict=True)
    }


def _public(tree: ast.Module, path: str) -> Iterator[Name]:
    for node in tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name[0] != "_":
            yield (
                _class(node, path)
                if isinstance(node, ast.ClassDef)
                else _function(node, path)
            )


def _function(node: ast.FunctionDef, path: str, owner: str = "") -> Name:
    decorators = {ast.unparse(one).split("(")[0] for one in node.decorator_list}
    kind = "method" if owner else "function"
    bound = bool(owner) and "staticmethod" not in decorators
    written = parameters(node.args)
    return Name(
        name=f"{owner}.{node.name}" if owner else node.name,
        kind="property" if decorators & {"property", "cached_property"} else kind,
        parameters=tuple(written[1:] if bound else written),
        returns=ast.unparse(node.returns) if node.returns else "",
        docstring=ast.get_docstring(node) or "",
        path=path,
        lines=(node.lineno, node.end_lineno),
    )


def _class(node: ast.ClassDef, path: str) -> Name:
    functions = [item for item in node.body if isinstance(item, FUNCTIONS)]
    methods = [
        _function(item, path, node.name)
        for item in functions
        if item.name[0] != "_" and ast.get_docstring(item)
    ]
    return Name(
        name=node.name,
        kind="class",
        parameters=construction(node, functions),
        returns="",
        docstring=ast.get_docstring(node) or "",
        path=path,
        lines=(node.lineno, node.end_lineno),
        methods=tuple(methods),
    )
