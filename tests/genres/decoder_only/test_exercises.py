"""Checkers of the exercises: right answers pass, each mistake is named."""

import math
from collections import Counter
from functools import partial

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
        (lambda c: GPT(c, scheme=AlibiPositions(3)), "still use softmax"),
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


def bits(logits, tokens, by=1):
    return cross_entropy_bits(logits[:, : logits.shape[1] - by], tokens[:, by:]).mean()


def test_shifted_bits_are_right():
    assert check_bits_per_token(bits)
    assert check_bits_per_token(lambda logits, tokens: bits(logits, tokens).item())


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
