"""Measures of outliers, and simulated quantization with and without smoothing.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one

References
    [1] Bondarenko et al., "Quantizable Transformers: Removing Outliers by Helping
        Attention Heads Do Nothing", 2023, arXiv:2306.12929
    [2] Xiao et al., "SmoothQuant", 2023, arXiv:2211.10438
"""

import torch
from torch import Tensor

from genai_lib.checks import (
    check_dim,
    check_floating,
    check_share,
    check_whole,
    describe,
)

MOST_BITS = 16


def kurtosis(x: Tensor, dim: int = -1) -> Tensor:
    """Measure how heavy the tails are: E[(x - μ)⁴] / σ⁴, 3 for a normal distribution.

    Parameters
    ----------
    x : floating-point Tensor
    dim : int, default=-1
        The dimension over which means are taken, and which disappears.

    Returns
    -------
    Tensor
        At least 1, and at most the number of entries; NaN where all are equal.

    Notes
    -----
    The code of [1] divides by the unbiased variance, which makes it smaller by the
    factor (1 - 1/n)² for n entries.

    >>> kurtosis(torch.tensor([0.0, 0.0, 0.0, 0.0, 10.0]))
    tensor(3.2500)
    """
    check_floating("x", x)
    dim = check_dim("x", x, dim)
    squared = (x - x.mean(dim, keepdim=True)).square()
    return squared.square().mean(dim) / squared.mean(dim).square()


def max_infinity_norm(x: Tensor) -> Tensor:
    """Average, over examples, the largest magnitude that occurs in an example [1].

    Parameters
    ----------
    x : floating-point Tensor of shape (B, ...)
        The output of a layer for B examples.

    Returns
    -------
    Tensor of shape ()

    >>> max_infinity_norm(torch.tensor([[1.0, -3.0], [5.0, 0.0]]))
    tensor(4.)
    """
    check_floating("x", x)
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"x={describe(x)} must hold at least one example")
    return x.abs().reshape(len(x), -1).amax(dim=1).mean()


def fake_quantize(x: Tensor, bits: int, symmetric: bool = True) -> Tensor:
    """Round to the nearest of 2^bits evenly spaced numbers that span the whole tensor.

    Parameters
    ----------
    x : floating-point Tensor, finite
    bits : int
        From 2 to 16.
    symmetric : bool, default=True
        Whether the numbers lie evenly around 0, as is usual for weights. Otherwise
        they reach from the smallest entry to the largest, and 0 is among them.

    Returns
    -------
    Tensor of the shape and dtype of `x`

    Raises
    ------
    ValueError
        If `x` is not a finite floating-point tensor, or `bits` is out of range.

    >>> fake_quantize(torch.tensor([0.1, 1.0, 7.0]), bits=4)
    tensor([0., 1., 7.])
    """
    check_floating("x", x)
    (bits,) = check_bits(bits=bits)
    if not x.isfinite().all():
        raise ValueError("x holds a value that is not finite")
    if x.numel() == 0:
        return x
    # 16 bits hold neither small steps nor large codes.
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    step, zero, lowest, highest = _grid(precise.detach(), bits, symmetric)
    if not (1 / step).isfinite():  # a step of 0, or nearly
        return torch.zeros_like(x)
    code = ((precise * (1 / step)).round() + zero).clamp(lowest, highest)
    limits = torch.finfo(x.dtype)
    return ((code - zero) * step).clamp(limits.min, limits.max).to(x.dtype)


def check_bits(**bits: int) -> list[int]:
    """Return numbers of bits as ints; ValueError unless each is from 2 to 16."""
    return check_whole(2, MOST_BITS, **bits)


def smoothing_scales(largest: Tensor, weight: Tensor, strength: float = 0.5) -> Tensor:
    """Compute the factors that move outliers from inputs to weights [2, eq. 4].

    Parameters
    ----------
    largest : Tensor of shape (channels,)
        The largest magnitude of each input channel.
    weight : Tensor of shape (outputs, channels)
    strength : float, default=0.5
        α, from 0 to 1: how much of each magnitude moves to the weights; the
        "migration strength" of [2].

    Returns
    -------
    Tensor of shape (channels,)
        What to divide the inputs by, and to multiply the weights with; 1 for a channel
        that is always 0.
    """
    (strength,) = check_share(strength=strength)
    if largest.shape != weight.shape[1:]:
        raise ValueError(
            f"largest={describe(largest)} must hold one entry for each column of "
            f"weight={describe(weight)}"
        )
    columns = weight.abs().amax(dim=0)  # (channels,)
    scales = largest**strength / columns ** (1 - strength)
    return torch.where((largest > 0) & (columns > 0), scales, torch.ones_like(scales))


def smooth_quantize(
    x: Tensor, weight: Tensor, bits: int, strength: float = 0.5
) -> Tensor:
    """Multiply quantized inputs and weights, after smoothing [2].

    Parameters
    ----------
    x : floating-point Tensor of shape (..., channels)
    weight : Tensor of shape (outputs, channels)
    bits : int
        Of both, as in `fake_quantize`.
    strength : float, default=0.5
        As in `smoothing_scales`.

    Returns
    -------
    Tensor of shape (..., outputs)
        About x @ weight.mT.
    """
    check_floating("x", x)
    if weight.ndim != 2 or x.shape[-1:] != weight.shape[1:]:
        raise ValueError(
            f"x={describe(x)} must have as many channels as weight={describe(weight)}"
        )
    largest = x.detach().reshape(-1, x.shape[-1]).abs().amax(dim=0)
    scales = smoothing_scales(largest, weight, strength)
    return fake_quantize(x / scales, bits) @ fake_quantize(weight * scales, bits).mT


def _grid(x: Tensor, bits: int, symmetric: bool):
    """Return the step, the code of 0, the lowest and the highest code."""
    if symmetric:
        highest = 2 ** (bits - 1) - 1
        return x.abs().amax() / highest, 0, -highest - 1, highest
    highest = 2**bits - 1
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    step = (high - low) / highest
    zero = (-low / step).round() if step > 0 else 0
    return step, zero, 0, highest
