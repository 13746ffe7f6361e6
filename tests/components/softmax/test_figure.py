"""The specifications compute what the library computes."""

import math
import re

import numpy as np
import pytest
import torch

from genai_lib.components.softmax import entropy, softmax
from genai_lib.components.softmax.figure import NAMES, logits_and_temperature
from genai_lib.live.distribution import LAST_STEP, MIDDLE_STEP, STEPS_PER_DECADE
from genai_lib.live.specification import draw_panel
from tests.live.states import check_states


def temperature_at(step):
    if step == LAST_STEP:
        return math.inf
    return 10 ** ((step - MIDDLE_STEP) / STEPS_PER_DECADE) if step else 0.0


def logits_and_temperature_numbers(state):
    logits = torch.tensor(
        [state[f"logit_{name}"] for name in NAMES], dtype=torch.float64
    )
    theta = temperature_at(state["theta_step"])
    weights = softmax(logits + state["shift"], temperature=theta)
    three = softmax(logits[:3] + state["shift"], temperature=theta)
    return {
        **dict(zip(NAMES, weights.tolist(), strict=True)),
        "entropy": entropy(weights).item(),
        **{
            f"{name} of three": weight
            for name, weight in zip(NAMES[:3], three.tolist(), strict=True)
        },
    }


NUMBERS = {"logits_and_temperature": logits_and_temperature_numbers}


@pytest.mark.parametrize("name", NUMBERS)
def test_random_states_give_the_numbers_of_the_library(request, name):
    check_states(request, logits_and_temperature, NUMBERS[name])


@pytest.mark.parametrize("name", NUMBERS)
def test_start_state_gives_the_numbers_of_the_library(name):
    figure = logits_and_temperature()
    state = {control.param: control.value for control in figure.controls}
    wanted = NUMBERS[name](state)
    assert figure.evaluate() == pytest.approx(wanted, rel=0, abs=1e-12)


def test_all_logits_tied_stay_even_at_zero():
    logits = {f"logit_{name}": 1.3 for name in "ABCDE"}
    figure = logits_and_temperature()
    numbers = figure.evaluate(theta_step=0, shift=-37, **logits)
    assert [numbers[name] for name in "ABCDE"] == [0.2] * 5
    assert numbers["A of three"] == pytest.approx(1 / 3, abs=1e-15)


def test_a_nudge_at_zero_takes_all():
    figure = logits_and_temperature()
    tied = figure.evaluate(theta_step=0, logit_A=1.0, logit_B=1.0)
    nudged = figure.evaluate(theta_step=0, logit_A=1.0, logit_B=1.1)
    assert (tied["A"], tied["B"]) == (0.5, 0.5)
    assert (nudged["A"], nudged["B"]) == (0.0, 1.0)


def test_infinity_is_exactly_even():
    numbers = logits_and_temperature().evaluate(theta_step=202, logit_E=5)
    assert [numbers[name] for name in "ABCDE"] == [0.2] * 5


def test_the_shift_moves_nothing():
    figure = logits_and_temperature()
    assert figure.evaluate(shift=77) == pytest.approx(figure.evaluate(), abs=1e-12)


def drawn_dot(**state):
    """Return the dot's place on the triangle as weights of A, B and C."""
    figure = logits_and_temperature()
    values = {control.param: control.value for control in figure.controls} | state
    drawing = draw_panel(figure.panels[-1], values, width=340)
    number = r"(-?[\d.]+)"
    corners = re.search(
        rf'd="M{number},{number}L{number},{number}L{number},{number}L', drawing
    )
    dot = re.search(rf'"A of three[^>]*translate\({number},{number}\)', drawing)
    a, b, c = np.array(corners.groups(), dtype=float).reshape(3, 2)
    place = np.array(dot.groups(), dtype=float)
    weights = np.linalg.solve(
        np.vstack([np.stack([a, b, c], axis=1), np.ones(3)]), [*place, 1]
    )
    return weights, figure.evaluate(**state)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"theta_step": 0},
        {"theta_step": 0, "logit_A": 1.0},
        {"theta_step": 130, "logit_B": 3.0},
        {"logit_A": 5.0, "logit_C": -5.0, "theta_step": 150},
    ],
)
def test_the_dot_stands_where_its_numbers_say(state):
    weights, numbers = drawn_dot(**state)
    wanted = [numbers[f"{name} of three"] for name in "ABC"]
    assert weights == pytest.approx(wanted, abs=2e-3)
