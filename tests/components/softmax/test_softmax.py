"""Softmax and its neighbours: laws, references, limits, gradients, bad input."""

import inspect
import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.components.softmax import (
    entropy,
    expected_calibration_error,
    fit_temperature,
    gumbel_max,
    log_softmax,
    sample,
    softmax,
    softmax_loop,
)
from genai_lib.components.softmax.exercises import (
    check_retemper,
    check_stable_softmax,
    check_temperature_of_odds,
)

INF = math.inf
LOGIT = st.floats(-50, 50)
ROW = st.lists(LOGIT, min_size=1, max_size=8)
TEMPERATURE = st.floats(0.05, 50)


def tensor(*rows):
    return torch.tensor(rows if len(rows) > 1 else rows[0], dtype=torch.double)


# Laws


@given(ROW, TEMPERATURE)
def test_weights_are_a_distribution(row, temperature):
    weights = softmax(tensor(row), temperature)

    assert (weights >= 0).all()
    assert_close(weights.sum(), torch.tensor(1.0).double())


@given(ROW, TEMPERATURE, st.floats(-1e3, 1e3))
def test_a_shift_of_all_logits_changes_nothing(row, temperature, shift):
    z = tensor(row)

    moved = softmax(z + shift, temperature)

    assert_close(moved, softmax(z, temperature), atol=1e-8, rtol=1e-6)


@given(ROW, TEMPERATURE)
def test_doubling_the_logits_is_halving_the_temperature(row, temperature):
    z = tensor(row)
    assert_close(softmax(2 * z, temperature), softmax(z, temperature / 2))


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(0.5, 20))
def test_odds_are_the_exponential_of_the_gap(row, temperature):
    z = tensor(row)
    p = softmax(z, temperature)
    assert_close(p[0] / p[1], ((z[0] - z[1]) / temperature).exp())


@given(ROW, st.floats(0.1, 5), st.floats(1.0, 3.0))
def test_entropy_never_falls_as_the_temperature_rises(row, temperature, factor):
    z = tensor(row)
    cooler, warmer = (entropy(softmax(z, temperature * f)) for f in (1.0, factor))
    assert warmer >= cooler - 1e-9


@given(ROW, TEMPERATURE)
def test_the_order_of_the_options_stays(row, temperature):
    z = tensor(row)
    weights = softmax(z, temperature)
    assert (weights[z.argsort()].diff() >= 0).all()


def test_retempering_needs_only_the_probabilities():
    z = torch.randn(5, 7, dtype=torch.double)
    again = softmax(softmax(z).log(), 0.3)
    assert_close(again, softmax(z, 0.3))


def test_slope_of_the_entropy_is_minus_beta_times_the_variance():
    z = torch.randn(9, 4, dtype=torch.double)
    beta = torch.linspace(0.1, 3, 9, dtype=torch.double)[:, None].requires_grad_()
    p = softmax(beta * z)
    (slope,) = torch.autograd.grad(entropy(p).sum(), beta)
    variance = (p * z**2).sum(-1, keepdim=True) - (p * z).sum(-1, keepdim=True) ** 2
    assert_close(slope, -beta * variance)


# Two forms agree, and trusted references


@given(st.lists(LOGIT, min_size=1, max_size=8), TEMPERATURE)
def test_loop_and_tensor_form_agree(row, temperature):
    assert_close(
        tensor(softmax_loop(row, temperature)), softmax(tensor(row), temperature)
    )


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize("dim", [-3, -2, -1, 0, 1, 2])
def test_equals_torch_softmax_along_any_dimension(dtype, tolerance, dim):
    z = 10 * torch.randn(2, 5, 8, dtype=dtype)
    for theta in (1.0, 0.3, 7):
        ours, reference = softmax(z, theta, dim), torch.softmax(z / theta, dim)
        assert_close(ours, reference, atol=tolerance, rtol=0)
        logs = log_softmax(z, theta, dim)
        assert_close(
            logs, torch.log_softmax(z / theta, dim), atol=10 * tolerance, rtol=0
        )


