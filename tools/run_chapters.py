"""Execute chapters with the packages of one environment, and report what failed.

Run by the Python of that environment, which needs nbclient and ipykernel and must have
`genai_lib` installed: `python -P tools/run_chapters.py NOTEBOOK ...`. Nothing is
written. A cell that fails is an error; a claim that fails is only reported, because
training gives other numbers with other packages.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode


def main(paths: list[str]) -> int:
    """Execute each notebook in a fresh kernel; return 1 if a cell of any failed."""
    os.environ["GENAI_CLAIMS"] = "record"
    failures = 0
    for path in map(Path, paths):
        start = time.perf_counter()
        notebook = execute(path)
        found = list(errors(notebook))
        failures += bool(found)
        seconds = time.perf_counter() - start
        print(f"{path.stem}: {len(found)} errors, {seconds:.0f} s", flush=True)
        for line in [*found, *fallen(notebook)]:
            print(f"  {line}", flush=True)
    return 1 if failures else 0


def execute(path: Path) -> NotebookNode:
    """Run all cells, also those after an error, in a folder of their own."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=None,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    return notebook


def errors(notebook: NotebookNode) -> Iterator[str]:
    """Yield a line for each cell that failed."""
    for number, cell in enumerate(notebook.cells, start=1):
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                line = f"{output.ename}: {output.evalue}".splitlines()[0]
                yield f"error in cell {number}: {line[:300]}"


def fallen(notebook: NotebookNode) -> Iterator[str]:
    """Yield a line for each claim that does not hold."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            claim = output.get("metadata", {}).get("genai_claim")
            if claim and not claim["holds"]:
                yield f"claim {claim['name']} falls: {claim['value']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
