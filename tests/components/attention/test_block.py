"""The block and its parts: references, laws, learning, bad input."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from genai_lib.components.attention import (
    FeedForward,
    GatedFeedForward,
    KeyValueCache,
    MultiHeadAttention,
    PostNormBlock,
    RMSNorm,
    TransformerBlock,
    causal_mask,
)
from tests.components.attention.test_heads import copy_weights

BLOCKS = [TransformerBlock, PostNormBlock]


def make(block, *, cross=False, width=8, heads=2, **options):
    crossing = MultiHeadAttention(width, heads) if cross else None
    feed_forward = FeedForward(width, 20, functional.relu)
    return block(
        MultiHeadAttention(width, heads),
        feed_forward,
        cross_attention=crossing,
        **options,
    )


def copy_layer(ours, reference):
    """Give our block the weights of a layer of torch; norms get random ones first."""
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if "norm" in name:
                parameter.normal_(1.0, 0.2)
    copy_weights(ours.attention, reference.self_attn)
    norms = [reference.norm1, reference.norm2]
    mine = [ours.attention_norm, ours.feed_forward_norm]
    if ours.cross_attention is not None:
        copy_weights(ours.cross_attention, reference.multihead_attn)
        norms.append(reference.norm3)
        mine.insert(1, ours.cross_norm)
    for norm, theirs in zip(mine, norms, strict=True):
        norm.load_state_dict(theirs.state_dict())
    ours.feed_forward.to_hidden.load_state_dict(reference.linear1.state_dict())
    ours.feed_forward.to_output.load_state_dict(reference.linear2.state_dict())


# References


@pytest.mark.parametrize("block", BLOCKS)
def test_equals_the_encoder_layer_of_torch(block):
    ours = make(block)
    reference = nn.TransformerEncoderLayer(
        8, 2, 20, dropout=0.0, batch_first=True, norm_first=block is TransformerBlock
    )
    copy_layer(ours, reference)
    x = torch.randn(2, 5, 8)
    for mask in (None, causal_mask(5)):
        wanted = reference(x, src_mask=None if mask is None else ~mask)
        assert_close(ours(x, mask=mask), wanted, atol=2e-6, rtol=0)


@pytest.mark.parametrize("block", BLOCKS)
def test_equals_the_decoder_layer_of_torch(block):
    ours = make(block, cross=True)
    reference = nn.TransformerDecoderLayer(
        8, 2, 20, dropout=0.0, batch_first=True, norm_first=block is TransformerBlock
    )
    copy_layer(ours, reference)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    memory_mask = torch.rand(5, 7) < 0.7

    found = ours(x, memory, mask=causal_mask(5), memory_mask=memory_mask)

    wanted = reference(x, memory, tgt_mask=~causal_mask(5), memory_mask=~memory_mask)
    assert_close(found, wanted, atol=2e-6, rtol=0)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_equals_a_llama_layer_without_positions(kv_heads):
    """A cosine of 1 and a sine of 0 switch the rotation of Llama off."""
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    config = llama.LlamaConfig(
        hidden_size=16, intermediate_size=24, num_attention_heads=4,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-6, attn_implementation="sdpa",
    )  # fmt: skip
    reference = llama.LlamaDecoderLayer(config, layer_idx=0)
    ours = TransformerBlock(
        MultiHeadAttention(16, 4, kv_heads=kv_heads, bias=False),
        GatedFeedForward(16, 24),
        norm=RMSNorm,
    )
    names = {
        "attention.to_query": "self_attn.q_proj",
        "attention.to_key": "self_attn.k_proj",
        "attention.to_value": "self_attn.v_proj",
        "attention.to_output": "self_attn.o_proj",
        "feed_forward.to_gate": "mlp.gate_proj",
        "feed_forward.to_hidden": "mlp.up_proj",
        "feed_forward.to_output": "mlp.down_proj",
        "attention_norm": "input_layernorm",
        "feed_forward_norm": "post_attention_layernorm",
    }
    with torch.no_grad():
        for mine, theirs in names.items():
            source = reference.get_submodule(theirs).weight.normal_(0.5, 0.5)
            target = ours.get_submodule(mine)
            (target.scale if "norm" in mine else target.weight).copy_(source)
    x, turn = torch.randn(2, 5, 16), torch.ones(1, 5, 4)

    found = ours(x, mask=causal_mask(5))

    mask = causal_mask(5).expand(2, 1, 5, 5)
    wanted = reference(
        x, attention_mask=mask, position_embeddings=(turn, torch.zeros_like(turn))
    )
    assert_close(found, wanted, atol=2e-5, rtol=1e-5)


def test_rms_norm_equals_that_of_torch():
    x = 3 * torch.randn(2, 5, 8, dtype=torch.double)
    ours, reference = RMSNorm(8, 1e-3).double(), nn.RMSNorm(8, eps=1e-3).double()
    with torch.no_grad():
        ours.scale.normal_()
        reference.weight.copy_(ours.scale)
    assert_close(ours(x), reference(x), atol=1e-12, rtol=0)
    assert (ours(torch.zeros(1, 8).double()) == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rms_norm_survives_large_numbers_of_16_bits(dtype):
    x = torch.full((2, 8), 3e4, dtype=dtype)
    norm = RMSNorm(8).to(dtype)
    assert norm(x).dtype == dtype
    assert_close(norm(x), torch.ones(2, 8, dtype=dtype))


# Laws


def test_rms_norm_forgets_the_scale_and_layer_norm_the_shift_too():
    x = torch.randn(4, 8, dtype=torch.double)
    rms, layer = RMSNorm(8, 0.0).double(), nn.LayerNorm(8, eps=0.0).double()
    assert_close(rms(5 * x), rms(x))
    assert_close(layer(5 * x + 3), layer(x))
    assert not torch.allclose(rms(x + 3), rms(x), atol=1e-2)
    assert_close(rms(x).square().mean(-1), torch.ones(4).double())
    centred = x - x.mean(-1, keepdim=True)
    assert_close(layer(x), rms(centred))


def test_feed_forward_networks_are_the_papers_equations():
    x = torch.randn(2, 5, 6)
    plain, gated = FeedForward(6, 10), GatedFeedForward(6, 10, bias=True)
    w1, b1, w2, b2 = plain.parameters()
    assert_close(plain(x), functional.gelu(x @ w1.T + b1) @ w2.T + b2)
    gate, hidden = gated.to_gate(x), gated.to_hidden(x)
    assert_close(gated(x), gated.to_output(gate * gate.sigmoid() * hidden))


def test_both_feed_forward_networks_are_equally_large_by_default():
    sizes = [
        sum(p.numel() for p in network.parameters())
        for network in (FeedForward(24, bias=False), GatedFeedForward(24))
    ]
    assert sizes == [8 * 24**2] * 2


def test_positions_meet_in_attention_alone():
    """The feed-forward network of a block sees one position at a time."""
    network, x = FeedForward(8), torch.randn(2, 5, 8)
    assert_close(network(x)[:, 3], network(x[:, 3]))


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_are_equivariant_and_causal(block):
    ours, x = make(block).double(), torch.randn(2, 6, 8, dtype=torch.double)
    order = [3, 1, 5, 0, 4, 2]
    assert_close(ours(x[:, order]), ours(x)[:, order], atol=1e-12, rtol=0)
    changed = x.clone()
    changed[:, 4:] += 1.0
    before, after = (ours(y, mask=causal_mask(6)) for y in (x, changed))
    assert_close(after[:, :4], before[:, :4])


def test_a_pre_norm_block_whose_outputs_are_zero_is_the_identity():
    ours, x = make(TransformerBlock, cross=True), torch.randn(2, 5, 8)
    with torch.no_grad():
        for part in (ours.attention, ours.cross_attention, ours.feed_forward):
            part.to_output.weight.zero_()
            part.to_output.bias.zero_()
    assert ours(x, memory=x).equal(x)


def test_a_post_norm_block_ends_in_a_norm():
    ours, x = make(PostNormBlock), 9 * torch.randn(2, 5, 8) + 4
    y = ours(x)
    assert_close(y.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    assert_close(y.var(-1, correction=0), torch.ones(2, 5), atol=1e-3, rtol=0)


def test_blocks_use_a_cache_and_a_prepared_memory():
    ours = make(TransformerBlock, cross=True).double()
    x, memory = torch.randn(2, 2, 5, 8, dtype=torch.double)
    whole = ours(x, memory, mask=causal_mask(5))
    cache, prepared = KeyValueCache(), ours.cross_attention.project_kv(memory)
    steps = [ours(part, prepared, cache=cache) for part in x.split(1, dim=1)]
    assert_close(torch.cat(steps, dim=1), whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("block", BLOCKS)
def test_two_blocks_learn_to_copy_the_first_item(block):
    """Only attention can do it: the item stands at another position."""
    layers = nn.Sequential(make(block, width=16), make(block, width=16))
    head = nn.Linear(16, 16)
    x = torch.randn(64, 5, 16)
    x[:, 0, 0] += 4.0  # what marks the first position
    parameters = [*layers.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    losses = []
    for _ in range(150):
        loss = functional.mse_loss(head(layers(x)[:, -1]), x[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


# Bad input


def test_a_memory_and_a_cross_attention_need_each_other():
    x = torch.randn(2, 5, 8)
    with pytest.raises(ValueError, match="memory is given without cross_attention"):
        make(TransformerBlock)(x, x)
    with pytest.raises(ValueError, match="memory is needed by cross_attention"):
        make(TransformerBlock, cross=True)(x)
    with pytest.raises(ValueError, match="memory"):
        make(TransformerBlock)(x, memory_mask=causal_mask(5))


def test_sizes_of_the_parts_are_checked():
    with pytest.raises(ValueError, match="ffn_width=0"):
        FeedForward(8, 0)
    with pytest.raises(ValueError, match="width=0"):
        RMSNorm(0)
