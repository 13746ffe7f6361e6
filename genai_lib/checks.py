"""Checks of arguments that the whole library shares: each error names the argument."""

import torch
from torch import Tensor
from torch._subclasses import FakeTensor


def describe(value: object) -> str:
    """Say in a few words what was passed: dtype and shape, or value and type."""
    if isinstance(value, Tensor):
        return f"{value.dtype} tensor of shape {tuple(value.shape)}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {type(value).__name__} of shape {tuple(value.shape)}"
    return f"{value!r} ({type(value).__name__})"


def can_be_read(tensor: Tensor) -> bool:
    """Tell whether a tensor has numbers: it has none while a model is only traced."""
    traced = torch.compiler.is_compiling() or isinstance(tensor, FakeTensor)
    return not traced and not tensor.is_meta


def check_floating(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a floating-point tensor."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise ValueError(f"{name}={describe(value)}: a floating-point tensor is needed")


def check_positive(**sizes: object) -> None:
    """Raise ValueError unless each size is a whole number above 0."""
    for name, value in sizes.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={describe(value)} must be a whole number above 0")


def check_dim(name: str, value: Tensor, dim: int) -> None:
    """Raise ValueError unless the tensor has a dimension `dim`."""
    if not isinstance(dim, int) or not -value.ndim <= dim < value.ndim:
        raise ValueError(f"dim={dim} does not exist in {name}={describe(value)}")


def check_one_per_row(name: str, value: Tensor, rows: Tensor, dim: int) -> None:
    """Raise ValueError unless `value` broadcasts to `rows` with size 1 at `dim`."""
    shape = (1,) * (rows.ndim - value.ndim) + tuple(value.shape)
    fits = len(shape) == rows.ndim and shape[dim] == 1
    if not fits or any(
        s not in (1, full) for s, full in zip(shape, rows.shape, strict=True)
    ):
        raise ValueError(
            f"{name} of shape {tuple(value.shape)} must broadcast to shape "
            f"{tuple(rows.shape)} with size 1 at dim={dim}"
        )


def check_labels(name: str, rows: object, labels: object) -> None:
    """Raise ValueError unless `rows` is (N, K) and `labels` N integers below K."""
    check_floating(name, rows)
    shaped = isinstance(labels, Tensor) and rows.ndim == 2 and labels.ndim == 1
    if not shaped or len(rows) != len(labels) or len(labels) == 0:
        raise ValueError(
            f"{name}={describe(rows)} and labels={describe(labels)}: "
            "shapes (N, K) and (N,) with N > 0 are needed"
        )
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= rows.shape[1]:
        raise ValueError(f"labels must be integers from 0 to {rows.shape[1] - 1}")


def check_numbers(name: str, numbers: object, count: int) -> None:
    """Raise ValueError unless `numbers` is (B, T), whole and from 0 to `count` - 1."""
    whole = isinstance(numbers, Tensor) and numbers.dtype in (torch.int64, torch.int32)
    if not whole or numbers.ndim != 2:
        raise ValueError(f"{name}={describe(numbers)} must be integers of shape (B, T)")
    if numbers.numel() and not 0 <= numbers.min() <= numbers.max() < count:
        raise ValueError(
            f"{name} from {numbers.min()} to {numbers.max()} must be from 0 to "
            f"{count - 1}"
        )
