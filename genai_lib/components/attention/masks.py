"""Masks: which keys a query may attend to, and checks of their shapes.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention/test_masks.py

Shape letters used in this file
    ...  any leading dimensions, such as batch and heads
    Q  queries      K  keys
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from genai_lib.checks import as_whole, check_floating, describe


def causal_mask(
    queries: int, keys: int | None = None, device: torch.device | None = None
) -> Tensor:
    """Build the causal mask: a query sees its own position and all before it.

    It is aligned at the end: the last query has the position of the last key. So the
    mask of two new queries after three cached keys is `causal_mask(2, 5)`.

    Parameters
    ----------
    queries : int
    keys : int, default=`queries`
    device : torch.device, default=None

    Returns
    -------
    bool Tensor of shape (queries, keys)
        True where attention is allowed.

    >>> causal_mask(2, 4).int().tolist()
    [[1, 1, 1, 0], [1, 1, 1, 1]]
    """
    keys = queries if keys is None else keys
    rows, columns = as_whole(queries), as_whole(keys)
    if None in (rows, columns) or not 0 <= rows <= columns:
        raise ValueError(
            f"queries={queries!r} must be a whole number from 0 to keys={keys!r}"
        )
    everything = torch.ones(rows, columns, dtype=torch.bool, device=device)
    return everything.tril(columns - rows)


def check_mask(
    mask: object, shape: Sequence[int], device: torch.device | None = None
) -> None:
    """Raise ValueError unless `mask` is boolean and its shape is unambiguous.

    It has the shape (Q, K), or as many dimensions as scores that have more than two:
    the last is K, any other may be 1. Other shapes that broadcast are refused: a
    padding mask (B, K) would be taken for (Q, K), as (1, K) too where B is 1, and a
    mask (B, Q, K) for (heads, Q, K).

    Parameters
    ----------
    mask : object
    shape : sequence of int
        The shape of the scores, (..., Q, K).
    device : torch.device, default=None
        The device of the scores; None allows any.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise ValueError(
            f"mask={describe(mask)} must be boolean, True where attention is allowed; "
            "numbers to add to the scores go to bias"
        )
    if mask.shape != tuple(shape[-2:]) and not _fits(mask.shape, shape):
        raise ValueError(f"mask={describe(mask)} must have {_wanted(shape)}")
    _check_device("mask", mask, device)


def check_bias(
    bias: object, shape: Sequence[int], device: torch.device | None = None
) -> None:
    """Raise ValueError unless the shape of `bias` is unambiguous.

    Parameters
    ----------
    bias : object
        Its shape is that of a mask, or (heads, Q, K) for scores (B, heads, Q, K).
    shape : sequence of int
        The shape of the scores, (..., Q, K).
    device : torch.device, default=None
        The device of the scores; None allows any.
    """
    check_floating("bias", bias)
    allowed = bias.shape in (tuple(shape[-2:]), tuple(shape[1:]))
    if not allowed and not _fits(bias.shape, shape):
        inner = f", or {tuple(shape[1:])}" if len(shape) > 3 else ""
        raise ValueError(f"bias={describe(bias)} must have {_wanted(shape)}{inner}")
    _check_device("bias", bias, device)


def _check_device(name: str, value: Tensor, device: torch.device | None) -> None:
    if device is not None and value.device != device:
        raise ValueError(f"{name} is on {value.device} and must be on {device}")


def _fits(given: Sequence[int], shape: Sequence[int]) -> bool:
    if not 2 < len(shape) == len(given) or given[-1] != shape[-1]:
        return False
    return all(a in (1, b) for a, b in zip(given, shape, strict=True))


def _wanted(shape: Sequence[int]) -> str:
    whole = f"the shape {tuple(shape[-2:])} of (Q, K)"
    if len(shape) == 2:
        return whole
    names = "(B, heads, Q, K)" if len(shape) == 4 else "(..., Q, K)"
    sizes = f"{tuple(shape)} of {names}, where all but K may be 1"
    return f"{whole} or {len(shape)} dimensions: {sizes}"
