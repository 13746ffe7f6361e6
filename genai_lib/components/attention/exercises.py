"""Checkers for the exercises of chapters/components/attention.ipynb."""

from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.components.attention import attend, causal_mask
from genai_lib.exercises import as_tensor, as_tensor_like, checker


@checker
def check_window_mask(function: Callable[[int, int, int], Tensor]):
    """Check `function(queries, keys, window)`: a causal mask with a sliding window.

    It is aligned at the end, and True means that attention is allowed.
    """
    for queries, keys, window in ((6, 6, 3), (6, 6, 1), (2, 7, 4), (4, 6, 99)):
        found = as_tensor(function(queries, keys, window))
        case = f"for {queries} queries, {keys} keys and a window of {window}"
        if found is None or found.dtype != torch.bool:
            return "the function should return a tensor of booleans"
        if found.shape != (queries, keys):
            return f"{case} the shape should be ({queries}, {keys})"
        wanted = causal_mask(queries, keys)
        wanted &= ~causal_mask(keys).tril(-window)[keys - queries :]
        if found.equal(~wanted):
            return "this is the opposite: True must mean that attention is allowed"
        if (found & ~causal_mask(queries, keys)).any():
            return f"{case} queries see later keys"
        if not found.equal(wanted):
            seen = found.sum(-1).tolist()
            right = wanted.sum(-1).tolist()
            if seen == right:
                return (
                    f"{case} the rows see as many keys as they should, but not the "
                    "nearest"
                )
            return f"{case} the rows should see {right} keys, not {seen}"
    return None


@checker
def check_attention(function: Callable[..., Tensor]):
    """Check `function(query, key, value, mask)`: attention from scratch."""
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 5, 4, generator=generator)
    value = torch.randn(5, 3, generator=generator)
    everything = torch.ones(5, 5, dtype=torch.bool)
    found = as_tensor_like(function(query, key, value, everything), value)
    if found is None:
        return "the function should return a tensor of shape (Q, v) = (5, 3)"
    if _same(found, attend(query, key, value, scale=1.0)[0]):
        return "the scores are not divided by √d"
    if not _same(found, attend(query, key, value)[0]):
        return "without a masked key the output is wrong"
    causal = causal_mask(5)
    found = as_tensor_like(function(query, key, value, causal), value)
    if _same(found[1:-1], attend(query, key, value, ~causal)[0][1:-1]):
        return "the mask is inverted: True means that attention is allowed"
    if not _same(found, attend(query, key, value, causal)[0]):
        return "with a causal mask the output is wrong"
    large = 1e4 * query
    found = as_tensor_like(function(large, key, value, causal), value)
    if not _same(found, attend(large, key, value, causal)[0]):
        return "for very large scores the output is wrong: subtract the largest"
    causal[2] = False
    found = as_tensor_like(function(query, key, value, causal), value)
    if not (found[2] == 0).all():
        return "a query whose keys are all masked should get zeros"
    if not _same(found, attend(query, key, value, causal)[0]):
        return "a row whose keys are all masked changes the other rows"
    return None


def _same(found: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(found, wanted, atol=1e-5)
