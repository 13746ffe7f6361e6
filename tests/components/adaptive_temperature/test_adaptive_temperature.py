"""Adaptive temperature, SSMax, sparsemax: laws, references, gradients, known errors."""

import inspect
import math
from functools import partial

import entmax
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.components.adaptive_temperature import (
    ENTROPY_POLYNOMIAL,
    ScalableSoftmax,
    adaptive_temperature_readable,
    adaptive_temperature_softmax,
    dispersion_bound,
    inverse_temperature,
    scalable_softmax,
    sparsemax,
)
from genai_lib.components.adaptive_temperature.exercises import (
    check_adaptive_softmax,
    check_needed_gap,
    check_sparsemax,
)
from genai_lib.components.attention import MultiHeadAttention, causal_mask
from genai_lib.components.softmax import entropy, softmax
from tests.components.normaliser_laws import SUM_TO_ONE

INF = math.inf
ROW = st.lists(st.floats(-20, 20), min_size=1, max_size=12)
NORMALISERS = {
    "softmax": softmax,
    "adaptive": adaptive_temperature_softmax,
    "readable": adaptive_temperature_readable,
    "held": partial(adaptive_temperature_softmax, max_entropy=4.4),
    "reversed": partial(
        adaptive_temperature_softmax, polynomial=ENTROPY_POLYNOMIAL[::-1]
    ),
    "ssmax": partial(scalable_softmax, scale=0.43),
    "ssmax, learned": ScalableSoftmax(),
    "sparsemax": sparsemax,
}


@pytest.mark.parametrize("law", SUM_TO_ONE, ids=lambda law: law.__name__)
@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
def test_the_laws_of_normalisers_that_sum_to_one(normalize, law):
    law(normalize)


# Adaptive temperature


