"""Checkers of the exercises: right answers pass, each mistake is named."""

import math

import numpy as np
import pytest
import torch

from genai_lib.genres.gato.exercises import check_number_token, check_time_step


def number_token(value, text_size, sign=math.copysign, last=1023):
    compressed = math.log(100 * abs(value) + 1) / math.log(25601)
    return text_size + min(int((sign(compressed, value) + 1) / 2 * 1024), last)


def test_the_token_of_the_paper_is_right():
    assert check_number_token(number_token)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda v, n: number_token(v, 0), "shift them by text_size"),
        (lambda v, n: number_token(v, n, last=1024), "beyond the last bin"),
        (lambda v, n: number_token(v, n, lambda s, v: -math.copysign(s, v)), "sign"),
        (
            lambda v, n: (
                n + int((v + 1) / 2 * 1024) if abs(v) < 1 else number_token(v, n)
            ),
            "not compressed",
        ),
        (lambda v, n: n, "should get"),
        (lambda v, n: ..., "not filled in"),
    ],
)
def test_other_tokens_are_named(answer, message):
    verdict = check_number_token(answer)
    assert not verdict and message in verdict.message


def time_step(observations, actions, separator):
    front = [t for name in sorted(observations) for t in observations[name]]
    front.append(separator)
    back = [t for name in sorted(actions) for t in actions[name]]
    return front + back, [False] * len(front) + [True] * len(back)


def changed(tokens=lambda s, d, b, t: t, mask=lambda m: m):
    def answer(observations, actions, separator):
        right, flags = time_step(observations, actions, separator)
        return tokens(observations, actions, separator, right), mask(flags)

    return answer


def flat(parts):
    return [t for part in parts.values() for t in part]


def test_the_order_of_the_paper_is_right():
    assert check_time_step(time_step)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (changed(lambda s, d, b, t: [x for x in t if x != b]), "separator is missing"),
        (
            changed(lambda s, d, b, t: flat(s) + [b] + t[5:]),
            "observations are not sorted",
        ),
        (changed(lambda s, d, b, t: t[:5] + flat(d)), "actions are not sorted"),
        (changed(lambda s, d, b, t: t[:4] + t[5:] + [b]), "before the actions"),
        (changed(lambda s, d, b, t: t[::-1]), "came"),
        (changed(mask=lambda m: m[1:]), "as many entries"),
        (changed(mask=lambda m: [True] * 8), "observations do not count"),
        (changed(mask=lambda m: [False] * 4 + [True] * 4), "separator does not count"),
        (changed(mask=lambda m: [False] * 8), "every action"),
        (lambda s, d, b: ..., "not filled in"),
    ],
)
def test_other_time_steps_are_named(answer, message):
    verdict = check_time_step(answer)
    assert not verdict and message in verdict.message


@pytest.mark.parametrize(
    "answer",
    [
        lambda v, n: n if v == 0 else number_token(v, n),
        lambda v, n: number_token(v, n, lambda s, v: s * v / abs(v)),
        lambda v, n: number_token(v, n) if abs(v) < 200 else n + 1023 * (v > 0) + 1,
    ],
)
def test_zero_and_the_ends_are_asked_for(answer):
    assert not check_number_token(answer)


def numpy_token(value, text_size):
    compressed = np.sign(value) * np.log1p(100 * np.abs(value)) / np.log1p(25600)
    return text_size + np.clip(np.floor((compressed + 1) * 512), 0, 1023).astype(int)


def tensor_token(value, text_size):
    x = torch.tensor(value, dtype=torch.float64)
    compressed = x.sign() * (100 * x.abs() + 1).log() / math.log(25601)
    return ((compressed + 1) / 2 * 1024).long().clamp(max=1023) + text_size


@pytest.mark.parametrize("answer", [numpy_token, tensor_token])
def test_tokens_in_another_style_are_right(answer):
    assert check_number_token(answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda s, d, b: ([7, 8, 5, 6, 9, 1, 3, 2], [False] * 5 + [True] * 3),
        lambda s, d, b: time_step(s, d, 9),
        changed(mask=lambda m: ["yes" if mark else "" for mark in m]),
        changed(mask=lambda m: [2 * mark for mark in m]),
        changed(mask=lambda m: [i > 4 for i in range(len(m))]),
        lambda s, d, b: time_step({n: sorted(t) for n, t in s.items()}, d, b),
    ],
)
def test_a_step_that_is_right_in_one_case_alone_is_wrong(answer):
    assert not check_time_step(answer)


@pytest.mark.parametrize(
    "answer",
    [
        changed(mask=lambda m: torch.tensor(m)),
        changed(mask=lambda m: np.array(m)),
        changed(mask=lambda m: [int(mark) for mark in m]),
        changed(mask=tuple),
    ],
)
def test_masks_come_in_any_form(answer):
    assert check_time_step(answer)


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "number_token": number_token,
    "time_step": time_step,
}
