"""Attention as a weighted average: by hand, in the open, and fused.

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

from genai_lib.checks import check_floating, describe
from genai_lib.components.softmax import softmax, softmax_loop

Normalizer = Callable[..., Tensor]
"""`normalize(logits, dim=-1) -> weights`; a logit of -∞ gets the weight 0."""


def causal_mask(
    queries: int, keys: int | None = None, device: torch.device | None = None
) -> Tensor:
    """Let every query see its own position and all before it.

    The last query stands at the last key, so the mask of two new queries after three
    cached keys is `causal_mask(2, 5)`.

    Parameters
    ----------
    queries : int
    keys : int, default=`queries`
    device : torch.device, default=None

    Returns
    -------
    bool Tensor of shape (queries, keys)
        True where looking is allowed.

    >>> causal_mask(2, 4).int().tolist()
    [[1, 1, 1, 0], [1, 1, 1, 1]]
    """
    keys = queries if keys is None else keys
    if not 0 <= queries <= keys:
        raise ValueError(f"queries={queries} must be from 0 to keys={keys}")
    everything = torch.ones(queries, keys, dtype=torch.bool, device=device)
    return everything.tril(keys - queries)


def attend_loop(
    query: Sequence[Sequence[float]],
    key: Sequence[Sequence[float]],
    value: Sequence[Sequence[float]],
) -> list[list[float]]:
    """Compute attention one query at a time [1, eq. 1]: the definition, to be read.

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
    mask : bool Tensor broadcastable to (..., Q, K), default=None
        True where looking is allowed.
    normalize : function of (logits, dim), default=softmax
        Turns scores into weights; -∞ means masked.
    bias : Tensor broadcastable to (..., Q, K), default=None
        Added to the scaled scores, before the mask.
    scale : float, default=1/√d
        Multiplies the products of queries and keys.

    Returns
    -------
    output : Tensor of shape (..., Q, v)
    weights : Tensor of shape (..., Q, K)
        With softmax every row sums to one, or is zero where all is masked.

    Raises
    ------
    ValueError
        If a width or a number of keys does not fit, `mask` is not boolean, or `mask`
        or `bias` do not broadcast.
    """
    _check(query, key, value, mask, bias)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.mT  # (..., Q, K)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = normalize(scores, dim=-1)
    return weights @ value, weights


def attend_fast(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    scale: float | None = None,
) -> Tensor:
    """Compute the output of `attend` with softmax in one fused step.

    The weights are never stored all at once [2]. Parameters and errors are those of
    `attend`.

    Returns
    -------
    Tensor of shape (..., Q, v)
    """
    _check(query, key, value, mask, bias)
    if bias is not None:
        bias = bias.to(query.dtype)
        mask = bias if mask is None else bias.masked_fill(~mask, -math.inf)
    if mask is not None and 2 < mask.ndim < query.ndim:
        mask = mask.view(1, *mask.shape)  # fused for two dimensions or as many as here
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)


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
    if mask is not None and getattr(mask, "dtype", None) != torch.bool:
        raise ValueError(
            f"mask={describe(mask)} must be boolean, True where looking is allowed; "
            "numbers to add to the scores go to bias"
        )
    leading = _leading(query=query, key=key, value=value)
    shape = (*leading, query.shape[-2], key.shape[-2])
    for name, tensor in {"mask": mask, "bias": bias}.items():
        if tensor is not None and not _broadcasts(tensor.shape, shape):
            raise ValueError(
                f"{name}={describe(tensor)} must broadcast to (..., Q, K) = {shape}"
            )


def _leading(**tensors: Tensor) -> tuple[int, ...]:
    shapes = {x.shape[:-2] for x in tensors.values()}
    if len(shapes) == 1:  # the usual case, without PyTorch's slow general rule
        return tuple(*shapes)
    try:
        return torch.broadcast_shapes(*(x.shape[:-2] for x in tensors.values()))
    except RuntimeError:
        named = " and ".join(f"{n}={describe(x)}" for n, x in tensors.items())
        raise ValueError(
            f"{named} must agree in all dimensions but the last two"
        ) from None


def _broadcasts(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(a in (1, b) for a, b in pairs)