def test_equals_scipy_in_double_precision():
    z = 5 * torch.randn(4, 6, dtype=torch.double)
    assert_close(
        softmax(z, 0.7).numpy(), scipy.special.softmax(z.numpy() / 0.7, axis=-1)
    )


def test_entropy_equals_torch_distributions():
    z = torch.randn(6, 5, dtype=torch.double)
    reference = torch.distributions.Categorical(logits=z / 0.4).entropy()
    assert_close(entropy(softmax(z, 0.4)), reference, atol=1e-12, rtol=0)


def test_worked_example_of_the_chapter():
    """Logits ln 4, ln 2, 0 give 4:2:1, and at half the temperature 16:4:1."""
    z = tensor([4.0, 2.0, 1.0]).log()
    assert_close(softmax(z), tensor([4.0, 2.0, 1.0]) / 7)
    assert_close(softmax(z, 0.5), tensor([16.0, 4.0, 1.0]) / 21)


# Limits


@pytest.mark.parametrize("theta", [0, 0.0, 1e-300, torch.tensor(0.0)])
def test_temperature_zero_is_the_arg_max_with_ties_shared(theta):
    z = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, -1.0], [-3.0, -5.0, -4.0]])
    wanted = torch.tensor([[0.0, 0.5, 0.5], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert softmax(z, theta).equal(wanted)


@pytest.mark.parametrize("theta", [INF, 1e300, torch.tensor(INF)])
def test_temperature_infinity_is_uniform_over_what_is_left(theta):
    z = torch.tensor([[1.0, 2.0, -9.0, 0.0], [5.0, -INF, 1e38, -INF]])
    wanted = torch.tensor([[0.25] * 4, [0.5, 0.0, 0.5, 0.0]])
    assert softmax(z, theta).equal(wanted)


def test_every_row_has_its_own_temperature():
    z = torch.tensor([[2.0, 1.0, 0.0]]).expand(4, 3)
    theta = torch.tensor([[0.0], [0.5], [3.0], [INF]])
    rows = [softmax(z[i], theta[i].item()) for i in range(4)]
    assert_close(softmax(z, theta), torch.stack(rows))
    assert_close(softmax(z.T, theta.T, dim=0), torch.stack(rows).T)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("theta", [0.0, 1e-300, 1e-4, 1.0, 1e4, 1e300, INF])
def test_extreme_logits_give_a_distribution_in_any_precision(dtype, theta):
    top = torch.finfo(dtype).max
    z = torch.tensor([[top, -top, 0.0, top], [-top, -top, -INF, 1.0]], dtype=dtype)

    weights = softmax(z, theta)

    assert weights.dtype == dtype
    assert_close(weights.float().sum(-1), torch.ones(2), atol=1e-2, rtol=0)
    assert weights[1, 2] == 0
    assert weights[0, 0] == weights[0, 3] >= weights[0, 1]


def test_logits_of_1e38():
    assert softmax(torch.tensor([1e38, -1e38, 1e38])).tolist() == [0.5, 0.0, 0.5]
    close = softmax(torch.tensor([3e38, 2e38]), 1e38)
    assert_close(close, torch.tensor([1.0, 0.0]).mul(1).softmax(-1))


def test_infinite_logits_take_everything_and_share():
    z = torch.tensor([[INF, 1.0, INF], [INF, -INF, 3e38]])
    for theta in (0.0, 0.5, 1.0, INF):
        assert softmax(z, theta).tolist() == [[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]


def test_a_row_with_nothing_left_is_zero_and_harms_no_other():
    z = torch.tensor([[-INF] * 3, [1.0, 2.0, 3.0]])
    for theta in (0.0, 0.5, 1.0, torch.tensor([[2.0], [1.0]]), INF):
        weights = softmax(z, theta)
        assert weights[0].tolist() == [0.0, 0.0, 0.0]
        assert_close(weights[1].sum(), torch.tensor(1.0))
    assert log_softmax(z)[0].tolist() == [-INF] * 3
    assert_close(log_softmax(z)[1], torch.log_softmax(z[1], -1))


def test_nan_stays_in_its_own_row():
    weights = softmax(torch.tensor([[math.nan, 1.0], [0.0, 0.0]]))
    assert weights[0].isnan().all()
    assert weights[1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2), (3, 0, 2), (1,), (4, 1)])
def test_empty_and_one_element_dimensions(shape):
    z = torch.zeros(shape)
    for theta in (0.0, 1.0, INF):
        weights = softmax(z, theta)
        assert weights.shape == z.shape
        assert (weights == 1).all()  # vacuous where nothing is there
    assert entropy(softmax(z)).sum() == 0


def test_the_argument_is_not_written_to():
    z = torch.tensor([[1.0, -INF], [-INF, -INF]])
    before = z.clone()
    softmax(z, 0.0)
    softmax(z)
    assert z.equal(before)


# Gradients


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_gradcheck_in_logits_and_temperature(function):
    z = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    theta = torch.tensor([[0.5], [1.0], [2.0]], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(function, (z, theta))
    assert torch.autograd.gradgradcheck(function, (z, theta))


@pytest.mark.parametrize("number", [0.0, 0.5, 1.0, INF])
def test_gradients_are_finite_for_masked_and_empty_rows(number):
    z = torch.tensor(
        [[1.0, 2.0, -INF], [-INF] * 3, [3e38, 3e38, 0.0]], requires_grad=True
    )
    theta = torch.full((3, 1), number, requires_grad=True)
    for temperature in (number, theta):
        z.grad = theta.grad = None
        loss = (
            softmax(z, temperature).square().sum()
            + entropy(softmax(z, temperature)).sum()
        )
        loss.backward()
        assert z.grad.isfinite().all()
        assert z.grad[0, 2] == 0
        assert (z.grad[1] == 0).all()
    assert theta.grad.isfinite().all()


def test_an_empty_row_does_not_disturb_the_gradient_of_others():
    z = torch.tensor([[1.0, 2.0, 0.5], [-INF] * 3], requires_grad=True)
    alone = z[:1].detach().requires_grad_()
    softmax(z, 0.7)[:, 0].sum().backward()
    softmax(alone, 0.7)[:, 0].sum().backward()
    assert_close(z.grad[:1], alone.grad)


def test_jacobian_is_p_times_delta_minus_p_over_theta():
    z = torch.randn(4, dtype=torch.double)
    jacobian = torch.autograd.functional.jacobian(lambda z: softmax(z, 0.6), z)
    p = softmax(z, 0.6)
    assert_close(jacobian, (torch.diag(p) - p[:, None] * p) / 0.6)


# Drawing


def test_both_ways_to_draw_follow_the_probabilities():
    z = torch.tensor([1.0, 0.0, -1.0, 2.0, -INF]).expand(40_000, 5)
    exact = softmax(z[0], 1.7)
    for draw in (sample, gumbel_max):
        drawn = draw(z, 1.7, torch.Generator().manual_seed(0))
        frequencies = torch.bincount(drawn, minlength=5) / len(z)
        assert_close(frequencies, exact, atol=0.01, rtol=0)
        assert frequencies[4] == 0


def test_samples_have_the_shape_of_the_rows_and_obey_the_generator():
    z = torch.randn(2, 3, 5)
    first, second = (sample(z, 1.0, torch.Generator().manual_seed(4)) for _ in range(2))
    assert first.shape == (2, 3)
    assert first.equal(second)
    assert sample(torch.tensor([0.0, 9.0]), 0.0).item() == 1


def test_nothing_to_draw_is_an_error():
    for bad in ([-INF, -INF], [math.nan, 0.0], []):
        for draw in (sample, gumbel_max):
            for logits in (torch.tensor(bad), torch.tensor([bad, bad])):
                with pytest.raises(ValueError, match="logits has a row with nothing"):
                    draw(logits)
    with pytest.raises(ValueError, match="temperature=0"):
        gumbel_max(torch.zeros(3), 0)


# Calibration


def test_calibration_error_by_hand():
    """Two bins: .75 sure and right 2 of 2; .95 sure and right 1 of 2."""
    p = torch.tensor([[0.75, 0.25], [0.75, 0.25], [0.95, 0.05], [0.95, 0.05]])
    labels = torch.tensor([0, 0, 0, 1])
    error = expected_calibration_error(p, labels, bins=10)
    assert error == pytest.approx(0.5 * 0.25 + 0.5 * 0.45, abs=1e-6)


def test_bins_are_closed_on_the_right():
    p = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    error = expected_calibration_error(p, torch.tensor([0, 0]), bins=2)
    assert error == pytest.approx((0.5 + 0.75) / 2)


def test_calibration_error_equals_a_loop_over_bins():
    p = softmax(2 * torch.randn(300, 4, dtype=torch.double))
    labels = torch.randint(4, (300,))
    confidence, guess = p.max(-1)
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            right = (guess == labels)[inside].double().mean()
            total += inside.double().mean() * (right - confidence[inside].mean()).abs()
    assert expected_calibration_error(p, labels) == pytest.approx(float(total))


def test_fitted_temperature_recovers_the_one_that_drew_the_labels():
    generator = torch.Generator().manual_seed(1)
    z = 3 * torch.randn(20_000, 5, generator=generator)
    labels = sample(z, 2.5, generator)
    assert fit_temperature(z, labels) == pytest.approx(2.5, rel=0.05)


def test_fitted_temperature_has_the_lowest_loss():
    z, labels = 2 * torch.randn(200, 3), torch.randint(3, (200,))
    z[torch.arange(200), labels] += 1.0

    def loss(theta):
        return torch.nn.functional.nll_loss(log_softmax(z.double(), theta), labels)

    best = fit_temperature(z, labels)
    assert all(loss(best) <= loss(best * factor) for factor in (0.9, 0.99, 1.01, 1.1))


def test_fitted_temperature_at_its_limits():
    z = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert fit_temperature(z, torch.tensor([0, 1])) == 0.0
    assert fit_temperature(z, torch.tensor([1, 0])) == INF


# Bad input


@pytest.mark.parametrize("function", [softmax, log_softmax])
@pytest.mark.parametrize(
    "logits", ["abc", [1.0, 2.0], 3.0, None, np.ones(3), torch.tensor([1, 2])]
)
def test_logits_that_are_no_floating_point_tensor_are_named(function, logits):
    with pytest.raises(ValueError, match="logits="):
        function(logits)


@pytest.mark.parametrize("theta", [-1.0, -0.5, math.nan, "hot", None, [1.0], 1j])
def test_bad_temperatures_are_named(theta):
    with pytest.raises(ValueError, match="temperature="):
        softmax(torch.zeros(3), theta)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 1), (1, 2, 1)])
