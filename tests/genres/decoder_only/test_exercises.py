"""Checkers of the exercises: right answers pass, each mistake is named."""

import math
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch

from genai_lib.components.positions import AlibiPositions, RotaryPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.decoder_only import GPT, GPTConfig, cross_entropy_bits
from genai_lib.genres.decoder_only.exercises import (
    check_bits_per_token,
    check_changed_gpt,
    check_continuation_counts,
)


def softmax_one(logits, dim=-1):
    zero = torch.zeros_like(logits.narrow(dim, 0, 1))
    weights = softmax(torch.cat([logits, zero], dim), dim=dim)
    return weights.narrow(dim, 0, logits.shape[dim])


def test_two_changed_arguments_are_right():
    assert check_changed_gpt(
        lambda config: GPT(config, softmax_one, AlibiPositions(config.heads))
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda c: GPT(c), "LearnedPositions, not AlibiPositions"),
        (lambda c: GPT(c, softmax_one), "LearnedPositions"),
        (lambda c: GPT(c, softmax_one, RotaryPositions(4)), "RotaryPositions"),
        (lambda c: GPT(c, positional_encoding=AlibiPositions(3)), "still use softmax"),
        (
            lambda c: GPT(c, partial(softmax, temperature=2.0), AlibiPositions(3)),
            "the last weight is not",
        ),
        (
            lambda c: GPT(GPTConfig(vocab_size=7), softmax_one, AlibiPositions(4)),
            "of the given configuration",
        ),
        (lambda c: None, "not filled in"),
    ],
)
def test_other_models_are_named(answer, message):
    verdict = check_changed_gpt(answer)
    assert not verdict and message in verdict.message


def naive(logits, dim=-1):
    return logits.exp() / (1 + logits.exp().sum(dim, keepdim=True))


def last_only(logits, dim=-1):
    return softmax_one(logits, -1)


def shifted_by_the_largest(logits, dim=-1):
    return naive(logits - logits.amax(dim, keepdim=True), dim)


@pytest.mark.parametrize("normalize", [naive, last_only, shifted_by_the_largest])
def test_a_softmax_one_for_small_numbers_alone_is_wrong(normalize):
    verdict = check_changed_gpt(
        lambda config: GPT(config, normalize, AlibiPositions(config.heads))
    )
    assert not verdict and "weight" in verdict.message


def test_a_softmax_one_in_another_style_is_right():
    def stable(logits, dim=-1):
        largest = logits.amax(dim, keepdim=True).clamp(min=0)
        powers = (logits - largest).exp()
        return powers / ((-largest).exp() + powers.sum(dim, keepdim=True))

    assert check_changed_gpt(lambda c: GPT(c, stable, AlibiPositions(c.heads)))


def test_a_model_of_one_size_alone_is_wrong():
    config = GPTConfig(vocab_size=7, context=8, width=12, heads=3)
    verdict = check_changed_gpt(lambda c: GPT(config, softmax_one, AlibiPositions(3)))
    assert not verdict and "of the given configuration" in verdict.message


def bits(logits, tokens, by=1):
    return cross_entropy_bits(logits[:, : logits.shape[1] - by], tokens[:, by:]).mean()


def test_shifted_bits_are_right():
    assert check_bits_per_token(bits)
    assert check_bits_per_token(lambda logits, tokens: bits(logits, tokens).item())


def by_numpy(logits, tokens):
    z = logits.double().numpy()[:, :-1]
    z = z - z.max(-1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    came = np.take_along_axis(logs, tokens.numpy()[:, 1:, None], -1)
    return -came.mean() / np.log(2)


def in_place(logits, tokens):
    logits -= logits.logsumexp(-1, keepdim=True)
    tokens -= 0
    return -logits[:, :-1].gather(2, tokens[:, 1:, None]).mean() / math.log(2)


@pytest.mark.parametrize("answer", [by_numpy, in_place])
def test_bits_in_another_style_are_right(answer):
    assert check_bits_per_token(answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda z, t: -z.softmax(-1)[:, :-1].gather(2, t[:, 1:, None]).log2().mean(),
        lambda z, t: bits(z[:2], t[:2]),
        lambda z, t: bits(z, t).clamp(max=9),
    ],
)
def test_bits_of_small_numbers_alone_are_wrong(answer):
    assert not check_bits_per_token(answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (partial(bits, by=0), "shift by one"),
        (partial(bits, by=2), "shifted twice"),
        (lambda *x: bits(*x) * math.log(2), "nats"),
        (lambda *x: 2 ** bits(*x), "perplexity"),
        (lambda *x: 5.0, "should be"),
        (lambda *x: ..., "not filled in"),
    ],
)
def test_other_bits_are_named(answer, message):
    verdict = check_bits_per_token(answer)
    assert not verdict and message in verdict.message


def continuations(text):
    return Counter(second for _, second in {*zip(text, text[1:], strict=False)})


def test_continuation_counts_are_right():
    assert check_continuation_counts(continuations)
    assert check_continuation_counts(lambda t: {c: 0 for c in t} | continuations(t))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda text: Counter(text[1:]), "plain counts"),
        (lambda text: Counter(a for a, _ in {*zip(text, text[1:])}), "differ"),  # noqa: B905
        (lambda text: {c: n + 1 for c, n in continuations(text).items()}, "not 3"),
        (lambda text: ..., "not filled in"),
    ],
)
def test_other_counts_are_named(answer, message):
    verdict = check_continuation_counts(answer)
    assert not verdict and message in verdict.message


def right_changed_gpt(config):
    def normalize(logits, dim=-1):
        return softmax_one(logits.double(), dim).float()

    return GPT(config, normalize, AlibiPositions(config.heads))


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "bits_per_token": bits,
    "changed_gpt": right_changed_gpt,
    "continuation_counts": continuations,
}
