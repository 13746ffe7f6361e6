"""softmax_one, sinks, clipped softmax: laws, references, gradients, known errors."""

import inspect
import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close
from transformers.models.gpt_oss.modeling_gpt_oss import eager_attention_forward

from genai_lib.components.attention import MultiHeadAttention, attend, causal_mask
from genai_lib.components.softmax import softmax
from genai_lib.components.softmax_one import (
    LearnedSink,
    clipped_softmax,
    softmax_one,
    softmax_one_loop,
    softmax_with_sink,
)
from genai_lib.components.softmax_one.exercises import (
    check_quantize,
    check_silent_logit,
    check_softmax_one,
)
from tests.components.normaliser_laws import AT_MOST_ONE, ROW, SUM_TO_ONE, row_of

INF = math.inf
NORMALISERS = {
    "softmax_one": softmax_one,
    "sink of 1.3": partial(softmax_with_sink, sink=1.3),
    "sink of -30": partial(softmax_with_sink, sink=-30.0),
    "learned sink": LearnedSink(),
    "clipped": partial(clipped_softmax, gamma=-0.03),
    "clipped, much": partial(clipped_softmax, gamma=-0.7),
}
SAME_AS_SOFTMAX = {
    "sink of -∞": partial(softmax_with_sink, sink=-INF),
    "clipped, not at all": partial(clipped_softmax, gamma=0.0),
}


@pytest.mark.parametrize("law", AT_MOST_ONE, ids=lambda law: law.__name__)
@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
def test_the_laws_of_normalisers_that_sum_to_one_at_most(normalize, law):
    law(normalize)


@pytest.mark.parametrize("law", SUM_TO_ONE, ids=lambda law: law.__name__)
@pytest.mark.parametrize("normalize", SAME_AS_SOFTMAX.values(), ids=SAME_AS_SOFTMAX)
def test_the_laws_of_softmax_where_it_is_softmax(normalize, law):
    law(normalize)


@pytest.mark.parametrize("normalize", SAME_AS_SOFTMAX.values(), ids=SAME_AS_SOFTMAX)
def test_without_a_sink_or_clipping_it_is_softmax(normalize):
    z = 5 * torch.randn(4, 7, dtype=torch.double)
    assert_close(normalize(z, dim=-1), torch.softmax(z, dim=-1))


# softmax_one in five ways


def with_a_zero(z):
    """Append a logit of 0, take softmax, throw its weight away."""
    zeros = torch.zeros_like(z[..., :1])
    return torch.softmax(torch.cat([z, zeros], dim=-1), dim=-1)[..., :-1]


def gated_by_the_sum(z):
    return torch.sigmoid(z.logsumexp(-1, keepdim=True)) * torch.softmax(z, dim=-1)


def as_written(z):
    return z.exp() / (1 + z.exp().sum(-1, keepdim=True))


def loop(z):
    return row_of(softmax_one_loop(z.tolist()))


@pytest.mark.parametrize("form", [with_a_zero, gated_by_the_sum, as_written, loop])
@given(row=ROW)
def test_all_forms_of_softmax_one_agree(form, row):
    z = row_of(row)
    assert_close(softmax_one(z), form(z), atol=1e-12, rtol=1e-9)


@given(ROW, st.floats(-20, 20))
def test_a_sink_is_one_more_logit(row, sink):
    z = row_of(row)
    wanted = torch.softmax(torch.cat([z, row_of([sink])]), dim=-1)[:-1]
    assert_close(softmax_with_sink(z, sink), wanted, atol=1e-12, rtol=1e-9)
    assert_close(softmax_with_sink(z, sink), softmax_one(z - sink))


def test_worked_example_of_the_chapter():
    """Logits ln 4, ln 2, 0: powers 4, 2, 1, and 7 + 1 below the line."""
    z = row_of([4.0, 2.0, 1.0]).log()
    assert_close(softmax_one(z), row_of([4 / 8, 2 / 8, 1 / 8]))
    assert_close(softmax_one(z - math.log(14)), row_of([4, 2, 1]) / 21)
    clipped = clipped_softmax(z, gamma=-0.2)  # 1.2 p - 0.2, with p = 4/7, 2/7, 1/7
    assert_close(clipped, row_of([4.8 / 7 - 0.2, 2.4 / 7 - 0.2, 0.0]))


