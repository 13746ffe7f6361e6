"""Checkers for the exercises of chapters/genres/inference.ipynb."""

import math
from collections.abc import Callable, Sequence

import torch

from genai_lib.exercises import as_number, checker
from genai_lib.genres.inference import keep_min_p, keep_top_p

TOLERANCE = 1e-6
DISTRIBUTIONS = (
    ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5]),
    ([0.25, 0.25, 0.5], [0.25, 0.25, 0.5]),
    ([0.9, 0.1, 0.0], [0.3, 0.3, 0.4]),
    ([0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.4, 0.1]),
    ([1.0, 0.0], [0.0, 1.0]),
    ([1e-9, 1 - 1e-9], [0.5, 0.5]),
    ([1.0], [1.0]),
)
CUTS = (
    (0.7, 0.0),
    (0.97, 0.0),
    (1.0, 0.0),
    (1.0, 0.3),
    (0.97, 0.2),
    (0.45, 0.6),
    (1.0, 1.0),
)


@checker
def check_tokens_kept(function: Callable[[Sequence[float], float, float], int]):
    """Check `function(probabilities, top_p, min_p)`: the number of tokens left.

    First top-p cuts, then min-p; the values 1 and 0 cut nothing.
    """
    distributions = (
        [0.5, 0.25, 0.125, 0.0625, 0.0625],
        [0.1] * 10,
        [0.07, 0.9, 0.03],
        [1.0],
    )
    for row in distributions:
        for top_p, min_p in CUTS:
            left = keep_top_p(torch.tensor([row], dtype=torch.double).log(), top_p)
            wanted = int(keep_min_p(left, min_p).isfinite().sum())
            found = function(list(row), top_p, min_p)
            if found != wanted:
                hint = ""
                if found == wanted - 1 and min_p == 0:
                    hint = "; the token that crosses p is kept"
                return f"of {row}, {top_p=} and {min_p=} leave {wanted}{hint}"
    return None


@checker
def check_best_ahead(function: Callable[[float, float], int]):
    """Check `function(acceptance, cost)`: the best number of guesses.

    A guess is kept with probability `acceptance` and costs `cost` passes of the model.
    """

    def speed(acceptance: float, cost: float, ahead: int) -> float:
        return sum(acceptance**i for i in range(ahead + 1)) / (1 + cost * ahead)

    for acceptance in (0.0, 0.3, 0.6, 0.8, 0.95, 0.99):
        for cost in (0.02, 0.1, 0.35, 1.5):
            wanted = max(range(101), key=lambda k: speed(acceptance, cost, k))
            found = function(acceptance, cost)
            if found == wanted:
                continue
            number = as_number(found)
            if number is None or number % 1 or number < 0:
                return f"a whole number from 0 is wanted, not {found!r}"
            mine, best = (speed(acceptance, cost, k) for k in (int(number), wanted))
            return (
                f"for {acceptance=} and {cost=}, {found} guesses bring {mine:.3f} "
                f"tokens per unit of work and {wanted} bring {best:.3f}"
            )
    return None


@checker
def check_acceptance(function: Callable[[list, list], tuple[list, list]]):
    """Check `function(draft, model)`: acceptance probabilities and the residual.

    Both distributions are lists of probabilities of the same tokens.
    """
    for q, p in DISTRIBUTIONS:
        chances, residual = function(list(q), list(p))
        chances, residual = [float(x) for x in chances], [float(x) for x in residual]
        if len(chances) != len(q) or len(residual) != len(q):
            return f"two lists of {len(q)} numbers are wanted"
        if any(not -TOLERANCE <= x <= 1 + TOLERANCE for x in (*chances, *residual)):
            return f"for q = {q} and p = {p} some numbers are not probabilities"
        refused = sum(a * (1 - c) for a, c in zip(q, chances, strict=True))
        total = sum(residual)
        if refused > TOLERANCE and not math.isclose(total, 1, abs_tol=TOLERANCE):
            return f"for q = {q} and p = {p} the residual does not sum to one"
        parts = zip(q, chances, residual, strict=True)
        found = [a * c + refused * r for a, c, r in parts]
        gaps = [abs(a - b) for a, b in zip(found, p, strict=True)]
        if max(gaps) > TOLERANCE:
            shown = [round(x, 4) for x in found]
            return f"for q = {q} and p = {p} tokens have the probabilities {shown}"
        if refused > sum(max(a - b, 0) for a, b in zip(q, p, strict=True)) + TOLERANCE:
            return f"the distribution is right, but more of q = {q} could be kept"
    return None


@checker
def check_weighted_vote(function: Callable[[Sequence, Sequence[float]], object]):
    """Check `function(answers, log_likelihoods)`: the answer with the largest weight.

    The weight of an answer is the sum of the probabilities of all equal answers.
    """
    cases = [
        ([4, 7, 7], [-1.0, -1.5, -1.6], 7, "add probabilities of the same answer"),
        ([4, 7, 7], [-1.0, -5.0, -6.0], 4, "votes count by their probability"),
        ([1, 2, 2], [-900.0, -901.0, -901.0], 1, "subtract the largest before exp"),
        ([1, 2, 2], [-900.0, -900.2, -900.3], 2, "subtract the largest before exp"),
        ([1, 2], [-1.0, -900.0], 1, "subtract the largest before exp"),
        ([5, 6], [-2000.0, -1000.0], 6, "subtract the largest before exp"),
        ([5, 6, 6], [0.0, -0.8, -0.9], 5, "add probabilities of the same answer"),
        ([5, 6, 6], [0.0, -0.6, -0.7], 6, "add probabilities of the same answer"),
        ([8, 0, 8], [-3.0, -2.9, -4.0], 8, "add probabilities of the same answer"),
        ([3], [-2.0], 3, "one answer wins"),
        ([0], [0.0], 0, "one answer wins"),
    ]
    for answers, logs, wanted, rule in cases:
        found = function(list(answers), list(logs))
        if found != wanted:
            return f"{rule}: {answers} with {logs} give {wanted}, not {found}"
    return None
