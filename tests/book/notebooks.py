"""Notebooks under test: nbval with the rule of the sign ≈ and with the exercises.

nbval runs each notebook in a kernel of its own and compares stored and new outputs.
This plugin adds three things to it:

* measured numbers are hidden from the exact comparison (:mod:`tools.approximate`), in
  text, HTML, streams and claims. On the class of processor that stored the notebook
  they are compared one by one. On any other each must lie within the interval that the
  seeds of the evidence give, of a notebook's numbers a few excepted, and the data of
  figures count by their form; every claim must keep its bound on both;
* the stubs and solutions of the exercises run in the same kernel after the last cell:
  a stub must be found wrong by its checker, a solution must be found right;
* after a cell that raised, the rest of the notebook is skipped.

A notebook whose inputs and outputs are those with which it last passed on this class of
processor (:mod:`tests.book.proven`) is left to that record, but for a few in rotation.
With ``--all``, and for a notebook or topic that the command names, everything runs.
"""

import functools
import hashlib
import json
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from tests.book import exercise_markup, proven
from tools import approximate, checks, common, inputs
from tools.evidence import measured_texts
from tools.processor import this_processor

ROOT = Path(__file__).resolve().parents[2]
NOT_RUN = "skip-execution"
PICTURES = ("image/png", "image/jpeg")
# The data of figures that move, and texts that freshly trained models wrote.
OF_TRAINING = re.compile(
    r"<script type=.application/json.[^>]*>.*?</script>"
    r"|<pre class='genai-writing'>.*?</pre>",
    re.DOTALL,
)
NUMBERS = "Measured numbers"
LEFT = pytest.StashKey[set]()
# So many proven notebooks run all the same, others at each commit.
IN_ROTATION = 3


def pytest_configure(config):
    """Run the kernel of this environment, whatever the notebook names."""
    config.option.nbval_current_env = True


def pytest_sessionstart(session):
    """Note what is left to the record, before this session adds to it."""
    session.config.stash[LEFT] = left_to_record(session.config)


def pytest_collection_modifyitems(config, items):
    """Leave to the record what it proves."""
    left = config.stash[LEFT]
    waived = [
        item
        for item in items
        if isinstance(item, NotebookCell | NumbersItem) and item.path in left
    ]
    if waived:
        config.hook.pytest_deselected(items=waived)
        items[:] = [item for item in items if item not in set(waived)]


def left_to_record(config):
    """Return the notebooks that need no run now."""
    named = {Path(argument.split("::")[0]).resolve() for argument in config.args}
    if config.getoption("prove_all", True) or config.getoption("topic", None):
        return set()
    paths = checks.notebooks(ROOT)
    return {
        path
        for path in set(paths) - set(in_rotation(paths, commits())) - named
        if proven.is_proven(config, *proof_of(path))
    }


