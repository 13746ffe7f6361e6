"""Votes, best-of-n and the sums: enumeration, laws, worked examples."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genai_lib.genres.inference import (
    SYMBOLS,
    best_of,
    check_steps,
    digit_sums,
    majority_vote,
    pass_at_k,
    read_result,
    write_result,
    write_steps,
)
from genai_lib.genres.inference.self_consistency import EQUALS

SYMBOL_IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}


def encode(text):
    return torch.tensor([SYMBOL_IDS[symbol] for symbol in text])


def test_the_example_of_the_module():
    assert write_steps(encode("479")).equal(encode(":447190=0."))
    assert write_result(encode("479")).equal(encode("=0........"))


@pytest.mark.parametrize(
    ("answer", "digit", "right"),
    [
        (":447190=0.", 0, True),
        (":447191=1.", 1, False),
        (":447190=1.", 1, False),
        (":449370=0.", 0, False),
        ("=0........", 0, False),
        (":44719000.", -1, False),
        (":447190==.", -1, False),
        (":44719000=", -1, False),
        ("=9:447190=", 9, False),
    ],
)
def test_results_are_read_and_steps_checked(answer, digit, right):
    assert read_result(encode(answer)) == digit
    assert check_steps(encode("479"), encode(answer)) == right


def test_answers_are_as_careless_as_they_should_be():
    generator = torch.Generator().manual_seed(0)
    question, answer = next(digit_sums(5, 20_000, generator, 0.3, 0.2))
    short = answer[:, 0] == EQUALS
    assert abs(short.double().mean() - 0.7) < 0.02
    wanted = question.sum(1) % 10
    assert read_result(answer[short]).equal(wanted[short])
    totals = torch.cat([torch.zeros(20_000, 1).long(), answer[:, 2:11:2]], dim=1)
    totals = totals[~short]
    assert answer[~short, 1:11:2].equal(question[~short])
    wrong = (totals.diff() % 10) != question[~short]
    assert (abs(wrong.double().mean(0) - 0.2) < 0.03).all()
    assert read_result(answer[~short]).equal(totals[:, -1])
    share = check_steps(question, answer)[~short].double().mean()
    assert abs(share - 0.8**5) < 0.03


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
        (lambda: next(digit_sums(2, 2, None, 1.5)), "with_steps=1.5"),
        (lambda: next(digit_sums(2, 2, None, mistakes=-1)), "mistakes=-1"),
        (lambda: majority_vote(torch.tensor([])), "answers="),
        (lambda: best_of(torch.zeros(2), torch.zeros(3)), "scores="),
        (lambda: pass_at_k(3, 2, 1), "right=3"),
        (lambda: pass_at_k(1, 2, 3), "k=3"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
