"""Execute notebooks in fresh kernels and store outputs that compare well.

Run as `python -m tools.notebooks [--topic NAME] [--all]` in the environment
of the book; `make notebooks` does.
"""

import argparse
import copy
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools import checks, inputs, tidiness
from tools.common import ROOT, Stop, plain
from tools.processor import this_processor

CELL_SECONDS = 600

# Asked in the kernel itself, because a parent sees only the largest child.
_COST = """
import sys as _sys, time as _time
print(_time.process_time())
if _sys.platform == "win32":
    import psutil as _psutil
    print(_psutil.Process().memory_info().peak_wset)
else:
    import resource as _resource
    _unit = 1 if _sys.platform == "darwin" else 1024
    print(_resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss * _unit)
"""


class Run(NamedTuple):
    """A notebook with new outputs, and what it cost.

    Attributes
    ----------
    notebook : NotebookNode
    seconds : float
        Wall time, the start of the kernel included.
    busy : float
        Seconds of processor time of the kernel, of which other work on the machine
        takes nothing.
    peak_mb : float
        Largest memory of the kernel, in units of 10^6 bytes.
    """

    notebook: NotebookNode
    seconds: float
    busy: float
    peak_mb: float


def execute(path: Path) -> Run:
    """Execute a notebook from top to bottom in a fresh kernel.

    Parameters
    ----------
    path : Path
        The notebook; the file itself is left as it is.

    Raises
    ------
    Stop
        A cell failed, ran too long or wrote to stderr, or the kernel died.
    """
    notebook = nbformat.read(path, as_version=4)
    tidiness.clear(notebook.cells)
    number_of_cells = len(notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(_COST))
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        allow_errors=True,
    )
    start = time.perf_counter()
    try:
        _run_to_first_error(client)
    except (CellTimeoutError, DeadKernelError) as reason:
        raise Stop(
            f"{_name(path)}: {_last_line(str(reason))}; nothing written"
        ) from None
    seconds = time.perf_counter() - start
    _refuse_errors(path, notebook.cells[:number_of_cells])
    # A busy kernel may send one line in several pieces.
    cost = "".join(output.text for output in notebook.cells.pop().outputs)
    busy, peak = cost.split()
    return Run(notebook, seconds, float(busy), int(peak) / 1e6)


def _run_to_first_error(client: NotebookClient) -> None:
    with client.setup_kernel():
        for number, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, number)
            if _error(cell) is not None:
                return


def _error(cell: NotebookNode) -> NotebookNode | None:
    if "raises-exception" in cell.metadata.get("tags", []):
        return None
    errors = [x for x in cell.get("outputs", []) if x.output_type == "error"]
    return errors[0] if errors else None


def _refuse_errors(path: Path, cells: Sequence[NotebookNode]) -> None:
    for number, cell in enumerate(cells, start=1):
        where = f"{_name(path)}, cell {number}"
        if error := _error(cell):
            reason = _last_line(f"{error.ename}: {error.evalue}")
            raise Stop(f"{where}: {reason}; nothing written")
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                text = _last_line(output.text)
                raise Stop(f"{where} writes to stderr: {text}; nothing written")


def _last_line(text: str) -> str:
    return (plain(text).strip().splitlines() or [""])[-1].strip()


def _name(path: Path) -> str:
    return Path(os.path.relpath(path, ROOT)).as_posix()


def refresh(path: Path, root: Path = ROOT, *, always: bool = False) -> str:
    """Execute a notebook if its inputs changed, and store it in a tidy form.

    Parameters
    ----------
    path : Path
        The notebook; written only when execution succeeded.
    root : Path, default=ROOT
        The folder that holds `genai_lib`.
    always : bool, default=False
        Execute also when no input changed.

    Returns
    -------
    report : str
        One line: what was done, with seconds and memory.

    Raises
    ------
    Stop
        A cell failed or an output would give away the machine.
    """
    stored = nbformat.read(path, as_version=4)
    now = inputs.fingerprint(stored, root)
    before = stored.metadata.get("genai", {}).get("inputs")
    if before == now and not always and not _unexecuted(stored):
        tidiness.write(path, tidiness.tidy(stored, path.stem))
        return f"{_name(path)}: unchanged"
    run = execute(path)
    stamp = run.notebook.metadata.setdefault("genai", {})
    stamp.update(inputs=now, processor=this_processor())
    tidied = tidiness.tidy(copy.deepcopy(run.notebook), path.stem)
    if found := tidiness.traces_of_machine(tidied, root):
        raise Stop(f"{_name(path)}, {found}; nothing written")
    tidiness.write(path, tidied)
    cost = f"{run.seconds:.1f} s ({run.busy:.1f} s of work), {run.peak_mb:.0f} MB"
    return f"{_name(path)}: {cost}"


def _unexecuted(notebook: NotebookNode) -> bool:
    return any(
        checks.is_run(cell) and cell.execution_count is None for cell in notebook.cells
    )


def find(topic: str | None, root: Path = ROOT) -> list[Path]:
    """Return all notebooks, or the one of a topic.

    Raises
    ------
    Stop
        There is no such topic; the message lists those there are.
    """
    found = checks.notebooks(root)
    chosen = [path for path in found if topic in (None, path.stem)]
    if topic and not chosen:
        known = ", ".join(path.stem for path in found) or "none"
        raise Stop(f"topic={topic!r} has no notebook; there are: {known}")
    return chosen


def main(arguments: Sequence[str]) -> int:
    """Refresh notebooks one after the other; go on after a failure."""
    parser = argparse.ArgumentParser(prog="tools.notebooks", description=__doc__)
    parser.add_argument("--topic")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args(arguments)
    failures = 0
    try:
        for path in find(options.topic):
            try:
                print(refresh(path, always=options.all), flush=True)
            except Stop as reason:
                failures += 1
                print(f"error: {reason}", file=sys.stderr)
    except Stop as reason:
        failures += 1
        print(f"error: {reason}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
