"""Alternatives that stay sharper than softmax, and steps that all normalisers share.

The alternatives are SSMax and sparsemax.

Chapter  chapters/components/adaptive_temperature.ipynb
Tests    tests/components/adaptive_temperature

Letters used in this file
    z  logits      n  entries of a row that are not masked      s  scale

References
    [1] Nakanishi, "Scalable-Softmax Is Superior for Attention", 2025,
        arXiv:2501.19399
    [2] Martins and Astudillo, "From Softmax to Sparsemax", 2016, arXiv:1602.02068
"""

import math

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    as_real,
    check_dim,
    check_finite,
    check_floating,
    check_one_per_row,
    check_positive,
)
from genai_lib.components.softmax import softmax


def check_logits(logits: Tensor, dim: int) -> int:
    """Return `dim` as an int; ValueError unless floating-point `logits` have it."""
    check_floating("logits", logits)
    return check_dim("logits", logits, dim)


def widen(logits: Tensor) -> Tensor:
    """Return half-precision logits in single precision: sums over rows lose digits."""
    return logits.float() if logits.element_size() < 4 else logits


def shift_rows(logits: Tensor, dim: int) -> Tensor:
    """Subtract the largest logit of each row, which changes no weight.

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


def scalable_softmax(logits: Tensor, scale: float | Tensor, dim: int = -1) -> Tensor:
    """Compute SSMax, whose inverse temperature grows with ln n: softmax(s ln(n) z) [1].

    Parameters
    ----------
    logits : floating-point Tensor of any shape with at least one dimension
        -∞ marks an entry that is masked: its weight is 0 and it does not count in n.
    scale : float or Tensor broadcastable to `logits` with size 1 at `dim`
        s; finite.
    dim : int, default=-1
        The dimension whose entries compete.

    Returns
    -------
    Tensor of the shape of `logits`
        Non-negative, sums to one along `dim`; a row with nothing left is zero.

    Raises
    ------
    ValueError
        If `logits` is not a floating-point tensor, `dim` does not exist, or `scale` is
        not finite or of a shape that does not fit.

    >>> scalable_softmax(torch.tensor([1.0, 0.0]), scale=1 / math.log(2))
    tensor([0.7311, 0.2689])
    """
    dim = check_logits(logits, dim)
    _check_scale(scale, logits, dim)
    z = shift_rows(widen(logits), dim)
    masked = z == -math.inf
    items = (~masked).sum(dim, keepdim=True).clamp(min=1)
    # A factor beyond the largest number would make NaN of 0, the largest logit.
    limit = torch.finfo(z.dtype).max
    scale = scale if isinstance(scale, Tensor) else z.new_tensor(as_real(scale))
    scale = scale.to(z.dtype)  # its own type may be narrower than `limit`
    factor = scale.clamp(-limit, limit) * items.to(z.dtype).log()
    factor = factor.clamp(-limit, limit)
    scaled = z.masked_fill(masked, 0.0) * factor
    return softmax(scaled.masked_fill(masked, -math.inf), dim=dim).to(logits.dtype)


class ScalableSoftmax(nn.Module):
    """`scalable_softmax` with a scale that is learned, one for each head [1].

    Parameters
    ----------
    heads : int, default=None
        With heads, logits have the shape (..., heads, Q, K). Without, one scale
        serves all rows.
    scale : float, default=0.43
        Where it starts; 0.43 is the value of the illustration in [1].
    """

    def __init__(self, heads: int | None = None, scale: float = 0.43) -> None:
        super().__init__()
        check_finite(scale=scale)
        if heads is not None:
            check_positive(heads=heads)
        shape = () if heads is None else (heads, 1, 1)
        self.scale = nn.Parameter(torch.full(shape, as_real(scale)))

    def forward(self, logits: Tensor, dim: int = -1) -> Tensor:
        """Map logits to weights of the same shape."""
        return scalable_softmax(logits, self.scale, dim)


def sparsemax(logits: Tensor, dim: int = -1) -> Tensor:
    """Project the logits onto the simplex: max(z - τ, 0), with τ so that it sums to 1.

    Logits that lie far enough below the largest get weight exactly 0 [2, alg. 1].

    Parameters
    ----------
    logits : floating-point Tensor of any shape with at least one dimension
        -∞ marks an entry that is masked.
    dim : int, default=-1
        The dimension whose entries compete.

    Returns
    -------
    Tensor of the shape of `logits`
        Non-negative, sums to one along `dim`; a row with nothing left is zero.

    Raises
    ------
    ValueError
        If `logits` is not a floating-point tensor or `dim` does not exist.

    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    dim = check_logits(logits, dim)
    if logits.numel() == 0:
        return torch.zeros_like(logits)
    z = shift_rows(widen(logits), dim).movedim(dim, -1)
    # No entry of the result lies more than 1 below the largest; -∞ would give NaN.
    z = z.clamp(min=-2.0)
    ordered = z.sort(dim=-1, descending=True).values
    excess = ordered.cumsum(dim=-1) - 1
    count = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    support = (ordered * count > excess).sum(dim=-1, keepdim=True).clamp(min=1)
    threshold = excess.gather(-1, support - 1) / support
    weights = (z - threshold).clamp(min=0.0).movedim(-1, dim)
    empty = logits.detach().amax(dim, keepdim=True) == -math.inf
    return weights.masked_fill(empty, 0.0).to(logits.dtype)


def _check_scale(scale: float | Tensor, logits: Tensor, dim: int) -> None:
    if isinstance(scale, Tensor):
        if scale.ndim:
            check_one_per_row("scale", scale, logits, dim)
        if not scale.detach().isfinite().all():
            raise ValueError("scale has an entry that is not finite")
    else:
        check_finite(scale=scale)
