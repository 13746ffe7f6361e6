"""The checkers of the chapter know right from wrong."""

import re

import pytest
import torch

from genai_lib.genres.disentangled_attention.exercises import (
    check_delta,
    check_rows_used,
    check_third_term,
)


def rows_used(k, length):
    return min(k, length - 1) + min(k, length)


def delta(i, j, k):
    return min(max(i - j, -k), k - 1) + k


def third_term(key, position_query, k):
    rows = [[delta(i, j, k) for j in range(len(key))] for i in range(len(key))]
    return torch.stack(
        [
            torch.stack([key[j] @ position_query[r] for j, r in enumerate(row)])
            for row in rows
        ]
    )


def test_right_answers_pass():
    assert check_rows_used(rows_used)
    assert check_delta(delta)
    assert check_third_term(third_term)


def in_place(key, position_query, k):
    scores = third_term(key, position_query, k)
    key.zero_(), position_query.zero_()
    return scores


def test_right_answers_in_another_style_pass():
    assert check_third_term(in_place)
    assert check_third_term(lambda *a: third_term(*a).double().numpy())
    assert check_delta(lambda i, j, k: torch.tensor(delta(i, j, k)))


@pytest.mark.parametrize(
    ("check", "function", "message"),
    [
        (check_rows_used, lambda k, length: 2 * k, "for k = 4 and length 1"),
        (check_rows_used, lambda k, length: 2 * length - 1, "length 5 it is"),
        (check_delta, lambda i, j, k: delta(j, i, k), r"this is δ\(1, 0\)"),
        (check_delta, lambda i, j, k: i - j + k, "rows are from 0 to"),
        (check_delta, lambda i, j, k: 0, "not 0"),
        (check_delta, lambda i, j, k: str(delta(i, j, k)), "a whole number"),
        (check_third_term, lambda k, q, r: third_term(k, q, r).clamp(-50, 50), "entry"),
        (check_third_term, lambda k, q, r: None, "not filled in"),
        (check_third_term, lambda k, q, r: k, "shape"),
        (check_third_term, lambda k, q, r: third_term(k, q, r).T, "changed places"),
        (check_third_term, lambda k, q, r: third_term(k, q, r) + 1, "entry"),
        (
            check_third_term,
            lambda k, q, r: torch.stack(
                [
                    torch.stack([k[j] @ q[delta(j, i, r)] for j in range(len(k))])
                    for i in range(len(k))
                ]
            ),
            "paper prints",
        ),
    ],
)
def test_wrong_answers_are_told_what_is_wrong(check, function, message):
    verdict = check(function)
    assert not verdict
    assert re.search(message, repr(verdict)), verdict


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "delta": delta,
    "rows_used": rows_used,
    "third_term": third_term,
}
