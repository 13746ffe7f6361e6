"""Checkers for the exercises of chapters/components/tokens.ipynb."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from genai_lib.components.tokens import BytePairTokenizer
from genai_lib.exercises import checker

A, B, C = b"abc"
SCORES = {
    "h": -6.0,
    "u": -5.0,
    "g": -5.0,
    "s": -3.0,
    "hu": -4.0,
    "hug": -2.5,
    "ug": -3.0,
    "gs": -1.0,
    "hugs": -9.0,
}


@checker
def check_tokens_of_run(function: Callable[[int, int], int]):
    """Check `function(length, merges)`: tokens in a run of equal letters.

    The merges double: two letters, two pairs, two fours and so on.
    """
    for merges in (0, 1, 2, 3):
        parts = [A, *range(256, 256 + merges)]
        tokenizer = BytePairTokenizer([(part, part) for part in parts[:merges]])
        for length in (1, 2, 3, 7, 8, 15, 100):
            wanted = len(tokenizer.encode("a" * length))
            found = function(length, merges)
            if found != wanted:
                return (
                    f"{length} letters and {merges} merges make {wanted} tokens, "
                    f"not {found!r}"
                )
    return None


@checker
def check_apply_merges(function: Callable[[list[int], Sequence], list[int]]):
    """Check `function(ids, merges)`: byte-pair encoding of one word.

    The k-th merge makes id 256 + k.
    """
    cases = [
        ([A, B, C], [(A, B)], "a pair is one token"),
        ([A, A, A], [(A, A)], "pairs are joined from left to right"),
        ([A, B, C], [(B, C), (A, B)], "the pair that was learned first comes first"),
        ([A, B, A, B], [(A, B), (256, 256)], "new tokens are merged as well"),
        ([A, B, C, A, B], [(A, B)], "each occurrence of a pair is joined"),
        ([C], [(A, B)], "one id stays as it is"),
        ([], [(A, B)], "no ids give no tokens"),
    ]
    for ids, merges, rule in cases:
        given = list(ids)
        wanted = BytePairTokenizer(merges).encode(bytes(ids).decode())
        found = list(function(given, merges))
        if found != wanted:
            return f"{rule}: ids {ids} and merges {merges} give {wanted}, not {found}"
        if given != ids:
            return "your function changes the list that it is given"
    return None


@checker
def check_best_segmentation(function: Callable[[str, Mapping[str, float]], list[str]]):
    """Check `function(text, scores)`: the cut with the highest sum of scores."""
    for text in ("hug", "hugs", "hugshug", "s", "ughhu", ""):
        found = list(function(text, dict(SCORES)))
        if "".join(found) != text:
            return f"the pieces {found} do not make {text!r}"
        unknown = [piece for piece in found if piece not in SCORES]
        if unknown:
            return f"{unknown[0]!r} is not a piece of the vocabulary"
        best, wanted = _best(text)
        total = sum(SCORES[piece] for piece in found)
        if not math.isclose(total, best, abs_tol=1e-9):
            hint = " (greedy: the longest piece is not always best)"
            greedy = hint if found == longest_first(text, SCORES) else ""
            return (
                f"{text!r} as {found} scores {total:g}, but {wanted} scores "
                f"{best:g}{greedy}"
            )
    return None


@cache
def _best(text: str) -> tuple[float, tuple[str, ...]]:
    """Try every cut of a short text."""
    if not text:
        return 0.0, ()
    cuts = []
    for end in range(1, len(text) + 1):
        if text[:end] in SCORES:
            total, rest = _best(text[end:])
            cuts.append((SCORES[text[:end]] + total, (text[:end], *rest)))
    return max(cuts)


def longest_first(text: str, scores: Mapping[str, float]) -> list[str]:
    """Cut off the longest piece repeatedly: a common wrong answer."""
    pieces = []
    while text:
        piece = max((p for p in scores if text.startswith(p)), key=len)
        pieces.append(piece)
        text = text[len(piece) :]
    return pieces
