"""Checkers of the exercises: right answers pass, each mistake is named."""

import math

import pytest

from genai_lib.genres.gato.exercises import check_number_token, check_time_step


def number_token(value, text_size, sign=math.copysign, last=1023):
    squeezed = math.log(100 * abs(value) + 1) / math.log(25601)
    return text_size + min(int((sign(squeezed, value) + 1) / 2 * 1024), last)


def test_the_token_of_the_paper_is_right():
    assert check_number_token(number_token)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda v, n: number_token(v, 0), "shift them"),
        (lambda v, n: number_token(v, n, last=1024), "behind the last bin"),
        (lambda v, n: number_token(v, n, lambda s, v: -math.copysign(s, v)), "sign"),
        (
            lambda v, n: (
                n + int((v + 1) / 2 * 1024) if abs(v) < 1 else number_token(v, n)
            ),
            "not squeezed",
        ),
        (lambda v, n: n, "should get"),
        (lambda v, n: ..., "not filled in"),
    ],
)
def test_other_tokens_are_named(answer, message):
    verdict = check_number_token(answer)
    assert not verdict and message in verdict.message


def time_step(seen, done, separator):
    view = [t for name in sorted(seen) for t in seen[name]] + [separator]
    act = [t for name in sorted(done) for t in done[name]]
    return view + act, [False] * len(view) + [True] * len(act)


def changed(tokens=lambda s, d, b, t: t, learned=lambda m: m):
    def answer(seen, done, separator):
        right, marks = time_step(seen, done, separator)
        return tokens(seen, done, separator, right), learned(marks)

    return answer


def flat(parts):
    return [t for part in parts.values() for t in part]


def test_the_order_of_the_paper_is_right():
    assert check_time_step(time_step)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (changed(lambda s, d, b, t: [x for x in t if x != b]), "separator is missing"),
        (changed(lambda s, d, b, t: flat(s) + [b] + t[5:]), "seen is not sorted"),
        (changed(lambda s, d, b, t: t[:5] + flat(d)), "done is not sorted"),
        (changed(lambda s, d, b, t: t[:4] + t[5:] + [b]), "before what is done"),
        (changed(lambda s, d, b, t: t[::-1]), "came"),
        (changed(learned=lambda m: m[1:]), "as many marks"),
        (changed(learned=lambda m: [True] * 8), "seen is not to be"),
        (changed(learned=lambda m: [False] * 4 + [True] * 4), "separator is not"),
        (changed(learned=lambda m: [False] * 8), "every action"),
        (lambda s, d, b: ..., "not filled in"),
    ],
)
def test_other_time_steps_are_named(answer, message):
    verdict = check_time_step(answer)
    assert not verdict and message in verdict.message
