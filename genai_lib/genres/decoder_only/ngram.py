"""Kneser-Ney: predict the next character by counting, the baseline to be beaten.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Letters used in this file
    V  characters in the vocabulary    N  characters of a text
    h  the characters before, of which the last n - 1 count    w  the next character

References
    [1] Kneser and Ney, "Improved backing-off for M-gram language modeling", 1995
    [2] Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
        Modeling", 1999, doi:10.1006/csla.1999.0128
"""

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from genai_lib.checks import check_positive


@dataclass(frozen=True)
class Level:
    """The counts of one length n.

    Attributes
    ----------
    counts : dict of str to int
        c(h w): how often n characters occur, or after how many different ones.
    totals : dict of str to int
        c(h), the sum over w.
    spared : dict of str to float
        The share of c(h) that the discounts take away, for shorter contexts to use.
    discounts : tuple of float
        What is taken from counts of 0, 1, 2, and of 3 and more.
    """

    counts: dict[str, int]
    totals: dict[str, int]
    spared: dict[str, float]
    discounts: tuple[float, float, float, float]

    @classmethod
    def of(cls, counts: Counter) -> "Level":
        """Sum up the counts, and discount them."""
        discounts = discounts_of(Counter(counts.values()))
        totals, taken = defaultdict(int), defaultdict(float)
        for gram, count in counts.items():
            totals[gram[:-1]] += count
            taken[gram[:-1]] += discounts[min(count, 3)]
        spared = {context: taken[context] / totals[context] for context in totals}
        return cls(dict(counts), dict(totals), spared, discounts)

    def mix(self, context: str, character: str, shorter: float) -> float:
        """Combine p(w | h) of this length with that of shorter ones [2]."""
        if context not in self.totals:
            return shorter
        count = self.counts.get(context + character, 0)
        kept = count - self.discounts[min(count, 3)]
        return kept / self.totals[context] + self.spared[context] * shorter


class KneserNey:
    """Interpolated n-grams with three discounts: modified Kneser-Ney [2].

    A long context that was seen is trusted; what its discounted counts leave over is
    shared out by the next shorter one. A short context counts in how many *different*
    places a character came, not how often [1]: "Francisco" is frequent, but comes
    after one word alone.

    Parameters
    ----------
    text : str
        To count in, at least `order` characters.
    order : int
        n: the longest context has n - 1 characters.
    characters : sequence of str
        The vocabulary; all that is left over in the end is shared equally.
    """

    def __init__(self, text: str, order: int, characters: Sequence[str]) -> None:
        check_positive(order=order)
        if len(text) < order:
            raise ValueError(f"text has {len(text)} characters, fewer than {order=}")
        unknown = set(text) - set(characters)
        if unknown:
            raise ValueError(f"text holds characters that are not known: {unknown}")
        self.order, self.characters = order, tuple(characters)
        starts = range(len(text) - order + 1)
        counts = Counter(text[i : i + order] for i in starts)
        levels = [Level.of(counts)]
        while len(levels) < order:
            # Each kind of longer string counts once, wherever and however often.
            counts = Counter(gram[1:] for gram in counts)
            levels.append(Level.of(counts))
        self.levels = levels[::-1]

    def probability(self, context: str, character: str) -> float:
        """Compute p(w | h); only the last n - 1 characters of the context count."""
        p = 1 / len(self.characters)
        for n, level in enumerate(self.levels):
            if n > len(context):
                break
            p = level.mix(context[len(context) - n :], character, p)
        return p

    def probabilities(self, context: str) -> list[float]:
        """Compute p(w | h) for every character w of the vocabulary."""
        return [self.probability(context, character) for character in self.characters]

    def text_bits(self, text: str) -> list[float]:
        """Measure -log₂ p of the second character of a text, the third and so on."""

        @functools.cache  # strings come again
        def bits(gram: str) -> float:
            return -math.log2(self.probability(gram[:-1], gram[-1]))

        first = 1 - self.order
        return [bits(text[max(0, i + first) : i + 1]) for i in range(1, len(text))]


def discounts_of(how_many: Counter) -> tuple[float, float, float, float]:
    """Estimate the discounts from how many counts are 1, 2, 3 and 4 [2].

    Where one of them is missing, or would give a negative discount, all are the one
    discount of [1].

    >>> discounts_of(Counter({1: 6, 2: 3}))
    (0.0, 0.5, 0.5, 0.5)
    """
    ones, twos, threes, fours = (how_many[i] for i in (1, 2, 3, 4))
    single = ones / (ones + 2 * twos) if ones and twos else 0.5
    if ones and twos and threes and fours:
        found = (
            1 - 2 * single * twos / ones,
            2 - 3 * single * threes / twos,
            3 - 4 * single * fours / threes,
        )
        if min(found) > 0:
            return 0.0, *found
    return 0.0, single, single, single
