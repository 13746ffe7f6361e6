"""Scaling laws: the loss as a power of the size of a model.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

References
    [1] Kaplan et al., "Scaling Laws for Neural Language Models", 2020,
        arXiv:2001.08361
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PowerLaw:
    """loss(n) = factor · n^(-exponent), a straight line on a log-log plot.

    Attributes
    ----------
    factor, exponent : float

    >>> law = PowerLaw.fit([10, 100, 1000], [4.0, 2.0, 1.0])
    >>> round(law.at(10_000), 6), round(2 ** (1 / law.exponent))
    (0.5, 10)
    """

    factor: float
    exponent: float

    @classmethod
    def fit(cls, sizes: Sequence[float], losses: Sequence[float]) -> "PowerLaw":
        """Fit a straight line to the logarithms by least squares [1, eq. 1.1].

        Raises
        ------
        ValueError
            If there are fewer than two different sizes, or a number is not above 0.
        """
        if len(sizes) != len(losses) or len(set(sizes)) < 2:
            raise ValueError(
                f"sizes={list(sizes)} and losses={list(losses)} must be equally many, "
                "with at least two different sizes"
            )
        if not min(*sizes, *losses) > 0:
            raise ValueError("sizes and losses must be above 0")
        x, y = ([math.log(v) for v in values] for values in (sizes, losses))
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        spread = sum((a - mean_x) ** 2 for a in x)
        slope = (
            sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
        )
        return cls(math.exp(mean_y - slope * mean_x), -slope)

    def at(self, size: float) -> float:
        """Predict the loss at a size."""
        return self.factor * size**-self.exponent
