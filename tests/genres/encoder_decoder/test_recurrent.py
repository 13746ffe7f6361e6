"""The recurrent models: what they can see of the source, and what they share."""

import pytest
import torch
from torch.testing import assert_close

from genai_lib.genres.encoder_decoder import (
    AttentiveSeq2Seq,
    RecurrentSeq2Seq,
    Seq2Seq,
    Seq2SeqConfig,
    exact_matches,
    greedy_decode,
    translation_loss,
)
from genai_lib.genres.inference import beam_search

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


def test_the_two_differ_by_two_linear_layers():
    plain, attentive = RecurrentSeq2Seq(CONFIG), AttentiveSeq2Seq(CONFIG)
    extra = attentive.state_dict().keys() - plain.state_dict().keys()
    assert sorted(extra) == ["combine.bias", "combine.weight", "to_query.weight"]


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
    with pytest.raises(ValueError, match="source: a row holds only padding"):
        RecurrentSeq2Seq(CONFIG)(torch.zeros(1, 3).long(), torch.zeros(1, 1).long())


RECURRENT = (RecurrentSeq2Seq, AttentiveSeq2Seq)
MODELS = (*RECURRENT, Seq2Seq)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize(
    ("row", "pad"),
    [([0, 5, 6, 7], 0), ([5, 0, 6, 7], 0), ([5, 6, 0, 7], 0), ([0, 5, 6, 0], 0)]
    + [([2, 5, 0, 2], 2), ([5, 2, 0, 7], 2)],
)
def test_pads_that_do_not_end_a_source_are_named(kind, row, pad):
    model = kind(Seq2SeqConfig(13, width=12, heads=3, pad_token=pad))
    source = torch.tensor([[5, 6, 7, pad], row, row])
    for call in (
        lambda: model.start(source),
        lambda: model(source, torch.ones(3, 2).long()),
        lambda: greedy_decode(model, source, 2),
    ):
        with pytest.raises(ValueError, match=rf"source: row 1 .*pad_token={pad}"):
            call()


@pytest.mark.parametrize("kind", RECURRENT)
def test_pads_at_the_end_change_nothing(kind):
    model, target = kind(CONFIG), torch.tensor([[0, 4, 5]])
    wanted = model(torch.tensor([[4, 5, 6]]), target)
    assert_close(model(torch.tensor([[4, 5, 6, 0, 0]]), target), wanted)


def test_a_transformer_looks_at_no_pad_wherever_it_stands():
    config = Seq2SeqConfig(13, width=12, heads=3, pad_token=2)
    model, target = Seq2Seq(config).eval(), torch.tensor([[0, 4, 5]])
    source = torch.tensor([[2, 4, 2, 6, 2]])
    wanted = model(source, target)
    model.embedding.weight.data[2] = 50.0
    found = model(source, target)
    others = torch.arange(13) != 2  # the tied table scores the pad itself
    assert_close(found[..., others], wanted[..., others])
    assert not found.equal(wanted)


@pytest.mark.parametrize("kind", MODELS)
def test_targets_have_their_pads_at_the_end(kind):
    model = kind(CONFIG)
    for wrong in ([5, 0, 6, 1], [0, 5, 6, 1], [0, 5, 0, 0]):
        target = torch.tensor([[5, 6, 1, 0], wrong])
        for measure in (
            lambda t: translation_loss(model, (SOURCE, t)),
            lambda t: exact_matches(model, SOURCE, t),
        ):
            with pytest.raises(ValueError, match="target: row 1 has padding"):
                measure(target)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("kind", MODELS)
def test_broken_weights_write_nothing(kind, value):
    model = kind(CONFIG)
    model.embedding.weight.data[3] = value
    model.to_logits.weight.data[3] = value
    target = torch.tensor([[5, 6, 1], [5, 1, 0]])
    for write in (
        lambda: greedy_decode(model, SOURCE, 4),
        lambda: exact_matches(model, SOURCE, target),
        lambda: beam_search(model.conditioned_on(SOURCE[:1]), torch.tensor([0]), 3, 2),
        lambda: model.conditioned_on(SOURCE)(target),
    ):
        with pytest.raises(ValueError, match="logits hold NaN or infinity"):
            write()
