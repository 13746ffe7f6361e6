"""Scaled dot-product attention: as a loop, as matrix products, and fused.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    ...  any leading dimensions, such as batch and heads
    Q  queries      K  keys      d  width of a query and a key      v  width of a value

References
    [1] Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762
    [2] Dao et al., "FlashAttention", 2022, arXiv:2205.14135
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from genai_lib.checks import (
    can_be_read,
    check_finite,
    check_floating,
    describe,
)
from genai_lib.components.attention.masks import check_bias, check_mask
from genai_lib.components.softmax import softmax, softmax_loop

Normalizer = Callable[..., Tensor]
"""`normalize(logits, dim=-1) -> weights`; a logit of -∞ gets the weight 0."""


def attend_loop(
    query: Sequence[Sequence[float]],
    key: Sequence[Sequence[float]],
    value: Sequence[Sequence[float]],
) -> list[list[float]]:
    """Compute attention one query at a time [1, eq. 1], as the definition says.

    >>> attend_loop([[0.0]], [[1.0], [2.0]], [[4.0], [8.0]])
    [[6.0]]
    """
    output = []
    for q in query:
        scores = []
        for k in key:
            product = sum(a * b for a, b in zip(q, k, strict=True))
            scores.append(product / math.sqrt(len(q)))
        weights = softmax_loop(scores)
        columns = zip(*value, strict=True)
        output.append(
            [
                sum(w * x for w, x in zip(weights, column, strict=True))
                for column in columns
            ]
        )
    return output


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    normalize: Normalizer = softmax,
    bias: Tensor | None = None,
    *,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Average the values, each weighted by how well its key fits the query [1, eq. 1].

    Parameters
    ----------
    query : floating-point Tensor of shape (..., Q, d)
    key : Tensor of shape (..., K, d)
    value : Tensor of shape (..., K, v)
    mask : bool Tensor of shape (Q, K) or (..., Q, K), default=None
        True where attention is allowed. With as many dimensions as the scores, if these
        have more than two, every size but K may be 1. No other shape is allowed: (1, K)
        or (B, K) could be meant for the texts of a batch. Masked keys and values have
        no influence, even if they are infinite or NaN.
    normalize : function of (logits, dim), default=softmax
        Turns scores into weights; a score of -∞ is masked.
    bias : floating-point Tensor, default=None
        Added to the scaled scores, before the mask. Its shape is like that of `mask`,
        or (heads, Q, K) for all sequences of a batch.
    scale : float, default=1/√d
        Multiplies the products of queries and keys.

    Returns
    -------
    output : Tensor of shape (..., Q, v)
    weights : Tensor of shape (..., Q, K)
        With softmax every row sums to one, or is zero where all keys are masked.

    Raises
    ------
    ValueError
        If a width or a number of keys does not fit, `mask` is not boolean, or `mask`
        or `bias` is on another device or of an ambiguous shape.
    """
    _check(query, key, value, mask, bias)
    scale = _factor(scale, query)
    compare, average = _products(key, value, mask)
    scores = compare(query * scale, key.mT)  # (..., Q, K)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = normalize(scores, dim=-1)
    return average(weights, value), weights


def attend_fast(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    scale: float | None = None,
) -> Tensor:
    """Compute the output of `attend` with softmax in one fused kernel.

    The weights are never all in memory at once [2]. Parameters and errors are those of
    `attend`.

    Returns
    -------
    Tensor of shape (..., Q, v)
    """
    _check(query, key, value, mask, bias)
    added = mask
    if bias is not None:
        added = bias.to(query.dtype)
        added = added if mask is None else added.masked_fill(~mask, -math.inf)
    if added is not None and 2 < added.ndim < query.ndim:
        added = added.view(1, *added.shape)  # the kernel wants 2 or all dimensions
    output = scaled_dot_product_attention(
        query, key, value, attn_mask=added, scale=_factor(scale, query)
    )
    if _has_nan(output):
        # The kernel multiplies masked values by 0, and 0 · NaN and 0 · ∞ are NaN.
        # Before PyTorch 2.5 it also returns NaN for a query whose keys are all masked.
        return attend(query, key, value, mask, bias=bias, scale=scale)[0]
    return output


def _products(key: Tensor, value: Tensor, mask: Tensor | None) -> tuple:
    """Return two matrix products, in which 0 · NaN is 0 if NaN or ∞ may be masked."""
    if mask is None or _all_finite(key, value):
        return torch.matmul, torch.matmul
    return _compare, _average


def _factor(scale: float | None, query: Tensor) -> float:
    if scale is None:
        return 1 / math.sqrt(query.shape[-1])
    return check_finite(scale=scale)[0]


def _check(query, key, value, mask, bias) -> None:
    check_floating("query", query)
    for name, tensor in {"query": query, "key": key, "value": value}.items():
        if not isinstance(tensor, Tensor) or tensor.ndim < 2:
            raise ValueError(f"{name}={describe(tensor)} must have shape (..., n, d)")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query={describe(query)} and key={describe(key)} must have the same width"
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"key={describe(key)} and value={describe(value)} must be equally many"
        )
    leading = _leading(query=query, key=key, value=value)
    shape = (*leading, query.shape[-2], key.shape[-2])
    if mask is not None:
        check_mask(mask, shape, query.device)
    if bias is not None:
        check_bias(bias, shape, query.device)


def _leading(**tensors: Tensor) -> tuple[int, ...]:
    shapes = {x.shape[:-2] for x in tensors.values()}
    if len(shapes) == 1:  # the usual case; `broadcast_shapes` is slow
        return tuple(*shapes)
    try:
        return torch.broadcast_shapes(*(x.shape[:-2] for x in tensors.values()))
    except RuntimeError:
        named = " and ".join(f"{n}={describe(x)}" for n, x in tensors.items())
        raise ValueError(
            f"{named} must agree in all dimensions but the last two"
        ) from None


# A sum is NaN or ∞ if an entry is, and costs less than a test of each entry.


def _all_finite(*tensors: Tensor) -> bool:
    sums = [x.detach().sum() for x in tensors if can_be_read(x)]
    return all(bool(total.isfinite()) for total in sums)


def _has_nan(output: Tensor) -> bool:
    return can_be_read(output) and bool(output.detach().sum().isnan())


def _compare(query: Tensor, key: Tensor) -> Tensor:
    """Multiply (..., Q, d) by (..., d, K); NaN or ∞ in keys do not enter gradients."""
    broken = ~key.isfinite().all(-2, keepdim=True)  # (..., 1, K)
    apart = (query @ key).detach()
    return torch.where(broken, apart, query @ key.masked_fill(broken, 0))


def _average(weights: Tensor, value: Tensor) -> Tensor:
    """Multiply (..., Q, K) by (..., K, v), but 0 by NaN or ∞ is 0."""
    broken = ~value.isfinite()
    met = (weights != 0).to(value.dtype) @ broken.to(value.dtype) > 0  # (..., Q, v)
    apart = (weights @ value).detach()
    return torch.where(met, apart, weights @ value.masked_fill(broken, 0))
