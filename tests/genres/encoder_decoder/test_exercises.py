"""Checkers of the exercises: right answers pass, each mistake is named."""

import pytest
from torch.nn import functional

from genai_lib.genres.encoder_decoder.exercises import (
    check_fill_in,
    check_smoothed_loss,
    check_whole_answers,
)


def test_powers_are_right():
    assert check_whole_answers(lambda right, tokens: right**tokens)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda right, tokens: 1 - (1 - right) ** tokens, "all must be"),
        (lambda right, tokens: right * tokens, "should be 0.8864"),
        (lambda right, tokens: None, "not filled in"),
    ],
)
def test_other_powers_are_named(answer, message):
    verdict = check_whole_answers(answer)
    assert not verdict and message in verdict.message


def smoothed(logits, target, smoothing):
    logs = logits.log_softmax(-1)
    label = logs.gather(-1, target[..., None])[..., 0]
    losses = -(1 - smoothing) * label - smoothing * logs.mean(-1)
    return losses[target != 0].mean()


def test_soft_labels_without_pads_are_right():
    assert check_smoothed_loss(smoothed)


def marked_in_place(logits, target, smoothing):
    target[target == 0] = -100
    return functional.cross_entropy(
        logits.transpose(1, 2), target, ignore_index=-100, label_smoothing=smoothing
    )


def by_soft_labels(logits, target, smoothing):
    size = logits.shape[-1]
    label = functional.one_hot(target, size) * (1 - smoothing) + smoothing / size
    losses = -(label * logits.double().log_softmax(-1)).sum(-1)
    return float(losses[target > 0].mean())


@pytest.mark.parametrize("answer", [marked_in_place, by_soft_labels])
def test_losses_in_another_style_are_right(answer):
    assert check_smoothed_loss(answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b, s: smoothed(a, b, min(s, 0.3)),
        lambda a, b, s: smoothed(a[:3, :5], b, s).clamp(max=50),
        lambda a, b, s: -(a.exp() / a.exp().sum(-1, keepdim=True)).log().mean() + s,
    ],
)
def test_losses_that_are_right_for_small_numbers_alone_are_wrong(answer):
    assert not check_smoothed_loss(answer)


def torch_loss(logits, target, smoothing, **options):
    rows, labels = logits.flatten(0, 1), target.flatten()
    options = {"ignore_index": 0, "label_smoothing": smoothing} | options
    return functional.cross_entropy(rows, labels, **options)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda *a: torch_loss(*a, ignore_index=-100), "padding counts"),
        (lambda *a: torch_loss(*a, label_smoothing=0.0), "nothing is smoothed"),
        (lambda a, b, s: torch_loss(a, b, s * 7 / 6), "spread over the other tokens"),
        (lambda *a: 2 * torch_loss(*a), "with smoothing 0.0 the loss should be"),
        (lambda *a: ..., "not filled in"),
    ],
)
def test_other_losses_are_named(answer, message):
    verdict = check_smoothed_loss(answer)
    assert not verdict and message in verdict.message


def fill_in(source, target, first_sentinel):
    spans = {}
    for token in target[:-1]:
        if token >= first_sentinel:
            spans[token] = []
        else:
            spans[max(spans)].append(token)
    return [x for token in source[:-1] for x in spans.get(token, [token])]


def test_spans_in_their_places_are_right():
    assert check_fill_in(fill_in)


def at_the_end(source, target, first_sentinel):
    return [x for x in source[:-1] + target if x < first_sentinel and x != 1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s, t, m: s, "sentinels are left"),
        (lambda s, t, m: fill_in(s, t, m) + [1], "the end token is left"),
        (at_the_end, "but their order is not"),
        (lambda s, t, m: fill_in(s, t, m)[1:], "of 7 tokens is not restored"),
        (lambda s, t, m: None, "not filled in"),
    ],
)
def test_other_texts_are_named(answer, message):
    verdict = check_fill_in(answer)
    assert not verdict and message in verdict.message


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "fill_in": fill_in,
    "smoothed_loss": smoothed,
    "whole_answers": lambda right, tokens: right**tokens,
}
