"""Checks of arguments that the whole library shares; errors name the argument."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch._subclasses import FakeTensor


def describe(value: object) -> str:
    """Describe a value for an error: dtype and shape, or value and type."""
    if isinstance(value, Tensor):
        return f"{value.dtype} tensor of shape {tuple(value.shape)}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype} {type(value).__name__} of shape {tuple(value.shape)}"
    return f"{value!r} ({type(value).__name__})"


def can_be_read(tensor: Tensor) -> bool:
    """Tell whether a tensor has values; it has none while a model is traced."""
    traced = torch.compiler.is_compiling() or isinstance(tensor, FakeTensor)
    return not traced and not tensor.is_meta


def check_floating(name: str, value: object) -> None:
    """Raise ValueError unless `value` is a floating-point tensor."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise ValueError(f"{name}={describe(value)}: a floating-point tensor is needed")


def as_whole(value: object) -> int | None:
    """Return a whole number of any kind as an int; None if it is something else.

    Python's integers count, NumPy's, and tensors or arrays of integers that have no
    dimension. True and False do not.

    >>> as_whole(np.int64(3)), as_whole(torch.tensor(3)), as_whole(3.0), as_whole(True)
    (3, 3, None, None)
    """
    value = _plain(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_whole else None


def as_real(value: object) -> float | None:
    """Return a real number of any kind as a float; None if it is something else.

    The kinds are those of `as_whole`, floats of the same three, fractions and
    decimals. NaN and the infinities are real numbers here; what is too large for a
    float is infinite.

    >>> as_real(np.float32(0.5)), as_real(torch.tensor(2)), as_real("2"), as_real(True)
    (0.5, 2.0, None, None)
    """
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_ids(name: str, ids: object, count: int) -> list[int]:
    """Return ids of any integer form as a list of ints.

    They are one whole number, or an iterable of numbers of a kind that `as_whole`
    knows, such as the tokens that `generate` yields for one prompt; or a tensor or an
    array of one dimension. A ValueError names something else, such as a float, a bool,
    an id that is not from 0 to `count` - 1, or the ids of several texts.
    """
    single = as_whole(ids) is not None
    if not single and (getattr(ids, "ndim", 1) == 0 or not isinstance(ids, Iterable)):
        raise ValueError(f"{name}={describe(ids)} must be whole numbers")
    if getattr(ids, "ndim", 1) > 1:
        raise ValueError(f"{name}={describe(ids)} are several texts: pass one row")
    listed = ids.tolist() if hasattr(ids, "tolist") else ids
    found = []
    for item in [listed] if single else listed:
        whole = as_whole(item)
        if whole is None:
            raise ValueError(f"{name} has {describe(item)}: {_in_place_of(item)}")
        if not 0 <= whole < count:
            raise ValueError(f"{name} has {whole}, outside 0 to {count - 1}")
        found.append(whole)
    return found


def as_id_tensor(name: str, ids: object) -> Tensor:
    """Return ids of any integer form as an int64 Tensor of the same shape.

    They are a tensor, an array, a whole number, or lists of these.

    >>> as_id_tensor("codes", [[1, 2], torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(ids, list | tuple) and ids:
        parts = [as_id_tensor(name, part) for part in ids]
        if len({part.shape for part in parts}) > 1:
            raise ValueError(f"{name}={describe(ids)} has parts of different sizes")
        return torch.stack(parts)
    if as_whole(ids) is not None and not isinstance(ids, Tensor):
        ids = torch.tensor(as_whole(ids))
    elif isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        ids = torch.from_numpy(ids.astype(np.int64))
    if not isinstance(ids, Tensor) or not is_whole_dtype(ids.dtype):
        raise ValueError(f"{name}={describe(ids)}: a tensor of integers is needed")
    return ids.long()


def is_whole_dtype(dtype: torch.dtype) -> bool:
    """Tell whether a dtype is an integer type; bool is not."""
    return not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)


def check_positive(**sizes: object) -> list[int]:
    """Return sizes as ints; ValueError unless each is a whole number above 0."""
    for name, value in sizes.items():
        whole = as_whole(value)
        if whole is None or whole < 1:
            raise ValueError(f"{name}={describe(value)} must be a whole number above 0")
    return [as_whole(value) for value in sizes.values()]


def check_whole(least: int | None, most: int | None, /, **numbers: object) -> list[int]:
    """Return whole numbers as ints; ValueError unless each is from `least` to `most`.

    None is for no limit.

    >>> check_whole(0, 9, first=np.int64(3))
    [3]
    """
    limits = "" if least is None else f"at least {least}"
    limits = limits if most is None else f"from {least} to {most}"
    for name, value in numbers.items():
        whole = as_whole(value)
        if whole is None:
            wanted = f"a whole number {limits}".rstrip()
            raise ValueError(f"{name}={describe(value)} must be {wanted}")
        if (least is not None and whole < least) or (most is not None and whole > most):
            raise ValueError(f"{name}={whole} must be {limits}")
    return [as_whole(value) for value in numbers.values()]


def check_real(
    wanted: str, allows: Callable[[float], bool], /, **numbers: object
) -> list[float]:
    """Return numbers as floats; ValueError unless each is one of those `wanted`.

    >>> check_real("at least 1, and finite", lambda x: 1 <= x < math.inf, factor=2)
    [2.0]
    """
    found = []
    for name, value in numbers.items():
        real = as_real(value)
        if real is None or not allows(real):
            raise ValueError(f"{name}={value!r} must be {wanted}")
        found.append(real)
    return found


def check_share(**shares: object) -> list[float]:
    """Return shares as floats; ValueError unless each is a number from 0 to 1."""
    return check_real("from 0 to 1", lambda x: 0 <= x <= 1, **shares)


def check_finite(**numbers: object) -> list[float]:
    """Return numbers as floats; ValueError unless each is finite."""
    return check_real("a finite number", math.isfinite, **numbers)


def check_above_zero(**numbers: object) -> list[float]:
    """Return numbers as floats; ValueError unless each is above 0, and finite."""
    return check_real("above 0, and finite", lambda x: 0 < x < math.inf, **numbers)


def check_each(check: Callable[..., list], **sequences: object) -> list:
    """Return the numbers of one named sequence as a list, each read by a check.

    >>> check_each(check_positive, widths=(2, torch.tensor(4)))
    [2, 4]
    """
    ((name, values),) = sequences.items()
    listed = isinstance(values, Iterable) and getattr(values, "ndim", 1) == 1
    if isinstance(values, str) or not listed:
        raise ValueError(f"{name}={describe(values)} must be a list of numbers")
    return [check(**{name: value})[0] for value in values]


def check_dim(name: str, value: Tensor, dim: int) -> int:
    """Return `dim` as an int; ValueError unless the tensor has such a dimension."""
    whole = as_whole(dim)
    if whole is None or not -value.ndim <= whole < value.ndim:
        raise ValueError(f"dim={dim} does not exist in {name}={describe(value)}")
    return whole


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


def check_flags(**flags: object) -> None:
    """Raise ValueError unless each is True or False."""
    for name, value in flags.items():
        if not isinstance(_plain(value), bool):
            raise ValueError(f"{name}={value!r} must be True or False")


def check_boolean(
    name: str, value: object, shape: Sequence[int], device: torch.device
) -> None:
    """Raise ValueError unless it is a bool Tensor of this shape, on this device."""
    boolean = isinstance(value, Tensor) and value.dtype == torch.bool
    if not boolean or value.shape != tuple(shape):
        raise ValueError(
            f"{name}={describe(value)} must be boolean, of shape {tuple(shape)}"
        )
    if value.device != device:
        raise ValueError(f"{name} is on {value.device} and must be on {device}")


def check_option(name: str, value: object, options: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of the names that are offered."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(options)}")


def check_labels(name: str, rows: object, labels: object) -> None:
    """Raise ValueError unless `rows` is (N, K) and `labels` N integers below K."""
    check_floating(name, rows)
    shaped = isinstance(labels, Tensor) and rows.ndim == 2 and labels.ndim == 1
    if not shaped or len(rows) != len(labels) or len(labels) == 0:
        raise ValueError(
            f"{name}={describe(rows)} and labels={describe(labels)}: "
            "shapes (N, K) and (N,) with N > 0 are needed"
        )
    last, whole = rows.shape[1] - 1, is_whole_dtype(labels.dtype)
    if not whole or labels.min() < 0 or labels.max() > last:
        raise ValueError(f"labels must be integers from 0 to {last}")


def check_tokens(name: str, tokens: Tensor, count: int) -> Tensor:
    """Return integer tokens as int64; ValueError unless all are from 0 to `count` - 1.

    A tensor of any shape; an empty one has no wrong token.
    """
    filled = tokens.numel() and can_be_read(tokens)
    if filled and not 0 <= tokens.min() <= tokens.max() < count:
        raise ValueError(
            f"{name} from {tokens.min()} to {tokens.max()} must be from 0 to "
            f"{count - 1}"
        )
    return tokens.long()


def check_numbers(name: str, numbers: object, count: int | None = None) -> None:
    """Raise ValueError unless `numbers` is (B, T), whole and from 0 to `count` - 1."""
    whole = isinstance(numbers, Tensor) and numbers.dtype in (torch.int64, torch.int32)
    if not whole or numbers.ndim != 2:
        raise ValueError(f"{name}={describe(numbers)} must be integers of shape (B, T)")
    if count is not None:
        check_tokens(name, numbers, count)


def store_plain_numbers(record: object) -> None:
    """Replace numbers of other kinds in a frozen dataclass by ints, floats, bools."""
    for field in dataclasses.fields(record):
        plain = _plain(getattr(record, field.name))
        if isinstance(plain, Fraction | Decimal):
            plain = as_real(plain)
        object.__setattr__(record, field.name, plain)


def _plain(value: object) -> object:
    """Turn a number of NumPy, or a tensor without dimensions, into Python's own."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _in_place_of(item: object) -> str:
    if getattr(item, "ndim", 0) or isinstance(item, list | tuple):
        return "these are ids of several texts; pass those of one text alone"
    return "a whole number is wanted"
