"""The figure of the inference chapter shows what the library computes."""

from random import Random

import pytest

from genai_lib.data import load_documentation
from genai_lib.data.next_tokens import BEGINNINGS, make
from genai_lib.live.inference import next_tokens, stored, visible
from tests.live.reference import next_tokens_numbers, random_state

FIGURE = next_tokens()
START = {control.param: control.value for control in FIGURE.controls}


@pytest.mark.parametrize("part", range(2))
def test_random_states_give_the_numbers_of_the_library(part):
    random = Random(part)
    for _ in range(50):
        state = random_state(FIGURE, random)
        wanted = next_tokens_numbers(state)
        assert FIGURE.evaluate(**state) == pytest.approx(wanted, rel=0, abs=1e-6), state


def test_the_start_state_is_the_one_described():
    wanted = next_tokens_numbers(START)
    assert FIGURE.evaluate() == pytest.approx(wanted, rel=0, abs=1e-12)


def test_one_setting_keeps_one_token_here_and_many_there():
    open_, sure = FIGURE.controls[0].options
    assert FIGURE.evaluate(context=sure)["tokens kept"] == 1
    assert FIGURE.evaluate(context=open_)["tokens kept"] >= 20


def test_ties_with_the_last_of_k_are_kept():
    tied = {"a": 1.0, "b": 0.5, "c": 0.5, "d": 0.0}
    figure = next_tokens({"tied": tied, "other": tied})
    assert figure.evaluate(top_k=2, top_p=1)["tokens kept"] == 3


def test_the_stored_logits_are_those_of_the_small_model():
    made = make()
    assert made.keys() == stored().keys()
    for name, logits in made.items():
        assert list(logits) == list(stored()[name])
        wanted = list(stored()[name].values())
        assert list(logits.values()) == pytest.approx(wanted, abs=1e-3)


def test_the_beginnings_are_not_in_the_training_text():
    text = load_documentation().train
    assert not any(beginning in text for beginning in BEGINNINGS.values())


def test_signs_are_told_apart():
    for logits in stored().values():
        assert len({visible(token) for token in logits}) == len(logits)


@pytest.mark.parametrize("contexts", [{}, {"a": {"x": 1.0}}, {"a": {}, "b": {"x": 1}}])
def test_contexts_without_tokens_are_named(contexts):
    with pytest.raises(ValueError, match="contexts="):
        next_tokens(contexts)
