"""The checkers of the attention chapter: right, unfilled and wrong answers."""

import inspect
import math

import pytest
import torch

from genai_lib.components.attention import attend
from genai_lib.components.attention.exercises import check_attention, check_window_mask


def stub(*arguments):
    """Stand for an exercise that is not filled in."""


def window_mask(queries, keys, window):
    here = torch.arange(queries)[:, None] + keys - queries
    back = here - torch.arange(keys)
    return (back >= 0) & (back < window)


def from_the_start(queries, keys, window):
    back = torch.arange(queries)[:, None] - torch.arange(keys)
    return (back >= 0) & (back < window)


def the_first_keys(queries, keys, window):
    seen = window_mask(queries, keys, window).sum(-1, keepdim=True)
    return torch.arange(keys) < seen


def right_attention(query, key, value, mask):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask, -math.inf)
    largest = scores.amax(-1, keepdim=True)
    largest = largest.masked_fill(largest == -math.inf, 0.0)
    powers = (scores - largest).exp()
    total = powers.sum(-1, keepdim=True)
    return powers / total.where(total > 0, 1.0) @ value


def without_the_largest(query, key, value, mask):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    powers = scores.masked_fill(~mask, -math.inf).exp()
    total = powers.sum(-1, keepdim=True)
    return powers / total.where(total > 0, 1.0) @ value


def with_a_large_number(query, key, value, mask):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(~mask, -1e9).softmax(-1) @ value


CASES = [
    (
        check_window_mask,
        window_mask,
        {
            lambda q, k, w: ~window_mask(q, k, w): "True must mean",
            from_the_start: "for 2 queries, 7 keys",
            the_first_keys: "as many keys as they should, but not the nearest",
            lambda q, k, w: window_mask(q, k, w + 1): "not [1, 2, 3, 4, 4, 4]",
            lambda q, k, w: window_mask(q, k, w).float(): "booleans",
            lambda q, k, w: window_mask(k, k, w): "the shape should be (2, 7)",
            lambda q, k, w: torch.ones(q, k) > 0: "queries see later keys",
            lambda q, k, w: (
                window_mask(q, k, w) if w <= k else torch.ones(q, k) > 0
            ): "a window of 99 queries see later keys",
        },
    ),
    (
        check_attention,
        right_attention,
        {
            without_the_largest: "subtract the largest",
            with_a_large_number: "should get zeros",
            lambda q, k, v, m: right_attention(2 * q, k, v, m): "divided by √d",
            lambda q, k, v, m: right_attention(q, k, v, m | True): "causal mask",
            lambda q, k, v, m: right_attention(
                q, k, v, m if m.all() else ~m
            ): "mask is inverted",
            lambda q, k, v, m: attend(q, k, v, m)[1]: "shape (Q, v)",
            lambda q, k, v, m: right_attention(
                k, q, v, m
            ): "without a masked key the output is wrong",
        },
    ),
]


@pytest.mark.parametrize(
    ("check", "right", "wrong"), CASES, ids=["window_mask", "attention"]
)
def test_checkers_accept_the_right_and_explain_the_wrong(check, right, wrong):
    assert check(right).passed, check(right)
    assert not check(stub).passed
    assert "not filled in" in check(stub).message
    for answer, reason in wrong.items():
        verdict = check(answer)
        assert not verdict.passed
        assert reason in verdict.message, (verdict, inspect.getsource(answer))


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "attention": right_attention,
    "window_mask": window_mask,
}