@pytest.mark.parametrize("level", [-1e4, -1e30, -3e38])
def test_low_logits_get_nothing_where_softmax_gives_equal_shares(level):
    z = torch.full((5,), level)
    assert softmax_one(z).tolist() == [0.0] * 5
    assert_close(softmax(z), torch.full((5,), 0.2))


@given(ROW, st.floats(0.1, 10))
def test_raising_all_logits_raises_the_mass(row, step):
    z = row_of(row)
    before, after = softmax_one(z).sum(), softmax_one(z + step).sum()
    assert before < after or after > 1 - 1e-12


def test_a_sink_tensor_serves_its_own_rows():
    z = torch.randn(2, 3, 4, 5, dtype=torch.double)
    sink = torch.randn(3, 1, 1, dtype=torch.double)
    sink[1] = -INF
    together = softmax_with_sink(z, sink)
    for head in range(3):
        alone = softmax_with_sink(z[:, head], sink[head].item())
        assert_close(together[:, head], alone)
    along = softmax_with_sink(z.movedim(-1, 1), sink.expand(3, 4, 1).movedim(-1, 0), 1)
    assert_close(along.movedim(1, -1), together)


def test_infinite_logits_share_and_nan_stays_in_its_row():
    for normalize in (*NORMALISERS.values(), *SAME_AS_SOFTMAX.values()):
        z = torch.tensor([[INF, 1.0, INF, -INF], [0.0, math.nan, 1.0, 1.0], [9.0] * 4])
        z.requires_grad_()
        weights = normalize(z, dim=-1)
        assert weights[1].isnan().all()
        assert weights[2].isfinite().all()
        if getattr(normalize, "func", None) is not clipped_softmax:
            assert weights[0].tolist() == [0.5, 0.0, 0.5, 0.0]
        weights[0, 0].backward()
        assert (z.grad[0] == 0).all()


@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_empty_dimensions(normalize, shape):
    z = torch.zeros(shape, requires_grad=True)
    weights = normalize(z, dim=-1)
    assert weights.shape == shape
    weights.sum().backward()
    assert z.grad.shape == shape


# Gradients


@pytest.mark.parametrize("dim", [0, 1])
def test_gradcheck_in_logits_and_sink(dim):
    z = (4 * torch.randn(5, 6, dtype=torch.double)).movedim(-1, dim).requires_grad_()
    sink = torch.randn(5, 1, dtype=torch.double).movedim(-1, dim).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda z, s: softmax_with_sink(z, s, dim), (z, sink))
    assert check(lambda z: softmax_one(z, dim), z)


def test_gradient_of_a_shared_sink_adds_up():
    z = torch.randn(3, 2, 4, dtype=torch.double)
    sink = torch.tensor(0.3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: softmax_with_sink(z, s), sink)


def test_gradient_with_masks_equals_that_of_one_more_logit():
    z = torch.randn(4, 6, dtype=torch.double)
    z[0, 2:5] = -INF
    z[2] = -INF
    direction = torch.randn(4, 6, dtype=torch.double)
    found = []
    for form in (softmax_one, with_a_zero):
        x = z.clone().requires_grad_()
        (form(x) * direction).sum().backward()
        found.append(x.grad)
    assert_close(*found)
    assert (found[0][2] == 0).all()


@pytest.mark.parametrize("level", [-200.0, -1e30])
def test_the_sink_is_shifted_too_so_low_logits_leave_its_gradient_finite(level):
    z = torch.full((2, 3), level, requires_grad=True)
    sink = torch.zeros(2, 1, requires_grad=True)
    weights = softmax_with_sink(z, sink)
    assert (weights == 0).all()
    weights.sum().backward()
    assert (sink.grad == 0).all()
    assert (z.grad == 0).all()


def test_clipping_stops_the_gradient_of_small_weights():
    z = row_of([0.0, 0.0, 3.0, 2.5]).requires_grad_()
    clipped = clipped_softmax(z, gamma=-0.1)
    assert clipped[:2].tolist() == [0.0, 0.0]
    (gradient,) = torch.autograd.grad(clipped[0], z)
    assert (gradient == 0).all()


