"""The comparison of notebook outputs catches every wrong digit."""

import json
import math
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import approximate, processor
from tools.common import variables
from tools.processor import this_processor

ROOT = Path(__file__).resolve().parents[2]
SHOW = "display({data!r}, raw=True, metadata={metadata!r})"


def printed(text):
    return f"print({text!r})", [new_output("stream", name="stdout", text=text + "\n")]


def shown(data, **metadata):
    source = SHOW.format(data=data, metadata=metadata)
    return source, [new_output("display_data", data, metadata=metadata)]


def html(text):
    return shown({"text/html": text, "text/plain": "<table>"})


def claim(value, *, text="✓ gain: ≈ 0.93 (at least 0.9)", at_least=0.9):
    record = {"name": "gain", "value": value, "at_least": at_least, "holds": True}
    return shown({"text/plain": text}, genai_claim=record)


def picture(alt):
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "picture"}
    return shown(data, **{"image/png": {"alt": alt}})


NOTHING = ("pass", [])
IMAGE = "<img alt='a line' src='data:image/png;base64,{}'>"
WRITING = "<p>A name</p><pre class='genai-writing'>{}</pre>"
FIGURE = "<figure><script type='application/json'>{}</script></figure>"
ENVIRONMENT = ["OMP_NUM_THREADS", "PYTHONHASHSEED", "GENAI_SEED"]
SEEN = (
    f"import os; print([os.environ.get(name) for name in {ENVIRONMENT}])",
    printed("['1', '0', None]")[1],
)
SAME = [
    (printed("12"), printed("12")),
    (printed("≈ 0.973"), printed("≈ 1.02")),
    (printed("≈ [0.12, -1.2e-05]"), printed("≈ [0.125, -1.25e-05]")),
    (printed("loss     seed\n≈ 9.9    1"), printed("loss      seed\n≈ 10.1    1")),
    (printed("≈ nan and ≈ inf"), printed("≈ nan and ≈ inf")),
    (html("<td>≈ 0.973</td>"), html("<td>≈ 0.99</td>")),
    (html(IMAGE.format("AAAA")), html(IMAGE.format("BBBB"))),
    (claim(0.93), claim(0.95, text="✓ gain: ≈ 0.95 (at least 0.9)")),
    (picture("a rising line"), picture("a rising line")),
    (html(FIGURE.format('{"y": 1.5}')), html(FIGURE.format('{"y": 1.5}'))),
    (printed("it took 3.1 s"), printed("it took 12.0 s")),
]
DIFFERENT = [
    (printed("12"), printed("13")),
    (printed("0.973"), printed("0.974")),
    (printed("≈ 0.973"), printed("≈ 0.573")),
    (printed("≈ 0.973"), printed("≈ -0.973")),
    (printed("≈ [0.12, 0.34]"), printed("≈ [0.12, 0.54]")),
    (printed("≈ [0.12, 0.34]"), printed("≈ [0.12, 0.34, 0.5]")),
    (printed("≈ 0.5 after 100 steps"), printed("≈ 0.5 after 101 steps")),
    (printed("≈ 0.5 and 1.00"), printed("≈ 0.5 and 1.01")),
    (printed("≈ 0.5"), printed("0.5")),
    (printed("≈ nan"), printed("≈ 0.5")),
    (printed("≈ inf"), printed("≈ -inf")),
    (html("<td>≈ 0.973</td>"), html("<td>≈ 0.573</td>")),
    (html("<td>0.973</td>"), html("<td>0.972</td>")),
    (claim(0.93), claim(0.93, text="✓ gain: ≈ 0.73 (at least 0.9)")),
    (claim(0.93), claim(0.73)),
    (claim(0.93), claim(0.93, at_least=0.85)),
    (picture("a rising line"), picture("a falling line")),
    (picture("a rising line"), NOTHING),
    (html(FIGURE.format('{"y": 1.5}')), html(FIGURE.format('{"y": 1.6}'))),
    (html(WRITING.format("Ada")), html(WRITING.format("Adam"))),
    (shown({"image/png": "iVBORw0KGgo="}), NOTHING),
    (printed("12"), NOTHING),
    (NOTHING, printed("12")),
]
EXERCISES = """\
### Exercise {number} ({kind}, about 5 minutes)

```python
{stub}
```

<details><summary>Solution</summary>

```python
def two():
    return {value}

check_two(two)
```

</details>
"""
CHECKER = """\
from genai_lib.exercises import checker

@checker
def check_two(function):
    if function() != 2:
        return "should be 2"
"""
STUB = "def two():\n    ..."


def exercise(number, value, *, stub=STUB, kind="build"):
    text = EXERCISES.format(number=number, value=value, stub=stub, kind=kind)
    return new_markdown_cell(text)


def stored_cells(pairs):
    return [
        new_code_cell(new[0], outputs=stored[1], execution_count=count)
        for count, (stored, new) in enumerate(pairs, 1)
    ]


