"""Checkers for the exercises of chapters/components/softmax.ipynb."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genai_lib.components.softmax import softmax
from genai_lib.exercises import as_number, as_tensor_like, checker


@checker
def check_stable_softmax(function: Callable[[Sequence[float], float], list]):
    """Check `function(logits, temperature)`: a softmax of a list of numbers.

    It must survive large logits and give the arg max, ties shared, at temperature 0.
    """
    cases = [([2.0, 1.0, 0.0], 1.0), ([2.0, 1.0, 0.0], 0.5), ([1.0, 1.0, -3.0], 4.0)]
    for logits, temperature in cases:
        if problem := _differs(function, logits, temperature):
            return problem
    if _differs(function, [1000.0, 999.0], 1.0):
        return "for logits [1000, 999] the weights are wrong: subtract the largest"
    if _fails(function, [-1000.0, -999.0], 1.0):
        return "for logits [-1000, -999] the weights are wrong: subtract the largest"
    if problem := _differs(function, [3.0, 1.0, 0.0], 0.0):
        return f"at temperature 0, {problem}"
    if _differs(function, [2.0, 2.0, 1.0], 0.0):
        return "at temperature 0 tied logits must share the weight: [1/2, 1/2, 0]"
    # A very small lead, but not a tie, even in 32 bits.
    if _differs(function, [1e-30, 0.0], 0.0):
        return "at temperature 0 even the smallest lead takes all: do not divide"
    return None


@checker
def check_retemper(function: Callable[[Tensor, float], Tensor]):
    """Check `function(probabilities, temperature)`: a new temperature without logits.

    Given p = softmax(z), it returns softmax(z/θ).
    """
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.5, 0.5, 0.0, -4.0]])
    for temperature in (1.0, 0.5, 3.0):
        given = softmax(logits, dim=-1)
        wanted = softmax(logits, temperature, dim=-1)
        found = as_tensor_like(function(given, temperature), wanted)
        if found is None:
            return f"a tensor of shape {tuple(wanted.shape)} is wanted"
        wrong = softmax(logits, 1 / temperature, dim=-1)
        if temperature != 1.0 and torch.allclose(found, wrong, atol=1e-5):
            return "the exponent is θ where 1/θ is wanted"
        if not torch.allclose(found.sum(-1), torch.ones(2), atol=1e-5):
            return f"at temperature {temperature} the rows do not sum to one"
        if not torch.allclose(found, wanted, atol=1e-5):
            return f"at temperature {temperature} the probabilities are wrong"
    return None


@checker
def check_temperature_of_odds(function: Callable[[float, float], float]):
    """Check `function(gap, odds)`: the θ at which a gap of logits gives these odds."""
    for gap, odds in ((2.0, 9.0), (1.0, 1.5), (5.0, 1000.0)):
        found = as_number(function(gap, odds))
        wanted = gap / math.log(odds)
        if found is None:
            return f"for gap {gap} and odds {odds} a finite number is wanted"
        if math.isclose(found, 1 / wanted, rel_tol=1e-6):
            return "this is 1/θ, the inverse temperature"
        if not math.isclose(found, wanted, rel_tol=1e-6):
            back = math.exp(gap / found)
            return f"θ = {found:.3g} gives odds of {back:.3g} for gap {gap}, not {odds}"
    return None


def _differs(function: Callable, logits: list[float], temperature: float) -> str:
    wanted = softmax(torch.tensor(logits, dtype=torch.double), temperature).tolist()
    found = [float(weight) for weight in function(logits, temperature)]
    if len(found) != len(wanted):
        return f"{len(wanted)} weights are wanted for {logits}, not {len(found)}"
    if all(abs(f - w) < 1e-6 for f, w in zip(found, wanted, strict=True)):
        return ""
    shown = [round(weight, 4) for weight in wanted]
    return f"softmax of {logits} should be {shown}"


def _fails(function: Callable, logits: list, temperature: float) -> bool:
    """Tell whether the result differs; an error of the function counts as different."""
    try:
        return bool(_differs(function, logits, temperature))
    except ZeroDivisionError:
        return True
