"""Self-consistency, best-of-n and pass@k, and a task whose answers can be checked.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Letters used in this file
    ...  any leading dimensions    n  answers to a question    B  questions
    N  digits of a question        L  tokens of an answer, 2 N + 4

The task is to add N digits modulo 10. An answer is only the result, "= 0 .", or has
before it each digit and the running total, ": 4 4 7 1 9 0 = 0 ." for 4 7 9.

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
    """Yield batches of questions with answers that contain random mistakes.

    Parameters
    ----------
    digits : int
        N.
    size : int
        B.
    generator : torch.Generator
    with_steps : float, default=0.4
        The fraction of answers with steps; answers without steps are always right.
    mistakes : float, default=0.1
        The probability that a step is wrong; later steps add to the wrong total.

    Yields
    ------
    question : int64 Tensor of shape (B, N)
    answer : int64 Tensor of shape (B, 2 N + 4)
        Padded with the end token.
    """
    digits, size = check_positive(digits=digits, size=size)
    shares = check_share(with_steps=with_steps, mistakes=mistakes)
    return _questions(digits, size, generator, *shares)


def _questions(digits, size, generator, with_steps, mistakes) -> Iterator:
    while True:
        question = torch.randint(10, (size, digits), generator=generator)
        wrong = torch.rand(size, digits, generator=generator) < mistakes
        slips = torch.randint(1, 10, (size, digits), generator=generator) * wrong
        short = torch.rand(size, 1, generator=generator) >= with_steps
        answer = write_steps(question, slips)
        yield question, torch.where(short, write_result(question), answer)


def write_steps(question: Tensor, slips: Tensor | int = 0) -> Tensor:
    """Return the answer (..., L) to a question (..., N) with all its steps.

    `slips` (..., N) are errors that are added to the totals.
    """
    question, slips = as_id_tensor("question", question), as_id_tensor("slips", slips)
    totals = (question + slips).cumsum(dim=-1) % 10
    steps = torch.stack([question, totals], dim=-1).flatten(-2)  # (..., 2 N)
    colon, equals, end = (
        torch.full_like(question[..., :1], symbol) for symbol in (STEPS, EQUALS, END)
    )
    return torch.cat([colon, steps, equals, totals[..., -1:], end], dim=-1)


def write_result(question: Tensor) -> Tensor:
    """Return the answer (..., L) to a question (..., N) without steps."""
    answer = torch.full_like(write_steps(question), END)
    answer[..., 0] = EQUALS
    answer[..., 1] = question.sum(dim=-1) % 10
    return answer


def read_result(answers: Tensor) -> Tensor:
    """Return the digit after the first "=" of answers (..., L); -1 if there is none."""
    equals = answers[..., :-1] == EQUALS
    place = equals.int().argmax(dim=-1, keepdim=True) + 1
    found = answers.gather(-1, place)[..., 0]
    return found.masked_fill(~equals.any(dim=-1) | (found > 9), -1)


def check_steps(question: Tensor, answers: Tensor) -> Tensor:
    """Return which answers show their steps, all of them right.

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
    """Return the most frequent of n answers; at a tie the first of them [1].

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
    """Return the answer with the highest score; at a tie the first of them.

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
    # `argmax` guarantees the first of equal entries only for integers.
    first = (scores == scores.amax(dim=-1, keepdim=True)).int().argmax(-1, True)
    return answers.gather(-1, first)[..., 0]


def pass_at_k(right: int, answers: int, k: int) -> float:
    """Estimate the probability that one of k answers is right [2, eq. 1].

    Of n answers c are right. The estimate is 1 - C(n - c, k) / C(n, k), the fraction
    of all choices of k answers that contain a right one.

    >>> round(pass_at_k(right=1, answers=4, k=2), 3)
    0.5
    """
    (answers,) = check_positive(answers=answers)
    (right,) = check_whole(0, answers, right=right)
    (k,) = check_whole(1, answers, k=k)
    return 1 - math.comb(answers - right, k) / math.comb(answers, k)
