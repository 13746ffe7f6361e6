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
    """Check `function(right, tokens)`: how often a whole answer is right."""
    for right, tokens in ((0.99, 12), (0.5, 3), (1.0, 40), (0.9, 1)):
        found = as_number(function(right, tokens))
        if found is None:
            return "a finite number is wanted"
        wanted = right**tokens
        if math.isclose(found, 1 - (1 - right) ** tokens) and tokens > 1 and right < 1:
            return "this is how often at least one token is right; all must be"
        if not math.isclose(found, wanted, abs_tol=TOLERANCE):
            return (
                f"with {tokens} tokens of which each is right with {right} it should "
                f"be {wanted:.4f}, not {found:.4f}"
            )
    return None


@checker
def check_smoothed_loss(function: Callable[[Tensor, Tensor, float], Tensor]):
    """Check `function(logits, target, smoothing)`: soft labels, pads left out.

    Pads are the token 0.
    """
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(3, 5, 7, generator=generator)
    target = torch.randint(1, 7, (3, 5), generator=generator)
    full = target.clone()
    target[0, 2:], target[1, 4:] = 0, 0
    for tokens, smoothing in ((full, 0.0), (full, 0.1), (target, 0.0), (target, 0.3)):
        found = as_number(function(logits, tokens, smoothing))
        if found is None:
            return "a finite number is wanted"
        wanted = smoothed_cross_entropy(logits, tokens, smoothing).item()
        if math.isclose(found, wanted, abs_tol=TOLERANCE):
            continue
        padded = bool((tokens == 0).any())
        mistakes = {
            smoothed_cross_entropy(logits, tokens, smoothing, -1).item(): (
                "pad tokens count; leave them out"
            ),
            _spread_elsewhere(logits, tokens, smoothing): (
                "the smoothing is spread over the other tokens; all V get a share"
            ),
            smoothed_cross_entropy(logits, tokens, 0.0).item(): "nothing is smoothed",
        }
        for value, message in mistakes.items():
            if math.isclose(found, value, abs_tol=TOLERANCE):
                return message
        case = f"smoothing {smoothing}" + (" and pads" if padded else "")
        return f"with {case} the loss should be {wanted:.4f}, not {found:.4f}"
    return None


def _spread_elsewhere(logits: Tensor, target: Tensor, smoothing: float) -> float:
    """Give the label 1 - ε and the others ε / (V - 1), as some texts have it."""
    size = logits.shape[-1]
    share = smoothing * size / (size - 1)
    return smoothed_cross_entropy(logits, target, share).item()


@checker
def check_fill_in(function: Callable[[list[int], list[int], int], list[int]]):
    """Check `function(source, target, first_mark)`: the text with its spans again.

    Marks are the tokens from `first_mark` on, and 1 ends a source and a target.
    """
    generator = torch.Generator().manual_seed(0)
    for length, share in ((7, 0.15), (30, 0.3), (40, 0.6)):
        text = torch.randint(2, 50, (1, length), generator=generator)
        source, target = corrupt_spans(text, 50, 1, share, generator=generator)
        wanted = text[0].tolist()
        found = [int(x) for x in function(source[0].tolist(), target[0].tolist(), 50)]
        if any(token >= 50 for token in found):
            return "marks are left in the text; put the spans in their places"
        if 1 in found:
            return "the end token is left in the text"
        if sorted(found) == sorted(wanted) and found != wanted:
            return "the tokens are right, their order is not"
        if found != wanted:
            return f"a text of {length} tokens is not restored"
    return None