def test_a_learned_sink_learns_in_attention():
    attention = MultiHeadAttention(8, heads=2, normalize=LearnedSink(heads=2))
    x = torch.randn(2, 5, 8)
    attention(x, mask=causal_mask(5)).square().sum().backward()
    assert attention.normalize.sink.shape == (2, 1, 1)
    assert (attention.normalize.sink.grad != 0).all()


# References


def test_equals_the_attention_of_torch_with_a_zero_appended():
    reference = nn.MultiheadAttention(8, 2, batch_first=True, add_zero_attn=True)
    ours = MultiHeadAttention(8, 2, normalize=softmax_one)
    weights = reference.in_proj_weight.data.chunk(3)
    biases = reference.in_proj_bias.data.chunk(3)
    for linear, weight, bias in zip(
        (ours.to_query, ours.to_key, ours.to_value), weights, biases, strict=True
    ):
        linear.weight.data, linear.bias.data = weight, bias + 0.1
    reference.in_proj_bias.data += 0.1
    ours.to_output.load_state_dict(reference.out_proj.state_dict())
    x = torch.randn(3, 6, 8)
    mask = causal_mask(6)
    # Torch masks with True = forbidden, and leaves the appended zero to be seen.
    wanted, seen = reference(x, x, x, attn_mask=~mask, average_attn_weights=False)
    assert_close(ours(x, mask=mask), wanted, atol=1e-6, rtol=0)
    query, key, value = (
        f(x).unflatten(-1, (2, 4)).transpose(1, 2)
        for f in (ours.to_query, ours.to_key, ours.to_value)
    )
    _, found = attend(query, key, value, mask, normalize=softmax_one)
    assert_close(found, seen[..., :-1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["zero", "random"])
def test_equals_the_attention_of_gpt_oss(kind):
    sinks = torch.zeros(3) if kind == "zero" else 3 * torch.randn(3)
    module = SimpleNamespace(sinks=sinks, num_key_value_groups=1, training=False)
    query, key, value = (torch.randn(2, 3, 7, 4) for _ in range(3))
    mask = causal_mask(7)
    bias = torch.zeros(7, 7).masked_fill(~mask, torch.finfo(torch.float32).min)
    output, weights = eager_attention_forward(
        module, query, key, value, bias[None, None], scaling=0.5
    )
    normalize = LearnedSink(heads=3)
    normalize.sink.data = sinks.view(3, 1, 1)
    ours, found = attend(query, key, value, mask, normalize=normalize)
    assert_close(found, weights, atol=1e-6, rtol=0)
    assert_close(ours.transpose(1, 2), output, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("gamma", "zeta"), [(-0.03, 1.0), (-0.2, 1.1), (0.0, 1.5)])
def test_clipped_softmax_equals_the_formula_of_the_paper(gamma, zeta):
    z = 2 * torch.randn(4, 9, dtype=torch.double)
    wanted = ((zeta - gamma) * torch.softmax(z, -1) + gamma).clip(0, 1)
    assert_close(clipped_softmax(z, gamma, zeta), wanted)


def test_gamma_can_depend_on_how_many_items_a_row_has():
    """The paper's -α / n under a causal mask: every row has its own n."""
    mask = causal_mask(6)
    z = torch.randn(6, 6, dtype=torch.double)
    gamma = -2.0 / mask.sum(-1, keepdim=True).double()
    weights = clipped_softmax(z.masked_fill(~mask, -INF), gamma)
    for row in range(6):
        wanted = clipped_softmax(z[row, : row + 1], -2.0 / (row + 1))
        assert_close(weights[row, : row + 1], wanted)


# Bad input


@pytest.mark.parametrize("normalize", NORMALISERS.values(), ids=NORMALISERS)
def test_bad_logits_and_dimensions_are_named(normalize):
    for bad in ([1.0, 2.0], torch.tensor([1, 2]), None):
        with pytest.raises(ValueError, match="logits="):
            normalize(bad, dim=-1)
    for dim in (2, -3, 1.0, None):
        with pytest.raises(ValueError, match="dim="):
            normalize(torch.zeros(2, 3), dim=dim)


def test_bad_parameters_are_named():
    z = torch.zeros(2, 3)
    for sink in (INF, math.nan, "big", None):
        with pytest.raises(ValueError, match="sink="):
            softmax_with_sink(z, sink)
    with pytest.raises(ValueError, match="sink has an entry"):
        softmax_with_sink(z, torch.tensor([[0.0], [math.nan]]))
    with pytest.raises(ValueError, match="sink of shape .* size 1 at dim=-1"):
        softmax_with_sink(z, torch.zeros(3))
    for gamma in (0.1, -INF, math.nan, None):
        with pytest.raises(ValueError, match="gamma="):
            clipped_softmax(z, gamma)
    with pytest.raises(ValueError, match="gamma has an entry"):
        clipped_softmax(z, torch.tensor([[0.1], [0.0]]))
    with pytest.raises(ValueError, match="gamma of shape"):
        clipped_softmax(z, torch.zeros(3))
    for zeta in (0.9, INF, math.nan, None):
        with pytest.raises(ValueError, match="zeta="):
            clipped_softmax(z, -0.1, zeta)
    with pytest.raises(ValueError, match="heads=0"):
        LearnedSink(heads=0)


# Known-wrong implementations are caught


def shifted_by_the_maximum_alone(z):
    powers = (z - z.amax(-1, keepdim=True)).exp()
    return powers / (1 + powers.sum(-1, keepdim=True))


def one_per_item(z):
    powers = z.exp()
    return powers / (1 + powers).sum(-1, keepdim=True)


def scaled_softmax(z):
    return torch.softmax(z, dim=-1) / 2


@pytest.mark.parametrize(
    "wrong", [shifted_by_the_maximum_alone, one_per_item, scaled_softmax, torch.sigmoid]
)
def test_known_wrong_versions_differ(wrong):
    z = row_of([1.0, -2.0, 0.5])
    assert not torch.allclose(wrong(z), softmax_one(z), atol=1e-2)


# The checkers of the exercises


def right_quantize(numbers, bits, to_code=round):
    largest, highest = max(map(abs, numbers)), 2 ** (bits - 1) - 1
    step = largest / highest or 1.0
    return [to_code(number / step) * step for number in numbers]


def truncating_quantize(numbers, bits):
    return right_quantize(numbers, bits, to_code=int)


def flooring_quantize(numbers, bits):
    return right_quantize(numbers, bits, to_code=math.floor)


def stub(*arguments):
    """Stand for an exercise that is not filled in."""


def quantize_with_any_step(numbers, bits):
    step = max(map(abs, numbers)) / (2 ** (bits - 1) - 1)
    return [round(number / step) * step for number in numbers]


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            check_silent_logit,
            lambda n, m: math.log(m / (1 - m) / n),
            {
                lambda n, m: math.log(m / (1 - m)): "get the mass",
                lambda n, m: math.log(m / n): "get the mass",
                lambda n, m: -INF: "a finite number is wanted",
            },
        ),
        (
            check_softmax_one,
            with_a_zero,
            {
                shifted_by_the_maximum_alone: "after the shift",
                softmax: "sum to one",
                torch.sigmoid: "weights are wrong",
                lambda z: with_a_zero(z)[0]: "a tensor of shape",
                lambda z: as_written(z.float()): "overflow",
                lambda z: with_a_zero(z).nan_to_num() + z.isinf().all(): "zeros",
                lambda z: with_a_zero(z.clamp(min=-50)) + (z < -99): "weight 0",
            },
        ),
        (
            check_quantize,
            right_quantize,
            {
                lambda x, b: x: "should be",
                lambda x, b: right_quantize(x, b)[1:]: "numbers are wanted",
                lambda x, b: right_quantize(x, b + 1): "should be",
                lambda x, b: [math.nan] * len(x): "not finite",
                truncating_quantize: "should be [1.0, -2.0, 7.0]",
                flooring_quantize: "should be [1.0, -2.0, 7.0]",
                quantize_with_any_step: "ZeroDivisionError",
            },
        ),
    ],
    ids=["silent_logit", "softmax_one", "quantize"],
)
def test_checkers_accept_the_right_and_explain_the_wrong(check, right, wrong):
    assert check(right).passed, check(right)
    assert "not filled in" in check(stub).message
    assert not check(stub).passed
    for answer, reason in wrong.items():
        verdict = check(answer)
        assert not verdict.passed
        assert reason in verdict.message, (verdict, inspect.getsource(answer))


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "quantize": right_quantize,
    "silent_logit": lambda items, mass: math.log(mass / (1 - mass) / items),
    "softmax_one": with_a_zero,
}
