"""Stamp notebooks: what a chapter costs to run, and where the book lives.

Run as `python -m tools.stamp` in the environment of the book; `make stamp` does. The
badge row of a chapter says the seconds and the memory of its evidence. The set-up cell
gets the repository's address, from a git remote or from GENAI_BOOK_REPO.
"""

import json
import re
import statistics
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from genai_lib.website.repository import colab_address, find_repository
from tools import checks, inputs, tidiness
from tools.common import ROOT

# The mark stands last: a line that starts with it would not be read as Markdown.
MARK = " <!-- badges -->"
BADGES = re.compile(rf"^.*{MARK}$", re.MULTILINE)
CONSTANT = re.compile(r'^REPOSITORY = ".*"$', re.MULTILINE)
CHECKED = re.compile(rf"checked against .*(?={MARK})")


def badges(
    path: Path, line: str, root: Path, repository: tuple[str, str] | None
) -> str:
    """Write the badge row anew; what the chapter is checked against stays."""
    parts = []
    place = path.relative_to(root).as_posix()
    if repository and (address := colab_address(*repository, place)):
        parts.append(f"[Open in Colab]({address})")
    evidence = path.with_suffix(".evidence.json")
    if evidence.is_file():
        measured = json.loads(evidence.read_text("utf-8")).get("cpu")
        if measured:
            seconds = statistics.median(measured["seconds"])
            memory = max(measured["peak_mb"]) / 1000
            parts.append(f"about {seconds:.0f} s and {memory:.1f} GB on a laptop's CPU")
    if found := CHECKED.search(line):
        parts.append(found[0])
    return " · ".join(parts) + MARK


def stamp(path: Path, root: Path, repository: tuple[str, str] | None) -> bool:
    """Stamp one notebook; tell whether it changed. Its outputs stay true."""
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    fresh = is_fresh(notebook, root)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BADGES.sub(
                lambda found: badges(path, found[0], root, repository), cell.source
            )
        else:
            address = repository[0] if repository else ""
            cell.source = CONSTANT.sub(f'REPOSITORY = "{address}"', cell.source)
    if fresh:
        # The set-up cell does nothing where the library is: no output changes.
        notebook.metadata["genai"]["inputs"] = inputs.fingerprint(notebook, root)
    if nbformat.writes(notebook) == before:
        return False
    tidiness.write(path, notebook)
    return True


def is_fresh(notebook: NotebookNode, root: Path) -> bool:
    """Tell whether the stored outputs follow from the present inputs."""
    stored = notebook.metadata.get("genai", {}).get("inputs")
    return stored == inputs.fingerprint(notebook, root)


def main() -> int:
    """Stamp every notebook."""
    repository = find_repository(ROOT)
    if repository is None:
        print(
            "no repository address is known (no https or ssh remote named origin, no "
            "GENAI_BOOK_REPO): notebooks get no Colab badge and cannot install the "
            "library by themselves"
        )
    for path in checks.notebooks(ROOT):
        if stamp(path, ROOT, repository):
            print(f"stamped {path.relative_to(ROOT).as_posix()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
