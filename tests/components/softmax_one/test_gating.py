"""The gate, alone and on the heads of an attention."""

import math

import pytest
import torch
from torch.testing import assert_close

from genai_lib.components.attention import (
    FeedForward,
    KeyValueCache,
    MultiHeadAttention,
    TransformerBlock,
    attend,
    causal_mask,
    record_attention,
)
from genai_lib.components.softmax_one import GatedAttention, gate, softmax_one


def test_a_gate_passes_a_share():
    output = torch.tensor([[2.0, 4.0], [6.0, 8.0], [1.0, 1.0]])
    logits = torch.tensor([[0.0], [-math.inf], [math.inf]])
    assert gate(output, logits).tolist() == [[1.0, 2.0], [0.0, 0.0], [1.0, 1.0]]


def test_softmax_one_is_a_gate_on_softmax():
    """Its gate is the log of the sum of exponentials, and has no weights to learn."""
    query, key, value = (torch.randn(2, 5, 4, dtype=torch.double) for _ in range(3))
    found, _ = attend(query, key, value)
    scores = query @ key.mT / 2
    wanted, _ = attend(query, key, value, normalize=softmax_one)
    assert_close(gate(found, scores.logsumexp(-1, keepdim=True)), wanted)


def test_open_gates_leave_attention_as_it_is():
    gated, plain = GatedAttention(8, 2), MultiHeadAttention(8, 2)
    plain.load_state_dict(
        {
            name: weight
            for name, weight in gated.state_dict().items()
            if not name.startswith("to_gate")
        }
    )
    gated.to_gate.bias.data.fill_(math.inf)
    x = torch.randn(3, 5, 8)
    mask = causal_mask(5)
    assert_close(gated(x, mask=mask), plain(x, mask=mask))


def test_each_head_and_position_has_its_own_gate():
    """The equation of the paper, one head and one position at a time."""
    gated = GatedAttention(6, heads=2)
    x = torch.randn(1, 4, 6)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        q, k, v = (
            f(x)[..., part] for f in (gated.to_query, gated.to_key, gated.to_value)
        )
        found = torch.softmax(q @ k.mT / 3**0.5, dim=-1) @ v
        opened = torch.sigmoid(
            x @ gated.to_gate.weight[head] + gated.to_gate.bias[head]
        )
        heads.append(found * opened[..., None])
    assert_close(gated(x), gated.to_output(torch.cat(heads, dim=-1)))


def test_closed_gates_give_nothing_but_the_bias():
    gated = GatedAttention(8, 2, bias=False)
    gated.to_gate.bias.data.fill_(-math.inf)
    assert (gated(torch.randn(2, 3, 8)) == 0).all()


def test_the_gate_starts_as_far_open_as_asked():
    gated = GatedAttention(8, 2, initial_gate=0.9)
    gated.to_gate.weight.data.zero_()
    assert_close(
        torch.sigmoid(gated.to_gate(torch.randn(5, 8))), torch.full((5, 2), 0.9)
    )


def test_it_serves_in_a_block_with_a_cache_and_is_watched():
    block = TransformerBlock(GatedAttention(8, 2), FeedForward(8))
    x = torch.randn(2, 5, 8)
    whole = block(x, mask=causal_mask(5))
    cache = KeyValueCache()
    steps = [block(x[:, t : t + 1], cache=cache) for t in range(5)]
    assert_close(torch.cat(steps, dim=1), whole)
    with record_attention(block) as seen:
        block(x)
    assert seen["attention"][0].shape == (2, 2, 5, 5)
    block(x).sum().backward()
    assert (block.attention.to_gate.weight.grad != 0).any()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="output="):
        gate([1.0], torch.zeros(1))
    with pytest.raises(ValueError, match="logits="):
        gate(torch.zeros(2), 0.0)
    for logits in (torch.zeros(3), torch.zeros(2, 1, 2)):
        with pytest.raises(ValueError, match="logits=.* must broadcast to output="):
            gate(torch.zeros(1, 2), logits)
    for start in (0, 1, 1.5, None):
        with pytest.raises(ValueError, match="initial_gate="):
            GatedAttention(8, 2, initial_gate=start)
    with pytest.raises(ValueError, match="width=8 must be a multiple of heads=3"):
        GatedAttention(8, 3)
