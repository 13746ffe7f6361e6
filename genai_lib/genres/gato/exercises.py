"""Checkers for the exercises of chapters/genres/gato.ipynb."""

import copy
from collections.abc import Callable, Iterable

import torch

from genai_lib.exercises import as_number, checker
from genai_lib.genres.gato import BINS, bounded_to_tokens, continuous_to_tokens

VALUES = (2.55, -2.55, 0.3, -0.0042, 17.0, -120.0, 256.0, -256.0, 0.00005)
# Zero of either sign, the ends of -1 to 1 and the smallest positive number.
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
                return "the bins start at 0; shift them by text_size"
            if found == text_size + BINS:
                return f"{value} falls beyond the last bin, which is {BINS - 1}"
            inside = abs(value) <= 1
            if inside and found == bounded_to_tokens(number, text_size).item():
                return f"{value} is not compressed; every number is"
            mirrored = continuous_to_tokens(-number, text_size).item()
            if found == mirrored:
                return f"{value} gets the token of {-value}; mind the sign"
            return (
                f"{value} should get {wanted} with text_size={text_size}, not {found}"
            )
    return None


@checker
def check_time_step(function: Callable[[dict, dict, int], tuple[list, list]]):
    """Check `function(observations, actions, separator)`: tokens and loss mask."""
    cases = (
        ({"wheel": [5, 6], "angle": [7], "b": [8]}, {"turn": [2], "go": [1, 3]}, 9),
        ({"b": [4], "a": [6, 6, 5]}, {"z": [3, 1], "y": [2]}, 40),
        ({"only": [11, 12]}, {"go": [13]}, 0),
        ({}, {"b": [1], "a": [2]}, 7),
    )
    for observations, actions, separator in cases:
        problem = _problem_of_step(function, observations, actions, separator)
        if problem:
            return problem
    return None


def _problem_of_step(
    function: Callable, observations: dict, actions: dict, separator: int
) -> str | None:
    answer = function(*copy.deepcopy((observations, actions)), separator)
    tokens, mask = (list(part) for part in answer)
    front, back = (_in_order(p, sorted(p)) for p in (observations, actions))
    if tokens != [*front, separator, *back]:
        if separator not in tokens:
            return "the separator is missing"
        if tokens[: len(front)] == _in_order(observations, observations) != front:
            return "the observations are not sorted by name"
        if tokens == [*front, *back, separator]:
            return "the separator stands before the actions, not at the end"
        if tokens == [*front, separator, *_in_order(actions, actions)]:
            return "the actions are not sorted by name"
        return (
            f"of {observations}, {actions} and the separator {separator} came {tokens}"
        )
    if len(mask) != len(tokens):
        return f"{len(tokens)} tokens need as many entries of the mask, not {len(mask)}"
    flags = [as_number(flag) for flag in mask]
    if any(flag not in (0, 1) for flag in flags):
        return f"the entries of the mask are True or False, not {mask}"
    if any(flags[: len(front)]):
        return "observations do not count in the loss"
    if flags[len(front)]:
        return "the separator does not count in the loss"
    if not all(flags[len(front) + 1 :]):
        return "every action counts in the loss"
    return None


def _in_order(parts: dict[str, list[int]], names: Iterable[str]) -> list[int]:
    return [token for name in names for token in parts[name]]
