"""A right answer passes in any precision, as tensors, arrays or lists."""

import importlib
import inspect
import math
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor

from genai_lib import exercises as results
from genai_lib.components.attention import attend
from genai_lib.exercises import as_number, as_tensor, as_tensor_like

ROOT = Path(__file__).resolve().parents[2]


def answers():
    """Return the right answers of all topics, each by the name of its checker."""
    found = {}
    for path in sorted((ROOT / "tests").glob("*/*/test_*.py")):
        if "\nRIGHT_ANSWERS = " in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found |= importlib.import_module(name).RIGHT_ANSWERS
    return found


RIGHT = answers()


def checkers():
    """Return all checkers of the book, each by its name without "check_"."""
    found = {}
    for path in sorted((ROOT / "genai_lib").glob("*/*/exercises.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        things = vars(importlib.import_module(name))
        names = [name for name in things if name.startswith("check_")]
        found |= {name.removeprefix("check_"): things[name] for name in names}
    return found


CHECKERS = checkers()


def in_double(answer):
    """Return the answer that computes in double precision."""

    def double(x):
        return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x

    return lambda *arguments: answer(*map(double, arguments))


def changed(result, of_tensor, of_numbers):
    """Change the tensors, the numbers and the lists of numbers of a result."""
    if isinstance(result, tuple):
        return tuple(changed(part, of_tensor, of_numbers) for part in result)
    if isinstance(result, Tensor):
        return of_tensor(result)
    numbers = result if isinstance(result, list) else [result]
    if numbers and all(isinstance(x, int | float) for x in numbers):
        return of_numbers(result)
    return result


FORMS = {
    "double": lambda result: result,
    "arrays": lambda result: changed(
        result, Tensor.numpy, lambda x: numpy.array(x)[()]
    ),
    "tensors": lambda result: changed(
        result,
        lambda x: x,
        lambda x: torch.from_numpy(numpy.array(x)),  # whose numbers stay double
    ),
    "lists": lambda result: changed(result, Tensor.tolist, lambda x: x),
    "lists_of_tensors": lambda result: changed(
        result, lambda x: list(x) if x.ndim else x, lambda x: x
    ),
    "with_gradient": lambda result: changed(
        result, lambda x: x.requires_grad_(x.is_floating_point()), lambda x: x
    ),
}


# One checker for each function that brings results into one form.
CONVERTED = {
    "as_number": "silent_logit",
    "as_tensor": "window_mask",
    "as_tensor_like": "stable_softmax",
}


def swapped(result):
    """Give lists for tensors, and tensors for numbers; a lone one has a gradient.

    A checker that compares what it gets without a conversion falls on it.
    """
    return changed(
        result,
        lambda x: x.tolist() if x.ndim else x.requires_grad_(x.is_floating_point()),
        lambda x: torch.from_numpy(numpy.array(x)),
    )


def verdict(name, form):
    """Return what a checker says to the right answer in double and in a form."""
    answer = in_double(RIGHT[name])
    return CHECKERS[name](lambda *arguments: form(answer(*arguments)))


def test_every_checker_has_a_right_answer_here():
    assert sorted(CHECKERS) == sorted(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_passes_in_double_and_in_another_form(name):
    found = verdict(name, swapped)
    assert found, found


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("name", CONVERTED.values(), ids=CONVERTED)
def test_each_conversion_takes_every_form(name, form):
    found = verdict(name, form)
    assert found, found


def test_the_conversions_are_those_of_the_library():
    made_here = {name for name in vars(results) if name.startswith("as_")}
    assert made_here == set(CONVERTED)
    for conversion, name in CONVERTED.items():
        module = inspect.getmodule(CHECKERS[name])
        assert getattr(module, conversion) is getattr(results, conversion)


@pytest.mark.parametrize("name", ["temperature_of_odds", "silent_logit"])
def test_a_number_may_be_rounded_to_32_bits(name):
    answer = RIGHT[name]
    assert CHECKERS[name](lambda *arguments: numpy.float32(answer(*arguments)))
    assert CHECKERS[name](lambda *arguments: torch.tensor(answer(*arguments)))


def test_a_checker_still_refuses_what_is_no_tensor_of_the_shape():
    for found in ("text", object(), [[1.0], [1.0, 2.0]], [], {}, 3.0, torch.ones(2)):
        assert as_tensor_like(found, torch.zeros(5, 3)) is None
        assert "shape" in CHECKERS["attention"](lambda *x, f=found: f).message
    for found in ("2.0", b"2", "nan", math.nan, -math.inf, 10**400, [], torch.ones(2)):
        assert as_number(found) is None
    assert as_tensor([[1, 2], numpy.array([3, 4])]).tolist() == [[1, 2], [3, 4]]
    assert as_tensor([]).shape == (0,)


def test_a_mask_must_still_be_boolean():
    verdict = CHECKERS["window_mask"](
        lambda *sizes: RIGHT["window_mask"](*sizes).int().tolist()
    )
    assert "booleans" in verdict.message


def test_large_scores_are_compared_in_double_as_well():
    assert CHECKERS["attention"](in_double(lambda *x: attend(*x)[0]))


@pytest.mark.parametrize(
    "name", ["bits_per_token", "whole_answers", "smoothed_loss", "masked_bits"]
)
@pytest.mark.parametrize("found", ["many", math.nan, torch.ones(2)])
def test_what_is_not_a_number_is_told_so(name, found):
    assert "a finite number is wanted" in CHECKERS[name](lambda *x: found).message
