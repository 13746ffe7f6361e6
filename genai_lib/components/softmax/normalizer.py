"""Softmax with a temperature: probabilities from logits, their entropy, and samples.

Chapter  chapters/components/softmax.ipynb
Tests    tests/components/softmax

Letters used in this file
    z  logits      θ  temperature      p  probabilities      K  classes

What this file leaves out: normalisers whose weights may sum to less than one
(`softmax_one`), and temperatures that depend on the logits (`adaptive_temperature`).

References
    [1] Bridle, "Probabilistic Interpretation of Feedforward Classification Network
        Outputs", 1990
    [2] Maddison et al., "A* Sampling", 2014, arXiv:1411.0030
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genai_lib.checks import (
    can_be_read,
    check_above_zero,
    check_dim,
    check_floating,
    check_one_per_row,
    check_real,
)

NOTHING_TO_DRAW = "logits has a row with nothing to draw: empty, all -inf, NaN"


def softmax_loop(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Compute p_i = exp(z_i/θ) / Σ_j exp(z_j/θ) one number at a time [1].

    The definition for finite logits and temperatures, written to be read.

    >>> softmax_loop([0.0, math.log(3.0)])
    [0.25, 0.75]
    """
    check_above_zero(temperature=temperature)
    largest = max(logits)
    powers = []
    for z in logits:
        # Subtracting the largest logit cancels in the ratio and keeps exp in range.
        powers.append(math.exp((z - largest) / temperature))
    total = sum(powers)
    return [power / total for power in powers]


def softmax(logits: Tensor, temperature: float | Tensor = 1.0, dim: int = -1) -> Tensor:
    """Turn logits into probabilities, p_i = exp(z_i/θ) / Σ_j exp(z_j/θ) [1].

    Parameters
    ----------
    logits : floating-point Tensor of any shape with at least one dimension
        -∞ marks an entry that is masked: its weight is exactly 0.
    temperature : float or Tensor broadcastable to `logits` with size 1 at `dim`
        At 0 the largest logits share all the weight, at ∞ all logits above -∞ do.
    dim : int, default=-1
        The dimension whose entries compete.

    Returns
    -------
    Tensor of the shape of `logits`
        Non-negative, sums to one along `dim`. A row with nothing left (all -∞) is
        zero; a row that holds +∞ shares its weight among its +∞; a row that holds
        NaN is NaN. Dtypes promote as in `logits / temperature`.

    Raises
    ------
    ValueError
        If `logits` is not a floating-point tensor, `temperature` is negative, NaN or of
        a shape that does not fit, or `dim` does not exist.

    Notes
    -----
    The gradient is zero in rows that are a limit: temperature 0 or ∞, nothing left.

    Examples
    --------
    >>> softmax(torch.tensor([2.0, 1.0, 1.0]), temperature=0.0)
    tensor([1., 0., 0.])
    """
    temperature, dim = _check(logits, temperature, dim)
    weights = torch.softmax(_divide(logits, temperature), dim)
    if not _has_broken_rows(weights, dim):
        return weights
    return _repair(torch.softmax, weights, logits, temperature, dim)


def log_softmax(
    logits: Tensor, temperature: float | Tensor = 1.0, dim: int = -1
) -> Tensor:
    """Compute log p_i = z_i/θ - log Σ_j exp(z_j/θ) without forming p first.

    Parameters, errors and limits are those of `softmax`, whose zeros under a mask or
    in a limit are -∞ here.

    >>> log_softmax(torch.tensor([0.0, -200.0]))
    tensor([   0., -200.])
    """
    temperature, dim = _check(logits, temperature, dim)
    log_weights = torch.log_softmax(_divide(logits, temperature), dim)
    if not _has_broken_rows(log_weights, dim):
        return log_weights
    return _repair(torch.log_softmax, log_weights, logits, temperature, dim)


def entropy(probabilities: Tensor, dim: int = -1) -> Tensor:
    """Measure uncertainty in nats, H = -Σ p_i log p_i with 0 log 0 = 0.

    Parameters
    ----------
    probabilities : floating-point Tensor, non-negative
    dim : int, default=-1
        The dimension that is summed over and disappears.

    >>> entropy(torch.tensor([0.5, 0.5, 0.0]))
    tensor(0.6931)
    """
    check_floating("probabilities", probabilities)
    dim = check_dim("probabilities", probabilities, dim)
    if (probabilities < 0).any():
        smallest = probabilities.min().item()
        raise ValueError(f"probabilities has a negative entry: {smallest}")
    # log 1 in place of log 0 keeps the gradient finite where p is exactly 0.
    logs = probabilities.masked_fill(probabilities == 0, 1.0).log()
    return -(probabilities * logs).sum(dim)


