"""The figure of the chapter on softmax_one shows what the library computes."""

import pytest
import torch

from genai_lib.components.softmax import softmax
from genai_lib.components.softmax_one import (
    clipped_softmax,
    softmax_one,
    softmax_with_sink,
)
from genai_lib.components.softmax_one import figure as live
from tests.live.states import check_states


def attention_given_away_numbers(state):
    logits = torch.tensor(
        [state[f"logit_{key}"] for key in "ABCD"], dtype=torch.float64
    )
    logits = logits + state["shift"]
    powers = (logits - logits.max()).exp()
    weights = {
        "softmax": softmax(logits),
        "softmax_one": softmax_one(logits),
        "with sink s": softmax_with_sink(logits, float(state["sink"])),
        "clipped γ": clipped_softmax(logits, float(state["gamma"])),
        "wrong: m + 1": powers / (1 + powers.sum()),
    }
    return {
        f"{name}, {key}": weight
        for name, row in weights.items()
        for key, weight in zip(
            [*"ABCD", "all"], [*row.tolist(), row.sum().item()], strict=True
        )
    }


NUMBERS = {"attention_given_away": attention_given_away_numbers}


FIGURE = live.attention_given_away()
START = {control.param: control.value for control in FIGURE.controls}


def test_random_states_give_the_numbers_of_the_library(request):
    check_states(request, live.attention_given_away, attention_given_away_numbers)


def test_the_start_state_is_the_one_described():
    numbers = FIGURE.evaluate()
    assert numbers == pytest.approx(attention_given_away_numbers(START), abs=1e-12)
    assert len(numbers) == 5 * 5
    assert numbers["softmax, all"] == pytest.approx(1)
    assert numbers["softmax_one, all"] == pytest.approx(0.82, abs=0.01)


def test_low_logits_silence_softmax_one_and_not_the_bug():
    low, high = (FIGURE.evaluate(shift=c) for c in (live.LOWEST, live.HIGHEST))
    assert low["softmax_one, all"] < 1e-4
    assert high["softmax_one, all"] > 0.999
    assert low["softmax, all"] == pytest.approx(high["softmax, all"]) == 1
    wrong = "wrong: m + 1, all"
    assert low[wrong] == pytest.approx(high[wrong])
    assert 0.5 < low[wrong] < 0.8


def test_a_sink_of_zero_is_softmax_one_and_no_clip_is_softmax():
    numbers = FIGURE.evaluate(sink=0, gamma=0)
    for key in (*live.KEYS, "all"):
        assert numbers[f"with sink s, {key}"] == numbers[f"softmax_one, {key}"]
        assert numbers[f"clipped γ, {key}"] == pytest.approx(numbers[f"softmax, {key}"])
