"""Checkers for the exercises of chapters/genres/encoder_decoder.ipynb."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.exercises import as_number, checker
from genai_lib.genres.encoder_decoder import corrupt_spans, smoothed_cross_entropy

TOLERANCE = 1e-5


@checker
def check_whole_answers(function: Callable[[float, int], float]):
    """Check `function(right, tokens)`: the probability that a whole answer is right."""
    cases = ((0.99, 12), (0.5, 3), (1.0, 40), (0.9, 1), (0.0, 5), (0.97, 64))
    for right, tokens in cases:
        found = as_number(function(right, tokens))
        if found is None:
            return "a finite number is wanted"
        wanted = right**tokens
        if math.isclose(found, wanted, abs_tol=TOLERANCE):
            continue
        if math.isclose(found, 1 - (1 - right) ** tokens):
            return (
                "this is the probability that at least one token is right; all must be"
            )
        return (
            f"with {tokens} tokens, each right with probability {right}, it should be "
            f"{wanted:.4f}, not {found:.4f}"
        )
    return None


@checker
def check_smoothed_loss(function: Callable[[Tensor, Tensor, float], Tensor]):
    """Check `function(logits, target, smoothing)`: the loss; 0 is the pad token."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(3, 5, 7, generator=generator)
    full = torch.randint(1, 7, (3, 5), generator=generator)
    target = full.clone()
    target[0, 2:], target[1, 4:] = 0, 0
    far, few = 1000 * logits, logits[:1, :2, :4]
    cases = (
        (logits, full, 0.0),
        (logits, full, 0.1),
        (logits, target, 0.0),
        (logits, target, 0.3),
        (far, target, 0.1),
        (few, torch.tensor([[3, 0]]), 0.2),
        (few, torch.tensor([[1, 2]]), 0.5),
    )
    for logits, tokens, smoothing in cases:
        problem = _problem_of_loss(function, logits, tokens, smoothing)
        if problem:
            return problem
    return None


def _problem_of_loss(
    function: Callable, logits: Tensor, tokens: Tensor, smoothing: float
) -> str | None:
    found = as_number(function(logits.clone(), tokens.clone(), smoothing))
    if found is None:
        return "a finite number is wanted"
    wanted = smoothed_cross_entropy(logits, tokens, smoothing).item()
    if math.isclose(found, wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        return None
    mistakes = {
        smoothed_cross_entropy(logits, tokens, smoothing, -1).item(): (
            "padding counts; leave it out"
        ),
        _spread_elsewhere(logits, tokens, smoothing): (
            "ε is spread over the other tokens only; spread it over all V"
        ),
        smoothed_cross_entropy(logits, tokens, 0.0).item(): "nothing is smoothed",
    }
    for value, message in mistakes.items():
        if math.isclose(found, value, abs_tol=TOLERANCE):
            return message
    case = f"smoothing {smoothing}" + (" and padding" if (tokens == 0).any() else "")
    return f"with {case} the loss should be {wanted:.4f}, not {found:.4f}"


def _spread_elsewhere(logits: Tensor, target: Tensor, smoothing: float) -> float:
    """Return the loss with 1 - ε for the label and ε / (V - 1) for the others."""
    size = logits.shape[-1]
    larger = smoothing * size / (size - 1)
    return smoothed_cross_entropy(logits, target, larger).item()


@checker
def check_fill_in(function: Callable[[list[int], list[int], int], list[int]]):
    """Check `function(source, target, first_sentinel)`: the restored text.

    Sentinels are the tokens from `first_sentinel` on; 1 ends source and target.
    """
    generator = torch.Generator().manual_seed(0)
    for length, rate, first in ((7, 0.15, 50), (30, 0.3, 50), (40, 0.6, 90)):
        text = torch.randint(2, first, (1, length), generator=generator)
        source, target = corrupt_spans(text, first, 1, rate, generator=generator)
        wanted = text[0].tolist()
        found = function(source[0].tolist(), target[0].tolist(), first)
        found = [int(x) for x in found]
        if any(token >= first for token in found):
            return "sentinels are left in the text; replace them by their spans"
        if 1 in found:
            return "the end token is left in the text"
        if sorted(found) == sorted(wanted) and found != wanted:
            return "the tokens are right, but their order is not"
        if found != wanted:
            return f"a text of {length} tokens is not restored"
    return None
