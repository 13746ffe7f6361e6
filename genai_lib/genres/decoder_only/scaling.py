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

from genai_lib.checks import (
    check_above_zero,
    check_each,
    check_finite,
    store_plain_numbers,
)


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

    def __post_init__(self) -> None:
        check_above_zero(factor=self.factor)
        check_finite(exponent=self.exponent)
        store_plain_numbers(self)

    @classmethod
    def fit(cls, sizes: Sequence[float], losses: Sequence[float]) -> "PowerLaw":
        """Fit a straight line to the logarithms by least squares [1, eq. 1.1].

        Raises
        ------
        ValueError
            If there are fewer than two different sizes, or a number is not above 0.
        """
        sizes = check_each(check_above_zero, sizes=sizes)
        losses = check_each(check_above_zero, losses=losses)
        if len(sizes) != len(losses) or len(set(sizes)) < 2:
            raise ValueError(
                f"{sizes=} and {losses=} must be equally many, with at least two "
                "different sizes"
            )
        x, y = ([math.log(v) for v in values] for values in (sizes, losses))
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        spread = sum((a - mean_x) ** 2 for a in x)
        slope = (
            sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
        )
        return cls(math.exp(mean_y - slope * mean_x), -slope)

    def at(self, size: float) -> float:
        """Predict the loss at a size."""
        (size,) = check_above_zero(size=size)
        return self.factor * size**-self.exponent
