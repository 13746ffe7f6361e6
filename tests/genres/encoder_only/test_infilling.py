"""Infilling: masked windows, the positions that a test masks, and the accuracy."""

import itertools

import pytest
import torch

from genai_lib.genres.encoder_only import (
    IGNORED,
    choose_masked,
    masked_accuracy,
    masked_windows,
)

MASK, FIRST, V = 50, 51, 52
TEXT = torch.arange(50)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("first", [None, FIRST])
def test_batches_are_masked_windows_of_the_text(first):
    batches = masked_windows(TEXT, 12, 30, MASK, V, source(), rate=0.4, first=first)
    seen = []
    for inputs, targets in itertools.islice(batches, 3):
        assert inputs.shape == targets.shape == (30, 12)
        chosen = targets != IGNORED
        whole = targets.where(chosen, inputs)
        if first is not None:
            assert (whole[:, 0] == FIRST).all() and not chosen[:, 0].any()
            whole = whole[:, 1:]
        assert (whole.diff(dim=1) == 1).all()
        assert 0.3 < chosen[:, 1:].float().mean() < 0.5
        assert (inputs == MASK).sum() > 0.6 * chosen.sum()
        assert not (inputs[:, 1:] == FIRST).any() or first is None
        seen.append(inputs)
    assert not seen[0].equal(seen[1])


def test_a_generator_repeats_the_batches():
    one, two = (
        next(masked_windows(TEXT, 8, 4, MASK, V, source(3), first=FIRST))
        for _ in range(2)
    )
    assert one[0].equal(two[0]) and one[1].equal(two[1])


def test_the_rate_reaches_the_masking():
    inputs, targets = next(masked_windows(TEXT, 40, 9, MASK, V, source(), rate=0.0))
    assert (targets == IGNORED).all()
    assert not (inputs == MASK).any()


def test_masked_positions_are_binomial_and_never_before_the_first():
    rows = torch.zeros(400, 100)
    masked = choose_masked(rows, 0.15, source(), first=3)
    assert masked.shape == rows.shape and not masked[:, :3].any()
    share = masked[:, 3:].float().mean().item()
    assert abs(share - 0.15) < 5 * (0.15 * 0.85 / 38_800) ** 0.5
    assert not choose_masked(rows, 0.9, source())[:, 0].any()


def test_without_a_rate_one_position_is_masked_in_each_row():
    masked = choose_masked(torch.zeros(3000, 6), 0, source(), first=2)
    assert (masked.sum(1) == 1).all()
    counts = masked.sum(0).tolist()
    assert counts[:2] == [0, 0]
    assert all(abs(count - 750) < 120 for count in counts[2:])


def test_accuracy_by_hand():
    """Three are masked and two predicted right; the others do not count."""
    rows = torch.tensor([[0, 1, 2], [2, 1, 0]])
    logits = torch.nn.functional.one_hot(torch.tensor([[0, 1, 0], [0, 1, 2]]), 3)
    masked = torch.tensor([[True, True, False], [True, False, False]])
    assert masked_accuracy(logits.float(), rows, masked) == pytest.approx(2 / 3)
    assert masked_accuracy(logits.float(), rows, ~masked) == pytest.approx(1 / 3)


def test_inputs_that_cannot_be_are_named():
    rows, logits = torch.zeros(2, 4).long(), torch.zeros(2, 4, 5)
    masked = torch.ones(2, 4).bool()
    for rate in (-0.1, 15):
        with pytest.raises(ValueError, match=f"rate={rate}"):
            choose_masked(rows, rate, source())
    with pytest.raises(ValueError, match="first=4 must be from 0 to 3"):
        choose_masked(rows, 0.1, source(), first=4)
    with pytest.raises(ValueError, match="rows=.* must have the shape of logits"):
        masked_accuracy(logits, rows[:, :3], masked)
    with pytest.raises(ValueError, match="masked=.* must have the shape of logits"):
        masked_accuracy(logits, rows, masked[:1])
    with pytest.raises(ValueError, match="masked=.* boolean, with at least one True"):
        masked_accuracy(logits, rows, ~masked)
    with pytest.raises(ValueError, match="logits=.*floating"):
        masked_accuracy(logits.long(), rows, masked)
