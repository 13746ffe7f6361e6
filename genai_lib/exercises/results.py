"""What a reader's function gives back, in the form in which a checker compares it.

A right answer is right in any precision, and as a tensor, an array or a list.
"""

import math

import torch
from torch import Tensor


def as_number(found: object) -> float | None:
    """Return one number of any kind as a float; None if it is none or not finite.

    >>> as_number(torch.tensor(2.5)), as_number("2.5"), as_number(math.inf)
    (2.5, None, None)
    """
    if isinstance(found, str | bytes):
        return None
    try:
        number = float(found.detach() if isinstance(found, Tensor) else found)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_tensor(found: object) -> Tensor | None:
    """Return a tensor, an array or nested lists as a tensor; None if it is none.

    >>> as_tensor([[1, 2], torch.tensor([3, 4])]).shape
    torch.Size([2, 2])
    >>> as_tensor("text")
    """
    try:
        if isinstance(found, list | tuple) and found:
            return torch.stack([as_tensor(part) for part in found])
        return torch.as_tensor(found).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        return None


def as_tensor_like(found: object, wanted: Tensor) -> Tensor | None:
    """Return `as_tensor` in the format of `wanted`; None if its shape is another.

    >>> as_tensor_like([1, 2], torch.zeros(2))
    tensor([1., 2.])
    >>> as_tensor_like([1, 2], torch.zeros(3))
    """
    tensor = as_tensor(found)
    if tensor is None or tensor.shape != wanted.shape:
        return None
    return tensor.to(wanted.dtype)
