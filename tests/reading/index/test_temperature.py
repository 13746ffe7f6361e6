"""The figure of temperature is equal to the library's softmax."""

import math

import torch

from genai_lib.components.softmax import entropy, softmax
from genai_lib.live.distribution import LAST_STEP, MIDDLE_STEP, STEPS_PER_DECADE
from genai_lib.reading.index.temperature import WORD_LOGITS, temperature
from tests.live.states import check_states


def temperature_at(step):
    if step == LAST_STEP:
        return math.inf
    return 10 ** ((step - MIDDLE_STEP) / STEPS_PER_DECADE) if step else 0.0


def temperature_numbers(state):
    logits = torch.tensor(list(WORD_LOGITS.values()), dtype=torch.float64)
    weights = softmax(logits, temperature=temperature_at(state["theta_step"]))
    numbers = dict(zip(WORD_LOGITS, weights.tolist(), strict=True))
    return numbers | {"entropy": entropy(weights).item()}


NUMBERS = {"temperature": temperature_numbers}


def test_figure_is_equal_to_the_library(request):
    check_states(request, temperature, temperature_numbers)
