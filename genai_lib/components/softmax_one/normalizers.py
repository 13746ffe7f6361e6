"""Normalisers that may attend to nothing: their weights sum to one at most.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one

Letters used in this file
    z  logits      w  weights      s  sink, the logit of an option with value 0
    m  max(z, s)      p  softmax(z)      γ, ζ  where p is stretched to

References
    [1] Miller, "Attention Is Off By One", 2023,
        www.evanmiller.org/attention-is-off-by-one.html
    [2] Bondarenko et al., "Quantizable Transformers: Removing Outliers by Helping
        Attention Heads Do Nothing", 2023, arXiv:2306.12929
    [3] Xiao et al., "Efficient Streaming Language Models with Attention Sinks", 2023,
        arXiv:2309.17453
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genai_lib.checks import (
    as_real,
    check_finite,
    check_one_per_row,
    check_positive,
    check_real,
)
from genai_lib.components.adaptive_temperature.alternatives import check_logits, widen
from genai_lib.components.softmax import softmax


def softmax_one_loop(logits: Sequence[float]) -> list[float]:
    """Compute w_i = exp(z_i) / (1 + Σ_j exp(z_j)) one number at a time [1].

    The definition for finite logits, written to be read.

    >>> softmax_one_loop([0.0, math.log(2.0)])
    [0.25, 0.5]
    """
    largest = max(*logits, 0.0)
    powers = []
    for z in logits:
        powers.append(math.exp(z - largest))
    # The 1 is exp(0), the power of one more logit: it is shifted as all others are.
    total = sum(powers) + math.exp(-largest)
    return [power / total for power in powers]


def softmax_one(logits: Tensor, dim: int = -1) -> Tensor:
    """Compute w_i = exp(z_i) / (1 + Σ_j exp(z_j)): its sum may be below 1 [1].

    It is softmax with one more logit of 0, whose weight is dropped; and it is softmax
    times σ(ln Σ exp z).

    Parameters
    ----------
    logits : floating-point Tensor of any shape with at least one dimension
        -∞ marks an entry that is masked: its weight is exactly 0.
    dim : int, default=-1
        The dimension whose entries compete.

    Returns
    -------
    Tensor of the shape of `logits`
        Non-negative, sums to less than one along `dim`. A row with nothing left is
        zero; a row that holds +∞ shares its weight among its +∞; a row that holds
        NaN is NaN.

    Raises
    ------
    ValueError
        If `logits` is not a floating-point tensor or `dim` does not exist.

    >>> softmax_one(torch.tensor([0.0, math.log(2.0)]))
    tensor([0.2500, 0.5000])
    """
    return softmax_with_sink(logits, 0.0, dim)


def softmax_with_sink(logits: Tensor, sink: float | Tensor, dim: int = -1) -> Tensor:
    """Compute softmax with one more logit, the sink, whose weight is dropped [3].

    w_i = exp(z_i) / (exp(s) + Σ_j exp(z_j)). With s = 0 it is `softmax_one`, with
    s = -∞ softmax.

    Parameters
    ----------
    logits, dim
        As in `softmax_one`.
    sink : float or Tensor broadcastable to `logits` with size 1 at `dim`
        s; finite or -∞.

    Returns
    -------
    Tensor of the shape of `logits`
        As in `softmax_one`.

    Raises
    ------
    ValueError
        As `softmax_one`, and if `sink` is NaN, +∞ or of a shape that does not fit.

    >>> softmax_with_sink(torch.tensor([0.0, 0.0]), sink=math.log(2.0))
    tensor([0.2500, 0.2500])
    """
    dim = check_logits(logits, dim)
    sink = _check_sink(sink, logits, dim)
    z = widen(logits)
    rows = z.narrow(dim, 0, min(1, z.shape[dim])).shape
    sink = torch.as_tensor(sink, dtype=z.dtype, device=z.device).expand(rows)
    return _SoftmaxWithSink.apply(z, sink, dim).to(logits.dtype)


class _SoftmaxWithSink(torch.autograd.Function):
    """`softmax_with_sink` with a gradient written by hand: that of softmax.

    The sink is one more logit whose weight has the gradient 0. So dL/dz = w (g - Σ g w)
    and dL/ds = -w_s Σ g w, with w_s the weight of the sink.
    """

    @staticmethod
    def forward(ctx, z, sink, dim):
        ctx.dim = dim
        if z.numel() == 0:
            ctx.save_for_backward(z, sink, None)
            return torch.zeros_like(z)
        largest = torch.maximum(z.amax(dim, keepdim=True), sink)
        limit = largest.isinf()
        if limit.any():
            winners = torch.where(z == math.inf, 0.0, -math.inf).to(z.dtype)
            z = torch.where(limit, winners, z)
            sink = sink.masked_fill(limit, -math.inf)
            largest = largest.masked_fill(limit, 0.0)
        w = (z - largest).exp_()
        left = (sink - largest).exp_()
        total = left + w.sum(dim, keepdim=True)
        total.masked_fill_(total == 0, 1.0)
        w, left = w.div_(total), left.div_(total)
        ctx.save_for_backward(w, left, limit if limit.any() else None)
        return w

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        w, left, limit = ctx.saved_tensors
        if w.numel() == 0:
            return torch.zeros_like(w), torch.zeros_like(left), None
        mean = (gradient * w).sum(ctx.dim, keepdim=True)
        to_z, to_sink = w * (gradient - mean), -left * mean
        if limit is not None:
            to_z = to_z.masked_fill(limit, 0.0)
        return to_z, to_sink, None


class LearnedSink(nn.Module):
    """`softmax_with_sink` with a sink that is learned, one for each head.

    Parameters
    ----------
    heads : int, default=None
        With heads, logits have the shape (..., heads, Q, K). Without, one sink
        serves all rows.
    sink : float, default=0.0
        Where it starts.
    """

    def __init__(self, heads: int | None = None, sink: float = 0.0) -> None:
        super().__init__()
        if heads is not None:
            check_positive(heads=heads)
        check_finite(sink=sink)
        shape = () if heads is None else (heads, 1, 1)
        self.sink = nn.Parameter(torch.full(shape, as_real(sink)))

    def forward(self, logits: Tensor, dim: int = -1) -> Tensor:
        """Map logits to weights of the same shape."""
        return softmax_with_sink(logits, self.sink, dim)


def clipped_softmax(
    logits: Tensor, gamma: float | Tensor, zeta: float = 1.0, dim: int = -1
) -> Tensor:
    """Stretch softmax to reach from γ to ζ, then clip to [0, 1] [2, eq. 4].

    Weights below -γ / (ζ - γ) become exactly 0, and pass no gradient.

    Parameters
    ----------
    logits, dim
        As in `softmax_one`.
    gamma : float or Tensor broadcastable to `logits` with size 1 at `dim`
        γ; finite and at most 0. [2] takes -α / n for n items, with α from 2 to 4.
    zeta : float, default=1.0
        ζ; finite and at least 1. Above 1, weights can sum to more than one.

    Returns
    -------
    Tensor of the shape of `logits`
        From 0 to 1; sums to at most one along `dim` if ζ = 1. A row with nothing left
        is zero.

    Raises
    ------
    ValueError
        As `softmax_one`, and if `gamma` or `zeta` is out of its range or of a shape
        that does not fit.

    >>> clipped_softmax(torch.tensor([0.0, 0.0, math.log(8.0)]), gamma=-0.25)
    tensor([0.0000, 0.0000, 0.7500])
    """
    dim = check_logits(logits, dim)
    gamma, zeta = _check_stretch(gamma, zeta, logits, dim)
    p = softmax(widen(logits), dim=dim)
    return ((zeta - gamma) * p + gamma).clamp(0.0, 1.0).to(logits.dtype)


def _check_sink(sink: float | Tensor, logits: Tensor, dim: int) -> float | Tensor:
    """Return the sink, as a float unless it is a tensor."""
    if isinstance(sink, Tensor):
        if sink.ndim:
            check_one_per_row("sink", sink, logits, dim)
        if not (sink.detach() < math.inf).all():
            raise ValueError("sink has an entry that is NaN or +∞")
        return sink
    return check_real("a number below ∞", lambda x: x < math.inf, sink=sink)[0]


def _check_stretch(gamma, zeta, logits, dim) -> tuple[float | Tensor, float]:
    """Return γ and ζ, as floats unless γ is a tensor."""
    if isinstance(gamma, Tensor):
        if gamma.ndim:
            check_one_per_row("gamma", gamma, logits, dim)
        if not ((gamma <= 0) & (gamma > -math.inf)).all():
            raise ValueError("gamma has an entry that is not finite or above 0")
    else:
        wanted = "a finite number, at most 0"
        (gamma,) = check_real(wanted, lambda x: -math.inf < x <= 0, gamma=gamma)
    wanted = "a finite number, at least 1"
    return gamma, *check_real(wanted, lambda x: 1 <= x < math.inf, zeta=zeta)
