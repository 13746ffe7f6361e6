"""Heads: laws, references, grouped queries, memory, cache, positions, recording."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import (
    KeyValueCache,
    MultiHeadAttention,
    PositionalEncoding,
    attend,
    causal_mask,
    record_attention,
)
from genai_lib.components.softmax import softmax


class Offsets(PositionalEncoding):
    """A positional encoding with all hooks: rotates by a sign, biases by distance."""

    def rotate(self, query, key, positions):
        sign = torch.where(positions % 2 == 0, 1.0, -1.0)[:, None]
        return query * sign, key * sign

    def bias(self, query_positions, key_positions):
        distance = query_positions[:, None] - key_positions
        return -distance.abs().double() * torch.tensor([[[0.5]], [[0.1]]]).double()


def copy_weights(ours, reference):
    """Give our attention the packed weights of `nn.MultiheadAttention`."""
    maps = (ours.to_query, ours.to_key, ours.to_value)
    packed = zip(
        maps,
        reference.in_proj_weight.chunk(3),
        reference.in_proj_bias.chunk(3),
        strict=True,
    )
    with torch.no_grad():
        for linear, weight, bias in packed:
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        ours.to_output.load_state_dict(reference.out_proj.state_dict())


def double_attention(width=8, heads=2, **options):
    return MultiHeadAttention(width, heads, **options).double()


# Laws


@given(st.permutations(range(5)))
def test_without_positions_and_mask_the_outputs_move_with_the_inputs(order):
    attention, order = double_attention(), list(order)
    x = torch.randn(2, 5, 8, dtype=torch.double)
    assert_close(attention(x[:, order]), attention(x)[:, order], atol=1e-12, rtol=0)


def test_a_mask_breaks_the_equivariance():
    attention, x = double_attention(), torch.randn(2, 5, 8, dtype=torch.double)
    order = [1, 0, 2, 3, 4]
    outputs = attention(x, mask=causal_mask(5))[:, order]
    moved = attention(x[:, order], mask=causal_mask(5))
    assert not torch.allclose(moved, outputs, atol=1e-3)


@pytest.mark.parametrize("normalize", [softmax, partial(softmax, temperature=0.5)])
def test_the_future_changes_nothing(normalize):
    attention = double_attention(normalize=normalize)
    x = torch.randn(2, 6, 8, dtype=torch.double)
    changed = x.clone()
    changed[:, 4:] += 1.0

    before = attention(x, mask=causal_mask(6))
    after = attention(changed, mask=causal_mask(6))

    assert_close(after[:, :4], before[:, :4])
    assert not torch.allclose(after[:, 4:], before[:, 4:])


def test_sequences_of_a_batch_do_not_meet():
    attention, x = double_attention(), torch.randn(3, 5, 8, dtype=torch.double)
    assert_close(attention(x)[1:2], attention(x[1:2]))


def test_each_head_sees_its_own_slice():
    """Two heads equal two attentions of one head on halves of the maps."""
    attention, x = double_attention(), torch.randn(1, 5, 8, dtype=torch.double)
    maps = (attention.to_query, attention.to_key, attention.to_value)
    halves = [
        torch.cat([attend(*(linear(x)[..., part] for linear in maps))[0]])
        for part in (slice(0, 4), slice(4, 8))
    ]
    assert_close(attention(x), attention.to_output(torch.cat(halves, dim=-1)))


# References


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_multi_head_attention_of_torch(heads, masked):
    ours = MultiHeadAttention(8, heads)
    reference = nn.MultiheadAttention(8, heads, batch_first=True)
    copy_weights(ours, reference)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    mask = causal_mask(5, 7) if masked else None
    # Torch's own mask says the opposite: True where attention is forbidden.
    forbidden = ~mask if masked else None

    output, weights = reference(
        x, memory, memory, attn_mask=forbidden, average_attn_weights=False
    )

    with record_attention(ours) as seen:
        assert_close(ours(x, memory, mask=mask), output, atol=1e-6, rtol=0)
    assert_close(seen[""][0], weights, atol=1e-6, rtol=0)
    assert_close(ours(x, memory, mask=mask), output, atol=1e-6, rtol=0)


def test_the_gradients_equal_those_of_torch():
    ours = MultiHeadAttention(8, 2)
    reference = nn.MultiheadAttention(8, 2, batch_first=True)
    copy_weights(ours, reference)
    x = torch.randn(2, 5, 8)
    ours(x, mask=causal_mask(5)).square().sum().backward()
    output, _ = reference(x, x, x, attn_mask=~causal_mask(5), need_weights=False)
    output.square().sum().backward()
    packed = torch.cat(
        [m.weight.grad for m in (ours.to_query, ours.to_key, ours.to_value)]
    )
    assert_close(packed, reference.in_proj_weight.grad, atol=1e-5, rtol=1e-5)


def test_polarities_of_torchs_two_masks_are_opposite():
    x = torch.randn(1, 4, 8)
    reference = nn.MultiheadAttention(8, 2, batch_first=True)
    forbidden, _ = reference(x, x, x, attn_mask=~causal_mask(4))
    ours = MultiHeadAttention(8, 2)
    copy_weights(ours, reference)
    assert_close(ours(x, mask=causal_mask(4)), forbidden, atol=1e-6, rtol=0)
    swapped, _ = reference(x, x, x, attn_mask=causal_mask(4))
    assert not torch.allclose(swapped, forbidden, atol=1e-3)


# Grouped-query attention


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_grouped_query_equals_multi_head_when_key_value_heads_repeat(kv_heads):
    grouped = double_attention(heads=4, kv_heads=kv_heads)
    full = double_attention(heads=4)
    full.to_query, full.to_output = grouped.to_query, grouped.to_output
    with torch.no_grad():
        for name in ("to_key", "to_value"):
            few, many = getattr(grouped, name), getattr(full, name)
            for kind in ("weight", "bias"):
                rows = getattr(few, kind).unflatten(0, (kv_heads, 2))
                repeated = rows.repeat_interleave(4 // kv_heads, dim=0).flatten(0, 1)
                getattr(many, kind).copy_(repeated)
    x = torch.randn(2, 5, 8, dtype=torch.double)

    for mask in (None, causal_mask(5)):
        assert_close(grouped(x, mask=mask), full(x, mask=mask), atol=1e-12, rtol=0)


def test_fewer_key_value_heads_make_keys_and_cache_smaller():
    attention = MultiHeadAttention(8, heads=4, kv_heads=2)
    cache = KeyValueCache()
    attention(torch.randn(3, 5, 8), cache=cache)
    assert cache.memory.key.shape == cache.memory.value.shape == (3, 2, 5, 2)
    assert attention.to_key.weight.shape == (4, 8)


# Memory and cache


def test_a_memory_can_be_prepared_once():
    attention = MultiHeadAttention(8, 2, memory_width=6)
    x, other = torch.randn(2, 5, 8), torch.randn(2, 7, 6)
    prepared = attention.project_kv(other)
    assert prepared.key.shape == (2, 2, 7, 4)
    assert attention(x, prepared).equal(attention(x, other))


@pytest.mark.parametrize("positional_encoding", [None, Offsets()])
@pytest.mark.parametrize("normalize", [softmax, partial(softmax, temperature=0.5)])
@pytest.mark.parametrize("chunks", [(1,) * 6, (4, 1, 1), (2, 3, 1), (6,)])
def test_with_a_cache_the_result_is_that_of_the_whole(
    positional_encoding, normalize, chunks
):
    attention = double_attention(
        positional_encoding=positional_encoding, normalize=normalize
    )
    x = torch.randn(2, 6, 8, dtype=torch.double)
    whole = attention(x, mask=causal_mask(6))

    cache, parts, seen = KeyValueCache(), [], 0
    for part in x.split(chunks, dim=1):
        seen += part.shape[1]
        mask = causal_mask(part.shape[1], seen)
        parts.append(attention(part, mask=mask, cache=cache))

    assert cache.length == 6
    assert_close(torch.cat(parts, dim=1), whole, atol=1e-12, rtol=0)


def test_a_cache_can_drop_sequences_and_positions():
    attention = double_attention(positional_encoding=Offsets())
    x = torch.randn(3, 6, 8, dtype=torch.double)
    cache = KeyValueCache()
    cache.select(torch.tensor([0]))
    cache.crop(0)
    attention(x, cache=cache)
    cache.select(torch.tensor([2, 0]))
    cache.crop(4)
    assert (cache.length, cache.positions.tolist()) == (4, [0, 1, 2, 3])
    fresh = KeyValueCache()
    attention(x[[2, 0], :4], cache=fresh)
    new = x[[2, 0], 4:]
    assert_close(attention(new, cache=cache), attention(new, cache=fresh))
    for length in (-1, 7):
        with pytest.raises(ValueError, match=f"length={length} must be from 0 to 6"):
            cache.crop(length)


def test_subclasses_change_what_heads_found_and_what_scores_get():
    class Gated(MultiHeadAttention):
        def mix(self, x, memory=None, **options):
            return 0.5 * super().mix(x, memory, **options)

    class Content(MultiHeadAttention):
        def score_bias(self, query, key, positions, key_positions):
            return -self.scale * query @ key.mT

    x = torch.randn(2, 5, 8)
    plain, gated, content = MultiHeadAttention(8, 2), Gated(8, 2), Content(8, 2)
    for other in (gated, content):
        other.load_state_dict(plain.state_dict())
    bias = plain.to_output.bias
    assert_close(gated(x) - bias, 0.5 * (plain(x) - bias))
    # The bias cancels the scores, so every position takes the plain mean.
    content.scale = 0.5
    mean = plain.to_output(plain.to_value(x).mean(1, keepdim=True))
    assert_close(content(x), mean.expand(2, 5, 8))


def test_head_width_and_scale_are_free():
    attention = MultiHeadAttention(6, 4, head_width=5, scale=1.0, bias=False)
    x = torch.randn(2, 3, 6)
    query, key, value = (
        f(x).unflatten(-1, (4, 5)).transpose(1, 2)
        for f in (attention.to_query, attention.to_key, attention.to_value)
    )
    mixed = softmax(query @ key.mT, dim=-1) @ value
    wanted = attention.to_output(mixed.transpose(1, 2).reshape(2, 3, 20))
    assert_close(attention(x), wanted)
    assert attention.to_query.bias is None


# Positional encodings


def test_the_base_class_of_positional_encodings_changes_nothing():
    x = torch.randn(2, 5, 8, dtype=torch.double)
    positional_encoding = PositionalEncoding()
    with_encoding = double_attention(positional_encoding=positional_encoding)
    without = double_attention()
    without.load_state_dict(with_encoding.state_dict())
    assert with_encoding(x).equal(without(x))
    assert positional_encoding.embed(x, torch.arange(5)) is x


def test_a_positional_encoding_gets_the_positions_that_are_given():
    attention = double_attention(positional_encoding=Offsets())
    x = torch.randn(2, 5, 8, dtype=torch.double)
    default = attention(x)
    assert attention(x, positions=torch.arange(5)).equal(default)
    assert_close(attention(x, positions=torch.arange(5) + 2), default)
    scaled = attention(x, positions=2 * torch.arange(5))
    assert not torch.allclose(scaled, default, atol=1e-3)


def test_the_hooks_do_what_the_equation_says():
    attention = double_attention(positional_encoding=Offsets())
    x, positions = torch.randn(1, 4, 8, dtype=torch.double), torch.arange(4)
    maps = (attention.to_query, attention.to_key, attention.to_value)
    query, key, value = (f(x).unflatten(-1, (2, 4)).transpose(1, 2) for f in maps)
    query, key = attention.positional_encoding.rotate(query, key, positions)
    bias = attention.positional_encoding.bias(positions, positions)
    mixed, _ = attend(query, key, value, bias=bias)
    assert_close(attention(x), attention.to_output(mixed.transpose(1, 2).flatten(2)))


# Recording


def test_recording_shows_the_weights_and_leaves_no_trace():
    normalize = partial(softmax, temperature=0.5)
    model = nn.Sequential(
        MultiHeadAttention(8, 2), MultiHeadAttention(8, 4, normalize=normalize)
    )
    x = torch.randn(3, 5, 8, requires_grad=True)
    plain = model(x)
    with record_attention(model) as seen:
        assert_close(model(x), plain)
        model(x)
    assert {name: len(calls) for name, calls in seen.items()} == {"0": 2, "1": 2}
    assert seen["0"][0].shape == (3, 2, 5, 5)
    assert seen["1"][0].shape == (3, 4, 5, 5)
    assert not seen["0"][0].requires_grad
    assert_close(seen["1"][1].sum(-1), torch.ones(3, 4, 5))
    assert model[0].normalize is softmax and model[1].normalize is normalize


def test_recording_works_for_normalisers_that_are_modules_and_after_errors():
    class Cold(nn.Module):
        def forward(self, logits, dim=-1):
            return softmax(logits, temperature=0.1, dim=dim)

    attention = MultiHeadAttention(8, 2, normalize=Cold())
    names = set(dict(attention.named_modules()))
    with pytest.raises(ZeroDivisionError), record_attention(attention):
        raise ZeroDivisionError
    assert isinstance(attention.normalize, Cold)
    assert set(dict(attention.named_modules())) == names
    with record_attention(attention) as seen:
        attention(torch.randn(1, 3, 8))
    assert len(seen[""]) == 1


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 8, "heads": 3}, "width=8 .* heads=3"),
        ({"width": 8, "heads": 4, "kv_heads": 3}, "heads=4 .* kv_heads=3"),
        ({"width": 8, "heads": 0}, "heads=0"),
        ({"width": 8, "heads": 4, "kv_heads": 0}, "kv_heads=0"),
        ({"width": 0, "heads": 2}, "width=0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**options)


def test_inputs_that_do_not_fit_are_named():
    attention, x = MultiHeadAttention(8, 2), torch.randn(2, 5, 8)
    for arguments, options, message in [
        ((x[0],), {}, "x=.* shape"),
        ((x[..., :4],), {}, "x=.* shape"),
        ((x.long(),), {}, "x=.* floating-point"),
        ((x,), {"mask": torch.ones(2, 5, 5) > 0}, "mask=.* 4 dimensions"),
        ((x,), {"mask": causal_mask(4)}, "mask=.* must have the shape"),
        ((x,), {"mask": causal_mask(5).float()}, "mask=.* must be boolean"),
        ((x, x), {"cache": KeyValueCache()}, "memory is given"),
        ((x, x[..., :4]), {}, "memory="),
        ((x,), {"positions": torch.arange(4)}, "positions="),
        ((x,), {"positions": torch.arange(4), "cache": KeyValueCache()}, "positions="),
    ]:
        with pytest.raises(ValueError, match=message):
            attention(*arguments, **options)
