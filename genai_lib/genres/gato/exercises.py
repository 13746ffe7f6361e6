"""Checkers for the exercises of chapters/genres/gato.ipynb."""

from collections.abc import Callable

import torch

from genai_lib.exercises import checker
from genai_lib.genres.gato import BINS, bounded_to_tokens, continuous_to_tokens

VALUES = (2.55, -2.55, 0.3, -0.0042, 17.0, -120.0, 256.0, -256.0, 0.00005)


@checker
def check_number_token(function: Callable[[float, int], int]):
    """Check `function(value, text_size)`: the token of one real number."""
    for text_size in (32_000, 99):
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
    seen, done = {"wheel": [5, 6], "angle": [7], "b": [8]}, {"turn": [2], "go": [1, 3]}
    tokens, learned = (list(part) for part in function(seen, done, 9))
    if 9 not in tokens:
        return "the separator is missing"
    if tokens[:3] == [5, 6, 7]:
        return "what is seen is not sorted by name"
    if tokens == [7, 8, 5, 6, 1, 3, 2, 9]:
        return "the separator stands before what is done, not at the end"
    if tokens == [7, 8, 5, 6, 9, 2, 1, 3]:
        return "what is done is not sorted by name"
    if tokens != [7, 8, 5, 6, 9, 1, 3, 2]:
        return f"of {seen}, {done} and the separator 9 came {tokens}"
    if len(learned) != len(tokens):
        return f"{len(tokens)} tokens need as many marks, not {len(learned)}"
    if any(learned[:4]):
        return "what is seen is not to be learned"
    if learned[4]:
        return "the separator is not to be learned"
    if not all(learned[5:]):
        return "every action is to be learned"
    return None
