"""DeBERTa as a model: what it sees, its last block, its errors, that it learns."""

import pytest
import torch
from torch.testing import assert_close

from genai_lib.components.attention import record_attention
from genai_lib.genres.disentangled_attention import (
    Deberta,
    DebertaAttention,
    DebertaAttentionAsPrinted,
    DebertaConfig,
    enhanced_mask_decoder,
)
from genai_lib.genres.encoder_only import mask_tokens, masked_loss
from genai_lib.training import fit

SIZES = {"vocab_size": 11, "context": 9, "width": 12, "heads": 3, "ffn_width": 20}
SIZES |= {"max_relative_distance": 4, "layers": 3}
ABSOLUTE = ("none", "input", "decoder")


def lively(attention=DebertaAttention, **changes):
    """Make a model whose weights are so large that every part of it shows."""
    model = Deberta(DebertaConfig(**SIZES | changes), attention)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.4)
    return model.eval()


@pytest.mark.parametrize("absolute", ABSOLUTE)
def test_every_position_depends_on_both_sides(absolute):
    model, tokens = lively(absolute=absolute), torch.randint(11, (2, 7))
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 11
    before, after = model(tokens), model(changed)
    assert before.shape == (2, 7, 11)
    assert not torch.isclose(before, after).all(-1).any()


@pytest.mark.parametrize("absolute", ABSOLUTE)
def test_a_shift_shows_where_positions_are_absolute_and_nowhere_else(absolute):
    model, tokens = lively(absolute=absolute), torch.randint(11, (2, 5))
    moved = model(tokens, positions=torch.arange(5) + 3)
    same = torch.allclose(moved, model(tokens), atol=1e-5)
    assert same == (absolute == "none")


@pytest.mark.parametrize("absolute", ABSOLUTE)
def test_what_fills_up_a_row_changes_nothing(absolute):
    model, tokens = lively(absolute=absolute), torch.randint(11, (2, 7))
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, 5:] = False
    changed = tokens.clone()
    changed[0, 5:] = (changed[0, 5:] + 1) % 11
    before, after = (model(x, mask=mask) for x in (tokens, changed))
    assert_close(before[0, :5], after[0, :5])
    assert_close(before[0, :5], model(tokens[:1, :5])[0], atol=1e-4, rtol=1e-5)
    assert_close(before[1], model(tokens)[1], atol=1e-4, rtol=1e-5)
    assert torch.isfinite(before).all()


def test_the_decoder_reads_absolute_positions_once_and_the_last_block_twice():
    model, tokens = lively(absolute="decoder"), torch.randint(11, (2, 7))
    places = torch.arange(7)
    plain = lively(absolute="none")
    shared = {k: x for k, x in model.state_dict().items() if "absolute" not in k}
    plain.load_state_dict(shared)
    states, without = model.states(tokens), plain.states(tokens)
    # All but the last are those of a model that knows of no absolute position.
    assert_close(states[:-1], without[:-1])
    last, memory = model.blocks[-1], states[-2]
    query = memory + model.absolute.table.weight[:7]
    seen = {"positions": places, "mask": None}
    for _ in range(2):
        looked = last.attention(query, memory, **seen)
        query = last.attention_norm(query + looked)
        query = last.feed_forward_norm(query + last.feed_forward(query))
    assert_close(states[-1], query)
    with record_attention(model) as seen:
        model(tokens)
    assert [len(calls) for calls in seen.values()] == [1, 1, 2]


def test_decoding_once_without_positions_is_the_block_itself():
    model = lively()
    block, x = model.blocks[-1], torch.randn(2, 5, 12)
    assert_close(enhanced_mask_decoder(block, x, x, 1), block(x))
    twice = enhanced_mask_decoder(block, x, x, 2)
    assert not torch.allclose(twice, block(block(x)), atol=1e-2)
    assert not torch.allclose(twice, block(x), atol=1e-2)


def test_one_table_of_distances_serves_all_layers():
    model = lively()
    tables = {block.attention.positional_encoding for block in model.blocks}
    assert tables == {model.positions}
    assert len([p for p in model.parameters() if p.shape == (8, 12)]) == 1


def test_printed_and_released_index_give_different_models():
    code, paper = lively(), lively(DebertaAttentionAsPrinted)
    paper.load_state_dict(code.state_dict())
    tokens = torch.randint(11, (2, 7))
    assert not torch.allclose(code(tokens), paper(tokens), atol=1e-4)


def test_the_loss_of_hidden_tokens_trains_every_parameter():
    model = lively(absolute="decoder", normed=True)
    batch = mask_tokens(torch.randint(10, (4, 9)), 10, 11, rate=0.5)
    masked_loss(model, batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_it_learns_one_batch_by_heart():
    model = Deberta(DebertaConfig(**SIZES | {"width": 24, "layers": 1}))
    batch = mask_tokens(torch.randint(10, (4, 9)), 10, 11, rate=0.3)
    history = fit(
        model, iter([batch] * 150), masked_loss, steps=150, learning_rate=1e-2
    )
    assert history.losses[-1] < 0.1 < history.losses[0]


def test_a_model_without_head_has_hidden_states_and_one_clear_error():
    model, tokens = lively(head=False), torch.randint(11, (2, 7))
    assert model.hidden_states(tokens).shape == (2, 7, 12)
    with pytest.raises(ValueError, match="has no head"):
        model(tokens)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 10}, "width=10 must be a multiple of heads=3"),
        ({"layers": 0}, "layers=0"),
        ({"max_relative_distance": 0}, "max_relative_distance=0"),
        ({"absolute": "output"}, "absolute='output' must be one of none, input"),
        ({"activation": "tanh"}, "activation='tanh'"),
        ({"terms": ("p2p",)}, "terms="),
        ({"epsilon": 0}, "epsilon=0"),
        ({"init_std": -1}, "init_std=-1"),
        ({"max_distance": 3}, "max_distance=3 above 3"),
    ],
)
def test_impossible_sizes_are_one_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        Deberta(DebertaConfig(**SIZES | changes))


def test_wrong_input_is_one_clear_error():
    model = lively(absolute="input")
    tokens = torch.randint(11, (2, 7))
    for bad, message in (
        (tokens[0], "tokens=.*shape"),
        (tokens.float(), "must be integers"),
        (tokens + 11, "must be from 0 to 10"),
        (torch.zeros(1, 10).long(), "only 0 to 8 have been given a vector"),
    ):
        with pytest.raises(ValueError, match=message):
            model(bad)
    listed = torch.ones(2, 7).bool().tolist()
    for mask in (torch.ones(2, 7), torch.ones(2, 6).bool(), listed, True):
        with pytest.raises(ValueError, match="mask=.* must be boolean"):
            model(tokens, mask=mask)
    for positions in (list(range(7)), torch.arange(7.0), torch.arange(6), 3):
        with pytest.raises(ValueError, match="positions=.* must be 7 whole numbers"):
            model(tokens, positions=positions)
