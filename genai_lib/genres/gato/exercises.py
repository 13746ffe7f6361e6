"""Checkers for the exercises of chapters/genres/gato.ipynb."""

import copy
from collections.abc import Callable, Iterable

import torch

from genai_lib.exercises import as_number, checker
from genai_lib.genres.gato import BINS, bounded_to_tokens, continuous_to_tokens

VALUES = (2.55, -2.55, 0.3, -0.0042, 17.0, -120.0, 256.0, -256.0, 0.00005)
# Zero of either sign, the ends of -1 to 1 and the smallest number.
VALUES += (0.0, -0.0, 1.0, -1.0, 5e-324, 100.0, -0.00005)


@checker
def check_number_token(function: Callable[[float, int], int]):
    """Check `function(value, text_size)`: the token of one real number."""
    for text_size in (32_000, 99, 1):
        for value in VALUES:
            found = function(value, text_size)
            number = torch.tensor([value], dtype=torch.float64)
            wanted = continuous_to_tokens(number, text_size).item()
            if found == wanted:
                continue
            if found == wanted - text_size:
                return "the bins start at 0; shift them behind the text"
            if found == text_size + BINS:
                return f"{value} falls behind the last bin, which is {BINS - 1}"
            inside = abs(value) <= 1
            if inside and found == bounded_to_tokens(number, text_size).item():
                return f"{value} is not squeezed; every number is"
            mirrored = continuous_to_tokens(-number, text_size).item()
            if found == mirrored:
                return f"{value} gets the token of {-value}; mind the sign"
            return (
                f"{value} should get {wanted} with text_size={text_size}, not {found}"
            )
    return None


@checker
def check_time_step(function: Callable[[dict, dict, int], tuple[list, list]]):
    """Check `function(seen, done, separator)`: the order and what is learned."""
    cases = (
        ({"wheel": [5, 6], "angle": [7], "b": [8]}, {"turn": [2], "go": [1, 3]}, 9),
        ({"b": [4], "a": [6, 6, 5]}, {"z": [3, 1], "y": [2]}, 40),
        ({"only": [11, 12]}, {"go": [13]}, 0),
        ({}, {"b": [1], "a": [2]}, 7),
    )
    for seen, done, separator in cases:
        problem = _problem_of_step(function, seen, done, separator)
        if problem:
            return problem
    return None


def _problem_of_step(function, seen: dict, done: dict, separator: int) -> str | None:
    answer = function(*copy.deepcopy((seen, done)), separator)
    tokens, learned = (list(part) for part in answer)
    view, act = (_in_order(parts, sorted(parts)) for parts in (seen, done))
    right = [*view, separator, *act]
    if tokens != right:
        if separator not in tokens:
            return "the separator is missing"
        if tokens[: len(view)] == _in_order(seen, seen) != view:
            return "what is seen is not sorted by name"
        if tokens == [*view, *act, separator]:
            return "the separator stands before what is done, not at the end"
        if tokens == [*view, separator, *_in_order(done, done)]:
            return "what is done is not sorted by name"
        return f"of {seen}, {done} and the separator {separator} came {tokens}"
    if len(learned) != len(tokens):
        return f"{len(tokens)} tokens need as many marks, not {len(learned)}"
    marks = [as_number(mark) for mark in learned]
    if any(mark not in (0, 1) for mark in marks):
        return f"the marks are to be True or False, not {learned}"
    if any(marks[: len(view)]):
        return "what is seen is not to be learned"
    if marks[len(view)]:
        return "the separator is not to be learned"
    if not all(marks[len(view) + 1 :]):
        return "every action is to be learned"
    return None


def _in_order(parts: dict[str, list[int]], names: Iterable[str]) -> list[int]:
    return [token for name in names for token in parts[name]]