def sample(
    logits: Tensor,
    temperature: float | Tensor = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw one index per row with the probabilities softmax(z/θ).

    Parameters
    ----------
    logits : floating-point Tensor of shape (..., K)
    temperature : float or Tensor broadcastable to `logits` with size 1 at the end
    generator : torch.Generator, default=None

    Returns
    -------
    int64 Tensor of shape (...)

    Raises
    ------
    ValueError
        As `softmax`, and if a row holds NaN or has nothing left to draw.
    """
    weights = softmax(logits, temperature, dim=-1)
    if weights.shape[-1] == 0 or not (weights.sum(dim=-1) > 0).all():
        raise ValueError(NOTHING_TO_DRAW)
    device = weights.device if generator is None else generator.device
    rows = weights.reshape(-1, weights.shape[-1]).to(device)  # (rows, K)
    drawn = torch.multinomial(rows, 1, generator=generator)  # (rows, 1)
    return drawn.view(weights.shape[:-1]).to(logits.device)


def gumbel_max(
    logits: Tensor,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw as `sample` does, by arg max(z/θ + g) with Gumbel noise g [2].

    Shapes and errors are those of `sample`; `temperature` is a finite number above 0.
    """
    (theta,) = check_above_zero(temperature=temperature)
    # log p differs from z/θ by one number for each row, and is never too large.
    logits = log_softmax(logits, theta, dim=-1)
    # A row whose largest logit is NaN or -∞ has nothing to draw, nor has an empty one.
    if logits.shape[-1] == 0 or not (logits.amax(dim=-1) > -math.inf).all():
        raise ValueError(NOTHING_TO_DRAW)
    device = logits.device if generator is None else generator.device
    noise = torch.empty(logits.shape, dtype=logits.dtype, device=device)
    noise.exponential_(generator=generator)  # -log of it is Gumbel noise
    return (logits - noise.log().to(logits.device)).argmax(dim=-1)


def _check(
    logits: Tensor, temperature: float | Tensor, dim: int
) -> tuple[float | Tensor, int]:
    """Return the temperature, as a float unless it is a tensor, and the dimension."""
    check_floating("logits", logits)
    dim = check_dim("logits", logits, dim)
    if isinstance(temperature, Tensor):
        check_one_per_row("temperature", temperature, logits, dim)
        if can_be_read(temperature) and not (temperature.detach() >= 0).all():
            raise ValueError("temperature has an entry that is negative or NaN")
        return temperature, dim
    (theta,) = check_real(
        "a number, 0 or more", lambda x: x >= 0, temperature=temperature
    )
    return theta, dim


def _divide(logits: Tensor, temperature: float | Tensor) -> Tensor:
    if isinstance(temperature, Tensor):
        if temperature.requires_grad:  # a masked logit must not reach θ's gradient
            masked = logits == -math.inf
            finite = logits.masked_fill(masked, 0.0) / temperature
            return finite.masked_fill(masked, -math.inf)
        return logits / temperature
    return logits if temperature == 1 else logits / temperature


def _has_broken_rows(weights: Tensor, dim: int) -> bool:
    if not can_be_read(weights):
        return weights.numel() > 0  # a trace must be right for any numbers
    # One undefined entry makes its whole row NaN, so a single column tells.
    return weights.numel() > 0 and bool(weights.select(dim, 0).isnan().any())


def _repair(
    normalize: Callable[[Tensor, int], Tensor],
    weights: Tensor,
    logits: Tensor,
    temperature: float | Tensor,
    dim: int,
) -> Tensor:
    """Replace rows of NaN by their limit, and keep NaN out of gradients."""
    broken = weights.detach().narrow(dim, 0, 1).isnan()
    theta = torch.as_tensor(temperature, dtype=weights.dtype, device=weights.device)
    limit = _limit(logits.detach(), theta, dim).to(weights.dtype)
    if normalize is torch.log_softmax:
        limit = limit.log()
    # Broken rows are computed with harmless numbers, or NaN would flow back.
    safe_theta = theta.where(~broken, torch.ones_like(theta))
    scaled = _divide(logits.masked_fill(broken, 0.0), safe_theta)
    return torch.where(broken, limit, normalize(scaled, dim))


def _limit(logits: Tensor, temperature: Tensor, dim: int) -> Tensor:
    """Share the weight: at θ = ∞ among all unmasked logits, else among the largest."""
    largest = logits.amax(dim, keepdim=True)
    everywhere = (temperature == math.inf) & (largest < math.inf)
    sharing = torch.where(everywhere, logits > -math.inf, logits == largest)
    sharing = (sharing & (largest > -math.inf)).double()
    weights = sharing / sharing.sum(dim, keepdim=True).clamp(min=1)
    return weights.masked_fill(largest.isnan(), math.nan)
