"""The states at which figures are compared, and when they are many."""

from random import Random
from types import SimpleNamespace

import pytest

from genai_lib.components.softmax.figure import logits_and_temperature
from genai_lib.reading.index.temperature import temperature
from tests.book import proven
from tests.components.softmax.test_figure import logits_and_temperature_numbers
from tests.live import states
from tests.live.library import LIBRARY

FIGURE = logits_and_temperature()
LOGITS = [c.param for c in FIGURE.controls if c.param.startswith("logit_")]


def request(everything=False):
    """Return what `check_states` reads of a request."""
    config = SimpleNamespace(getoption={"prove_all": everything}.get)
    return SimpleNamespace(config=config, node=SimpleNamespace(user_properties=[]))


def test_ends_of_every_control_and_ties_come_first():
    found = list(states.states(FIGURE, states.FEW, states.random_state))
    assert len(found) == states.FEW
    first = found[: 2 + 2 * len(FIGURE.controls) + 1]
    for control in FIGURE.controls:
        for end in (control.minimum, control.maximum):
            assert any(state[control.param] == end for state in first)
    assert first[0] == {c.param: c.minimum for c in FIGURE.controls}
    assert first[1] == {c.param: c.maximum for c in FIGURE.controls}
    assert len({first[-1][param] for param in LOGITS}) == 1


def test_every_state_is_one_that_the_controls_can_take():
    for state in states.states(FIGURE, states.MANY, states.random_state):
        for control in FIGURE.controls:
            control.check(state[control.param])


def test_few_states_for_what_is_recorded_and_many_for_all_else(monkeypatch):
    known = states.inputs_of(temperature, LIBRARY["temperature"])
    record = {"figures": {"temperature": known}}
    for recorded, everything, number in [
        (record, False, states.FEW),
        (record, True, states.MANY),
        ({}, False, states.MANY),
        ({"figures": {"temperature": "another"}}, False, states.MANY),
    ]:
        monkeypatch.setattr(proven, "read", lambda recorded=recorded: recorded)
        asked = request(everything)
        found = states.check_states(asked, temperature, LIBRARY["temperature"])
        assert len(found) == number
        [(name, carried)] = asked.node.user_properties
        assert (name, carried[:3]) == ("proven", ["figures", "temperature", known])


def off_by_one_percent(state):
    """Return the library's numbers, one of them wrong."""
    numbers = logits_and_temperature_numbers(state)
    return numbers | {"entropy": 1.01 * numbers["entropy"]}


def test_a_number_off_by_one_percent_is_found():
    with pytest.raises(AssertionError):
        states.check_states(request(), logits_and_temperature, off_by_one_percent)


def test_the_hash_covers_the_figure_and_all_that_the_library_s_numbers_come_from(
    monkeypatch,
):
    seen = []

    def keep(texts, root):
        seen.extend(texts)

    monkeypatch.setattr(states.inputs, "hash_of", keep)
    states.inputs_of(logits_and_temperature, off_by_one_percent)
    code = "\n".join(seen)
    for function in ("off_by_one", "logits_and_temperature_n", "temperature_at"):
        assert f"FunctionDef(name='{function}" in code
    files = states.inputs.library_modules(seen, proven.ROOT)
    names = {path.relative_to(proven.ROOT / "genai_lib").as_posix() for path in files}
    ours = {"components/softmax/figure.py", "live/figure.py", "live/distribution.py"}
    assert ours <= names
    assert any(name.startswith("components/softmax") for name in names)
    assert not any(name.startswith(("genres/", "exercises/")) for name in names)


def test_draws_reach_ends_and_ties_often():
    drawn = [states.random_state(FIGURE, random) for random in [Random(0)] * 200]
    ends = sum(state["theta_step"] in (0, 202) for state in drawn)
    tied = sum(len({state[param] for param in LOGITS}) <= 3 for state in drawn)
    assert ends > 20 and tied > 20
