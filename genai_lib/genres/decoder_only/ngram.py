"""Kneser-Ney: an n-gram model of characters, the baseline of the chapter.

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
class NGramCounts:
    """The discounted counts of n-grams of one length n.

    Attributes
    ----------
    counts : dict of str to int
        c(h w): how often an n-gram occurs; for n below the highest, its continuation
        count, the number of different characters that it follows.
    totals : dict of str to int
        c(h), the sum over w.
    backoff_weight : dict of str to float
        For each context h the probability mass that discounting takes from its n-grams
        and passes to the shorter context.
    discounts : tuple of float
        What is subtracted from counts of 0, 1, 2, and of 3 and more.
    """

    counts: dict[str, int]
    totals: dict[str, int]
    backoff_weight: dict[str, float]
    discounts: tuple[float, float, float, float]

    @classmethod
    def of(cls, counts: Counter) -> "NGramCounts":
        """Compute totals, discounts and back-off weights from the counts."""
        discounts = discounts_of(Counter(counts.values()))
        totals, discounted = defaultdict(int), defaultdict(float)
        for gram, count in counts.items():
            totals[gram[:-1]] += count
            discounted[gram[:-1]] += discounts[min(count, 3)]
        weight = {context: discounted[context] / totals[context] for context in totals}
        return cls(dict(counts), dict(totals), weight, discounts)

    def interpolate(self, context: str, character: str, shorter: float) -> float:
        """Interpolate p(w | h) with the probability from the shorter context [2]."""
        if context not in self.totals:
            return shorter
        count = self.counts.get(context + character, 0)
        discounted = (count - self.discounts[min(count, 3)]) / self.totals[context]
        return discounted + self.backoff_weight[context] * shorter


class KneserNey:
    """An interpolated n-gram model with modified Kneser-Ney smoothing [2].

    Each count is discounted, and the probability mass that this leaves over is
    distributed by the next shorter context. Shorter contexts use continuation counts:
    after how many *different* characters a character occurs, not how often [1].
    "Francisco" is frequent, but follows one word only.

    Parameters
    ----------
    text : str
        The training text, at least `order` characters.
    order : int
        n: the longest context has n - 1 characters.
    characters : sequence of str
        The vocabulary. The shortest context backs off to its uniform distribution.
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
        levels = [NGramCounts.of(counts)]
        while len(levels) < order:
            # Continuation counts: each different n-gram counts once, however frequent.
            counts = Counter(gram[1:] for gram in counts)
            levels.append(NGramCounts.of(counts))
        self.levels = levels[::-1]

    def probability(self, context: str, character: str) -> float:
        """Compute p(w | h) from the last n - 1 characters of the context."""
        p = 1 / len(self.characters)
        for n, level in enumerate(self.levels):
            if n > len(context):
                break
            p = level.interpolate(context[len(context) - n :], character, p)
        return p

    def probabilities(self, context: str) -> list[float]:
        """Compute p(w | h) for every character w of the vocabulary."""
        return [self.probability(context, character) for character in self.characters]

    def text_bits(self, text: str) -> list[float]:
        """Compute -log₂ p of the second character of a text, the third and so on."""

        @functools.cache  # the same n-grams occur again and again
        def bits(gram: str) -> float:
            return -math.log2(self.probability(gram[:-1], gram[-1]))

        first = 1 - self.order
        return [bits(text[max(0, i + first) : i + 1]) for i in range(1, len(text))]


def discounts_of(how_many: Counter) -> tuple[float, float, float, float]:
    """Estimate the discounts from how many n-grams have the counts 1, 2, 3 and 4 [2].

    If one of these numbers is 0, or a discount would not be positive, the single
    discount of [1] is used for all counts.

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