# On another class of processor: what five seeds printed, what this run prints, and
# whether the cell passes. Numbers are judged together, at the end of the notebook.
ELSEWHERE = [
    (printed("12"), printed("12"), True),
    (printed("12"), printed("13"), False),
    (printed("loss ≈ 0.5"), printed("loss ≈ 0.58"), True),
    (printed("loss ≈ 0.5"), printed("gain ≈ 0.5"), False),
    (html(FIGURE.format('{"y": 1.5}')), html(FIGURE.format('{"y": 1.6}')), True),
    (html(WRITING.format("Ada")), html(WRITING.format("Adam")), True),
    (html(FIGURE.format("{}") + "12"), html(FIGURE.format("{}") + "13"), False),
    (claim(0.93), claim(0.91, text="✓ gain: ≈ 0.91 (at least 0.9)"), True),
    (claim(0.93), claim(0.93, at_least=0.85), False),
    (claim(0.93), claim(0.83, text="✗ gain: ≈ 0.83 (at least 0.9)"), False),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Run two notebooks once; return {notebook: {item: None or what went wrong}}."""
    folder = tmp_path_factory.mktemp("notebooks")
    cells = [
        new_markdown_cell("# Cases"),
        *stored_cells(SAME + DIFFERENT + [(SEEN, SEEN)]),
        new_code_cell("raise SystemError", metadata={"tags": ["skip-execution"]}),
        new_code_cell(CHECKER, execution_count=1),
        exercise(1, 2),
        exercise(2, 3),
        exercise(3, 2, stub="def two():\n    return 2"),
        exercise(4, "missing"),
        exercise(5, 3, kind="predict"),
    ]
    raising = stored_cells([(NOTHING, ("missing_name", [])), (NOTHING, NOTHING)])
    write(folder / "cases.ipynb", cells)
    write(folder / "raising.ipynb", raising)
    elsewhere = stored_cells([pair for *pair, _ in ELSEWHERE])
    write(folder / "elsewhere.ipynb", elsewhere, {"vendor": "another"})
    arms = [("left", 0.9, 0.5), ("right", 0.5, 0.9), ("level", 0.7, 0.7)]
    for name, left, right in (*arms, ("one_off", 0.9, 0.7), ("older", 0.9, 0.5)):
        new = printed(f"ours ≈ {left}, theirs ≈ {right}")
        write(
            folder / f"{name}.ipynb",
            stored_cells([(printed("ours ≈ 0.9, theirs ≈ 0.5"), new)]),
            {"vendor": "another"},
        )
        row = [[0.9, 0.5][: 1 if name == "older" else 2]]
        numbers = {"cpu": {"numbers": {"cell-1": 5 * row}}}
        (folder / f"{name}.evidence.json").write_text(json.dumps(numbers))
    return run_pytest(folder)


def write(path, cells, processor=None):
    """Write a notebook as one that this class of processor stored, or another."""
    notebook = new_notebook(cells=cells)
    notebook.metadata["genai"] = {"processor": processor or this_processor()}
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number}"
    nbformat.write(notebook, path)


def run_pytest(folder):
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-c", os.devnull]
    command += ["-p", "tests.book.proven", "-p", "tests.book.notebooks"]
    command += ["-p", "no:cacheprovider", "--nbval"]
    command += ["--nbval-sanitize-with", str(ROOT / "tests" / "sanitize.cfg")]
    command += ["--rootdir", str(folder), f"--junitxml={report}", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GENAI_SEED": "7"}
    subprocess.run(command, env=environment, cwd=folder, capture_output=True)
    found = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        notebook = case.get("classname").split(".")[0]
        found.setdefault(notebook, {})[case.get("name")] = outcome(case)
    return found


def outcome(case):
    for kind in ("failure", "error", "skipped"):
        if (found := case.find(kind)) is not None:
            return f"{kind}: {found.text}"
    return None


def item(number):
    """Return the name of the item of a case; the title is the first cell."""
    return f"Cell {number + 2}"


@pytest.mark.parametrize("number", range(len(SAME)))
def test_output_within_its_tolerance_passes(results, number):
    assert results["cases"][item(number)] is None


@pytest.mark.parametrize("number", range(len(DIFFERENT)))
def test_output_that_differs_fails_and_names_the_remedy(results, number):
    cell = item(len(SAME) + number)
    message = results["cases"][cell]

    assert message is not None
    assert "Cell outputs differ" in message
    assert message.startswith(f"failure: cases.ipynb, {cell}\n")
    assert "make notebooks TOPIC=cases" in message


def test_message_shows_the_stored_and_the_new_number(results):
    number = DIFFERENT.index((printed("≈ 0.973"), printed("≈ 0.573")))
    message = results["cases"][item(len(SAME) + number)]

    assert "stored ≈ 0.973, now ≈ 0.573 (allowed: 10% apart)" in message


def test_kernel_sees_the_variables_of_stored_outputs(results):
    number = len(SAME + DIFFERENT)

    assert results["cases"][item(number)] is None


def test_cell_with_the_tag_skip_execution_is_not_run(results):
    number = len(SAME + DIFFERENT) + 1

    assert results["cases"][item(number)].startswith("skipped")


def test_cells_after_one_that_raised_are_skipped(results):
    first, second = (results["raising"][f"Cell {number}"] for number in (1, 2))

    assert "NameError" in first
    assert second.startswith("skipped")


@pytest.mark.parametrize("number", range(len(ELSEWHERE)))
def test_another_processor_may_round_otherwise_and_do_nothing_else(results, number):
    message = results["elsewhere"][f"Cell {number + 1}"]

    assert (message is None) is ELSEWHERE[number][-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("left", None),
        ("one_off", None),
        ("right", "≈ 0.9 is not in 0.45 to 0.55, where the seeds put it"),
        ("level", "≈ 0.7 is not in 0.81 to 0.99, where the seeds put it"),
    ],
)
def test_exchanged_arms_fail_on_every_class_of_processor(results, name, message):
    found = results[name]["Measured numbers"]

    assert found is None if message is None else message in found


def test_evidence_that_is_older_than_its_notebook_is_named(results):
    message = results["older"]["Cell 1"]

    assert "evidence is older: make evidence TOPIC=older" in message


@pytest.mark.parametrize(
    ("seeds", "between"),
    [
        ([1.0, 1.0, 1.0], (0.9, 1.1)),
        ([-2.0, -2.0], (-2.2, -1.8)),
        ([0.9, 1.0, 1.1], (0.5, 1.5)),
        ([0.0, 0.0], (0.0, 0.0)),
        ([0.1, 0.9], None),
        ([-0.1, 0.1], None),
        ([1.0, math.nan], None),
        ([math.inf, math.inf], None),
    ],
)
def test_interval_is_what_the_seeds_gave_and_twice_their_range(seeds, between):
    found = approximate.interval(seeds)

    assert found is None if between is None else found == pytest.approx(between)


def test_a_sixth_draw_seldom_falls_outside():
    draws = np.random.default_rng(0).normal(10, 1, (20_000, 6))
    compared = [(approximate.interval(row[:5]), row[5]) for row in draws]
    outside = [not one[0] <= last <= one[1] for one, last in compared if one]

    assert len(outside) > 19_000
    assert 0.002 < np.mean(outside) < 0.03


def test_the_class_is_the_same_for_every_process_and_follows_the_rounding():
    plain = this_processor()
    assert processor.this_processor.__wrapped__() == plain
    steered = {**variables(), "ATEN_CPU_CAPABILITY": "default"}
    steered |= {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    command = [sys.executable, "-m", "tools.processor"]
    done = subprocess.run(
        command, cwd=ROOT, env=steered, capture_output=True, check=True
    )
    other = json.loads(done.stdout)
    assert other["vendor"] == plain["vendor"]
    assert other["rounding"] != plain["rounding"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Exercise 1 stub", None),
        ("Exercise 1 solution", None),
        ("Exercise 2 solution", "a checker rejects the solution"),
        ("Exercise 3 stub", "a checker accepts the stub"),
        ("Exercise 4 solution", "your function raised NameError"),
        ("Exercise 5 solution", "a checker rejects the solution"),
    ],
)
def test_stubs_must_be_rejected_and_solutions_accepted(results, name, message):
    found = results["cases"][name]

    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("≈ 0.973", ["0.973"]),
        ("≈-1.2e-05", ["-1.2e-05"]),
        ("≈ 10,234.5 tokens", ["10,234.5"]),
        ("≈ [[1. 2.]\n [nan -inf]]", ["1.", "2.", "nan", "-inf"]),
        ("≈ 3. Then 4", ["3"]),
        ("≈ −∞", ["−∞"]),
    ],
)
def test_measured_number_is_found_in_text(text, numbers):
    (measured,) = approximate.find(text)

    assert list(measured.numbers) == numbers


@pytest.mark.parametrize(
    "text",
    ["θ ≈ one 0.5", "≈±30% 12.1", "0.973", "≈ information", "≈ [0.1, two]", "≈ [0.1"],
)
def test_number_without_its_own_sign_is_exact(text):
    assert list(approximate.find(text)) == []
    assert approximate.mask(text) == text


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "agree"),
    [
        (1.0, 1.09, 0.1, True),
        (1.0, 1.12, 0.1, False),
        (1e-12, -1e-12, 0.1, True),
        (1e-6, 2e-6, 0.1, False),
        (0.0, 0.0, 0.0, True),
        (math.nan, math.nan, 0.1, True),
        (math.nan, 1.0, 0.1, False),
        (math.inf, math.inf, 0.1, True),
        (math.inf, -math.inf, 0.1, False),
        (math.inf, 1e300, 0.1, False),
    ],
)
def test_agreement_is_relative_with_a_floor_at_zero(a, b, tolerance, agree):
    assert approximate.agree(a, b, tolerance) is agree
    assert approximate.agree(b, a, tolerance) is agree
