"""Votes, picks and the task of sums: laws, enumeration, worked examples."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genai_lib.genres.inference import (
    best_of,
    check_steps,
    digit_sums,
    majority_vote,
    pass_at_k,
    result,
)


def test_the_example_of_the_module():
    question = torch.tensor([4, 7, 9])
    steps = torch.tensor([7, 7, 4, 1, 9, 0, 11])
    assert [int(check) for check in check_steps(question, steps)] == [1, 1]
    assert result(steps) == 0


@pytest.mark.parametrize(
    ("steps", "names", "adds"),
    [
        ([7, 7, 4, 1, 9, 1, 11], True, False),
        ([7, 7, 4, 1, 4, 5, 11], False, True),
        ([7, 7, 4, 1, 10, 1, 11], False, False),
        ([9, 9, 7, 6, 4, 0, 11], True, True),
    ],
)
def test_each_check_sees_its_own_mistake(steps, names, adds):
    found = check_steps(torch.tensor([4, 7, 9]), torch.tensor(steps))
    assert [bool(check) for check in found] == [names, adds]


def test_questions_come_with_right_answers_in_all_orders():
    generator = torch.Generator().manual_seed(0)
    tokens, totals = next(digit_sums(3, 600, generator))
    question, steps = tokens[:, :3], tokens[:, 4:]
    assert tokens.shape == (600, 11)
    assert (tokens[:, 3] == 10).all() and (tokens[:, -1] == 11).all()
    assert (question.sum(1) % 10).equal(totals) and result(steps).equal(totals)
    assert all(check.all() for check in check_steps(question, steps))
    places = (steps[:, 0, None] == question).int().argmax(1)
    assert (places.bincount(minlength=3) > 150).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_the_vote_is_the_mode_and_ties_go_to_the_first(answers):
    counts = Counter(answers)
    wanted = next(a for a in answers if counts[a] == max(counts.values()))
    assert majority_vote(torch.tensor(answers)) == wanted


def test_the_first_of_the_best_is_picked():
    answers = torch.tensor([[5, 6, 7], [1, 2, 3]])
    scores = torch.tensor([[0.1, 0.9, 0.9], [2.0, 1.0, 0.0]])
    assert best_of(answers, scores).tolist() == [6, 1]


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_pass_at_k_counts_the_choices(case):
    answers, right = case
    for k in range(1, answers + 1):
        choices = list(itertools.combinations(range(answers), k))
        hits = sum(any(i < right for i in choice) for choice in choices)
        assert pass_at_k(right, answers, k) == pytest.approx(hits / len(choices))


def test_pass_at_k_is_not_the_popular_formula():
    """1 - (1 - c/n)^k is too low: it may choose the same answer twice."""
    assert pass_at_k(1, 4, 4) == 1 > 1 - (1 - 1 / 4) ** 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: next(digit_sums(0, 2, None)), "digits=0"),
        (lambda: majority_vote(torch.tensor([])), "answers="),
        (lambda: best_of(torch.zeros(2), torch.zeros(3)), "scores="),
        (lambda: pass_at_k(3, 2, 1), "right=3"),
        (lambda: pass_at_k(1, 2, 3), "k=3"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
