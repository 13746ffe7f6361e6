"""The figure of the chapter on adaptive temperature shows what the library computes."""

import math
from functools import partial

import numpy
import pytest
import torch

from genai_lib.components import adaptive_temperature as library
from genai_lib.components.adaptive_temperature import (
    adaptive_temperature_softmax,
    inverse_temperature,
    scalable_softmax,
    sparsemax,
)
from genai_lib.components.adaptive_temperature import figure as live
from genai_lib.components.adaptive_temperature.exercises import check_adaptive_softmax
from genai_lib.components.softmax import entropy, softmax
from tests.live.states import check_states, random_state


def winner_among_many_numbers(state):
    items = math.floor(4 * 2 ** (state["items_step"] / 12) + 0.5)
    logits = torch.zeros(items, dtype=torch.float64)
    logits[0] = state["gap"]
    normalizers = {
        "softmax": softmax,
        "adaptive": adaptive_temperature_softmax,
        "SSMax": partial(scalable_softmax, scale=0.43),
        "sparsemax": sparsemax,
    }
    spread = entropy(softmax(logits))
    return {
        "winner": normalizers[state["normalizer"]](logits, dim=-1)[0].item(),
        "softmax": softmax(logits)[0].item(),
        "bound": min(1.0, math.exp(state["gap"]) / items),
        "entropy": spread.item(),
        "β": inverse_temperature(spread).item(),
    }


NUMBERS = {"winner_among_many": winner_among_many_numbers}


FIGURE = live.winner_among_many()
ITEMS, GAP, NORMALIZER = FIGURE.controls
START = {control.param: control.value for control in FIGURE.controls}


def draw(figure, random):
    """Draw gaps on both sides of 1, where the bound begins to hold, more often."""
    state = random_state(figure, random)
    return state | {"gap": random.choice([1, 0.95, state["gap"]])}


def test_random_states_give_the_numbers_of_the_library(request):
    make, library = live.winner_among_many, winner_among_many_numbers
    check_states(request, make, library, draw=draw)


@pytest.mark.parametrize("normalizer", NORMALIZER.options)
@pytest.mark.parametrize("step", [0, ITEMS.maximum])
def test_the_ends_of_the_slider_are_4_and_4096_items(normalizer, step):
    state = {"items_step": step, "gap": 5.0, "normalizer": normalizer}
    assert FIGURE.evaluate(**state) == pytest.approx(
        winner_among_many_numbers(state), rel=0, abs=1e-9
    )
    assert winner_among_many_numbers(state)["entropy"] < {0: 0.2, 120: 8.3}[step]


def test_the_start_state_is_the_one_described():
    numbers = FIGURE.evaluate()
    assert numbers == pytest.approx(winner_among_many_numbers(START), abs=1e-12)
    assert numbers["winner"] > 0.95
    assert numbers["softmax"] == pytest.approx(0.54, abs=0.01)
    assert 1 < numbers["β"] < 2.42


def test_the_adaptive_softmax_switches_itself_off():
    many = FIGURE.evaluate(items_step=ITEMS.maximum)
    assert many["entropy"] > 5.95
    assert many["β"] == 1
    assert many["winner"] == many["softmax"] < many["bound"]


def test_the_caption_and_the_checker_name_the_root_of_the_polynomial():
    coefficients = numpy.array(live.POLYNOMIAL)
    coefficients[-1] -= 1
    last = max(numpy.roots(coefficients).real)
    assert f"Past {last:.2f} nats it is 1" in FIGURE.caption

    def wrong_for_many(logits):
        temper = 1 if logits.shape[1] == 40 else 0.5
        return temper * library.adaptive_temperature_softmax(logits)

    verdict = check_adaptive_softmax(wrong_for_many)
    assert f"above {last:.2f} nats" in verdict.message


def test_the_constants_are_those_of_the_library():
    assert live.POLYNOMIAL == library.ENTROPY_POLYNOMIAL
    assert live.LEAST_ENTROPY == library.LEAST_ENTROPY
    assert library.ScalableSoftmax().scale.item() == pytest.approx(live.SCALE)
