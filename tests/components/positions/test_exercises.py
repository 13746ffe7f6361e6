"""The checkers of the positions chapter: right, unfilled and wrong answers."""

import inspect

import pytest
import torch

from genai_lib.components.positions import alibi_bias, rotary_frequencies, rotate
from genai_lib.components.positions.exercises import check_alibi, check_rotate_neighbors


def stub(*arguments):
    """Stand for an exercise that is not filled in."""


def alibi(heads, queries, keys):
    slopes = torch.tensor([2 ** (-8 * (h + 1) / heads) for h in range(heads)])
    back = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)
    return -slopes[:, None, None] * back


def alibi_from_the_start(heads, queries, keys):
    return alibi_bias(heads, keys)[:, :queries]


def neighbors(x, positions):
    angles = positions[:, None] * rotary_frequencies(x.shape[-1])
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    turn = torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(pairs * turn).flatten(-2)


CASES = [
    (
        check_alibi,
        alibi,
        {
            lambda h, q, k: -alibi(h, q, k): "the sign is wrong",
            lambda h, q, k: alibi(h, q, k).flip(0): "the steepest slope",
            alibi_from_the_start: "stands at the last key",
            lambda h, q, k: alibi(h, k, k): "shape (4, 1, 6)",
            lambda h, q, k: alibi(h, q, k) / 4: "the biases are wrong",
        },
    ),
    (
        check_rotate_neighbors,
        neighbors,
        {
            rotate: "these are the pairs (i, i + d/2)",
            lambda x, t: neighbors(x, -t): "in the wrong direction",
            lambda x, t: 2 * neighbors(x, t): "keeps the norm",
            lambda x, t: neighbors(x, t + 1): "at position 0",
            lambda x, t: neighbors(x, 2 * t): "the angles are wrong",
            lambda x, t: x[..., :4]: "the shape of x",
        },
    ),
]


@pytest.mark.parametrize(("check", "right", "wrong"), CASES, ids=["alibi", "rotate"])
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
    "alibi": alibi,
    "rotate_neighbors": neighbors,
}