def commits():
    """Return how many commits the checkout has; 0 outside git."""
    command = ["git", "rev-list", "--count", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else 0


def in_rotation(paths, number):
    """Return the notebooks whose turn it is at a number of commits.

    >>> in_rotation(["a", "b", "c", "d"], 0), in_rotation(["a", "b", "c", "d"], 1)
    (['a', 'b', 'c'], ['d', 'a', 'b'])
    """
    first = number * IN_ROTATION
    return [
        paths[(first + i) % len(paths)] for i in range(min(IN_ROTATION, len(paths)))
    ]


@functools.cache
def proof_of(path):
    """Return kind, name and value under which a notebook is recorded as proven."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell.source for cell in notebook.cells if checks.is_run(cell)]
    solutions = [s for e in exercise_markup.exercises(notebook) for s in e.solutions]
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    shown = hashlib.sha256(json.dumps(outputs, sort_keys=True).encode())
    name = f"{path.parent.name}/{path.stem} on {' '.join(this_processor().values())}"
    value = inputs.hash_of([*cells, *solutions], ROOT)
    return "notebooks", name, f"{value} {shown.hexdigest()[:16]}"


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

    def __init__(self, **rest):
        super().__init__(**rest)
        self.compared, self.outside = 0, []

    @functools.cached_property
    def same_class(self):
        """Whether this processor is of the class that stored the notebook."""
        return self.nb.metadata.get("genai", {}).get("processor") == this_processor()

    @functools.cached_property
    def seeds(self):
        """What each seed of the evidence printed, by cell; empty if not measured."""
        target = self.path.with_suffix(".evidence.json")
        parts = json.loads(target.read_text("utf-8")) if target.is_file() else {}
        return parts.get("cpu", {}).get("numbers", {})

    def setup(self):
        """Start the kernel with the variables that stored outputs were made with."""
        with kernel_environment():
            super().setup()

    def collect(self):
        """Yield one item per code cell, per stub and per solution.

        Cells count from 1 and Markdown cells count, as in their ids.
        """
        items = list(self._items())
        if self.path.is_relative_to(ROOT):
            run = [item for item in items if not item.is_waived()]
            for item in run:
                proven.record(item, *proof_of(self.path), parts=len(run))
        return items

    def _items(self):
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
        yield NumbersItem.from_parent(self, name=NUMBERS)
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


class NumbersItem(pytest.Item):
    """How many measured numbers lie outside their intervals on another processor."""

    def runtest(self):
        """Allow one number of the notebook, or 2 %, to lie outside."""
        compared, outside = self.parent.compared, self.parent.outside
        self.user_properties.append(("numbers", report_of(self.parent)))
        if len(outside) > approximate.may_lie_outside(compared):
            pytest.fail("\n".join(outside), pytrace=False)

    def is_waived(self):
        """Return False: it always runs."""
        return False

    def reportinfo(self):
        """Name the notebook."""
        return self.path, None, f"{self.path.name}: {self.name}"


def report_of(notebook):
    """Say how the numbers of a notebook were compared, in one line."""
    name = notebook.path.stem
    if notebook.same_class:
        return f"{name}: stored on this class of processor; numbers compared within 10%"
    if not notebook.seeds:
        return f"{name}: stored on another class of processor; claims and form compared"
    lines = "".join(f"; {line}" for line in notebook.outside)
    return (
        f"{name}: stored on another class of processor; {notebook.compared} numbers "
        f"compared with the seeds, {len(notebook.outside)} outside{lines}"
    )


class NotebookCell(IPyNbCell):
    """A code cell whose measured numbers are compared within what they may differ."""

    def is_waived(self):
        """Tell whether the cell carries a tag that keeps it from being run."""
        return self.options["skip"]

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
        if not isinstance(s, str):
            return s
        if not self.parent.same_class:
            s = OF_TRAINING.sub("OF TRAINING", s)
        return super().sanitize(approximate.mask(s))

    def compare_outputs(self, test, ref, skip_compare=None):
        """Compare exactly what is exact, then the measured numbers, then metadata."""
        if not super().compare_outputs(test, ref, skip_compare):
            return False
        problems = _metadata_differences(ref, test, self.parent.same_class)
        if self.parent.same_class:
            for stored, new in zip(_texts(ref), _texts(test), strict=True):
                problems += approximate.differences(stored, new)
        else:
            problems += self.compare_with_seeds(test)
        self.comparison_traceback = problems
        return not problems

    def compare_with_seeds(self, outputs):
        """Count the numbers outside what the seeds gave; return what has no seeds."""
        seeds = self.parent.seeds.get(self.cell.get("id"), None)
        new = [x for text in measured_texts(outputs) for x in approximate.values(text)]
        if not self.parent.seeds or seeds is None and not new:
            return []
        if seeds is None or len(seeds[0]) != len(new):
            return [f"evidence is older: make evidence TOPIC={self.parent.path.stem}"]
        for value, drawn in zip(new, zip(*seeds, strict=True), strict=True):
            between = approximate.interval(drawn)
            if between is None:
                continue
            self.parent.compared += 1
            if not between[0] <= value <= between[1]:
                self.parent.outside.append(
                    f"{self.name}: ≈ {value:g} is not in {between[0]:.3g} to "
                    f"{between[1]:.3g}, where the seeds put it"
                )
        return []

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


def _metadata_differences(stored, new, same_class):
    """Compare claims, alt texts and the number of pictures; nbval passes over them."""
    old, fresh = _displayed(stored), _displayed(new)
    if len(old) != len(fresh):
        return [f"stored output shows {len(old)} objects, now there are {len(fresh)}"]
    return [
        problem
        for before, after in zip(old, fresh, strict=True)
        for key in ("genai_claim", *PICTURES)
        for problem in _differences(
            before.metadata.get(key), after.metadata.get(key), key, same_class
        )
    ]


def _displayed(outputs):
    return [output for output in outputs if "metadata" in output]


def _differences(stored, new, name, same_class):
    if isinstance(stored, dict) and isinstance(new, dict):
        return [
            problem
            for key in sorted(stored.keys() | new.keys())
            for problem in _differences(
                stored.get(key), new.get(key), f"{name}: {key}", same_class
            )
        ]
    if isinstance(stored, str) and isinstance(new, str):
        if approximate.mask(stored) == approximate.mask(new):
            return approximate.differences(stored, new) if same_class else []
    elif name.endswith(": value") and _are_numbers(stored, new):
        if not same_class or approximate.agree(stored, new):
            return []
    return [] if stored == new else [f"{name}: stored {stored!r}, now {new!r}"]


def _are_numbers(*values):
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def pytest_terminal_summary(terminalreporter, config):
    """Say how the numbers of each notebook were compared, and what did not run."""
    lines = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == "numbers" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured numbers")
        for line in sorted(lines):
            terminalreporter.line(line)
    if left := config.stash[LEFT] & asked_for(config):
        names = ", ".join(sorted(path.stem for path in left))
        terminalreporter.section("left to the record of tests/proven.json")
        terminalreporter.line(f"notebooks: {names} (make test ALL=1 runs all)")


def asked_for(config):
    """Return the notebooks in the folders that a session was asked for."""
    folders = {Path(argument.split("::")[0]).resolve() for argument in config.args}
    paths = checks.notebooks(ROOT)
    return {path for path in paths if folders & set(path.parents)}
