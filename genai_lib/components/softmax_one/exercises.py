"""Checkers for the exercises of chapters/components/softmax_one.ipynb."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.components.softmax_one import fake_quantize, softmax_one
from genai_lib.exercises import as_number, as_tensor_like, checker


@checker
def check_silent_logit(function: Callable[[int, float], float]):
    """Check `function(items, mass)`: the logit of equal items that get this mass.

    The mass is the sum of the weights that softmax_one gives.
    """
    for items, mass in ((1, 0.5), (16, 0.001), (1024, 0.001), (10, 0.9)):
        found = as_number(function(items, mass))
        if found is None:
            return f"for {items} items and mass {mass} a finite number is wanted"
        logits = torch.full((items,), found, dtype=torch.double)
        given = softmax_one(logits, dim=-1).sum().item()
        if not math.isclose(given, mass, rel_tol=1e-6):
            return (
                f"{items} logits of {found:.4g} get the mass {given:.4g} together, "
                f"not {mass}"
            )
    return None


@checker
def check_softmax_one(function: Callable[[Tensor], Tensor]):
    """Check `function(logits)`: softmax_one over the last dimension."""
    logits = torch.tensor([[2.0, 1.0, -1.0], [-3.0, -4.0, -3.5]])
    if problem := _differs(function, logits):
        return problem
    if _differs(function, torch.tensor([[300.0, 299.0]])):
        return "logits of 300 overflow: subtract the largest before exp"
    if _differs(function, torch.tensor([[-300.0, -299.0]])):
        return "logits of -300 should get weight 0: shift by max(largest, 0)"
    if _differs(function, torch.full((1, 3), -math.inf)):
        return "a row of -∞ should get zeros"
    return None


@checker
def check_quantize(function: Callable[[list[float], int], list[float]]):
    """Check `function(numbers, bits)`: symmetric rounding of a list of numbers."""
    cases = [([0.1, 1.0, 7.0], 4), ([0.6, -1.7, 7.0], 4)]
    cases += [([-2.54, 0.3, 1.0], 8), ([0.0, 0.0], 8)]
    for numbers, bits in cases:
        x = torch.tensor(numbers, dtype=torch.double)
        wanted = fake_quantize(x, bits).tolist()
        found = [float(number) for number in function(numbers, bits)]
        if len(found) != len(wanted):
            return f"{len(wanted)} numbers are wanted for {numbers}"
        if not all(map(math.isfinite, found)):
            return f"{numbers} gives a number that is not finite: is the step 0?"
        if max(abs(f - w) for f, w in zip(found, wanted, strict=True)) > 1e-6:
            shown = [round(number, 4) for number in wanted]
            return f"{numbers} in {bits} bits should be {shown}"
    return None


def _differs(function: Callable, logits: Tensor) -> str:
    wanted = softmax_one(logits, dim=-1)
    found = as_tensor_like(function(logits), wanted)
    if found is None:
        return f"a tensor of shape {tuple(wanted.shape)} is wanted"
    if torch.allclose(found, wanted, atol=1e-5):
        return ""
    powers = (logits - logits.amax(-1, keepdim=True)).exp()
    wrong = powers / (1 + powers.sum(-1, keepdim=True))
    if torch.allclose(found, wrong, atol=1e-5):
        return "the 1 was added after the shift: there it must be exp(-m)"
    if torch.allclose(found.sum(-1), torch.ones(len(found)), atol=1e-5):
        return "the weights sum to one: this is softmax"
    return "the weights are wrong"