def test_temperature_tensors_must_have_size_one_at_dim(shape):
    with pytest.raises(ValueError, match="temperature of shape .* size 1 at dim=-1"):
        softmax(torch.zeros(2, 3), torch.ones(shape))


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_temperature_tensors_hold_no_negative_and_no_nan(value):
    with pytest.raises(ValueError, match="temperature has an entry"):
        softmax(torch.zeros(2, 3), torch.tensor([[1.0], [value]]))


@pytest.mark.parametrize("dim", [2, -3, 1.0, None])
def test_a_dimension_that_does_not_exist_is_named(dim):
    with pytest.raises(ValueError, match="dim="):
        softmax(torch.zeros(2, 3), dim=dim)


def test_bad_labels_and_probabilities_are_named():
    z = torch.zeros(2, 3)
    for labels in (torch.tensor([0, 3]), torch.tensor([0.0, 1.0]), torch.tensor([0])):
        with pytest.raises(ValueError, match="labels"):
            fit_temperature(z, labels)
    with pytest.raises(ValueError, match="bins=0"):
        expected_calibration_error(z, torch.tensor([0, 1]), bins=0)
    with pytest.raises(ValueError, match="probabilities has a negative entry"):
        entropy(torch.tensor([-0.1, 1.1]))
    with pytest.raises(ValueError, match="not finite"):
        fit_temperature(torch.full((2, 3), INF), torch.tensor([0, 1]))


