"""Softmax with a temperature that depends on the entropy of its own weights.

Chapter  chapters/components/adaptive_temperature.ipynb
Tests    tests/components/adaptive_temperature

Letters used in this file
    z  logits      p  softmax(z)      H  entropy of p in nats      n  items in a row
    θ  temperature      β = 1/θ  inverse temperature      w  softmax(βz)
    δ  largest logit minus smallest

References
    [1] Veličković et al., "Softmax is not Enough (for Sharp Size Generalisation)",
        2025, arXiv:2410.01104
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from genai_lib.checks import (
    check_each,
    check_finite,
    check_floating,
    check_positive,
    check_real,
)
from genai_lib.components.adaptive_temperature.alternatives import (
    check_logits,
    shift_rows,
    widen,
)
from genai_lib.components.softmax import entropy as entropy_of
from genai_lib.components.softmax import softmax

ENTROPY_POLYNOMIAL = (-0.037, 0.481, -2.3, 4.917, -1.791)
"""β as a polynomial in H, highest power first, as published in the listing of [1]."""

LEAST_ENTROPY = 0.5
"""Rows with less entropy, in nats, are left alone [1]."""

# Stands for -∞ where 0 · ∞ must be 0; its exponential is 0 as well.
FAR_BELOW = -1e30


def inverse_temperature(
    entropy: Tensor,
    polynomial: Sequence[float] = ENTROPY_POLYNOMIAL,
    *,
    max_entropy: float = math.inf,
) -> Tensor:
    """Compute β for an entropy: a polynomial, at least 1, and 1 up to 0.5 nats [1].

    Parameters
    ----------
    entropy : floating-point Tensor
        H in nats.
    polynomial : sequence of numbers, default=ENTROPY_POLYNOMIAL
        Coefficients, highest power first.
    max_entropy : float, default=∞
        A larger entropy counts as this one. The paper has no such limit.

    Returns
    -------
    Tensor of the shape of `entropy`
        At least 1.

    >>> inverse_temperature(torch.tensor([0.4, 0.8, 2.0, 6.0]))
    tensor([1.0000, 1.0000, 2.0990, 1.0000])
    """
    check_floating("entropy", entropy)
    polynomial, max_entropy = _check_polynomial(polynomial, max_entropy)
    beta = _horner(polynomial, entropy.clamp(max=max_entropy)).clamp(min=1.0)
    return torch.where(entropy > LEAST_ENTROPY, beta, torch.ones_like(beta))


def adaptive_temperature_readable(
    logits: Tensor,
    dim: int = -1,
    *,
    polynomial: Sequence[float] = ENTROPY_POLYNOMIAL,
    max_entropy: float = math.inf,
) -> Tensor:
    """Measure the entropy of softmax(z), compute β, return softmax(βz) [1].

    The definition, written to be read; PyTorch differentiates it. Parameters, errors
    and limits are those of `adaptive_temperature_softmax`.
    """
    dim = check_logits(logits, dim)
    z = widen(logits)
    entropy = entropy_of(softmax(z, dim=dim), dim=dim).unsqueeze(dim)
    beta = inverse_temperature(entropy, polynomial, max_entropy=max_entropy)
    return softmax(z, temperature=1 / beta, dim=dim).to(logits.dtype)


def adaptive_temperature_softmax(
    logits: Tensor,
    dim: int = -1,
    *,
    polynomial: Sequence[float] = ENTROPY_POLYNOMIAL,
    max_entropy: float = math.inf,
) -> Tensor:
    """Sharpen softmax where its weights are spread out: softmax(β(H) z) [1].

    Computes what `adaptive_temperature_readable` does, with a gradient written by
    hand, in about half of the time.

    Parameters
    ----------
    logits : floating-point Tensor of any shape with at least one dimension
        -∞ marks an entry that is masked: its weight is exactly 0 and it does not
        count in the entropy.
    dim : int, default=-1
        The dimension whose entries compete.
    polynomial, max_entropy : default=those of the paper
        As in `inverse_temperature`.

    Returns
    -------
    Tensor of the shape of `logits`
        Non-negative, sums to one along `dim`, with an entropy that is never above
        that of softmax. A row with nothing left is zero; a row that holds +∞ shares
        its weight among its +∞; a row that holds NaN is NaN.

    Raises
    ------
    ValueError
        If `logits` is not a floating-point tensor, `dim` does not exist, `polynomial`
        has no coefficients or one that is not finite, or `max_entropy` is not positive.

    Notes
    -----
    It can be differentiated once. The gradient is zero in rows with nothing left and
    in rows that hold +∞.
    """
    dim = check_logits(logits, dim)
    polynomial, max_entropy = _check_polynomial(polynomial, max_entropy)
    if logits.numel() == 0:
        return torch.zeros_like(logits)
    z = widen(logits).movedim(dim, -1)
    weights = _AdaptiveTemperature.apply(z, polynomial, max_entropy)
    return weights.movedim(-1, dim).to(logits.dtype)


class _AdaptiveTemperature(torch.autograd.Function):
    """softmax(β(H) z) with a gradient written by hand; z enters directly and through β.

    With u = w (g - Σ g w), the gradient of softmax at βz, and dH/dz = -p (ln p + H):
    dL/dz = β u + (Σ u z) β'(H) dH/dz.
    """

    @staticmethod
    def forward(ctx, logits, polynomial, max_entropy):
        limit = logits.amax(-1, keepdim=True).isinf()
        z = shift_rows(logits, -1).clamp_(min=FAR_BELOW)
        p = torch.softmax(z, dim=-1)
        log_sum = -p.amax(-1, keepdim=True).log()  # ln Σ exp z, as the largest z is 0
        entropy = log_sum - _row_product(p, z)
        beta = inverse_temperature(entropy, polynomial, max_entropy=max_entropy)
        w = torch.softmax(z * beta, dim=-1)
        empty = limit & (logits.amax(-1, keepdim=True) < 0)
        if empty.any():
            w.masked_fill_(empty, 0.0)
        ctx.save_for_backward(z, p, w, entropy, log_sum, beta, limit)
        ctx.polynomial, ctx.max_entropy = polynomial, max_entropy
        return w

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        z, p, w, entropy, log_sum, beta, limit = ctx.saved_tensors
        u = (gradient - _row_product(gradient, w)).mul_(w)
        slope = _horner(_derivative(ctx.polynomial), entropy)
        moving = (beta > 1) & (entropy < ctx.max_entropy)
        through_beta = torch.where(moving, slope, 0.0) * _row_product(u, z)
        minus_slope_of_entropy = (z + (entropy - log_sum)).mul_(p)  # p (ln p + H)
        result = u.mul_(beta).addcmul_(minus_slope_of_entropy, through_beta, value=-1)
        if limit.any():
            result.masked_fill_(limit, 0.0)
        return result, None, None


def dispersion_bound(spread: Tensor, items: int) -> Tensor:
    """Bound the largest weight that softmax can give, 1 / (1 + (n - 1) exp(-δ)).

    It is attained when one logit is δ above n - 1 equal ones. The lemma of [1] has the
    simpler and larger exp(δ) / n. With a temperature, δ/θ takes the place of δ.

    Parameters
    ----------
    spread : floating-point Tensor, not negative
        δ, the largest logit of a row minus its smallest.
    items : int
        n, how many logits there are.

    >>> dispersion_bound(torch.tensor([0.0, 3.0]), 4)
    tensor([0.2500, 0.8700])
    """
    check_floating("spread", spread)
    (items,) = check_positive(items=items)
    if not (spread >= 0).all():
        raise ValueError(f"spread has an entry below 0 or NaN: {spread.min().item()}")
    return 1 / (1 + (items - 1) * (-spread).exp())


def _check_polynomial(
    polynomial: Sequence[float], max_entropy: float
) -> tuple[tuple[float, ...], float]:
    """Return the coefficients and the limit as floats."""
    coefficients = tuple(check_each(check_finite, polynomial=polynomial))
    if not coefficients:
        raise ValueError(f"polynomial={polynomial!r} must hold finite coefficients")
    limit = check_real("above 0", lambda x: x > 0, max_entropy=max_entropy)
    return coefficients, *limit


def _horner(polynomial: Sequence[float], x: Tensor) -> Tensor:
    value = torch.zeros_like(x)
    for coefficient in polynomial:
        value = value * x + coefficient
    return value


def _derivative(polynomial: Sequence[float]) -> list[float]:
    degree = len(polynomial) - 1
    return [c * (degree - i) for i, c in enumerate(polynomial[:-1])]


def _row_product(a: Tensor, b: Tensor) -> Tensor:
    """Sum a·b over the last dimension, kept with size 1, with no large temporary."""
    items = a.shape[-1]
    sums = a.reshape(-1, 1, items) @ b.reshape(-1, items, 1)
    return sums.view(*a.shape[:-1], 1)
