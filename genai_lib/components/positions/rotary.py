"""Rotary positions (RoPE): rotate queries and keys, so that only distances count.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

Shape letters used in this file
    B  sequences in a batch    T  positions    d  width of one head

References
    [1] Su et al., "RoFormer", 2021, arXiv:2104.09864
    [2] Chen et al., "Extending Context Window of Large Language Models via Positional
        Interpolation", 2023, arXiv:2306.15595
    [3] Peng et al., "YaRN", 2023, arXiv:2309.00071
"""

import math

import torch
from torch import Tensor

from genai_lib.checks import (
    check_above_zero,
    check_finite,
    check_floating,
    check_positive,
    check_real,
    check_whole,
    describe,
)
from genai_lib.components.positions.frequencies import (
    FrequencyEncoding,
    rotary_frequencies,
)


def rotate(
    x: Tensor,
    positions: Tensor,
    base: float = 10000.0,
    frequencies: Tensor | None = None,
) -> Tensor:
    """Rotate entries i and i + d/2 of each vector by the angle t ω_i [1, §3.4].

    The paper pairs the entries 2i and 2i + 1; most models pair i and i + d/2, as here.
    The two differ by a fixed permutation of the entries.

    Parameters
    ----------
    x : floating-point Tensor of shape (..., T, d)
    positions : Tensor of shape (T,)
        t; any real numbers.
    base : float, default=10000
    frequencies : Tensor of shape (d/2,), default=`rotary_frequencies(d, base)`

    Returns
    -------
    Tensor of shape (..., T, d)
        Rotated vectors have the same norm.
    """
    check_floating("x", x)
    if x.ndim < 2 or positions.shape != x.shape[-2:-1]:
        raise ValueError(
            f"positions={describe(positions)} must be one number for each of the "
            f"T vectors of x={describe(x)}"
        )
    if frequencies is None:
        frequencies = rotary_frequencies(x.shape[-1], base).to(x.device)
    # Angles are large numbers: 16 bits would lose their fractional digits.
    precise = torch.promote_types(x.dtype, torch.float32)
    angles = positions[:, None].to(precise) * frequencies  # (T, d/2)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)  # (..., T, d/2) each
    return torch.cat(
        [first * cosine - second * sine, second * cosine + first * sine], dim=-1
    )


class RotaryPositions(FrequencyEncoding):
    """Rotate queries and keys; values and inputs are not changed.

    Parameters
    ----------
    head_width : int
        d, an even number.
    base : float, default=10000
    frequencies : Tensor of shape (d/2,), default=`rotary_frequencies(d, base)`
    sharpness : float, default=1.0
        Multiplies the scores; see `yarn_sharpness`.
    """

    def __init__(
        self,
        head_width: int,
        base: float = 10000.0,
        frequencies: Tensor | None = None,
        sharpness: float = 1.0,
    ) -> None:
        super().__init__(*check_positive(head_width=head_width), base)
        own = self.frequencies
        frequencies = own if frequencies is None else frequencies
        if not isinstance(frequencies, Tensor) or frequencies.shape != own.shape:
            raise ValueError(
                f"frequencies={describe(frequencies)} must have shape {(len(own),)}"
            )
        self.frequencies = frequencies
        (self.sharpness,) = check_above_zero(sharpness=sharpness)

    def rotate(
        self, query: Tensor, key: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rotate (B, heads, T, d) and (B, kv_heads, T, d) by positions (T,)."""
        query, key = (
            rotate(x, positions, frequencies=self.frequencies_for(x))
            for x in (query, key)
        )
        return (query if self.sharpness == 1 else query * self.sharpness), key


def interpolated_frequencies(
    width: int, factor: float, base: float = 10000.0
) -> Tensor:
    """Divide all frequencies by `factor`, so that no angle is new [2]."""
    return rotary_frequencies(width, base) / _check_factor(factor)


def ntk_frequencies(width: int, factor: float, base: float = 10000.0) -> Tensor:
    """Raise the base: lower the lowest frequency by `factor`, keep the highest [3].

    The width is at least 4.
    """
    (base,), (width,) = check_above_zero(base=base), check_whole(4, None, width=width)
    slower = _check_factor(factor) ** (width / (width - 2))
    return rotary_frequencies(width, base * slower)


def yarn_frequencies(
    width: int,
    factor: float,
    length: int,
    base: float = 10000.0,
    slow: float = 1.0,
    fast: float = 32.0,
) -> Tensor:
    """Lower the frequencies of pairs with few turns in the training length [3, §3.2].

    Parameters
    ----------
    width : int
    factor : float
        The length of the texts divided by the training length.
    length : int
        The training length.
    base : float, default=10000
    slow, fast : float, default=1, 32
        Frequencies with fewer than `slow` turns within `length` are divided by
        `factor`, those with more than `fast` turns are kept. Between the two they are
        interpolated by the number of turns. The published code interpolates
        differently: `yarn_frequencies_by_pair`.

    Returns
    -------
    Tensor of shape (width / 2,)
    """
    factor, length, slow, fast = _read_yarn(factor, length, slow, fast)
    frequencies = rotary_frequencies(width, base)
    turns = length * frequencies / (2 * math.pi)
    kept = ((turns - slow) / (fast - slow)).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / factor)


def yarn_frequencies_by_pair(
    width: int,
    factor: float,
    length: int,
    base: float = 10000.0,
    slow: float = 1.0,
    fast: float = 32.0,
) -> Tensor:
    """Interpolate by the index of the pair, as the published code of YaRN does [3].

    Large models use this form. Parameters and shape are those of `yarn_frequencies`;
    the base is above 1 and `slow` above 0.
    """
    factor, length, slow, fast = _read_yarn(factor, length, slow, fast)
    frequencies = rotary_frequencies(width, base)
    (width,), (base,) = check_positive(width=width), check_above_zero(base=base)
    if not (base > 1 and slow > 0):
        raise ValueError(f"base={base} must be above 1 and slow={slow:g} above 0")

    def pair_with(turns: float) -> float:
        ratio = math.log(length / (2 * math.pi * turns)) / math.log(base)
        return width / 2 * ratio

    first = max(math.floor(pair_with(fast)), 0)
    last = min(math.ceil(pair_with(slow)), width - 1)
    # If the two are equal, the published code uses a very steep ramp.
    steps = last - first or 0.001
    kept = 1 - ((torch.arange(width // 2) - first) / steps).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / factor)


def yarn_sharpness(factor: float) -> float:
    """Compute YaRN's scaling of the scores, (0.1 ln factor + 1)² [3, §3.4]."""
    return (0.1 * math.log(_check_factor(factor)) + 1) ** 2


def _read_yarn(factor: float, length: int, slow: float, fast: float) -> list[float]:
    """Check the four numbers and return them as floats."""
    factor, (length,) = _check_factor(factor), check_positive(length=length)
    slow, fast = check_finite(slow=slow, fast=fast)
    if not 0 <= slow < fast:
        raise ValueError(f"slow={slow:g} must be at least 0 and below fast={fast:g}")
    return [factor, float(length), slow, fast]


def _check_factor(factor: float) -> float:
    wanted = "at least 1, and finite"
    return check_real(wanted, lambda x: 1 <= x < math.inf, factor=factor)[0]
