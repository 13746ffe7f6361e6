"""The laws of all normalisers, each a function that takes one and tries to refute it.

A normaliser is called as `normalize(logits, dim=-1)`. Two families:

`AT_MOST_ONE`  weights are non-negative and sum to at most one; -∞ means masked
`SUM_TO_ONE`   the same, and they sum to one wherever something is left

A test of a chapter goes through its normalisers and the laws of their family:

    @pytest.mark.parametrize("law", SUM_TO_ONE)
    @pytest.mark.parametrize("normalize", [softmax])
    def test_laws(normalize, law):
        law(normalize)
"""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.components.attention import attend

INF = math.inf
NUMBER = st.floats(-20, 20)
MAYBE_MASKED = st.one_of(NUMBER, st.just(-INF))
ROW = st.lists(NUMBER, min_size=1, max_size=9)
MASKED_ROW = st.lists(MAYBE_MASKED, min_size=1, max_size=9)


def row_of(numbers):
    return torch.tensor(numbers, dtype=torch.double)


def weights_are_shares(normalize):
    """They lie between 0 and 1 and sum to at most 1."""

    @given(MASKED_ROW)
    def law(numbers):
        weights = normalize(row_of(numbers), dim=-1)
        assert weights.shape == (len(numbers),)
        assert (weights >= 0).all()
        assert (weights <= 1 + 1e-12).all()
        assert weights.sum() <= 1 + 1e-9

    law()


def masked_entries_do_not_count(normalize):
    """They get exactly 0, and the others what they would get without them."""

    @given(MASKED_ROW)
    def law(numbers):
        z = row_of(numbers)
        left = z > -INF
        weights = normalize(z, dim=-1)
        assert (weights[~left] == 0).all()
        if left.any():
            assert_close(weights[left], normalize(z[left], dim=-1))

    law()


def nothing_left_gives_zeros(normalize):
    """A row of -∞ is zero and harms no other row."""
    z = torch.tensor([[-INF] * 3, [1.0, -2.0, 0.5]], dtype=torch.double)
    weights = normalize(z, dim=-1)
    assert weights[0].tolist() == [0.0, 0.0, 0.0]
    assert_close(weights[1], normalize(z[1], dim=-1))


def a_larger_logit_never_gets_less(normalize):
    """The order of the options stays."""

    @given(ROW)
    def law(numbers):
        z = row_of(numbers)
        weights = normalize(z, dim=-1)
        assert (weights[z.argsort()].diff() >= -1e-12).all()

    law()


def places_do_not_matter(normalize):
    """Permuted logits get permuted weights."""

    @given(ROW, st.randoms(use_true_random=False))
    def law(numbers, random):
        order = list(range(len(numbers)))
        random.shuffle(order)
        z = row_of(numbers)
        assert_close(normalize(z[order], dim=-1), normalize(z, dim=-1)[order])

    law()


def any_dimension_works(normalize):
    """Every dimension, counted from either end, gives what moving it would."""
    z = 3 * torch.randn(2, 5, 8, dtype=torch.double)
    z[0, 1, 2:5] = -INF
    for dim in range(-3, 3):
        moved = normalize(z.movedim(dim, -1), dim=-1).movedim(-1, dim)
        assert_close(normalize(z, dim=dim), moved)


def rows_are_apart(normalize):
    """What one row holds changes nothing in another."""
    z = 3 * torch.randn(4, 6, dtype=torch.double)
    one_by_one = torch.stack([normalize(row, dim=-1) for row in z])
    assert_close(normalize(z, dim=-1), one_by_one)


def dtype_stays(normalize):
    """Half precision in, half precision out, and close to double."""
    z = 2 * torch.randn(3, 7, dtype=torch.double)
    exact = normalize(z, dim=-1)
    for dtype, tolerance in ((torch.bfloat16, 5e-2), (torch.float16, 5e-3)):
        weights = normalize(z.to(dtype), dim=-1)
        assert weights.dtype == dtype
        assert_close(weights.double(), exact, atol=tolerance, rtol=0)
    single = normalize(z.float(), dim=-1)
    assert single.dtype == torch.float32
    assert_close(single.double(), exact, atol=1e-5, rtol=0)


def the_argument_is_not_written_to(normalize):
    """The logits are the same afterwards."""
    z = torch.tensor([[1.0, -INF, 3.0], [-INF, -INF, -INF]])
    before = z.clone()
    normalize(z, dim=-1)
    assert z.equal(before)


def gradients_are_finite(normalize):
    """Masked entries get no gradient, rows with nothing left neither."""
    z = torch.tensor(
        [[1.0, 2.0, -INF, 1.5], [-INF] * 4, [0.0, 0.0, 0.0, -INF]], requires_grad=True
    )
    (normalize(z, dim=-1) * torch.randn(3, 4)).sum().backward()
    assert z.grad.isfinite().all()
    assert (z.grad[z.detach() == -INF] == 0).all()


def extreme_logits_give_no_nan(normalize):
    """Finite logits of any size give finite weights."""
    z = torch.tensor([[1e30, -1e30, 0.0], [3e38, 3e38, -3e38], [-3e38, -1e38, -INF]])
    weights = normalize(z, dim=-1)
    assert weights.isfinite().all()
    assert (weights.sum(-1) <= 1 + 1e-6).all()


def attention_takes_it(normalize):
    """It serves in `attend`, where a query that may see nothing gets zeros."""
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    mask = torch.tensor([[1, 1, 0, 1, 0]] * 4 + [[0] * 5], dtype=torch.bool)
    output, weights = attend(query, key, value, mask, normalize=normalize)
    assert (weights[..., ~mask] == 0).all()
    assert (output[..., 4, :] == 0).all()
    assert_close(output, weights @ value)


def sums_to_one(normalize):
    """Wherever something is left, all is given away."""

    @given(MASKED_ROW.filter(lambda numbers: max(numbers) > -INF))
    def law(numbers):
        total = normalize(row_of(numbers), dim=-1).sum()
        assert_close(total, torch.ones_like(total))

    law()


def a_shift_changes_nothing(normalize):
    """Only differences of logits count."""

    @given(ROW, st.floats(-100, 100))
    def law(numbers, shift):
        z = row_of(numbers)
        moved = normalize(z + shift, dim=-1)
        assert_close(moved, normalize(z, dim=-1), atol=1e-8, rtol=1e-6)

    law()


AT_MOST_ONE = (
    weights_are_shares,
    masked_entries_do_not_count,
    nothing_left_gives_zeros,
    a_larger_logit_never_gets_less,
    places_do_not_matter,
    any_dimension_works,
    rows_are_apart,
    dtype_stays,
    the_argument_is_not_written_to,
    gradients_are_finite,
    extreme_logits_give_no_nan,
    attention_takes_it,
)
SUM_TO_ONE = (*AT_MOST_ONE, sums_to_one, a_shift_changes_nothing)
