"""Positional encodings that are added to the inputs: sinusoidal and learned.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width of the model

References
    [1] Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762
    [2] Gehring et al., "Convolutional Sequence to Sequence Learning", 2017,
        arXiv:1705.03122
"""

import torch
from torch import Tensor, nn

from genai_lib.checks import can_be_read, check_positive
from genai_lib.components.attention import PositionalEncoding
from genai_lib.components.positions.frequencies import (
    FrequencyEncoding,
    exact_frequencies,
)


def sinusoidal(length: int, width: int, base: float = 10000.0) -> Tensor:
    """Compute sin(t ω_i) at entry 2i and cos(t ω_i) at 2i + 1 for each t [1, §3.5].

    Parameters
    ----------
    length : int
    width : int
        An even number.
    base : float, default=10000
        ω_i = base^(-2i / width).

    Returns
    -------
    Tensor of shape (length, width)

    >>> sinusoidal(2, 2)
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    (length,) = check_positive(length=length)
    # Angles are large numbers: single precision would lose their fractional digits.
    return waves(torch.arange(length), exact_frequencies(width, base)).float()


def waves(positions: Tensor, frequencies: Tensor) -> Tensor:
    """Interleave sines and cosines of positions (T,) and frequencies (D/2,): (T, D)."""
    angles = positions[:, None] * frequencies  # (T, D/2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class SinusoidalPositions(FrequencyEncoding):
    """Add sinusoidal vectors to the inputs; positions may be any real numbers [1].

    Parameters
    ----------
    width : int
    base : float, default=10000
    """

    def __init__(self, width: int, base: float = 10000.0) -> None:
        super().__init__(width, base)

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        return x + waves(positions, self.frequencies_for(x)).to(x.dtype)


class LearnedPositions(PositionalEncoding):
    """Add a learned vector for each of `length` positions to the inputs [2].

    Parameters
    ----------
    length : int
    width : int
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        check_positive(length=length, width=width)
        self.table = nn.Embedding(length, width)

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D); a ValueError names positions beyond the table."""
        length, known = self.table.num_embeddings, can_be_read(positions)
        if known and len(positions) and not _within(positions, length):
            raise ValueError(
                f"positions from {positions.min()} to {positions.max()}: only 0 to "
                f"{length - 1} have been given a vector"
            )
        return x + self.table(positions)


def _within(positions: Tensor, length: int) -> bool:
    return bool(0 <= positions.min() <= positions.max() < length)
