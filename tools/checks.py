"""Checks before the book is built; they use the standard library alone.

Each check takes the folder of the book and returns one line per problem,
which names the file and the remedy.
"""

import json
import re
from pathlib import Path

_ENTRY = re.compile(r"^\s*(?:-\s+)?(?:root|file)\s*:\s*(.+?)\s*(?:#.*)?$")


def toc_entries(root: Path) -> list[str]:
    """Return the pages that `_toc.yml` lists, without their suffixes."""
    toc = root / "_toc.yml"
    if not toc.is_file():
        return []
    lines = toc.read_text(encoding="utf-8").splitlines()
    found = [match[1].strip("'\"") for match in map(_ENTRY.match, lines) if match]
    return [re.sub(r"\.(ipynb|md)$", "", entry) for entry in found]


def notebooks(root: Path) -> list[Path]:
    """Return the notebooks of the book, sorted."""
    found = (root / "chapters").rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def is_run(cell: dict) -> bool:
    """Say whether a cell of a notebook is code that gets executed."""
    tags = cell.get("metadata", {}).get("tags", [])
    return (
        cell["cell_type"] == "code"
        and "skip-execution" not in tags
        and bool("".join(cell["source"]).strip())
    )


def not_executed(root: Path) -> list[str]:
    """Find notebooks whose outputs are not stored."""
    problems = []
    for path in notebooks(root):
        name, remedy = path.relative_to(root).as_posix(), f"TOPIC={path.stem}"
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError, TypeError):
            problems.append(f"{name}: is not a notebook; restore it from git")
            continue
        missing = [
            number
            for number, cell in enumerate(cells, start=1)
            if is_run(cell) and cell.get("execution_count") is None
        ]
        if missing:
            problems.append(
                f"{name}: has no stored outputs from cell {missing[0]} on; "
                f"run `make notebooks {remedy}`"
            )
    return problems


def not_listed(root: Path) -> list[str]:
    """Find notebooks that `_toc.yml` does not list."""
    listed = set(toc_entries(root))
    names = [path.relative_to(root).as_posix() for path in notebooks(root)]
    return [
        f"{name}: is missing from _toc.yml; add `- file: {name.removesuffix('.ipynb')}`"
        for name in names
        if name.removesuffix(".ipynb") not in listed
    ]


def not_found(root: Path) -> list[str]:
    """Find entries of `_toc.yml` without a file, and a missing `_toc.yml`."""
    if not (root / "_toc.yml").is_file():
        return ["_toc.yml: is missing; restore it from git"]
    return [
        f"_toc.yml: lists {entry}, but there is no {entry}.ipynb or {entry}.md; "
        "add the file or remove the entry"
        for entry in toc_entries(root)
        if not any((root / f"{entry}.{kind}").is_file() for kind in ("ipynb", "md"))
    ]


def problems(root: Path) -> list[str]:
    """Return one line for each problem that prevents the build."""
    return not_found(root) + not_listed(root) + not_executed(root)