# Known-wrong implementations are caught by the laws


def softmax_over_the_wrong_axis(z, theta):
    return softmax(z, theta, dim=0)


def softmax_without_the_maximum(z, theta):
    powers = (z / theta).exp()
    return powers / powers.sum(-1, keepdim=True)


def softmax_times_temperature(z, theta):
    return softmax(z * theta)


@pytest.mark.parametrize(
    "wrong",
    [
        softmax_over_the_wrong_axis,
        softmax_without_the_maximum,
        softmax_times_temperature,
    ],
)
def test_known_wrong_versions_differ(wrong):
    z = torch.tensor([[1.0, 2.0, 3.0], [1000.0, 999.0, 0.0]])
    assert not torch.allclose(wrong(z, 0.5), softmax(z, 0.5))


# The checkers of the exercises


def right_softmax(logits, temperature):
    return softmax(torch.tensor(logits), temperature).tolist()


def naive_softmax(logits, temperature):
    powers = [math.exp(z / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def first_of_the_ties(logits, temperature):
    if temperature == 0:
        return [float(i == logits.index(max(logits))) for i in range(len(logits))]
    return right_softmax(logits, temperature)


def shifted_by_zero_at_least(logits, temperature):
    if temperature == 0:
        return right_softmax(logits, 0)
    powers = [math.exp((z - max(*logits, 0)) / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def not_a_number_below(logits, temperature):
    weights = right_softmax(logits, temperature)
    return [weights[0], INF - INF] if logits[0] == -1000 else weights


def stub(first, second):
    """Stand for an exercise that is not filled in."""


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            check_stable_softmax,
            right_softmax,
            {
                naive_softmax: "OverflowError",
                first_of_the_ties: "tied logits must share",
                lambda z, t: right_softmax(z, 1.0): "should be",
                lambda z, t: right_softmax(z, t)[:-1]: "weights are wanted",
                shifted_by_zero_at_least: "for logits [-1000, -999]",
                not_a_number_below: "for logits [-1000, -999]",
                lambda z, t: right_softmax(z, t or 1e-9): "the smallest lead",
            },
        ),
        (
            check_retemper,
            lambda p, t: softmax(p.log(), t),
            {
                lambda p, t: softmax(p.log(), 1 / t): "1/θ is wanted",
                lambda p, t: p ** (1 / t): "do not sum to one",
                lambda p, t: softmax(p, t): "are wrong",
                lambda p, t: p.sum(): "a tensor of shape",
            },
        ),
        (
            check_temperature_of_odds,
            lambda gap, odds: gap / math.log(odds),
            {
                lambda gap, odds: math.log(odds) / gap: "inverse temperature",
                lambda gap, odds: gap / odds: "gives odds of",
                lambda gap, odds: "warm": "a finite number is wanted",
            },
        ),
    ],
    ids=["stable_softmax", "retemper", "temperature_of_odds"],
)
def test_checkers_accept_the_right_and_explain_the_wrong(check, right, wrong):
    assert check(right).passed
    assert "not filled in" in check(stub).message
    assert not check(stub).passed
    for answer, reason in wrong.items():
        verdict = check(answer)
        assert not verdict.passed
        assert reason in verdict.message, inspect.getsource(answer)


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "retemper": lambda p, t: softmax(p.log(), t),
    "stable_softmax": right_softmax,
    "temperature_of_odds": lambda gap, odds: gap / math.log(odds),
}
