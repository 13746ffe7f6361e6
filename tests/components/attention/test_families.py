"""The block is the layer of GPT-2, BERT and T5, given the weights of each."""

from functools import partial

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
    PositionalEncoding,
    PostNormBlock,
    RMSNorm,
    TransformerBlock,
    causal_mask,
)

pytest.importorskip("transformers")
QUICK = partial(functional.gelu, approximate="tanh")


def randomise(reference):
    """Give every parameter a value that shows when it is left out or mixed up."""
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.normal_(0.2, 0.3)
    return reference.eval()


def copy(ours, reference, names):
    """Copy weights by name; a norm of ours calls its weight `scale`."""
    with torch.no_grad():
        for mine, theirs in names.items():
            source, target = (
                reference.get_submodule(theirs),
                ours.get_submodule(mine),
            )
            weight = "scale" if isinstance(target, RMSNorm) else "weight"
            getattr(target, weight).copy_(source.weight)
            if getattr(target, "bias", None) is not None:
                target.bias.copy_(source.bias)
    return ours


def test_a_layer_of_gpt_2():
    """Its three maps are packed and transposed; its GELU is the tanh formula."""
    from transformers.models.gpt2 import modeling_gpt2 as gpt2

    config = gpt2.GPT2Config(
        n_embd=12, n_head=3, n_positions=8, attn_implementation="eager"
    )
    reference = randomise(gpt2.GPT2Block(config, layer_idx=0))
    ours = TransformerBlock(
        MultiHeadAttention(12, 3), FeedForward(12, activation=QUICK)
    )
    copy(ours, reference, {"attention_norm": "ln_1", "feed_forward_norm": "ln_2"})
    packed = reference.attn.c_attn
    maps = {
        ours.attention.to_output: reference.attn.c_proj,
        ours.feed_forward.to_hidden: reference.mlp.c_fc,
        ours.feed_forward.to_output: reference.mlp.c_proj,
    }
    with torch.no_grad():
        for i, name in enumerate(("query", "key", "value")):
            linear = getattr(ours.attention, f"to_{name}")
            linear.weight.copy_(packed.weight.T.chunk(3)[i])
            linear.bias.copy_(packed.bias.chunk(3)[i])
        for mine, theirs in maps.items():
            mine.weight.copy_(theirs.weight.T)
            mine.bias.copy_(theirs.bias)
    x = torch.randn(2, 6, 12)
    allowed = torch.zeros(6, 6).masked_fill(~causal_mask(6), -torch.inf)
    wanted = reference(x, attention_mask=allowed.expand(2, 1, 6, 6))
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    assert_close(ours(x, mask=causal_mask(6)), wanted, atol=1e-5, rtol=1e-5)


def test_a_layer_of_bert_with_padding():
    from transformers.models.bert import modeling_bert as bert

    config = bert.BertConfig(
        hidden_size=12,
        num_attention_heads=3,
        intermediate_size=20,
        attn_implementation="sdpa",
    )
    reference = randomise(bert.BertLayer(config))
    ours = PostNormBlock(
        MultiHeadAttention(12, 3),
        FeedForward(12, 20),
        norm=partial(nn.LayerNorm, eps=config.layer_norm_eps),
    )
    names = {
        "attention.to_query": "attention.self.query",
        "attention.to_key": "attention.self.key",
        "attention.to_value": "attention.self.value",
        "attention.to_output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "feed_forward.to_hidden": "intermediate.dense",
        "feed_forward.to_output": "output.dense",
        "feed_forward_norm": "output.LayerNorm",
    }
    copy(ours, reference, names)
    x, real = torch.randn(2, 6, 12), torch.arange(6) < torch.tensor([[6], [4]])
    mask = real[:, None, None]  # (B, 1, 1, K)
    wanted = reference(x, attention_mask=mask)
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    assert_close(ours(x, mask=mask), wanted, atol=1e-5, rtol=1e-5)


class Table(PositionalEncoding):
    """Stand in for the positions of T5: a bias from its table and its buckets."""

    def __init__(self, attention):
        super().__init__()
        self.theirs = [attention]  # in a list, so that it is not a submodule

    def bias(self, query_positions, key_positions):
        attention = self.theirs[0]
        buckets = attention._relative_position_bucket(
            key_positions - query_positions[:, None],
            bidirectional=False,
            num_buckets=attention.relative_attention_num_buckets,
            max_distance=attention.relative_attention_max_distance,
        )
        return attention.relative_attention_bias(buckets).permute(2, 0, 1)


T5_NAMES = {
    f"{mine}.to_{name}": f"layer.{i}.{theirs}.{name[0]}"
    for i, (mine, theirs) in enumerate(
        (("attention", "SelfAttention"), ("cross_attention", "EncDecAttention"))
    )
    for name in ("query", "key", "value", "output")
} | {
    "attention_norm": "layer.0.layer_norm",
    "cross_norm": "layer.1.layer_norm",
    "feed_forward_norm": "layer.2.layer_norm",
}
T5_NETWORKS = {
    "relu": {"to_hidden": "wi", "to_output": "wo"},
    "gated-gelu": {"to_gate": "wi_0", "to_hidden": "wi_1", "to_output": "wo"},
}


def t5_layer(kind):
    """Make a decoder layer of T5 with heads wider than width / heads, and ours."""
    from transformers.models.t5 import modeling_t5 as t5

    config = t5.T5Config(
        d_model=12,
        d_kv=7,
        num_heads=3,
        d_ff=20,
        is_decoder=True,
        feed_forward_proj=kind,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=16,
    )
    reference = randomise(
        t5.T5Block(config, has_relative_attention_bias=True, layer_idx=0)
    )
    same = {"head_width": 7, "scale": 1.0, "bias": False}
    ours = TransformerBlock(
        MultiHeadAttention(
            12, 3, positional_encoding=Table(reference.layer[0].SelfAttention), **same
        ),
        FeedForward(12, 20, functional.relu, bias=False)
        if kind == "relu"
        else GatedFeedForward(12, 20, QUICK),
        norm=partial(RMSNorm, epsilon=config.layer_norm_epsilon),
        cross_attention=MultiHeadAttention(12, 3, **same),
    )
    network = {
        f"feed_forward.{mine}": f"layer.2.DenseReluDense.{theirs}"
        for mine, theirs in T5_NETWORKS[kind].items()
    }
    return copy(ours, reference, T5_NAMES | network), reference


@pytest.mark.parametrize("kind", T5_NETWORKS)
def test_a_decoder_layer_of_t5(kind):
    """No 1/√d, no biases, RMSNorm, learned distances, and a memory with padding."""
    ours, reference = t5_layer(kind)
    x, memory = torch.randn(2, 6, 12), torch.randn(2, 5, 12)
    real = (torch.arange(5) < torch.tensor([[5], [3]]))[:, None, None]
    forbidden = [
        torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(x.dtype).min)
        for mask in (causal_mask(6)[None, None], real)
    ]

    wanted = reference(
        x,
        attention_mask=forbidden[0],
        encoder_hidden_states=memory,
        encoder_attention_mask=forbidden[1],
    )[0]

    found = ours(x, memory, mask=causal_mask(6), memory_mask=real)
    assert_close(found, wanted, atol=2e-5, rtol=1e-5)
    cache, kept = KeyValueCache(), ours.cross_attention.project_kv(memory)
    steps = [
        ours(token, kept, memory_mask=real, cache=cache) for token in x.split(1, dim=1)
    ]
    assert_close(torch.cat(steps, dim=1), wanted, atol=2e-5, rtol=1e-5)
