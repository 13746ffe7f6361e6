"""Notebooks under test: nbval with the rule of the sign ≈ and with the exercises.

nbval runs each notebook in a kernel of its own and compares stored and new outputs.
This plugin adds three things to it:

* measured numbers are hidden from the exact comparison and compared within their
  tolerance (:mod:`tests.book.approximate`), in text, HTML, streams and claims;
* the stubs and solutions of the exercises run in the same kernel after the last cell:
  a stub must be found wrong by its checker, a solution must be found right;
* after a cell that raised, the rest of the notebook is skipped.
"""

import os
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from tests.book import approximate, exercise_markup
from tools import common

ROOT = Path(__file__).resolve().parents[2]
NOT_RUN = "skip-execution"
PICTURES = ("image/png", "image/jpeg")


def pytest_configure(config):
    """Run the kernel of this environment, whatever the notebook names."""
    config.option.nbval_current_env = True


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our notebook in the place of nbval's."""
    collectors = yield
    return [
        NotebookFile.from_parent(parent, path=file_path)
        if type(collector) is IPyNbFile
        else collector
        for collector in collectors
    ]


class NotebookFile(IPyNbFile):
    """A notebook: its cells, then the stubs and solutions of its exercises."""

    cell_that_raised = None

    def setup(self):
        """Start the kernel with the variables that stored outputs were made with."""
        with kernel_environment():
            super().setup()

    def collect(self):
        """Yield one item per code cell, per stub and per solution.

        Cells count from 1 and Markdown cells count, as in their ids.
        """
        items = list(super().collect())
        numbers = {id(cell): number for number, cell in enumerate(self.nb.cells, 1)}
        for item in items:
            if NOT_RUN in item.cell.metadata.get("tags", []):
                item.options["skip"] = True
            number = numbers[id(item.cell)]
            yield NotebookCell.from_parent(
                self,
                name=f"Cell {number}",
                cell_num=number,
                cell=item.cell,
                options=item.options,
            )
        for exercise in exercise_markup.exercises(self.nb):
            yield from self._exercise_items(exercise)

    def _exercise_items(self, exercise):
        blocks = [("solution", exercise.solutions[0])] if exercise.solutions else []
        if exercise.kind == "build" and exercise.stub and blocks:
            blocks.insert(0, ("stub", exercise.stub_under_check()))
        for part, source in blocks:
            yield ExerciseCell.from_parent(
                self,
                name=f"Exercise {exercise.number} {part}",
                cell_num=len(self.nb.cells),
                cell=nbformat.v4.new_code_cell(exercise_markup.show_all(source)),
                options={"check": False, "skip": False, "check_exception": False},
                part=part,
                must_check=exercise.kind == "build",
            )


class NotebookCell(IPyNbCell):
    """A code cell whose measured numbers are compared within their tolerance."""

    def runtest(self):
        """Run the cell, unless an earlier one raised."""
        raised = self.parent.cell_that_raised
        if raised is not None:
            pytest.skip(f"{raised} of this notebook raised")
        try:
            super().runtest()
        except NbCellError as error:
            if not str(error).startswith("Cell outputs differ"):
                self.parent.cell_that_raised = self.name
            raise

    def sanitize(self, s):
        """Hide measured numbers, then what tests/sanitize.cfg names."""
        return super().sanitize(approximate.mask(s)) if isinstance(s, str) else s

    def compare_outputs(self, test, ref, skip_compare=None):
        """Compare exactly what is exact, then the measured numbers, then metadata."""
        if not super().compare_outputs(test, ref, skip_compare):
            return False
        problems = []
        for stored, new in zip(_texts(ref), _texts(test), strict=True):
            problems += approximate.differences(stored, new)
        problems += _metadata_differences(ref, test)
        self.comparison_traceback = problems
        return not problems

    def repr_failure(self, excinfo):
        """Name the notebook and the remedy below nbval's own message."""
        notebook = Path(self.path).stem
        return (
            f"{self.location[0]}, {self.name}\n{super().repr_failure(excinfo)}\n"
            f"If the new output is right: make notebooks TOPIC={notebook}"
        )


class ExerciseCell(NotebookCell):
    """A stub or a solution; what counts is the verdicts of the checkers it calls."""

    def __init__(self, *, part, must_check, **rest):
        super().__init__(**rest)
        self.part = part
        self.must_check = must_check

    def runtest(self):
        """Run the block and judge the verdicts that it shows."""
        if self.parent.cell_that_raised is not None:
            pytest.skip(f"{self.parent.cell_that_raised} of this notebook raised")
        IPyNbCell.runtest(self)
        shown = [text.strip() for text in _texts(self.test_outputs)]
        right = [text for text in shown if text.startswith("✓")]
        wrong = [text for text in shown if text.startswith("✗")]
        if self.must_check and not right + wrong:
            self.raise_cell_error(f"the {self.part} shows no verdict of a checker")
        if self.part == "solution" and wrong:
            self.raise_cell_error(
                "a checker rejects the solution:\n" + "\n".join(wrong)
            )
        if self.part == "stub" and right:
            self.raise_cell_error("a checker accepts the stub:\n" + "\n".join(right))

    def repr_failure(self, excinfo):
        """Say which exercise failed; no stored output is at fault."""
        return (
            f"{self.location[0]}, {self.name}\n{IPyNbCell.repr_failure(self, excinfo)}"
        )


@contextmanager
def kernel_environment():
    """Give kernels started inside the variables of ``make notebooks``."""
    before = dict(os.environ)
    steered = common.variables(ROOT)
    os.environ.clear()
    os.environ.update(steered)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _texts(outputs):
    """Return the texts of outputs, grouped by kind as nbval compares them."""
    kinds = {}
    for output in outputs:
        if output.output_type == "stream":
            kinds.setdefault(output.name, []).append(output.text)
        for mime, content in output.get("data", {}).items():
            if isinstance(content, str) and mime not in PICTURES:
                kinds.setdefault(mime, []).append(content)
        for field in {"ename", "evalue"} & output.keys():
            kinds.setdefault(field, []).append(output[field])
    return [text for kind in sorted(kinds) for text in kinds[kind]]


def _metadata_differences(stored, new):
    """Compare claims, alt texts and the number of pictures; nbval passes over them."""
    old, fresh = _displayed(stored), _displayed(new)
    if len(old) != len(fresh):
        return [f"stored output shows {len(old)} objects, now there are {len(fresh)}"]
    problems = []
    for before, after in zip(old, fresh, strict=True):
        text = before.get("data", {}).get("text/plain", "")
        tolerance = max((m.tolerance for m in approximate.find(text)), default=0.1)
        for key in ("genai_claim", *PICTURES):
            problems += _differences(
                before.metadata.get(key), after.metadata.get(key), key, tolerance
            )
    return problems


def _displayed(outputs):
    return [output for output in outputs if "metadata" in output]


def _differences(stored, new, name, tolerance):
    if isinstance(stored, dict) and isinstance(new, dict):
        return [
            problem
            for key in sorted(stored.keys() | new.keys())
            for problem in _differences(
                stored.get(key), new.get(key), f"{name}: {key}", tolerance
            )
        ]
    if isinstance(stored, str) and isinstance(new, str):
        if approximate.mask(stored) == approximate.mask(new):
            return approximate.differences(stored, new)
    elif name.endswith(": value") and _are_numbers(stored, new):
        if approximate.agree(stored, new, tolerance):
            return []
    return [] if stored == new else [f"{name}: stored {stored!r}, now {new!r}"]


def _are_numbers(*values):
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
