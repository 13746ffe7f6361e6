"""What passed last time, and with which inputs: `tests/proven.json`.

The file holds for each kind of thing ("figures", "notebooks") and each name the hash
of the inputs with which its tests last passed. What is recorded there with its present
hash needs less proof. A test that proves something says so before it starts:

    record(request.node, "figures", "temperature", value)

The report of the test carries that to the controller of the session, which writes the
file once, at the end, and only what was proven: every one of the `parts` tests that
carry a name passed. A failure takes the name out of the file, so that a broken thing
is proven in full again even if its inputs are put back.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "tests" / "proven.json"
PROPERTY = "proven"


def read(file: Path = FILE) -> dict[str, dict[str, str]]:
    """Return the recorded hashes by kind and name; nothing is recorded at first."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def is_proven(config: pytest.Config, kind: str, name: str, value: str) -> bool:
    """Tell whether the tests of a thing passed with these inputs; never with --all."""
    recorded = {} if config.getoption("prove_all") else read()
    return recorded.get(kind, {}).get(name) == value


def record(item: pytest.Item, kind: str, name: str, value: str, parts: int = 1) -> None:
    """Let a test that passes count as a proof.

    Parameters
    ----------
    item : pytest.Item
        The test, which has not run yet; ``request.node`` inside of it.
    kind, name : str
        The thing that is proven.
    value : str
        The hash of its inputs.
    parts : int, default=1
        How many tests must carry this name and pass, so that a session of a few cells
        does not prove a notebook.
    """
    item.user_properties.append((PROPERTY, [kind, name, value, parts]))


def updated(recorded: dict, reports: Sequence[pytest.TestReport]) -> dict:
    """Return the record after the reports of a session.

    Parameters
    ----------
    recorded : dict
        As `read` returns it.
    reports : sequence of TestReport
        The reports of all phases of the tests that `record` something.
    """
    passed: dict[tuple, set[str]] = {}
    failed = set()
    for report in reports:
        for key in carried(report):
            if report.failed:
                failed.add(key[:2])
            elif report.when == "call" and report.passed:
                passed.setdefault(key, set()).add(report.nodeid)
    result = {kind: dict(names) for kind, names in recorded.items()}
    for (kind, name, value, parts), tests in passed.items():
        if len(tests) >= parts:
            result.setdefault(kind, {})[name] = value
    for kind, name in failed:
        result.get(kind, {}).pop(name, None)
    return result


def carried(report: pytest.TestReport) -> list[tuple]:
    """Return what a report says to be proven: kind, name, value and parts."""
    return [tuple(v) for name, v in report.user_properties if name == PROPERTY]


def write(record: dict, file: Path = FILE) -> None:
    """Replace the file in one step, so that it is never seen half written."""
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def pytest_addoption(parser):
    """Add the option."""
    parser.addoption(
        "--all",
        dest="prove_all",
        action="store_true",
        help="prove everything in full, whatever tests/proven.json holds",
    )


def pytest_configure(config):
    """Collect reports where they all arrive: in the controller of a session."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Keeper(), "keeper-of-proofs")


class Keeper:
    """Holds the reports that prove something until the session ends."""

    def __init__(self):
        self.reports = []

    def pytest_runtest_logreport(self, report):
        """Keep a report that carries a proof."""
        if carried(report):
            self.reports.append(report)

    def pytest_sessionfinish(self):
        """Write the record if this session changed it."""
        before = read()
        after = updated(before, self.reports)
        if after != before:
            write(after)
