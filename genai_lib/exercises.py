"""Checkers for the exercises of the book.

``genai_lib.<part>.<topic>.exercises`` has one checker for every exercise in which
something is built.  A checker takes the reader's own function and returns a
`Verdict`; it never raises, so it also serves on a stub that is not filled in yet.

Examples
--------
>>> from genai_lib.exercises import checker
>>> @checker
... def check_double(function):
...     if function(3) != 6:
...         return f"for 3 the result should be 6, not {function(3)}"
>>> check_double(lambda x: 2 * x)
✓ check_double: right
>>> check_double(lambda x: x + 2)
✗ check_double: for 3 the result should be 6, not 5
>>> def unfilled(x):
...     raise NotImplementedError
>>> check_double(unfilled)
✗ check_double: your function is not filled in yet
"""

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Verdict", "as_number", "as_tensor", "as_tensor_like", "checker"]


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a checker says about a reader's function.

    Attributes
    ----------
    passed : bool
        Whether the function is right.  The verdict is true exactly then.
    message : str
        One sentence; when the function is wrong, what is wrong with it.
    """

    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        """Return one line that is the same on every run."""
        line = re.sub(r"\s+", " ", self.message).strip()
        return f"{'✓' if self.passed else '✗'} {_ADDRESS.sub('', line)}"


def checker(check: Callable[..., str | None]) -> Callable[..., Verdict]:
    """Turn a check into a checker that never raises.

    Parameters
    ----------
    check : callable
        ``check(function, ...)`` calls the reader's function and returns None when it
        is right, otherwise a sentence that says what is wrong.

    Returns
    -------
    callable
        The same check with a `Verdict` as its result.  What the reader's function
        raises, and a result of None or ``...``, become verdicts too.
    """
    name = check.__name__

    @functools.wraps(check)
    def checked(function: Any, *args: Any, **settings: Any) -> Verdict:
        if not callable(function):
            kind = type(function).__name__
            said = f"pass the function itself, not its result (got {kind})"
            return Verdict(False, f"{name}: {said}")
        watched = _Watched(function)
        try:
            problem = check(watched, *args, **settings)
        except (Exception, SystemExit) as error:
            by_reader = error is watched.raised
            return Verdict(False, f"{name}: {_explain(error, by_reader)}")
        return Verdict(not problem, f"{name}: {problem or 'right'}")

    return checked


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class _Unfilled(Exception):
    """The reader's function returned nothing."""


class _Watched:
    """Wrapper of the reader's function that remembers what it raised.

    An error of the check itself means a result it could not work with, and is
    explained differently.
    """

    def __init__(self, function: Callable):
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.raised: BaseException | None = None

    def __call__(self, *args: Any, **settings: Any) -> Any:
        try:
            result = self.function(*args, **settings)
        except (Exception, SystemExit) as error:
            self.raised = error
            raise
        if result is None or result is ...:
            raise _Unfilled(repr(result))
        return result


def _explain(error: BaseException, by_reader: bool) -> str:
    if isinstance(error, _Unfilled):
        return (
            f"your function returned {error}: "
            "it is not filled in yet, or its return statement is missing"
        )
    if not by_reader:
        return f"the result of your function could not be checked: {_in_words(error)}"
    if isinstance(error, NotImplementedError):
        return "your function is not filled in yet"
    return f"your function raised {_in_words(error)}"


def _in_words(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def as_number(found: object) -> float | None:
    """Return one number of any kind as a float; None if it is not one or not finite.

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
    """Return a tensor, an array or nested lists as a tensor; None for anything else.

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
