"""Numbers that are numbers, and ids in every form in which they come."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from genai_lib.checks import (
    as_id_tensor,
    as_ids,
    as_real,
    as_whole,
    check_dim,
    check_finite,
    check_labels,
    check_positive,
    check_share,
)

WHOLE = [
    5,
    np.int64(5),
    np.uint8(5),
    np.array(5),
    torch.tensor(5),
    torch.tensor(5, dtype=torch.int32),
]
NOT_WHOLE = [
    True,
    np.bool_(True),
    torch.tensor(True),
    5.0,
    np.float32(5),
    torch.tensor(5.0),
    torch.tensor([5]),
    np.array([5]),
    "5",
    None,
    5j,
]


@pytest.mark.parametrize("value", WHOLE)
def test_a_whole_number_of_any_kind_is_one(value):
    assert as_whole(value) == 5
    assert type(as_whole(value)) is int
    assert as_real(value) == 5.0
    check_positive(size=value)
    check_dim("x", torch.zeros(1, 1, 1, 1, 1, 1), value)


@pytest.mark.parametrize("value", NOT_WHOLE)
def test_what_is_not_a_whole_number_is_refused_by_name(value):
    assert as_whole(value) is None
    with pytest.raises(ValueError, match="size="):
        check_positive(size=value)
    with pytest.raises(ValueError, match="dim="):
        check_dim("x", torch.zeros(1, 1, 1, 1, 1, 1), value)


@pytest.mark.parametrize(
    "value", [0.5, np.float16(0.5), np.float64(0.5), torch.tensor(0.5), Fraction(1, 2)]
)
def test_a_real_number_of_any_kind_is_one(value):
    assert as_real(value) == 0.5
    assert type(as_real(value)) is float
    check_share(top_p=value)
    check_finite(scale=value)


@pytest.mark.parametrize(
    "value", [True, np.bool_(False), torch.tensor(True), "1", None, torch.ones(1), 1j]
)
def test_what_is_not_a_real_number_is_refused_by_name(value):
    assert as_real(value) is None
    with pytest.raises(ValueError, match="top_p="):
        check_share(top_p=value)
    with pytest.raises(ValueError, match="scale="):
        check_finite(scale=value)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_shares_lie_between_0_and_1(value):
    with pytest.raises(ValueError, match="share="):
        check_share(share=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_not_finite(value):
    with pytest.raises(ValueError, match="scale="):
        check_finite(scale=np.float32(value))


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.complex64])
def test_labels_are_whole(dtype):
    with pytest.raises(ValueError, match="labels"):
        check_labels("logits", torch.zeros(2, 3), torch.tensor([0, 1]).to(dtype))


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        ([3, 0, 7], [3, 0, 7]),
        ((3, 0, 7), [3, 0, 7]),
        (range(3), [0, 1, 2]),
        ([np.int64(3), np.uint8(0)], [3, 0]),
        ([torch.tensor(3), torch.tensor(0).int()], [3, 0]),
        (np.array([3, 0, 7], dtype=np.int16), [3, 0, 7]),
        (torch.tensor([3, 0, 7]), [3, 0, 7]),
        (torch.tensor([3, 0, 7], dtype=torch.uint8), [3, 0, 7]),
        (3, [3]),
        (np.int32(3), [3]),
        (torch.tensor(3), [3]),
        ([], []),
        (torch.tensor([]), []),
    ],
)
def test_ids_come_in_any_integer_form(ids, wanted):
    found = as_ids("ids", ids, 8)
    assert found == wanted
    assert all(type(id) is int for id in found)


def test_ids_may_be_yielded():
    assert as_ids("ids", (torch.tensor(i) for i in (2, 1)), 3) == [2, 1]
    assert as_ids("ids", iter([np.int64(2)]), 3) == [2]


@pytest.mark.parametrize(
    "ids",
    [
        [True],
        [np.bool_(True)],
        [torch.tensor(True)],
        torch.tensor([True]),
        [1.0],
        np.array([1.0]),
        torch.tensor([1.0]),
        torch.tensor(1.0),
        "12",
        ["1"],
        None,
        1.5,
        [None],
    ],
)
def test_what_is_not_an_id_is_refused_by_name(ids):
    with pytest.raises(ValueError, match="ids"):
        as_ids("ids", ids, 8)


@pytest.mark.parametrize("id", [8, -1, np.int64(8), torch.tensor(-1)])
def test_an_id_out_of_range_is_shown_as_a_number(id):
    with pytest.raises(ValueError, match=rf"ids has {int(id)}, outside 0 to 7"):
        as_ids("ids", [id], 8)


@pytest.mark.parametrize(
    "ids",
    [
        torch.tensor([[1, 2]]),
        np.array([[1, 2]]),
        [[1, 2]],
        [torch.tensor([1])],
        [torch.tensor([1, 2])],
        [np.array([1])],
    ],
)
def test_ids_of_several_texts_are_called_so(ids):
    with pytest.raises(ValueError, match="ids.*several texts"):
        as_ids("ids", ids, 8)


@pytest.mark.parametrize(
    "ids",
    [
        [[1, 2], [3, 4]],
        (np.array([1, 2]), [3, 4]),
        [torch.tensor([1, 2]), [torch.tensor(3), np.int64(4)]],
        np.array([[1, 2], [3, 4]], dtype=np.uint16),
        torch.tensor([[1, 2], [3, 4]]).int(),
    ],
)
def test_ids_of_any_shape_become_a_tensor(ids):
    found = as_id_tensor("ids", ids)
    assert found.dtype == torch.int64
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "ids",
    [True, [True], [1.0], torch.ones(2), np.ones(2), "1", None, [[1], [1, 2]], []],
)
def test_a_tensor_of_ids_is_made_of_ids(ids):
    with pytest.raises(ValueError, match="ids="):
        as_id_tensor("ids", ids)
