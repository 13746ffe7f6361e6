"""Masks in every way of attention: what is hidden leaks nothing, odd shapes fail."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.components.adaptive_temperature import (
    ScalableSoftmax,
    adaptive_temperature_softmax,
    labels_of,
    sparsemax,
)
from genai_lib.components.attention import (
    FeedForward,
    KeyValueCache,
    MultiHeadAttention,
    PostNormBlock,
    TransformerBlock,
    attend,
    attend_fast,
    causal_mask,
    check_bias,
    check_mask,
)
from genai_lib.components.attention import dot_product as module
from genai_lib.components.softmax import expected_calibration_error
from genai_lib.components.softmax_one import softmax_one
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.disentangled_attention import (
    Deberta,
    DebertaAttention,
    DebertaConfig,
    RelativePositions,
)
from genai_lib.genres.encoder_decoder import Seq2Seq, Seq2SeqConfig
from genai_lib.genres.encoder_only import Bert, BertConfig, padding_mask

NAN, INF = math.nan, math.inf
WIDTH, LENGTH, HIDDEN = 8, 5, 3
PADDING = torch.arange(LENGTH)[None, None, None] != HIDDEN  # (1, 1, 1, T)
NORMALIZERS = {
    "softmax": None,
    "softmax_one": softmax_one,
    "sparsemax": sparsemax,
    "adaptive": adaptive_temperature_softmax,
    "scalable": ScalableSoftmax(),
}


def attend_output(query, key, value, mask=None, bias=None):
    return attend(query, key, value, mask, bias=bias)[0]


def ways():
    """Name every function of vectors (B, T, D) and a mask (B, 1, 1, T) or (T, T)."""
    torch.manual_seed(0)
    made = {}
    for name, normalize in NORMALIZERS.items():
        options = {} if normalize is None else {"normalize": normalize}
        made[f"heads, {name}"] = MultiHeadAttention(WIDTH, 2, **options)
        made[f"disentangled, {name}"] = DebertaAttention(
            WIDTH, 2, RelativePositions(WIDTH, 4), **options
        )
    made["kv_heads"] = MultiHeadAttention(WIDTH, 4, kv_heads=2)
    for block in (TransformerBlock, PostNormBlock):
        made[block.__name__] = block(MultiHeadAttention(WIDTH, 2), FeedForward(WIDTH))
    return made


WAYS = ways()


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
@pytest.mark.parametrize("place", ["key", "value", "both", "one number"])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("function", [attend_output, attend_fast])
def test_what_a_query_may_not_see_does_not_reach_it(function, biased, place, broken):
    """The law in one line: other numbers behind the mask change nothing."""
    query, key, value = torch.randn(3, 2, 3, 6, 4, dtype=torch.double)
    bias = torch.randn(3, 6, 6, dtype=torch.double) if biased else None
    for mask in (causal_mask(6), torch.rand(2, 1, 6, 6) < 0.5, torch.zeros(6, 6) > 0):
        changed_key, changed_value = key.clone(), value.clone()
        if place in ("key", "both"):
            changed_key[..., 4, :] = broken
        if place in ("value", "both"):
            changed_value[..., 4, :] = broken
        if place == "one number":
            changed_value[..., 4, 1] = broken
        wanted = function(query, key, value, mask, bias)
        found = function(query, changed_key, changed_value, mask, bias)
        blind = ~mask[..., 4].expand(2, 3, 6)
        assert_close(found[blind], wanted[blind], atol=1e-12, rtol=0)
        if place == "one number":
            rest = [0, 2, 3]
            assert_close(found[..., rest], wanted[..., rest], atol=1e-12, rtol=0)
            assert not found[~blind][:, 1].isfinite().any()


@given(st.integers(0, 10_000))
def test_both_ways_agree_whatever_is_hidden_or_seen(seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(3, 2, 4, 5, generator=generator, dtype=torch.double)
    odd = torch.rand(inputs.shape, generator=generator) < 0.05
    inputs[odd] = [NAN, INF, -INF][seed % 3]
    mask = torch.rand(2, 4, 4, generator=generator) < 0.6
    query, key, value = inputs
    wanted = attend_output(query, key, value, mask)
    found = attend_fast(query, key, value, mask)
    assert_close(found.isfinite(), wanted.isfinite())
    assert_close(found[found.isfinite()], wanted[found.isfinite()], atol=1e-9, rtol=0)


@pytest.mark.parametrize("function", [attend_output, attend_fast])
@pytest.mark.parametrize("broken", [NAN, INF])
def test_what_is_hidden_from_all_does_not_reach_the_gradients(function, broken):
    query, key, value = torch.randn(3, 2, 5, 4, dtype=torch.double)
    key[:, HIDDEN], value[:, HIDDEN] = broken, broken
    inputs = [x.requires_grad_() for x in (query, key, value)]
    function(*inputs, PADDING[0]).square().sum().backward()
    assert query.grad.isfinite().all()
    assert (key.grad[:, HIDDEN] == 0).all()
    assert (value.grad[:, HIDDEN] == 0).all()


@pytest.mark.parametrize("broken", [NAN, INF])
@pytest.mark.parametrize("name", WAYS)
def test_a_broken_vector_behind_the_mask_reaches_no_other_position(name, broken):
    way, x = WAYS[name], torch.randn(2, LENGTH, WIDTH)
    for mask in (PADDING, causal_mask(LENGTH)):
        changed = x.clone()
        changed[:, HIDDEN] = broken
        blind = [0, 1, 2] if mask.ndim == 2 else [0, 1, 2, 4]
        found = way(changed, mask=mask)[:, blind]
        assert_close(found, way(x, mask=mask)[:, blind], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", NORMALIZERS)
def test_a_broken_memory_behind_the_mask_reaches_nobody(name):
    cross, x = WAYS[f"heads, {name}"], torch.randn(2, 4, WIDTH)
    memory = torch.randn(2, LENGTH, WIDTH)
    wanted = cross(x, memory, mask=PADDING)
    memory[:, HIDDEN] = NAN
    assert_close(cross(x, memory, mask=PADDING), wanted)
    assert_close(cross(x, cross.project_kv(memory), mask=PADDING), wanted)
    block = TransformerBlock(
        WAYS["heads, softmax"], FeedForward(WIDTH), cross_attention=cross
    )
    assert block(x, memory, memory_mask=PADDING).isfinite().all()


def test_a_broken_past_in_the_cache_stays_behind_the_mask():
    attention, x = WAYS["heads, softmax"], torch.randn(2, LENGTH, WIDTH)
    x[:, HIDDEN] = NAN
    cache = KeyValueCache()
    attention(x, mask=PADDING, cache=cache)
    later = torch.cat([PADDING, torch.ones(1, 1, 1, 1).bool()], dim=-1)
    found = attention(torch.randn(2, 1, WIDTH), mask=later, cache=cache)
    assert found.isfinite().all()


# Whole models


def test_models_do_not_see_the_broken_vector_of_a_pad():
    """Of the last position for causal models, of a token that fills up otherwise."""
    sizes = {"vocab_size": 9, "width": WIDTH, "layers": 2, "heads": 2}
    tokens = torch.tensor([[3, 4, 5, 6, 0], [3, 4, 5, 0, 0]])
    real = tokens != 0
    gpt = GPT(GPTConfig(context=8, **sizes))
    bert = Bert(BertConfig(context=8, **sizes))
    deberta = Deberta(DebertaConfig(context=8, max_relative_distance=4, **sizes))
    seq = Seq2Seq(Seq2SeqConfig(9, WIDTH, heads=2))
    with torch.no_grad():
        for model in (gpt, bert, deberta):
            model.embedding.weight[0] = NAN
            # The table of scores may be that of the embedding, broken in column 0.
        seq.embedding.weight[seq.config.pad_token] = NAN
    for scores in (
        gpt(tokens),
        bert(tokens, mask=padding_mask(tokens, 0)),
        deberta(tokens, mask=real),
    ):
        assert scores[real][:, 1:].isfinite().all()
    pad = seq.config.pad_token
    source = torch.where(real, tokens, pad)
    assert seq(source, torch.full((2, 3), 4)).isfinite()[..., 3:].all()


# Queries whose keys are all masked, in any version of PyTorch


@pytest.mark.parametrize("biased", [False, True])
def test_rows_that_see_nothing_are_zero_even_if_the_fused_step_gives_nan(
    monkeypatch, biased
):
    """Before 2.5 the fused step of PyTorch took softmax of a row of -∞."""

    def old(query, key, value, attn_mask=None, scale=None):
        scores = query @ key.mT * (scale or query.shape[-1] ** -0.5)
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.zeros_like(scores).masked_fill(~attn_mask, -INF)
        return (scores + attn_mask).softmax(-1) @ value

    inputs = [x.requires_grad_() for x in torch.randn(3, 2, 2, 4, 8)]
    mask = causal_mask(4)
    mask[2] = False
    bias = torch.randn(2, 4, 4) if biased else None
    wanted = attend_fast(*inputs, mask, bias)
    monkeypatch.setattr(module, "scaled_dot_product_attention", old)
    found = attend_fast(*inputs, mask, bias)
    assert_close(found, wanted)
    assert (found[:, :, 2] == 0).all()
    found.square().sum().backward()
    assert all(x.grad.isfinite().all() for x in inputs)


# Tracing: nothing is asked of a tensor that has no numbers


def test_the_fused_way_can_be_exported_and_simulated():
    attention = WAYS["heads, softmax"]
    x, mask = torch.randn(1, LENGTH, WIDTH), causal_mask(LENGTH)
    program = torch.export.export(attention, (x,), {"mask": mask})
    assert_close(program.module()(x, mask=mask), attention(x, mask=mask))
    with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = [mode.from_tensor(y) for y in torch.randn(3, 2, 2, 5, 4)]
        assert attend_fast(*fake, mode.from_tensor(mask)).shape == (2, 2, 5, 4)


# What the masks cannot mend


def test_a_broken_vector_behind_the_mask_breaks_the_gradients_of_the_maps():
    """As 0 · NaN is NaN; with zeros in its place it breaks none."""
    attention, x = MultiHeadAttention(WIDTH, 2), torch.randn(2, LENGTH, WIDTH)
    x[:, HIDDEN] = NAN
    broken = {}
    for name, inputs in {"as it is": x, "zeros": x.nan_to_num(0.0)}.items():
        attention.zero_grad()
        attention(inputs, mask=PADDING)[:, :HIDDEN].sum().backward()
        grads = {n: p.grad for n, p in attention.named_parameters()}
        broken[name] = {n for n, grad in grads.items() if not grad.isfinite().all()}
    assert broken["zeros"] == set()
    assert {"to_key.weight", "to_value.weight"} <= broken["as it is"]


# Devices


def test_masks_on_another_device_are_named():
    elsewhere = {"device": "meta", "dtype": torch.bool}
    x, tokens = torch.randn(B, LENGTH, WIDTH), torch.randint(1, 9, (B, LENGTH))
    sizes = {"vocab_size": 9, "width": WIDTH, "layers": 1, "heads": 2}
    bert = Bert(BertConfig(context=8, **sizes))
    deberta = Deberta(
        DebertaConfig(context=8, max_relative_distance=4, convolution=3, **sizes)
    )
    square, rows = (torch.ones(*s, **elsewhere) for s in ((LENGTH,) * 2, (B, LENGTH)))
    said = "is on meta and must be on cpu"
    for way in (*WAYS.values(), lambda x, mask: attend(x, x, x, mask)):
        with pytest.raises(ValueError, match=f"mask {said}"):
            way(x, mask=square)
    with pytest.raises(ValueError, match=f"mask {said}"):
        bert(tokens, mask=square)
    with pytest.raises(ValueError, match=f"at {said}"):
        bert(tokens, at=rows)
    with pytest.raises(ValueError, match=f"mask {said}"):
        deberta(tokens, mask=rows)
    with pytest.raises(ValueError, match="positions=.*on cpu"):
        deberta(tokens, positions=torch.arange(LENGTH, device="meta"))
    with pytest.raises(ValueError, match=f"bias {said}"):
        attend(x, x, x, bias=square.float())


# Shapes

Q, K, B, HEADS = 5, 7, 2, 3
RIGHT = [(Q, K), (B, HEADS, Q, K), (1, 1, Q, K), (B, 1, 1, K), (1, HEADS, Q, K)]
WRONG = [
    *[(), (1,), (K,), (B, K), (1, K), (Q, 1), (1, 1), (K, Q), (Q, Q), (Q, K - 1)],
    *[(B, Q, K), (HEADS, Q, K), (1, 1, K), (B, 1, K), (1, Q, K)],
    *[(B, HEADS, Q, 1), (1, 1, 1, 1), (HEADS, B, Q, K), (B, HEADS, K, Q)],
    *[(1, B, HEADS, Q, K), (B, HEADS, 1, 1, K), (0, K), (B, 1, Q, 2 * K)],
]


def cross(query, key, value, mask):
    attention = MultiHeadAttention(WIDTH, HEADS, head_width=2)
    return attention(torch.randn(B, Q, WIDTH), torch.randn(B, K, WIDTH), mask=mask)


def crossing_block(query, key, value, mask):
    own, other = (MultiHeadAttention(WIDTH, HEADS, head_width=2) for _ in range(2))
    block = TransformerBlock(own, FeedForward(WIDTH), cross_attention=other)
    return block(torch.randn(B, Q, WIDTH), torch.randn(B, K, WIDTH), memory_mask=mask)


def cached(query, key, value, mask):
    """Two positions of the past and Q new ones: K = 7 keys."""
    attention, cache = MultiHeadAttention(WIDTH, HEADS, head_width=2), KeyValueCache()
    attention(torch.randn(B, K - Q, WIDTH), cache=cache)
    try:
        return attention(torch.randn(B, Q, WIDTH), mask=mask, cache=cache)
    except ValueError:
        assert cache.length == K - Q  # a refused call leaves the cache as it was
        raise


TAKERS = [attend_output, attend_fast, cross, crossing_block, cached]


@pytest.mark.parametrize("shape", RIGHT, ids=str)
@pytest.mark.parametrize("taker", TAKERS)
def test_shapes_that_can_be_read_in_one_way_are_taken(taker, shape):
    query, key, value = (torch.randn(B, HEADS, n, 4) for n in (Q, K, K))
    found = taker(query, key, value, torch.rand(shape) < 0.7)
    assert found.isfinite().all()


@pytest.mark.parametrize("shape", WRONG, ids=str)
@pytest.mark.parametrize("taker", TAKERS)
def test_all_other_shapes_are_refused(taker, shape):
    query, key, value = (torch.randn(B, HEADS, n, 4) for n in (Q, K, K))
    with pytest.raises(ValueError, match=r"mask=.*must have the shape \(5, 7\)"):
        taker(query, key, value, torch.ones(shape) > 0)


NO_MASKS = [
    torch.ones(Q, K),
    torch.ones(Q, K).int(),
    torch.ones(Q, K).numpy() > 0,
    [[True] * K] * Q,
    True,
    "causal",
]


@pytest.mark.parametrize("mask", NO_MASKS, ids=lambda mask: type(mask).__name__)
@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_not_a_boolean_tensor_is_refused(taker, mask):
    query, key, value = (torch.randn(B, HEADS, n, 4) for n in (Q, K, K))
    with pytest.raises(ValueError, match=r"mask=(.|\n)*boolean"):
        taker(query, key, value, mask)


@pytest.mark.parametrize("function", [attend_output, attend_fast])
def test_shapes_of_a_bias(function):
    query, key, value = (torch.randn(B, HEADS, n, 4) for n in (Q, K, K))
    for shape in [*RIGHT, (HEADS, Q, K)]:
        function(query, key, value, bias=torch.randn(shape))
    for shape in set(WRONG) - {(HEADS, Q, K)}:
        with pytest.raises(ValueError, match="bias=.*must have the shape"):
            function(query, key, value, bias=torch.zeros(shape))
    for bias in (torch.ones(Q, K) > 0, torch.ones(Q, K).long(), [[0.0] * K] * Q):
        with pytest.raises(ValueError, match="bias=.*floating-point"):
            function(query, key, value, bias=bias)


def test_masks_of_vectors_without_heads():
    check_mask(torch.ones(B, 1, K) > 0, (B, Q, K))
    check_mask(torch.ones(Q, K) > 0, (Q, K))
    check_bias(torch.ones(B, Q, K), (B, Q, K))
    for shape, wanted in [((1, K), (Q, K)), ((K,), (Q, K)), ((B, K), (B, Q, K))]:
        with pytest.raises(ValueError, match="mask="):
            check_mask(torch.ones(shape) > 0, wanted)


def test_models_refuse_masks_of_other_shapes():
    sizes = {"vocab_size": 9, "width": WIDTH, "layers": 1, "heads": 2}
    tokens = torch.randint(1, 9, (B, LENGTH))
    bert = Bert(BertConfig(context=8, **sizes))
    deberta = Deberta(DebertaConfig(context=8, max_relative_distance=4, **sizes))
    ones = partial(torch.ones, dtype=torch.bool)
    for mask in (ones(B, LENGTH), ones(LENGTH), ones(B, 1, LENGTH), [[True]], 1):
        with pytest.raises(ValueError, match="mask="):
            bert(tokens, mask=mask)
    for mask in (ones(LENGTH), ones(B, 1, 1, LENGTH), ones(LENGTH, LENGTH), [[True]]):
        with pytest.raises(ValueError, match="mask="):
            deberta(tokens, mask=mask)
    with pytest.raises(ValueError, match="mask="):
        deberta(tokens, mask=torch.ones(B, LENGTH))
    for at in (ones(LENGTH), ones(B, 1), torch.ones(B, LENGTH), [0]):
        with pytest.raises(ValueError, match="at="):
            bert(tokens, at=at)
    for tokens in (torch.ones(3), [1, 2], torch.ones(1, 2, 3)):
        with pytest.raises(ValueError, match="tokens="):
            padding_mask(tokens, 0)


@pytest.mark.parametrize("sizes", [(2.0, 3), (2, 3.5), ("2", 3), (None, 3)])
def test_a_causal_mask_needs_whole_sizes(sizes):
    with pytest.raises(ValueError, match="queries="):
        causal_mask(*sizes)


def test_nan_decides_nothing():
    with pytest.raises(ValueError, match="sets holds NaN"):
        labels_of(torch.full((2, 3, 4), NAN))
    with pytest.raises(ValueError, match="probabilities holds"):
        expected_calibration_error(torch.tensor([[NAN, 0.5]]), torch.tensor([0]))


def test_both_ways_agree_without_a_mask_on_what_is_infinite():
    query, key = torch.randn(2, 3, 4), torch.randn(2, 1, 4)
    value = torch.tensor([math.inf, 1.0]).expand(2, 1, 2)
    wanted, _ = attend(query, key, value)
    torch.testing.assert_close(attend_fast(query, key, value), wanted)
    assert wanted.equal(value.expand(2, 3, 2))


def test_a_cache_of_another_batch_is_refused_and_kept():
    attention, cache = MultiHeadAttention(WIDTH, 2), KeyValueCache()
    attention(torch.randn(3, 2, WIDTH), cache=cache)
    with pytest.raises(ValueError, match="cache holds keys=.*of its own"):
        attention(torch.randn(2, 1, WIDTH), cache=cache)
    assert cache.length == 2
