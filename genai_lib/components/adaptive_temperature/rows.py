"""Rows of logits that need care: masked entries, nothing left, infinite logits.

Chapter  chapters/components/adaptive_temperature.ipynb
Tests    tests/components/adaptive_temperature
"""

import math

import torch
from torch import Tensor

from genai_lib.checks import check_dim, check_floating


def check_logits(logits: Tensor, dim: int) -> int:
    """Return `dim`; ValueError unless floating-point `logits` have it."""
    check_floating("logits", logits)
    return check_dim("logits", logits, dim)


def widen(logits: Tensor) -> Tensor:
    """Compute in single precision what comes in half: sums over rows lose digits."""
    return logits.float() if logits.element_size() < 4 else logits


def shift_rows(logits: Tensor, dim: int) -> Tensor:
    """Subtract the largest logit of each row, which no normaliser here notices.

    Returns
    -------
    Tensor of the shape of `logits`
        At most 0. A row with nothing left stays all -∞; in a row that holds +∞ those
        become 0 and all others -∞, and no gradient flows to it.
    """
    if logits.shape[dim] == 0:
        return logits
    largest = logits.detach().amax(dim, keepdim=True)
    endless = largest.isinf()
    if endless.any():
        winners = torch.where(logits.detach() == math.inf, 0.0, -math.inf)
        logits = torch.where(endless, winners.to(logits.dtype), logits)
        largest = largest.masked_fill(endless, 0.0)
    return logits - largest
