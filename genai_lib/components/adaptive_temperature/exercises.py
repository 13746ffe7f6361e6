"""Checkers for the exercises of chapters/components/adaptive_temperature.ipynb."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.components.adaptive_temperature import adaptive_temperature_softmax
from genai_lib.components.softmax import softmax
from genai_lib.exercises import as_number, as_tensor_like, checker


@checker
def check_needed_gap(function: Callable[[int, float], float]):
    """Check `function(items, weight)`: the gap that gives one winner this weight.

    One logit lies the gap above `items` - 1 equal ones.
    """
    for items, weight in ((2, 0.5), (16, 0.9), (4096, 0.9), (1000, 0.01)):
        found = as_number(function(items, weight))
        if found is None:
            return f"for {items} items and weight {weight} a finite number is wanted"
        logits = torch.zeros(items, dtype=torch.double)
        logits[0] = found
        given = softmax(logits, dim=-1)[0].item()
        if not math.isclose(given, weight, rel_tol=1e-6):
            return (
                f"with {items} items a gap of {found:.4g} gives the winner "
                f"{given:.4g}, not {weight}"
            )
    return None


@checker
def check_adaptive_softmax(function: Callable[[Tensor], Tensor]):
    """Check `function(logits)`: the paper's adaptive softmax over the last dimension.

    A masked entry has the logit -∞; no row is without any other.
    """
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([[0.5], [1.0], [3.0]])
    logits = spread * torch.randn(3, 40, generator=generator)
    if problem := _differs(function, logits):
        return problem
    # More than 5.94 nats: the polynomial is far below 1.
    if _differs(function, torch.zeros(1, 1000).index_fill(1, torch.tensor([3]), 2.0)):
        return "above 5.94 nats β must be 1: apply the clamp to the polynomial's value"
    masked = logits.clone()
    masked[:, 20:] = -math.inf
    if _differs(function, masked):
        return "masked entries are not ignored: where p is 0, p ln p must be 0"
    return None


@checker
def check_sparsemax(function: Callable[[list[float]], list[float]]):
    """Check `function(logits)`: sparsemax of a list of numbers."""
    cases = {
        (1.0, 0.5, -1.0): [0.75, 0.25, 0.0],
        (0.1, 0.0): [0.55, 0.45],
        (5.0, 1.0, 1.0): [1.0, 0.0, 0.0],
        (-3.0, -3.0, -3.0, -9.0): [1 / 3, 1 / 3, 1 / 3, 0.0],
        (0.2, 0.9, 0.7, 0.1, 0.6): [0.0, 0.5, 0.3, 0.0, 0.2],
    }
    for logits, wanted in cases.items():
        found = [float(weight) for weight in function(list(logits))]
        shown = [round(weight, 4) for weight in wanted]
        if len(found) != len(wanted):
            return f"{len(wanted)} weights are wanted for {list(logits)}"
        if not all(map(math.isfinite, found)):
            return f"the weights of {list(logits)} hold NaN or infinity"
        if abs(sum(found) - 1) > 1e-6:
            return f"the weights of {list(logits)} sum to {sum(found):.4g}, not to 1"
        if min(found) < 0:
            return f"the weights of {list(logits)} should be {shown}: none below 0"
        if max(abs(f - w) for f, w in zip(found, wanted, strict=True)) > 1e-6:
            return f"the weights of {list(logits)} should be {shown}"
    return None


def _differs(function: Callable, logits: Tensor) -> str:
    wanted = adaptive_temperature_softmax(logits, dim=-1)
    found = as_tensor_like(function(logits.clone()), wanted)
    if found is None:
        return f"a tensor of shape {tuple(wanted.shape)} is wanted"
    if not found.isfinite().all():
        return "the weights hold NaN or infinity"
    if torch.allclose(found, wanted, atol=1e-5):
        return ""
    reversed_ = adaptive_temperature_softmax(
        logits, dim=-1, polynomial=(-1.791, 4.917, -2.3, 0.481, -0.037)
    )
    if torch.allclose(found, reversed_, atol=1e-5):
        return "the polynomial is read backwards: the first number belongs to H⁴"
    if torch.allclose(found, softmax(logits, dim=-1), atol=1e-5):
        return "this is softmax: multiply the logits by β"
    if not torch.allclose(found.sum(-1), torch.ones(len(logits)), atol=1e-5):
        return "the rows do not sum to one"
    return "the weights are wrong: is the entropy in nats, and one for each row?"