def listing(logits, floor=1e-9):
    """Port the paper's listing to NumPy line by line; its 1e-9 is `floor`."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    original = powers / powers.sum(-1, keepdims=True)
    fit = np.array([-0.037, 0.481, -2.3, 4.917, -1.791])
    spread = np.sum(-original * np.log(original + floor), axis=-1, keepdims=True)
    beta = np.where(spread > 0.5, np.maximum(np.polyval(fit, spread), 1.0), 1.0)
    scaled = logits * beta
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def rows_on_every_part(items, dtype=torch.double):
    """Draw rows from almost equal logits to one clear winner."""
    scale = torch.logspace(-2, 1.3, 80, dtype=dtype)[:, None]
    return scale * torch.randn(80, items, dtype=dtype)


FORMS = [adaptive_temperature_softmax, adaptive_temperature_readable]


@pytest.mark.parametrize("items", [1, 2, 7, 60, 512])
@pytest.mark.parametrize(
    ("form", "dtype"),
    [*((form, torch.double) for form in FORMS), (FORMS[0], torch.float)],
)
def test_equals_the_listing_of_the_paper(form, dtype, items):
    z = rows_on_every_part(items, dtype)
    wanted = torch.from_numpy(listing(z.double().numpy()))
    assert_close(form(z).double(), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_at_many_items_the_listings_floor_is_the_only_difference(form):
    """Adding 1e-9 to each of 4,096 weights lowers the entropy by about 4e-6."""
    z = rows_on_every_part(4096)
    exact = torch.from_numpy(listing(z.numpy(), floor=1e-300))
    assert_close(form(z), exact, atol=1e-12, rtol=0)
    with_floor = torch.from_numpy(listing(z.numpy()))
    assert_close(form(z), with_floor, atol=1e-5, rtol=0)


def test_the_rows_of_that_comparison_meet_every_part_of_the_polynomial():
    spread = entropy(softmax(rows_on_every_part(512)))
    beta = inverse_temperature(spread)
    assert (spread < 0.5).any()
    assert (spread > 5.95).any()
    assert ((beta > 1.1) & (beta < 2.3)).any()
    assert (beta > 2.3).any()


@given(ROW)
def test_never_more_entropy_than_softmax(row):
    z = torch.tensor(row, dtype=torch.double)
    assert entropy(adaptive_temperature_softmax(z)) <= entropy(softmax(z)) + 1e-9


@given(ROW)
def test_two_forms_agree(row):
    z = torch.tensor(row, dtype=torch.double)
    assert_close(adaptive_temperature_softmax(z), adaptive_temperature_readable(z))


def test_beta_follows_numpys_polyval_between_its_crossings():
    spread = torch.linspace(0.86, 5.94, 200, dtype=torch.double)
    wanted = np.polyval(ENTROPY_POLYNOMIAL, spread.numpy())
    assert_close(inverse_temperature(spread).numpy(), wanted)


def test_where_the_polynomial_crosses_one_and_peaks():
    below = np.roots(np.polyadd(ENTROPY_POLYNOMIAL, [-1.0]))
    crossings = sorted(x.real for x in below if abs(x.imag) < 1e-9)
    assert crossings == pytest.approx([0.849, 5.945], abs=1e-3)
    peaks = np.roots(np.polyder(ENTROPY_POLYNOMIAL))
    heights = np.polyval(ENTROPY_POLYNOMIAL, peaks.real)
    assert peaks.real[heights.argmax()] == pytest.approx(4.41, abs=0.01)
    assert heights.max() == pytest.approx(2.42, abs=0.01)
    assert np.polyval(ENTROPY_POLYNOMIAL, 8.0) < -14


def test_beta_is_one_outside_and_held_on_request():
    spread = torch.tensor([0.0, 0.5, 0.84, 5.95, 8.0, 9.0])
    assert inverse_temperature(spread).tolist() == [1.0] * 6
    held = inverse_temperature(spread, max_entropy=4.41)
    assert held[:3].tolist() == [1.0] * 3
    assert_close(held[3:], torch.full((3,), 2.42), atol=5e-3, rtol=0)


def test_the_threshold_of_half_a_nat_matters_for_other_polynomials():
    assert inverse_temperature(torch.tensor([0.5, 0.51]), (3.0,)).tolist() == [1, 3]


def test_worked_example_of_the_chapter():
    """Eight items, one of them 2 above: H = 1.64, β = 1.94, weight .51 -> .87."""
    z = torch.tensor([2.0] + [0.0] * 7, dtype=torch.double)
    total = math.e**2 + 7
    spread = math.log(total) - 2 * math.e**2 / total
    assert entropy(softmax(z)).item() == pytest.approx(spread)
    beta = np.polyval(ENTROPY_POLYNOMIAL, spread)
    winner = math.exp(2 * beta) / (math.exp(2 * beta) + 7)
    assert adaptive_temperature_softmax(z)[0].item() == pytest.approx(winner)


def random_rows(dtype=torch.double):
    """Rows on every part of the polynomial, away from its corners."""
    scale = torch.tensor([[0.01], [0.5], [1.0], [2.0], [3.0], [9.0]], dtype=dtype)
    return scale * torch.randn(6, 11, dtype=dtype)


@pytest.mark.parametrize("dim", [0, 1])
def test_gradcheck_of_the_hand_written_gradient(dim):
    z = random_rows().movedim(-1, dim).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: adaptive_temperature_softmax(z, dim), z)


@pytest.mark.parametrize(
    "options", [{}, {"max_entropy": 1.5}, {"polynomial": (0.3, 1.2)}]
)
def test_gradient_equals_that_of_the_readable_form(options):
    z = random_rows()
    z[2, 3:6] = -INF
    z[4] = -INF
    z[5, :2] = INF
    weights, gradients = [], []
    for form in FORMS:
        x = z.clone().requires_grad_()
        out = form(x, **options)
        (
            out * torch.linspace(-1, 2, 66, dtype=torch.double).view(6, 11)
        ).sum().backward()
        weights.append(out.detach())
        gradients.append(x.grad)
    assert_close(*weights)
    assert_close(*gradients)
    assert gradients[0].abs().sum() > 0.1


def test_the_gradient_goes_through_the_temperature_as_well():
    z = torch.tensor([2.0] + [0.0] * 7, dtype=torch.double, requires_grad=True)
    beta = inverse_temperature(entropy(softmax(z.detach())))
    detached = torch.autograd.grad(softmax(z * beta)[0], z)[0]
    whole = torch.autograd.grad(adaptive_temperature_softmax(z)[0], z)[0]
    assert (whole - detached).abs().max() > 0.01


@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
def test_infinite_logits_share_and_nan_stays_in_its_row(normalize):
    z = torch.tensor([[INF, 1.0, INF, -INF], [0.0, math.nan, 1.0, 1.0], [0.0] * 4])
    z.requires_grad_()
    weights = normalize(z, dim=-1)
    assert weights[0].tolist() == [0.5, 0.0, 0.5, 0.0]
    assert weights[1].isnan().all()
    assert weights[2].tolist() == [0.25] * 4
    weights[0, 0].backward()
    assert (z.grad[0] == 0).all()


@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2), (1,), (4, 1)])
def test_empty_and_one_element_dimensions(normalize, shape):
    weights = normalize(torch.zeros(shape), dim=-1)
    assert weights.shape == shape
    assert (weights == 1).all()


# The dispersion bound


@given(ROW, st.floats(0.1, 3.0))
def test_no_weight_of_softmax_exceeds_the_bound(row, beta):
    z = beta * torch.tensor(row, dtype=torch.double)
    bound = dispersion_bound(z.max() - z.min(), len(row))
    assert softmax(z).max() <= bound + 1e-12
    assert bound <= (z.max() - z.min()).exp() / len(row) + 1e-12


@pytest.mark.parametrize("items", [1, 2, 16, 4096])
def test_the_bound_is_attained(items):
    z = torch.zeros(items, dtype=torch.double)
    z[0] = 3.7
    if items > 1:
        assert_close(dispersion_bound(z.max() - z.min(), items), softmax(z)[0])
    assert_close(dispersion_bound(torch.zeros(2), items), torch.ones(2) / items)


# SSMax and sparsemax


def test_ssmax_is_softmax_at_a_temperature_that_falls_with_the_logarithm():
    for items in (2, 9, 100):
        z = torch.randn(3, items, dtype=torch.double)
        wanted = softmax(0.7 * math.log(items) * z)
        assert_close(scalable_softmax(z, 0.7), wanted)
        power = items ** (0.7 * z)
        assert_close(wanted, power / power.sum(-1, keepdim=True))


def test_ssmax_counts_what_is_not_masked():
    mask = causal_mask(6)
    z = torch.randn(6, 6, dtype=torch.double)
    weights = scalable_softmax(z.masked_fill(~mask, -INF), 0.9)
    for row in range(6):
        wanted = scalable_softmax(z[row, : row + 1], 0.9)
        assert_close(weights[row, : row + 1], wanted)


def test_ssmax_gradcheck_in_logits_and_scale():
    z = torch.randn(2, 3, 5, dtype=torch.double)
    z[0, 1, 2:] = -INF
    scale = torch.tensor([[[0.4]], [[1.3]]], dtype=torch.double, requires_grad=True)

    def masked(values, scale):
        return scalable_softmax(values.masked_fill(z == -INF, -INF), scale)

    values = z.masked_fill(z == -INF, 0.0).requires_grad_()
    assert torch.autograd.gradcheck(masked, (values, scale))


def test_learned_scales_plug_into_attention_and_learn():
    attention = MultiHeadAttention(8, heads=2, normalize=ScalableSoftmax(heads=2))
    x = torch.randn(2, 5, 8)
    attention(x, mask=causal_mask(5)).square().sum().backward()
    assert attention.normalize.scale.shape == (2, 1, 1)
    assert (attention.normalize.scale.grad != 0).all()


@pytest.mark.parametrize(
    ("dtype", "tol"), [(torch.float32, 1e-6), (torch.double, 1e-12)]
)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_sparsemax_equals_the_package_entmax(dtype, tol, dim):
    for scale in (0.01, 0.3, 1.0, 10.0):
        z = (scale * torch.randn(4, 7, 33, dtype=dtype)).requires_grad_()
        ours, theirs = sparsemax(z, dim), entmax.sparsemax(z, dim)
        assert_close(ours, theirs, atol=tol, rtol=0)
        weight = torch.randn_like(z)
        mine = torch.autograd.grad((ours * weight).sum(), z)[0]
        reference = torch.autograd.grad((theirs * weight).sum(), z)[0]
        assert_close(mine, reference, atol=10 * tol, rtol=0)


@given(ROW)
def test_sparsemax_is_the_nearest_point_of_the_simplex(row):
    """The nearest point p has z - p equal on its support, and lower elsewhere."""
    z = torch.tensor(row, dtype=torch.double)
    p = sparsemax(z)
    rest = z - p
    assert_close(rest[p > 0], rest[p > 0].max().expand(int((p > 0).sum())))
    assert (rest[p == 0] <= rest[p > 0].max() + 1e-9).all()


# Bad input


@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
def test_bad_logits_and_dimensions_are_named(normalize):
    for bad in ([1.0, 2.0], np.ones(3), torch.tensor([1, 2]), None):
        with pytest.raises(ValueError, match="logits="):
            normalize(bad, dim=-1)
    for dim in (2, -3, 1.0, None):
        with pytest.raises(ValueError, match="dim="):
            normalize(torch.zeros(2, 3), dim=dim)


def test_bad_parameters_are_named():
    z = torch.zeros(2, 3)
    for form in [*FORMS, lambda z, **options: inverse_temperature(z, **options)]:
        for polynomial in ((), (1.0, math.nan), (INF,)):
            with pytest.raises(ValueError, match="polynomial="):
                form(z, polynomial=polynomial)
        for limit in (0.0, -1.0, math.nan):
            with pytest.raises(ValueError, match="max_entropy="):
                form(z, max_entropy=limit)
    with pytest.raises(ValueError, match="entropy="):
        inverse_temperature(1.0)
    for scale in (INF, math.nan, "big", None):
        with pytest.raises(ValueError, match="scale="):
            scalable_softmax(z, scale)
    with pytest.raises(ValueError, match="scale has an entry that is not finite"):
        scalable_softmax(z, torch.tensor([[1.0], [math.nan]]))
    with pytest.raises(ValueError, match="scale of shape .* size 1 at dim=-1"):
        scalable_softmax(z, torch.ones(3))
    with pytest.raises(ValueError, match="heads=0"):
        ScalableSoftmax(heads=0)
    with pytest.raises(ValueError, match="items=0"):
        dispersion_bound(torch.ones(1), 0)
    with pytest.raises(ValueError, match="spread has an entry below 0"):
        dispersion_bound(torch.tensor([-1.0]), 3)


# Known-wrong implementations are caught by the comparison with the listing


def sharpened(z, beta):
    return torch.softmax(z * beta, dim=-1)


def coefficients_reversed(z):
    return adaptive_temperature_softmax(z, polynomial=ENTROPY_POLYNOMIAL[::-1])


def entropy_in_bits(z):
    bits = entropy(softmax(z)) / math.log(2)
    return sharpened(z, inverse_temperature(bits)[:, None])


def temperature_in_place_of_its_inverse(z):
    return sharpened(z, 1 / inverse_temperature(entropy(softmax(z)))[:, None])


def no_clamp(z):
    spread = entropy(softmax(z))[:, None].numpy()
    return sharpened(z, torch.from_numpy(np.polyval(ENTROPY_POLYNOMIAL, spread)))


def one_temperature_for_all_rows(z):
    return sharpened(z, inverse_temperature(entropy(softmax(z))).max())


def applied_to_the_weights(z):
    p = softmax(z)
    return sharpened(p, inverse_temperature(entropy(p))[:, None])


def before_the_scale_of_attention(z):
    return sharpened(z, inverse_temperature(entropy(softmax(8 * z)))[:, None])


def padding_that_counts(z):
    padded = torch.cat([z, torch.zeros(len(z), 1000, dtype=z.dtype)], dim=-1)
    weights = adaptive_temperature_softmax(padded)[:, : z.shape[-1]]
    return weights / weights.sum(-1, keepdim=True)


WRONG = [
    coefficients_reversed,
    entropy_in_bits,
    temperature_in_place_of_its_inverse,
    no_clamp,
    one_temperature_for_all_rows,
    applied_to_the_weights,
    before_the_scale_of_attention,
    padding_that_counts,
]


@pytest.mark.parametrize("wrong", WRONG)
def test_known_wrong_versions_differ(wrong):
    z = torch.tensor([[0.3], [1.0], [3.0]], dtype=torch.double)
    z = z * torch.randn(3, 600, dtype=torch.double)
    assert not np.allclose(wrong(z).numpy(), listing(z.numpy()), atol=1e-4)


# The checkers of the exercises


def right_adaptive(logits):
    return adaptive_temperature_softmax(logits, dim=-1)


def naive_adaptive(logits):
    p = logits.softmax(-1)
    spread = -(p * p.log()).sum(-1, keepdim=True)
    return (logits * inverse_temperature(spread)).softmax(-1)


def unclamped(logits):
    spread = entropy(softmax(logits))[:, None]
    beta = spread.new_tensor(np.polyval(ENTROPY_POLYNOMIAL, spread.numpy()))
    return torch.where(spread > 5, logits * beta, logits * beta.clamp(min=1)).softmax(
        -1
    )


def right_sparsemax(logits):
    return sparsemax(torch.tensor(logits, dtype=torch.double)).tolist()


def sparsemax_of_sorted_logits(logits):
    sums = [sum(logits[: i + 1]) for i in range(len(logits))]
    pairs = zip(logits, sums, strict=True)
    support = sum(1 + (i + 1) * z > total for i, (z, total) in enumerate(pairs))
    threshold = (sums[support - 1] - 1) / support
    return [max(z - threshold, 0.0) for z in logits]


def stub(*arguments):
    """Stand for an exercise that is not filled in."""


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            check_needed_gap,
            lambda n, w: math.log((n - 1) * w / (1 - w)),
            {
                lambda n, w: math.log(n * w): "gives the winner",
                lambda n, w: "large": "a finite number is wanted",
                lambda n, w: math.log(w / (1 - w)): "gives the winner",
            },
        ),
        (
            check_adaptive_softmax,
            right_adaptive,
            {
                coefficients_reversed: "read backwards",
                naive_adaptive: "p ln p must be 0",
                unclamped: "above 5.94 nats",
                softmax: "this is softmax",
                entropy_in_bits: "in nats",
                lambda z: right_adaptive(z)[0]: "a tensor of shape",
                lambda z: 2 * right_adaptive(z): "do not sum to one",
                lambda z: z / 0: "NaN or infinity",
            },
        ),
        (
            check_sparsemax,
            right_sparsemax,
            {
                lambda z: softmax(torch.tensor(z)).tolist(): "should be",
                lambda z: right_sparsemax(z)[1:]: "weights are wanted",
                lambda z: [x + (1 - sum(z)) / len(z) for x in z]: "none below 0",
                lambda z: [max(x, 0.0) for x in z]: "not to 1",
                lambda z: [INF - INF] * len(z): "hold NaN",
                sparsemax_of_sorted_logits: "sum to 1.525, not to 1",
            },
        ),
    ],
    ids=["needed_gap", "adaptive_softmax", "sparsemax"],
)
def test_checkers_accept_the_right_and_explain_the_wrong(check, right, wrong):
    assert check(right).passed
    assert "not filled in" in check(stub).message
    assert not check(stub).passed
    for answer, reason in wrong.items():
        verdict = check(answer)
        assert not verdict.passed
        assert reason in verdict.message, (verdict, inspect.getsource(answer))


@pytest.mark.parametrize("scale", [1e37, 1e38, 1e39, 1e300, torch.tensor(3e38)])
def test_a_huge_scale_takes_the_largest_logits(scale):
    logits = torch.tensor(
        [[3.0, 2.0, 3.0], [1.0, 0.0, -math.inf], [5.0, *[-math.inf] * 2]]
    )
    wanted = torch.tensor([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert scalable_softmax(logits, scale).equal(wanted)


@pytest.mark.parametrize("scale", [True, "1", None])
def test_a_scale_that_is_not_a_number_is_named(scale):
    with pytest.raises(ValueError, match="scale="):
        scalable_softmax(torch.zeros(3), scale)


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "adaptive_softmax": right_adaptive,
    "needed_gap": lambda items, w: math.log((items - 1) * w / (1 - w)),
    "sparsemax": right_sparsemax,
}
