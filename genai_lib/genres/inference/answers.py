"""Several answers to one question: voting, picking, and a task that can be checked.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/test_inference.py

Letters used in this file
    ...  any leading dimensions    n  answers to a question    B  questions
    N  digits of a question        T  3 N + 2, the tokens of a question and its answer

The task: add N digits, modulo 10, by naming them in any order, each with the total so
far. Tokens 0 to 9 are digits, 10 is "=", 11 ends the answer. So 4 7 9 = 7 7 4 1 9 0
says 7, then 7 + 4 = 1 and 1 + 9 = 0.

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

from genai_lib.checks import check_positive, describe

EQUALS, END = 10, 11
SYMBOLS = "0123456789=."


def digit_sums(
    digits: int, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield questions with one of their right answers, drawn at random.

    Parameters
    ----------
    digits : int
        N.
    size : int
        B.
    generator : torch.Generator

    Yields
    ------
    tokens : int64 Tensor of shape (B, 3 N + 2)
        N digits, "=", N pairs of a digit and the total so far, the end.
    totals : int64 Tensor of shape (B,)
        The right results.
    """
    check_positive(digits=digits, size=size)
    while True:
        question = torch.randint(10, (size, digits), generator=generator)
        order = torch.rand(size, digits, generator=generator).argsort(dim=1)
        named = question.gather(1, order)
        totals = named.cumsum(dim=1) % 10
        steps = torch.stack([named, totals], dim=2).flatten(1)  # (B, 2 N)
        equals, end = (torch.full((size, 1), sign) for sign in (EQUALS, END))
        yield torch.cat([question, equals, steps, end], dim=1), totals[:, -1]


def result(steps: Tensor) -> Tensor:
    """Read the last total (...) off answers (..., 2 N + 1)."""
    return steps[..., -2]


def check_steps(question: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Say whether an answer names the right digits, and whether it adds rightly.

    Neither needs the result to be known. An answer that does both is right.

    Parameters
    ----------
    question : int64 Tensor of shape (..., N)
    steps : int64 Tensor of shape (..., 2 N + 1)

    Returns
    -------
    names, adds : bool Tensors of shape (...)
    """
    named, totals = steps[..., :-1:2], steps[..., 1:-1:2]  # (..., N)
    wanted = question.sort(dim=-1).values
    names = (named.sort(dim=-1).values == wanted).all(dim=-1)
    adds = (named.cumsum(dim=-1) % 10 == totals).all(dim=-1)
    return names, adds & (named < 10).all(dim=-1)


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
    check_positive(answers=answers, k=k)
    if not 0 <= right <= answers or k > answers:
        raise ValueError(f"right={right} and k={k} must be at most answers={answers}")
    return 1 - math.comb(answers - right, k) / math.comb(answers, k)
