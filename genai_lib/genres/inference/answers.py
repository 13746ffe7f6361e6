"""Several answers to one question: voting, picking, and a task that can be checked.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Letters used in this file
    ...  any leading dimensions    n  answers to a question    B  questions
    N  digits of a question        L  tokens of an answer, 2 N + 4

The task: add N digits, modulo 10. An answer is the result alone, "= 0 .", or has each
digit and the total so far before it, ": 4 4 7 1 9 0 = 0 ." for the digits 4 7 9.

References
    [1] Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language
        Models", 2023, arXiv:2203.11171
    [2] Chen et al., "Evaluating Large Language Models Trained on Code", 2021,
        arXiv:2107.03374
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from genai_lib.checks import (
    as_id_tensor,
    check_positive,
    check_share,
    check_whole,
    describe,
)

EQUALS = 10
STEPS = 11
END = 12
SYMBOLS = "0123456789=:."


def digit_sums(
    digits: int,
    size: int,
    generator: torch.Generator,
    with_steps: float = 0.4,
    mistakes: float = 0.1,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield questions with answers as careless people write them.

    Parameters
    ----------
    digits : int
        N.
    size : int
        B.
    generator : torch.Generator
    with_steps : float, default=0.4
        The share of answers that show their steps; the others are always right.
    mistakes : float, default=0.1
        How likely a step is wrong. What follows is added to the wrong total.

    Yields
    ------
    question : int64 Tensor of shape (B, N)
    answer : int64 Tensor of shape (B, 2 N + 4)
        Filled up with the end token.
    """
    digits, size = check_positive(digits=digits, size=size)
    shares = check_share(with_steps=with_steps, mistakes=mistakes)
    return _questions(digits, size, generator, *shares)


def _questions(digits, size, generator, with_steps, mistakes) -> Iterator:
    while True:
        question = torch.randint(10, (size, digits), generator=generator)
        careless = torch.rand(size, digits, generator=generator) < mistakes
        slips = torch.randint(1, 10, (size, digits), generator=generator) * careless
        short = torch.rand(size, 1, generator=generator) >= with_steps
        answer = write_steps(question, slips)
        yield question, torch.where(short, write_result(question), answer)


def write_steps(question: Tensor, slips: Tensor | int = 0) -> Tensor:
    """Return the answer (..., L) to a question (..., N) with all its steps.

    What slips (..., N) holds is added to the totals by mistake.
    """
    question, slips = as_id_tensor("question", question), as_id_tensor("slips", slips)
    totals = (question + slips).cumsum(dim=-1) % 10
    steps = torch.stack([question, totals], dim=-1).flatten(-2)  # (..., 2 N)
    colon, equals, end = (
        torch.full_like(question[..., :1], sign) for sign in (STEPS, EQUALS, END)
    )
    return torch.cat([colon, steps, equals, totals[..., -1:], end], dim=-1)


def write_result(question: Tensor) -> Tensor:
    """Return the answer (..., L) to a question (..., N) without steps."""
    answer = torch.full_like(write_steps(question), END)
    answer[..., 0] = EQUALS
    answer[..., 1] = question.sum(dim=-1) % 10
    return answer


def result(answers: Tensor) -> Tensor:
    """Read the digit after the first "=" of answers (..., L); -1 if there is none."""
    equals = answers[..., :-1] == EQUALS
    place = equals.int().argmax(dim=-1, keepdim=True) + 1
    found = answers.gather(-1, place)[..., 0]
    return found.masked_fill(~equals.any(dim=-1) | (found > 9), -1)


def check_steps(question: Tensor, answers: Tensor) -> Tensor:
    """Say which answers show their steps, all of them right.

    Parameters
    ----------
    question : int64 Tensor of shape (..., N)
    answers : int64 Tensor of shape (..., L)

    Returns
    -------
    bool Tensor of shape (...)
    """
    return (answers == write_steps(question)).all(dim=-1)


def majority_vote(answers: Tensor) -> Tensor:
    """Return the most frequent of n answers; at a tie the one given first [1].

    Parameters
    ----------
    answers : Tensor of shape (..., n)

    Returns
    -------
    Tensor of shape (...)

    >>> majority_vote(torch.tensor([3, 7, 7, 3, 1]))
    tensor(3)
    """
    if answers.ndim == 0 or answers.shape[-1] == 0:
        raise ValueError(f"answers={describe(answers)} must have shape (..., n), n > 0")
    votes = (answers[..., None] == answers[..., None, :]).sum(dim=-1)  # (..., n)
    return answers.gather(-1, votes.argmax(dim=-1, keepdim=True))[..., 0]


def best_of(answers: Tensor, scores: Tensor) -> Tensor:
    """Return the answer with the highest score; at a tie the one given first.

    Parameters
    ----------
    answers, scores : Tensors of shape (..., n)

    Returns
    -------
    Tensor of shape (...)
    """
    if answers.shape != scores.shape or answers.ndim == 0 or answers.shape[-1] == 0:
        raise ValueError(
            f"answers={describe(answers)} and scores={describe(scores)} must have the "
            "same shape (..., n), n > 0"
        )
    # `argmax` promises the first of equal entries for whole numbers, not for floats.
    first = (scores == scores.amax(dim=-1, keepdim=True)).int().argmax(-1, True)
    return answers.gather(-1, first)[..., 0]


def pass_at_k(right: int, answers: int, k: int) -> float:
    """Estimate how likely one of k answers is right, from more than k [2, eq. 1].

    It is 1 - C(n - c, k) / C(n, k): the share of all choices of k among n answers, of
    which c are right, that hold a right one.

    >>> round(pass_at_k(right=1, answers=4, k=2), 3)
    0.5
    """
    (answers,) = check_positive(answers=answers)
    (right,) = check_whole(0, answers, right=right)
    (k,) = check_whole(1, answers, k=k)
    return 1 - math.comb(answers - right, k) / math.comb(answers, k)
