"""The recurrent models: what they can see of the source, and what they share."""

import pytest
import torch
from torch.testing import assert_close

from genai_lib.genres.encoder_decoder import (
    AttentiveSeq2Seq,
    RecurrentSeq2Seq,
    Seq2SeqConfig,
)

CONFIG = Seq2SeqConfig(13, width=12, heads=3)
SOURCE = torch.tensor([[4, 5, 6, 7, 1], [8, 9, 1, 0, 0]])


def test_without_attention_everything_passes_through_one_vector():
    model = RecurrentSeq2Seq(CONFIG)
    cache = model.start(SOURCE)
    assert cache.state.shape == (1, 2, 12)
    target = torch.randint(2, 13, (2, 4))
    wanted = model(SOURCE, target)
    cache.memory.fill_(torch.nan)
    assert_close(model.decode(target, cache), wanted)


def test_with_attention_each_state_looks_at_what_is_no_pad():
    model = AttentiveSeq2Seq(CONFIG)
    cache = model.start(SOURCE)
    found, weights = model.attend(torch.randn(2, 4, 12), cache)
    assert found.shape == (2, 4, 12) and weights.shape == (2, 4, 5)
    assert_close(weights.sum(-1), torch.ones(2, 4))
    assert (weights[1, :, 3:] == 0).all() and (weights[1, :, :3] > 0).all()
    assert_close(found, weights @ cache.memory)


def test_the_two_differ_by_two_maps_alone():
    plain, attentive = RecurrentSeq2Seq(CONFIG), AttentiveSeq2Seq(CONFIG)
    extra = attentive.state_dict().keys() - plain.state_dict().keys()
    assert sorted(extra) == ["mix.bias", "mix.weight", "to_query.weight"]


def test_the_first_state_holds_both_directions():
    """The last of the forward outputs, the first of the backward ones."""
    model = RecurrentSeq2Seq(CONFIG)
    cache = model.start(SOURCE)
    for row, length in enumerate((5, 3)):
        memory = cache.memory[row]
        wanted = torch.cat([memory[length - 1, :6], memory[0, 6:]])
        assert_close(cache.state[0, row], wanted)


def test_an_odd_width_is_one_clear_error():
    with pytest.raises(ValueError, match="width=9 must be even"):
        RecurrentSeq2Seq(Seq2SeqConfig(13, width=9, heads=3))


def test_a_source_of_pads_alone_is_one_clear_error():
    with pytest.raises(ValueError, match="source: a row has no token but pads"):
        RecurrentSeq2Seq(CONFIG)(torch.zeros(1, 3).long(), torch.zeros(1, 1).long())
