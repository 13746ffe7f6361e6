"""The record of what passed: written by passing tests only, and whole."""

import json
from types import SimpleNamespace

import pytest

from tests.book import proven


def report(key, outcome="passed", when="call", nodeid="a"):
    """Return the report of one phase of a test that carries a proof."""
    return SimpleNamespace(
        user_properties=[("other", 1), (proven.PROPERTY, list(key))],
        nodeid=nodeid,
        when=when,
        passed=outcome == "passed",
        failed=outcome == "failed",
    )


ONE = ("figures", "wave", "new", 1)
TWO = ("notebooks", "waves", "new", 2)


def test_what_passed_is_recorded_beside_what_was():
    before = {"figures": {"wave": "old", "rose": "same"}, "notebooks": {"a": "b"}}
    after = proven.updated(before, [report(ONE)])
    assert after == before | {"figures": {"wave": "new", "rose": "same"}}
    assert before["figures"]["wave"] == "old"


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_failure_in_any_phase_forgets_the_thing(when):
    reports = [report(ONE), report(ONE, "failed", when)]
    assert proven.updated({"figures": {"wave": "old"}}, reports) == {"figures": {}}
    assert proven.updated({"figures": {"wave": "old"}}, reports[::-1]) == {
        "figures": {}
    }


def test_a_skipped_test_and_a_mere_setup_prove_nothing():
    reports = [report(ONE, "skipped"), report(ONE, when="setup")]
    assert proven.updated({}, reports) == {}


def test_all_parts_must_pass():
    first, second = report(TWO, nodeid="a"), report(TWO, nodeid="b")
    assert proven.updated({}, [first, first]) == {}
    assert proven.updated({}, [first, second]) == {"notebooks": {"waves": "new"}}
    broken = report(TWO, "failed", nodeid="c")
    assert proven.updated({}, [first, second, broken]) == {"notebooks": {}}


def test_a_file_is_written_whole_and_read_again(tmp_path):
    file = tmp_path / "proven.json"
    assert proven.read(file) == {}
    proven.write({"figures": {"b": "2", "a": "1"}}, file)
    assert proven.read(file) == {"figures": {"a": "1", "b": "2"}}
    assert list(json.loads(file.read_text())["figures"]) == ["a", "b"]
    assert list(tmp_path.iterdir()) == [file]
