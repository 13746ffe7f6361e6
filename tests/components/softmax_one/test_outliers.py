"""Kurtosis, rounding to few bits, smoothing: references, laws, whole models."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import (
    FeedForward,
    MultiHeadAttention,
    TextModel,
    TransformerBlock,
)
from genai_lib.components.softmax_one import (
    fake_quantize,
    kurtosis,
    max_infinity_norm,
    plant_outliers,
    quantize_linears,
    smooth_linears,
    smooth_quantize,
    smoothing_scales,
)

# Measures


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_kurtosis_equals_that_of_scipy(dim):
    x = torch.randn(7, 50, dtype=torch.double) ** 3
    wanted = scipy.stats.kurtosis(x.numpy(), axis=dim, fisher=False)
    assert_close(kurtosis(x, dim).numpy(), wanted, atol=1e-12, rtol=1e-12)


def test_kurtosis_of_known_distributions():
    assert kurtosis(torch.randn(10**6, dtype=torch.double)).item() == pytest.approx(
        3, abs=0.05
    )
    assert kurtosis(torch.tensor([-1.0, 1.0])).item() == 1
    lone = torch.zeros(64, dtype=torch.double)
    lone[5] = 8.0
    assert kurtosis(lone).item() == pytest.approx((1 + 63**3) / (63 * 64))
    assert kurtosis(torch.ones(4)).isnan()


def test_the_unbiased_variance_of_the_papers_code_is_a_factor():
    x = torch.randn(9, dtype=torch.double)
    theirs = ((x - x.mean()) ** 4).mean() / x.var() ** 2
    assert_close(theirs, kurtosis(x) * (8 / 9) ** 2)


def test_max_infinity_norm_is_a_mean_over_examples():
    x = torch.zeros(2, 3, 4)
    x[0, 1, 2], x[1, 0, 0] = -7.0, 1.0
    assert max_infinity_norm(x).item() == 4.0


# Rounding


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_symmetric_rounding_equals_that_of_torch(bits, scale):
    x = scale * torch.randn(40, 33)
    highest = 2 ** (bits - 1) - 1
    step = (x.abs().max() / highest).item()
    wanted = torch.fake_quantize_per_tensor_affine(x, step, 0, -highest - 1, highest)
    assert fake_quantize(x, bits).equal(wanted)


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
@pytest.mark.parametrize("shift", [-5.0, 0.0, 0.3, 5.0])
def test_asymmetric_rounding_equals_that_of_torch(bits, shift):
    x = torch.randn(40, 33) + shift
    highest = 2**bits - 1
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    step = (high - low) / highest
    zero = int(torch.round(-low / step))
    wanted = torch.fake_quantize_per_tensor_affine(x, step.item(), zero, 0, highest)
    assert fake_quantize(x, bits, symmetric=False).equal(wanted)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=20),
    st.integers(2, 12),
    st.booleans(),
)
def test_laws_of_rounding(numbers, bits, symmetric):
    """No error above half a step; 0 stays 0; at most 2^bits values; the same twice."""
    x = torch.tensor(numbers, dtype=torch.double)
    rounded = fake_quantize(x, bits, symmetric)
    if symmetric:
        step = x.abs().max() / (2 ** (bits - 1) - 1)
    else:
        step = (x.max().clamp(min=0) - x.min().clamp(max=0)) / (2**bits - 1)
    assert ((rounded - x).abs() <= step * 0.5000001 + 1e-300).all()
    assert (rounded[x == 0] == 0).all()
    assert len(rounded.unique()) <= 2**bits
    assert_close(fake_quantize(rounded, bits, symmetric), rounded)


def test_one_outlier_takes_the_resolution_of_all_others():
    x = torch.randn(1000)
    x[0] = 300.0
    rounded = fake_quantize(x, 8)
    assert len(rounded[1:].unique()) <= 7
    assert len(fake_quantize(x[1:], 8).unique()) > 100


def test_nothing_and_zeros():
    assert fake_quantize(torch.zeros(3), 8).tolist() == [0.0] * 3
    assert fake_quantize(torch.zeros(3), 8, symmetric=False).tolist() == [0.0] * 3
    assert fake_quantize(torch.zeros(0), 8).shape == (0,)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_format_is_rounded_in_at_least_32_bits(dtype, symmetric, bits):
    for scale in (1e-3, 1.0, 1e4):
        x = (scale * torch.randn(40)).to(dtype)
        rounded = fake_quantize(x, bits, symmetric)
        assert rounded.dtype == dtype
        assert rounded.equal(fake_quantize(x.float(), bits, symmetric).to(dtype))
        exact = fake_quantize(x.double(), bits, symmetric)
        step = (x.double().amax() - x.double().amin()) / (2**bits - 2)
        slack = torch.finfo(dtype).eps * x.double().abs().amax()
        off = (rounded.double() - exact).abs().sort().values
        assert off[-3] <= slack, "a tie or two may go either way"
        assert off[-1] <= step * 1.01 + slack


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        (torch.float16, [0.0, 1e-3]),
        (torch.float16, [0.0, 6e-8, -6e-8]),
        (torch.float16, [-65504.0, 10000.0]),
        (torch.bfloat16, [0.0, 1e-38]),
        (torch.bfloat16, [0.0, -3.3e38, 1.0]),
        (torch.float32, [0.0, 1e-37, 5e-38]),
        (torch.float32, [0.0, 1e-45]),
        (torch.float64, [0.0, 1e-308, 5e-324]),
    ],
)
def test_very_small_and_very_large_numbers_stay_numbers(dtype, numbers, symmetric):
    x = torch.tensor(numbers, dtype=dtype)
    for bits in (2, 8, 16):
        rounded = fake_quantize(x, bits, symmetric)
        assert rounded.dtype == dtype
        assert rounded.isfinite().all()
        assert (rounded[x == 0] == 0).all()
    assert fake_quantize(torch.tensor([0.0, 1e-3]).half(), 8)[1].item() > 9e-4


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_the_numbers_of_32_bits_are_those_of_the_plain_formula(bits):
    x, highest = torch.randn(500), 2 ** (bits - 1) - 1
    step = x.abs().amax() / highest
    codes = (x * (1 / step)).round()
    assert fake_quantize(x, bits).equal(codes.clamp(-highest - 1, highest) * step)
    low, high = x.amin(), x.amax()
    step = (high - low) / (2**bits - 1)
    zero = (-low / step).round()
    codes = ((x * (1 / step)).round() + zero).clamp(0, 2**bits - 1)
    assert fake_quantize(x, bits, symmetric=False).equal((codes - zero) * step)


# Smoothing


def inputs_with_an_outlier():
    x, weight = torch.randn(50, 12), torch.randn(7, 12)
    x[:, 3] *= 100
    weight[:, 3] /= 100
    return x, weight


def test_smoothing_scales_are_those_of_the_paper():
    x, weight = inputs_with_an_outlier()
    largest = x.abs().amax(0)
    wanted = largest**0.8 / weight.abs().amax(0) ** 0.2
    assert_close(smoothing_scales(largest, weight, 0.8), wanted)
    evened = smoothing_scales(largest, weight)
    assert_close(largest / evened, (weight * evened).abs().amax(0))
    largest[2] = 0.0
    assert smoothing_scales(largest, weight)[2] == 1


def test_smoothing_repairs_a_product_with_an_outlier():
    x, weight = inputs_with_an_outlier()
    exact = x @ weight.mT
    plain = fake_quantize(x, 8) @ fake_quantize(weight, 8).mT
    smooth = smooth_quantize(x, weight, 8)
    assert (smooth - exact).norm() < 0.05 * (plain - exact).norm()
    assert (smooth - exact).norm() < 0.02 * exact.norm()


# Whole models


@pytest.fixture
def model():
    blocks = [TransformerBlock(MultiHeadAttention(8, 2), FeedForward(8))]
    for norm in (blocks[0].attention_norm, blocks[0].feed_forward_norm):
        norm.bias.data.normal_()  # a new norm has none, which would hide an error
    return TextModel(11, 8, blocks).eval()


@pytest.fixture
def tokens():
    return torch.randint(11, (3, 9))


@torch.no_grad()
def test_planting_and_smoothing_change_no_output(model, tokens):
    planted = plant_outliers(model, [2, 5], 100.0)
    smoothed = smooth_linears(planted, tokens)
    assert_close(planted(tokens), model(tokens), atol=1e-4, rtol=1e-4)
    assert_close(smoothed(tokens), model(tokens), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_planting_enlarges_what_the_linear_maps_read(model):
    planted = plant_outliers(model, [2, 5], 100.0)
    x = torch.randn(2, 4, 8)
    for norm in ("attention_norm", "feed_forward_norm"):
        before = getattr(model.blocks[0], norm)(x)
        after = getattr(planted.blocks[0], norm)(x)
        ratio = torch.ones(8)
        ratio[[2, 5]] = 100.0
        assert_close(after, before * ratio)
    assert max_infinity_norm(after) > 10 * max_infinity_norm(before)


@torch.no_grad()
def test_rounding_a_model_rounds_weights_and_inputs(model, tokens):
    fine = quantize_linears(model, 16, 16)
    assert_close(fine(tokens), model(tokens), atol=1e-3, rtol=1e-3)
    coarse = quantize_linears(model, 3, 16)
    assert len(coarse.to_logits.weight.unique()) <= 8
    rough = quantize_linears(model, 16, 3)
    assert (rough(tokens) - model(tokens)).abs().max() > 1e-2
    lone = quantize_linears(nn.Sequential(model.to_logits), 8, 4)
    x = torch.randn(5, 8)
    weight = fake_quantize(model.to_logits.weight, 8)
    assert_close(lone(x), fake_quantize(x, 4) @ weight.mT + model.to_logits.bias)


@torch.no_grad()
def test_the_given_model_stays_as_it_is(model, tokens):
    before = model(tokens)
    plant_outliers(model, [0], 9.0)
    quantize_linears(smooth_linears(model, tokens), 2, 2)
    assert model(tokens).equal(before)


# Bad input


def test_bad_input_is_named(model):
    for function in (kurtosis, max_infinity_norm, lambda x: fake_quantize(x, 8)):
        for bad in (torch.ones(3, dtype=torch.int), [1.0], None):
            with pytest.raises(ValueError, match="x="):
                function(bad)
    with pytest.raises(ValueError, match="dim=2"):
        kurtosis(torch.zeros(2, 2), 2)
    with pytest.raises(ValueError, match="at least one example"):
        max_infinity_norm(torch.zeros(0, 3))
    for bits in (1, 17, 0, 8.0, None):
        with pytest.raises(ValueError, match="bits="):
            fake_quantize(torch.ones(2), bits)
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="x holds a value that is not finite"):
            fake_quantize(torch.tensor([1.0, value]), 8)
    with pytest.raises(ValueError, match="strength=2"):
        smoothing_scales(torch.ones(3), torch.ones(2, 3), 2)
    with pytest.raises(ValueError, match="largest="):
        smoothing_scales(torch.ones(2), torch.ones(2, 3))
    with pytest.raises(ValueError, match="as many channels as weight="):
        smooth_quantize(torch.ones(4, 2), torch.ones(2, 3), 8)
    with pytest.raises(ValueError, match="model has no TransformerBlock"):
        plant_outliers(model.to_logits, [0], 2.0)


# Known-wrong versions


def truncated(x):
    step = x.abs().max() / 127
    return (x / step).trunc() * step


def clipped_at_three_deviations(x):
    limit = 3 * x.std()
    return fake_quantize(x.clamp(-limit, limit), 8)


def without_a_code_for_zero(x):
    low = x.min()
    step = (x.max() - low) / 255
    return ((x - low) / step).round() * step + low


@pytest.mark.parametrize(
    "wrong", [truncated, clipped_at_three_deviations, without_a_code_for_zero]
)
def test_known_wrong_rounding_breaks_a_law(wrong):
    x = torch.cat([torch.zeros(1), torch.randn(999), torch.tensor([20.3])])
    step = x.abs().max() / 127
    kept = (wrong(x) - x).abs().max() <= step * 0.50001 and wrong(x)[0] == 0
    assert not kept


def test_kurtosis_over_the_batch_is_another_number():
    x = np.random.default_rng(0).standard_normal((200, 8))
    x[:, 0] *= 50  # one channel that is always large
    x = torch.from_numpy(x)
    assert kurtosis(x, dim=1).mean() > 1.5 * kurtosis(x, dim=0).mean()
