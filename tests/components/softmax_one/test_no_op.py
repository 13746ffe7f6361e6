"""The no-op task, the head that must be silent, and the logits that it needs."""

import math

import pytest
import torch
from torch.testing import assert_close

from genai_lib.components.attention import MultiHeadAttention
from genai_lib.components.softmax import softmax
from genai_lib.components.softmax_one import (
    GatedAttention,
    NoOpHead,
    answer_loss,
    draw_sequences,
    learn_no_op,
    no_op_logit_range,
    softmax_one,
)


@pytest.mark.parametrize("begin", [False, True])
def test_the_answer_is_the_token_before_where_the_flag_is_set(begin):
    tokens, flags, answers = draw_sequences(20, 9, 5, 0.4, begin=begin)
    assert tokens.shape == flags.shape == (20, 9)
    assert answers.shape == (20, 9, 5)
    first = 2 if begin else 1
    assert (flags[:, :first] == 0).all()
    assert (tokens[:, 0] == 5).all() == begin
    assert (tokens[:, 1:] < 5).all()
    for row in range(20):
        for place in range(9):
            wanted = [0.0] * 5
            if flags[row, place]:
                wanted[tokens[row, place - 1]] = 1.0
            assert answers[row, place].tolist() == wanted


def test_the_rate_of_flags_and_the_generator_are_obeyed():
    flags = draw_sequences(500, 32).flags[:, 1:].float()
    assert flags.mean().item() == pytest.approx(0.15, abs=0.02)
    assert (draw_sequences(5, rate=1.0).flags[:, 1:] == 1).all()
    first, again = (
        draw_sequences(3, generator=torch.Generator().manual_seed(4)) for _ in range(2)
    )
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))


def test_the_head_sees_no_future_and_its_output_is_all_there_is():
    head = NoOpHead(MultiHeadAttention(8, 1), length=6, vocabulary=4)
    tokens, flags, _ = draw_sequences(2, 6, 4)
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % 4
    before, after = head(tokens, flags), head(changed, flags)
    assert before.shape == (2, 6, 4)
    assert_close(before[:, :4], after[:, :4])
    head.attention.to_output.weight.data.zero_()
    head.attention.to_output.bias.data.zero_()
    assert (head(tokens, flags) == 0).all()


def train(attention, steps=150):
    head = NoOpHead(attention, length=6, vocabulary=3)
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-2)
    for _ in range(steps):
        loss = answer_loss(head, draw_sequences(32, 6, 3, 0.3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return answer_loss(head, draw_sequences(300, 6, 3, 0.3)).item()


def test_softmax_cannot_be_silent_and_the_others_can():
    softmax_error = train(MultiHeadAttention(16, 1))
    assert train(MultiHeadAttention(16, 1, normalize=softmax_one)) < softmax_error / 5
    assert train(GatedAttention(16, 1)) < softmax_error / 5


def test_weights_that_sum_to_one_leave_an_error_whatever_is_learned():
    """At the first position there is one key, and softmax must take all of it."""
    head = NoOpHead(MultiHeadAttention(8, 1), length=6, vocabulary=4)
    tokens, flags, _ = draw_sequences(2, 6, 4)
    found = head(tokens, flags)[:, 0]
    x = head.embed(tokens, flags)[:, :1]
    value = head.attention.to_output(head.attention.to_value(x))
    assert_close(found, head.to_answer(value)[:, 0])


# The range of logits


@pytest.mark.parametrize("items", [2, 16, 1024])
@pytest.mark.parametrize("mass", [0.5, 0.9, 0.999])
def test_the_range_gives_the_sink_its_mass_and_no_smaller_one_does(items, mass):
    logits = torch.zeros(items, dtype=torch.double)
    logits[0] = no_op_logit_range(mass, items)
    assert softmax(logits)[0].item() == pytest.approx(mass)
    for _ in range(20):
        other = torch.rand(items, dtype=torch.double) * logits[0].abs()
        assert softmax(other)[0] <= mass + 1e-9


def gate_mass(logits):
    return torch.sigmoid(logits[0]) * softmax(logits[1:]).sum()


def softmax_mass(logits):
    return softmax(logits)[1:].sum()


def softmax_one_mass(logits):
    return softmax_one(logits).sum()


@pytest.mark.parametrize("items", [16, 256])
def test_training_finds_the_range_for_softmax_and_none_of_it_for_a_gate(items):
    generator = torch.Generator().manual_seed(1)
    found = learn_no_op(softmax_mass, items, 1e-3, generator=generator)
    wanted = no_op_logit_range(0.999, items)
    assert wanted <= found.max() - found.min() < wanted + 0.8
    low = learn_no_op(softmax_one_mass, items, 1e-3, generator=generator)
    assert low.logsumexp(0).item() == pytest.approx(math.log(1e-3), abs=0.05)
    gated = learn_no_op(gate_mass, items, 1e-3, generator=generator)
    assert gated[0].item() == pytest.approx(math.log(1e-3), abs=0.05)
    assert gated[1:].abs().max() < 0.5


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="length=0"):
        draw_sequences(2, 0)
    for rate in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="rate="):
            draw_sequences(2, rate=rate)
    for mass, items in ((0.5, 1), (1.0, 4), (0.0, 4)):
        with pytest.raises(ValueError, match=f"items={items}"):
            no_op_logit_range(mass, items)
    with pytest.raises(ValueError, match="steps=0"):
        learn_no_op(softmax_mass, 4, 0.1, steps=0)
    with pytest.raises(ValueError, match="after steps=3"):
        learn_no_op(softmax_mass, 4, 1e-3, steps=3)
