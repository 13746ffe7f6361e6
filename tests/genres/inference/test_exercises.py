"""The checkers of the inference chapter: right, unfilled and wrong answers."""

import math
from collections import Counter, defaultdict

import pytest

from genai_lib.genres.inference.exercises import (
    check_acceptance,
    check_best_ahead,
    check_tokens_kept,
    check_weighted_vote,
)


def stub(*arguments):
    """Stand for an exercise that is not filled in."""


def tokens_kept(probabilities, top_p, min_p):
    falling, held, kept = sorted(probabilities, reverse=True), 0.0, []
    for p in falling:
        if held >= top_p - 1e-12:
            break
        kept.append(p)
        held += p
    return sum(p >= min_p * falling[0] for p in kept)


def drops_the_crossing_token(probabilities, top_p, min_p):
    falling = sorted(probabilities, reverse=True)
    sums = [sum(falling[: i + 1]) for i in range(len(falling))]
    kept = [p for p, s in zip(falling, sums, strict=True) if s <= top_p + 1e-12]
    return sum(p >= min_p * falling[0] for p in kept)


def min_p_of_one(probabilities, top_p, min_p):
    return min(
        tokens_kept(probabilities, top_p, 0), sum(p >= min_p for p in probabilities)
    )


def best_ahead(acceptance, cost):
    def speed(ahead):
        tokens = (1 - acceptance ** (ahead + 1)) / (1 - acceptance)
        return tokens / (1 + cost * ahead)

    return max(range(101), key=speed)


def acceptance(draft, model):
    chances = [min(1.0, p / q) if q else 1.0 for q, p in zip(draft, model, strict=True)]
    left = [max(0.0, p - q) for q, p in zip(draft, model, strict=True)]
    return chances, [x / sum(left) for x in left] if sum(left) else model


def replace_from_model(draft, model):
    return acceptance(draft, model)[0], model


def keep_nothing(draft, model):
    return [0.0] * len(draft), model


def weighted_vote(answers, log_likelihoods):
    largest, sums = max(log_likelihoods), defaultdict(float)
    for answer, log in zip(answers, log_likelihoods, strict=True):
        sums[answer] += math.exp(log - largest)
    return max(sums, key=sums.get)


def subtracts_the_first(answers, log_likelihoods):
    sums = defaultdict(float)
    for answer, log in zip(answers, log_likelihoods, strict=True):
        sums[answer] += math.exp(log - log_likelihoods[0])
    return max(sums, key=sums.get)


def plain_vote(answers, log_likelihoods):
    return Counter(answers).most_common(1)[0][0]


def likeliest(answers, log_likelihoods):
    return max(zip(log_likelihoods, answers, strict=True))[1]


def underflowing_vote(answers, log_likelihoods):
    sums = defaultdict(float)
    for answer, log in zip(answers, log_likelihoods, strict=True):
        sums[answer] += math.exp(log)
    return max(sums, key=sums.get)


def subtracts_the_smallest(answers, log_likelihoods):
    smallest, sums = min(log_likelihoods), defaultdict(float)
    for answer, log in zip(answers, log_likelihoods, strict=True):
        sums[answer] += math.exp(log - smallest)
    return max(sums, key=sums.get)


def counts_each_answer_once(answers, log_likelihoods):
    best = {}
    for answer, log in zip(answers, log_likelihoods, strict=True):
        best[answer] = max(log, best.get(answer, -math.inf))
    return max(best, key=best.get)


CASES = [
    (check_tokens_kept, tokens_kept, "right"),
    (check_tokens_kept, drops_the_crossing_token, "crosses p is kept"),
    (check_tokens_kept, min_p_of_one, "leave 2"),
    (check_best_ahead, best_ahead, "right"),
    (check_best_ahead, lambda a, c: 4, "tokens per unit of work"),
    (check_best_ahead, lambda a, c: 1.5, "a whole number"),
    (check_acceptance, acceptance, "right"),
    (check_acceptance, replace_from_model, "tokens have the probabilities"),
    (check_acceptance, keep_nothing, "more of q"),
    (
        check_acceptance,
        lambda q, p: ([1.0] * len(q), p),
        "tokens have the probabilities",
    ),
    (check_acceptance, lambda q, p: ([2.0] * len(q), p), "not probabilities"),
    (check_weighted_vote, weighted_vote, "right"),
    (check_weighted_vote, plain_vote, "count by their probability"),
    (check_weighted_vote, likeliest, "add probabilities"),
    (check_weighted_vote, underflowing_vote, "subtract the largest"),
    (check_weighted_vote, subtracts_the_smallest, "OverflowError"),
    (check_weighted_vote, subtracts_the_first, "OverflowError"),
    (check_weighted_vote, counts_each_answer_once, "add probabilities"),
    (check_weighted_vote, lambda a, logs: a[0], "add probabilities"),
    (check_best_ahead, lambda a, c: best_ahead(a, max(c, 0.1)), "guesses bring"),
    (check_best_ahead, lambda a, c: max(1, best_ahead(a, c)), "guesses bring"),
    (check_tokens_kept, lambda p, top_p, m: tokens_kept(p, 0.97, m), "leave"),
    (
        check_tokens_kept,
        lambda p, top_p, m: tokens_kept(p, top_p, min(m, 0.3)),
        "leave",
    ),
]


@pytest.mark.parametrize(("check", "function", "message"), CASES)
def test_answers_are_told_apart(check, function, message):
    verdict = check(function)
    assert message in verdict.message, verdict
    assert bool(verdict) == (message == "right")


@pytest.mark.parametrize(
    "check",
    [check_tokens_kept, check_best_ahead, check_acceptance, check_weighted_vote],
)
def test_a_stub_is_told_so(check):
    assert not check(stub)
    assert "filled in" in check(stub).message or "returned" in check(stub).message


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "acceptance": acceptance,
    "best_ahead": best_ahead,
    "tokens_kept": tokens_kept,
    "weighted_vote": weighted_vote,
}
