"""Checkers of the exercises: right answers pass, each mistake is named."""

import math

import pytest
import torch
from torch.nn import functional

from genai_lib.genres.encoder_only.exercises import check_mask_spans, check_masked_bits


def spans(tokens, starts, length, mask_token):
    places = torch.arange(tokens.shape[1])
    masked = (places >= starts[:, None]) & (places < starts[:, None] + length)
    return tokens.masked_fill(masked, mask_token), tokens.masked_fill(~masked, -100)


def test_masked_spans_are_right():
    assert check_mask_spans(spans)


def by_loops(tokens, starts, length, mask_token):
    inputs, targets = tokens.tolist(), [[-100] * len(row) for row in tokens]
    for row, start in enumerate(starts.tolist()):
        for place in range(start, min(start + length, tokens.shape[1])):
            inputs[row][place] = mask_token
            targets[row][place] = int(tokens[row, place])
    return inputs, targets


def by_where(tokens, starts, length, mask_token):
    tokens.add_(0)  # its own to change, as long as it gives the tokens back
    place = torch.arange(tokens.shape[1])[None]
    masked = (place >= starts[:, None]) & (place < (starts + length)[:, None])
    return (
        torch.where(masked, mask_token, tokens).int(),
        torch.where(masked, tokens, -100).double(),
    )


@pytest.mark.parametrize("answer", [by_loops, by_where])
def test_masked_spans_in_another_style_are_right(answer):
    assert check_mask_spans(answer)


def length_of_two(tokens, starts, length, mask_token):
    return spans(tokens, starts, 2, mask_token)


def mask_of_nine(tokens, starts, length, mask_token):
    return spans(tokens, starts, length, 9)


def wraps_round(tokens, starts, length, mask_token):
    places = (torch.arange(tokens.shape[1]) - starts[:, None]) % tokens.shape[1]
    masked = places < length
    return tokens.masked_fill(masked, mask_token), tokens.masked_fill(~masked, -100)


def stays_inside(tokens, starts, length, mask_token):
    starts = starts.clamp(max=tokens.shape[1] - length)
    return spans(tokens, starts, length, mask_token)


def first_rows_only(tokens, starts, length, mask_token):
    inputs, targets = tokens.clone(), torch.full_like(tokens, -100)
    for row in range(min(2, len(tokens))):
        part = slice(starts[row], starts[row] + length)
        inputs[row, part], targets[row, part] = mask_token, tokens[row, part]
    return inputs, targets


@pytest.mark.parametrize(
    "answer", [length_of_two, mask_of_nine, wraps_round, stays_inside, first_rows_only]
)
def test_spans_that_are_right_in_one_case_alone_are_wrong(answer):
    verdict = check_mask_spans(answer)
    assert not verdict and "should be masked" in verdict.message


def in_place(tokens, starts, length, mask_token):
    inputs, targets = spans(tokens, starts, length, mask_token)
    tokens.copy_(inputs)
    return inputs, targets


def one_too_long(tokens, starts, length, mask_token):
    return spans(tokens, starts, length + 1, mask_token)


def all_targets(tokens, *rest):
    return spans(tokens, *rest)[0], tokens


def no_targets(tokens, *rest):
    return spans(tokens, *rest)[0], torch.full_like(tokens, -100)


def shifted(tokens, *rest):
    inputs, targets = spans(tokens, *rest)
    return inputs.where(inputs == 9, 0), targets


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (in_place, "work on a copy"),
        (one_too_long, "should be masked, not"),
        (all_targets, "all other positions should be -100"),
        (no_targets, "not the original tokens"),
        (shifted, "not masked has changed"),
        (lambda *x: (1, 2), "must be a Tensor"),
        (lambda *x: ..., "not filled in"),
    ],
)
def test_other_spans_are_named(answer, message):
    verdict = check_mask_spans(answer)
    assert not verdict and message in verdict.message


def bits(model, row, mask_token):
    masked = row.repeat(len(row), 1).fill_diagonal_(mask_token)
    logits = model(masked).diagonal().T
    return functional.cross_entropy(logits, row).item() / math.log(2)


def test_bits_of_masked_tokens_are_right():
    assert check_masked_bits(bits)


def visible(model, row, mask_token):
    return functional.cross_entropy(model(row[None])[0], row).item() / math.log(2)


def all_masked(model, row, mask_token):
    logits = model(torch.full_like(row, mask_token)[None])[0]
    return functional.cross_entropy(logits, row).item() / math.log(2)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (visible, "no token is masked"),
        (all_masked, "all tokens are masked at once"),
        (lambda *x: bits(*x) * math.log(2), "nats"),
        (lambda *x: bits(*x) * 7, "the sum"),
        (lambda *x: 5.0, "should be"),
        (lambda *x: ..., "not filled in"),
    ],
)
def test_other_bits_are_named(answer, message):
    verdict = check_masked_bits(answer)
    assert not verdict and message in verdict.message


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "masked_bits": bits,
    "mask_spans": spans,
}
