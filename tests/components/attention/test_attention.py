"""Attention alone: laws, two forms, references, masks, gradients, bad input."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from genai_lib.components.attention import (
    attend,
    attend_fast,
    attend_loop,
    causal_mask,
)
from genai_lib.components.softmax import softmax

SIZE = st.integers(1, 6)


def random_inputs(*leading, queries=5, keys=7, width=8, value_width=3):
    sizes = ((queries, width), (keys, width), (keys, value_width))
    return [torch.randn(*leading, *size, dtype=torch.double) for size in sizes]


# Laws


@given(SIZE, SIZE, SIZE, st.integers(0, 9))
def test_every_output_lies_between_the_smallest_and_largest_value(q, k, width, seed):
    torch.manual_seed(seed)
    query, key, value = random_inputs(queries=q, keys=k, width=width)

    output, weights = attend(10 * query, key, value)

    assert_close(weights.sum(-1), torch.ones(q).double())
    assert (output <= value.amax(-2) + 1e-9).all()
    assert (output >= value.amin(-2) - 1e-9).all()


@given(st.permutations(range(6)), st.integers(0, 9))
def test_permuted_keys_and_values_change_nothing(order, seed):
    torch.manual_seed(seed)
    query, key, value = random_inputs(keys=6)
    output, weights = attend(query, key, value)

    moved, moved_weights = attend(query, key[list(order)], value[list(order)])

    assert_close(moved, output, atol=1e-12, rtol=0)
    assert_close(moved_weights, weights[:, list(order)], atol=1e-12, rtol=0)


@given(st.permutations(range(6)), st.integers(0, 9))
def test_self_attention_moves_with_its_inputs(order, seed):
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed)).double()
    permuted, _ = attend(x[list(order)], x[list(order)], x[list(order)])
    assert_close(permuted, attend(x, x, x)[0][list(order)], atol=1e-12, rtol=0)


def test_a_shift_of_a_querys_bias_changes_nothing():
    query, key, value = random_inputs(2)
    bias = torch.randn(5, 1).double().expand(5, 7)
    assert_close(attend(query, key, value, bias=bias), attend(query, key, value))


@pytest.mark.parametrize("width", [16, 256])
def test_scores_of_unit_vectors_have_unit_variance_after_scaling(width):
    query, key = torch.randn(2, 600, width, dtype=torch.double)
    scores = []

    def keep(logits, dim):
        scores.append(logits)
        return softmax(logits, dim=dim)

    attend(query, key, key, normalize=keep)
    attend(query, key, key, normalize=keep, scale=1.0)

    assert scores[0].var().item() == pytest.approx(1, rel=0.1)
    assert scores[1].var().item() == pytest.approx(width, rel=0.1)


# Masks


@given(SIZE, st.integers(0, 6))
def test_causal_mask_is_aligned_at_the_end(queries, past):
    mask = causal_mask(queries, queries + past)
    for i in range(queries):
        for j in range(queries + past):
            assert mask[i, j] == (j <= i + past)


def test_causal_mask_of_the_last_queries_is_the_end_of_the_whole_mask():
    whole = causal_mask(6)
    assert causal_mask(2, 6).equal(whole[-2:])
    assert whole.equal(torch.ones(6, 6).tril().bool())
    assert causal_mask(0, 3).shape == (0, 3)


def test_what_is_masked_does_not_matter():
    query, key, value = random_inputs(2, keys=5)
    changed_key, changed_value = key.clone(), value.clone()
    changed_key[:, 3:] += 1.0
    changed_value[:, 3:] = 1e30

    before, weights = attend(query, key, value, causal_mask(5))
    after, _ = attend(query, changed_key, changed_value, causal_mask(5))

    assert after[:, :3].equal(before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])
    assert (weights[:, ~causal_mask(5)] == 0).all()


def test_a_query_that_may_see_nothing_gets_zeros_and_finite_gradients():
    query, key, value = random_inputs(2, queries=4, keys=4)
    mask = causal_mask(4)
    mask[2] = False
    for function in (lambda *a: attend(*a)[0], attend_fast):
        inputs = [x.clone().requires_grad_() for x in (query, key, value)]
        output = function(*inputs, mask)
        output.square().sum().backward()
        assert (output[:, 2] == 0).all()
        assert (output[:, 3] != 0).any()
        assert all(x.grad.isfinite().all() for x in inputs)
        assert (inputs[0].grad[:, 2] == 0).all()


def test_a_mask_may_differ_between_heads_and_sequences():
    query, key, value = random_inputs(2, 3)
    mask = torch.rand(2, 3, 5, 7) < 0.5
    output, weights = attend(query, key, value, mask)
    alone, _ = attend(query[1, 2], key[1, 2], value[1, 2], mask[1, 2])
    assert_close(output[1, 2], alone)
    assert (weights[~mask] == 0).all()


def test_arguments_are_not_written_to():
    query, key, value = random_inputs(keys=5)
    mask, bias = causal_mask(5), torch.zeros(5, 5).double()
    before = [x.clone() for x in (query, key, value, mask, bias)]
    attend(query, key, value, mask, bias=bias)
    attend_fast(query, key, value, mask, bias)
    for x, kept in zip((query, key, value, mask, bias), before, strict=True):
        assert x.equal(kept)


# Two forms agree, and trusted references


@given(SIZE, SIZE, SIZE, SIZE, st.integers(0, 9))
def test_loop_and_tensor_form_agree(queries, keys, width, value_width, seed):
    torch.manual_seed(seed)
    inputs = random_inputs(
        queries=queries, keys=keys, width=width, value_width=value_width
    )
    looped = attend_loop(*(x.tolist() for x in inputs))
    assert_close(torch.tensor(looped).double(), attend(*inputs)[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_fused_and_open_form_agree_with_gradients(masked, biased, scale, leading):
    inputs = [x.requires_grad_() for x in random_inputs(*leading)]
    mask = torch.rand(*leading, 5, 7) < 0.6 if masked else None
    bias = torch.randn(5, 7, dtype=torch.double) if biased else None

    slow = attend(*inputs, mask, bias=bias, scale=scale)[0]
    fast = attend_fast(*inputs, mask, bias, scale=scale)

    assert_close(fast, slow, atol=1e-12, rtol=0)
    slow_grads = torch.autograd.grad(slow.square().sum(), inputs)
    fast_grads = torch.autograd.grad(fast.square().sum(), inputs)
    assert_close(fast_grads, slow_grads, atol=1e-11, rtol=0)


def test_fused_and_open_form_agree_on_the_gradient_of_a_learned_bias():
    inputs, mask = random_inputs(2, 3), torch.rand(2, 1, 5, 7) < 0.7
    mask[0, 0, 2] = False
    gradients = []
    for function in (lambda *a: attend(*a[:4], bias=a[4])[0], attend_fast):
        bias = torch.ones(3, 5, 7, dtype=torch.double, requires_grad=True)
        function(*inputs, mask, bias).square().sum().backward()
        gradients.append(bias.grad)
    assert_close(*gradients, atol=1e-12, rtol=0)


@pytest.mark.parametrize("leading", [((2, 3), (2, 1)), ((3,), (2, 1)), ((), (2, 3))])
def test_leading_dimensions_broadcast(leading):
    mine, theirs = leading
    query = torch.randn(*mine, 5, 8, dtype=torch.double)
    key, value = torch.randn(2, *theirs, 7, 8, dtype=torch.double)
    whole = torch.broadcast_shapes(mine, theirs)
    wanted, _ = attend(
        *(x.expand(*whole, *x.shape[-2:]).clone() for x in (query, key, value))
    )
    assert_close(attend(query, key, value)[0], wanted, atol=1e-12, rtol=0)
    assert_close(attend_fast(query, key, value), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)]
)
def test_equals_the_attention_of_torch(dtype, tolerance):
    inputs = [x.to(dtype) for x in random_inputs(2, 3, queries=7)]
    for mask in (None, causal_mask(7), torch.rand(2, 1, 7, 7) < 0.7):
        reference = scaled_dot_product_attention(*inputs, attn_mask=mask)
        ours, _ = attend(*inputs, mask)
        assert_close(ours, reference, atol=tolerance, rtol=0)
    causal = scaled_dot_product_attention(*inputs, is_causal=True)
    assert_close(attend(*inputs, causal_mask(7))[0], causal, atol=tolerance, rtol=0)


def test_worked_example_of_the_chapter():
    """Scores ln 3 and 0 give the weights 3/4 and 1/4."""
    query = torch.tensor([[2 * math.log(3), 0.0, 0.0, 0.0]])
    key = torch.eye(2, 4)
    value = torch.tensor([[4.0, 0.0], [0.0, 8.0]])
    output, weights = attend(query, key, value)
    assert_close(weights, torch.tensor([[0.75, 0.25]]))
    assert_close(output, torch.tensor([[3.0, 2.0]]))


def test_any_normaliser_plugs_in():
    query, key, value = random_inputs()
    cold = partial(softmax, temperature=0.0)
    output, weights = attend(query, key, value, normalize=cold)
    best = (query @ key.T).argmax(-1)
    assert output.equal(value[best])
    assert (weights.sum(-1) == 1).all()


def test_gradcheck():
    inputs = [x.requires_grad_() for x in random_inputs(queries=3, keys=3, width=2)]
    bias = torch.randn(3, 3, dtype=torch.double, requires_grad=True)

    def run(query, key, value, bias):
        return attend(query, key, value, causal_mask(3), bias=bias)

    assert torch.autograd.gradcheck(run, (*inputs, bias))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_survives_masks(dtype):
    inputs = [x.to(dtype) for x in random_inputs(2, queries=7)]
    bias = torch.zeros(7, 7)
    output, weights = attend(*inputs, causal_mask(7), bias=bias)
    assert attend_fast(*inputs, causal_mask(7), bias).dtype == dtype
    assert output.dtype == dtype
    assert output.isfinite().all()
    assert weights[:, 0, 0].eq(1).all()


def test_empty_sequences():
    query, key, value = random_inputs(2, queries=0)
    assert attend(query, key, value)[0].shape == (2, 0, 3)
    query, key, value = random_inputs(2, keys=0)
    for output in (attend(query, key, value)[0], attend_fast(query, key, value)):
        assert output.shape == (2, 5, 3)
        assert (output == 0).all()


# Bad input


def test_a_bias_for_each_head_is_the_same_for_all_texts_of_a_batch():
    query, key, value = torch.randn(3, 2, 4, 6, 8, dtype=torch.double)
    bias = torch.randn(4, 6, 6, dtype=torch.double)  # (heads, Q, K)
    for mask in (None, causal_mask(6)):
        wanted, _ = attend(query, key, value, mask, bias=bias)
        found = attend_fast(query, key, value, mask, bias)
        assert_close(found, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("function", [attend, attend_fast])
def test_what_does_not_fit_is_named(function):
    query, key, value = random_inputs(2)
    for bad, message in [
        ((query[..., :4], key, value), "query=.* and key=.* the same width"),
        ((query, key[:, :4], value), "key=.* and value=.* equally many"),
        ((query[:1].expand(3, 5, 8), key, value), "must agree in all dimensions"),
        ((query, key, value[:1].expand(3, 7, 3)), "value=.* must agree in all"),
        ((query.long(), key, value), "query=.* floating-point"),
        ((query, key.numpy(), value), "key="),
        ((query, key, value[0, 0]), "value="),
        ((query, key, value, torch.zeros(5, 7)), "mask=.* must be boolean"),
        ((query, key, value, torch.ones(5, 6) > 0), "mask=.* must have the shape"),
        ((query, key, value, torch.ones(1, 2, 5, 7) > 0), "mask=.* the shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            function(*bad)
    with pytest.raises(ValueError, match="bias=.* must have the shape"):
        function(query, key, value, bias=torch.zeros(7, 5))


@pytest.mark.parametrize(("queries", "keys"), [(3, 2), (-1, 4)])
def test_causal_masks_that_cannot_be_are_named(queries, keys):
    with pytest.raises(ValueError, match=f"queries={queries} .* keys={keys}"):
        causal_mask(queries, keys)


# Known-wrong implementations are caught by the laws


def without_the_scale(query, key, value):
    return softmax(query @ key.mT, dim=-1) @ value


def over_the_queries(query, key, value):
    return softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-2) @ value


def scaled_by_the_width(query, key, value):
    return softmax(query @ key.mT / query.shape[-1], dim=-1) @ value


@pytest.mark.parametrize(
    "wrong", [without_the_scale, over_the_queries, scaled_by_the_width]
)
def test_known_wrong_versions_differ(wrong):
    inputs = random_inputs(2)
    assert not torch.allclose(wrong(*inputs), attend(*inputs)[0], atol=1e-3)


def test_the_mask_of_torch_is_aligned_at_the_start():
    """The difference that breaks a cache: one new query sees only the first key."""
    query, key, value = random_inputs(2, queries=1)
    torch_output = scaled_dot_product_attention(query, key, value, is_causal=True)
    assert_close(torch_output[:, 0], value[:, 0])
    ours = attend_fast(query, key, value, causal_mask(1, 7))
    assert_close(ours, attend_fast(query, key, value))
