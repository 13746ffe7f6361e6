"""Sequences that repeat, heads that look back, and laws of scaling."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.genres.decoder_only import (
    PowerLaw,
    predictable_bits,
    prefix_matching_scores,
    repeats,
)


def make(periods=(2, 5), length=12, size=400, vocab_size=50):
    generator = torch.Generator().manual_seed(0)
    return next(repeats(periods, length, size, vocab_size, generator))


def test_sequences_repeat_with_every_period():
    tokens, known = make()
    assert tokens.shape == known.shape == (400, 12)
    periods = 11 - known.sum(-1)
    assert set(periods.tolist()) == {2, 3, 4, 5}
    for row, period in zip(tokens, periods.tolist(), strict=True):
        assert row[period:].equal(row[:-period])
    # Nothing else is known: the first round is random.
    assert len(tokens[:, 0].unique()) == 50


def test_the_same_seed_gives_the_same_sequences():
    assert make()[0].equal(make()[0])


def test_predictable_bits_by_hand():
    """Two known tokens, one guessed with certainty and one among four."""

    class Model(torch.nn.Module):
        def forward(self, tokens):
            logits = torch.zeros(*tokens.shape, 4)
            logits[0, 1, 3] = 100.0
            return logits

    tokens = torch.tensor([[0, 1, 3, 2]])
    known = torch.tensor([[False, False, True, True]])
    assert predictable_bits(Model(), (tokens, known)).item() == pytest.approx(1.0)


def test_prefix_matching_scores_by_hand():
    """In 5 6 7 5 6, position 3 should look at 1, and position 4 at 2."""
    tokens = torch.tensor([[5, 6, 7, 5, 6]])
    weights = torch.zeros(1, 2, 5, 5)
    weights[0, 0, 3, 1], weights[0, 0, 4, 2] = 0.5, 0.9
    weights[0, 1, 3, 0], weights[0, 1, 4, 4] = 1.0, 1.0
    assert_close(prefix_matching_scores(weights, tokens), torch.tensor([0.7, 0.0]))


@pytest.mark.parametrize("periods", [(0, 3), (4, 3), (2, 11)])
def test_periods_that_cannot_be_are_named(periods):
    with pytest.raises(ValueError, match=r"periods=.* length=12"):
        make(periods)


@given(
    factor=st.floats(0.1, 10),
    exponent=st.floats(-1, 1),
    sizes=st.lists(st.integers(1, 10**6), min_size=2, max_size=5, unique=True),
)
def test_a_power_law_is_found_again(factor, exponent, sizes):
    law = PowerLaw(factor, exponent)
    found = PowerLaw.fit(sizes, [law.at(size) for size in sizes])
    assert found.factor == pytest.approx(factor, rel=1e-6)
    assert found.exponent == pytest.approx(exponent, abs=1e-6)


def test_the_line_is_that_of_least_squares():
    sizes, losses = [1.0, 10.0, 100.0, 1000.0], [4.0, 2.5, 2.4, 1.5]
    law = PowerLaw.fit(sizes, losses)
    x = torch.tensor(sizes).double().log()[:, None]
    design = torch.cat([torch.ones_like(x), x], dim=1)
    wanted = torch.linalg.lstsq(design, torch.tensor(losses).double().log()[:, None])
    assert law.factor == pytest.approx(wanted.solution[0].exp().item())
    assert law.exponent == pytest.approx(-wanted.solution[1].item())


@pytest.mark.parametrize(
    ("sizes", "losses", "message"),
    [
        ([1, 2], [3.0], "equally many"),
        ([2, 2], [3.0, 4.0], "two different sizes"),
        ([0, 2], [3.0, 4.0], "above 0"),
        ([1, 2], [3.0, -4.0], "above 0"),
    ],
)
def test_points_that_have_no_line_are_named(sizes, losses, message):
    with pytest.raises(ValueError, match=message):
        PowerLaw.fit(sizes, losses)
