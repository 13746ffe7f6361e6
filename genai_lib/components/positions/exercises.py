"""Checkers for the exercises of chapters/components/positions.ipynb."""

from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.components.positions import alibi_bias, rotate
from genai_lib.exercises import as_tensor_like, checker


@checker
def check_alibi(function: Callable[[int, int, int], Tensor]):
    """Check `function(heads, queries, keys)`: ALiBi for the last queries of a text."""
    for heads, queries, keys in ((2, 5, 5), (4, 1, 6), (8, 3, 7)):
        wanted = alibi_bias(heads, keys).double()[:, keys - queries :]
        found = as_tensor_like(function(heads, queries, keys), wanted)
        case = f"for {heads} heads, {queries} queries and {keys} keys"
        if found is None:
            return f"{case} a tensor of shape ({heads}, {queries}, {keys}) is wanted"
        seen = torch.ones(queries, keys).tril(keys - queries) > 0
        # Later keys are masked anyway, so their bias does not matter.
        found, wanted = found[:, seen], wanted[:, seen]
        if _same(found, -wanted):
            return "the sign is wrong: distant keys must get lower scores"
        if heads > 1 and _same(found, wanted.flip(0)):
            return "the first head has the steepest slope, 2^(-8/heads)"
        start = alibi_bias(heads, keys)[:, :queries].double()[:, seen]
        if queries < keys and _same(found, start):
            return f"{case}: the last query stands at the last key, not the first"
        if not _same(found, wanted):
            return f"{case} the biases are wrong"
    return None


@checker
def check_rotate_neighbors(function: Callable[[Tensor, Tensor], Tensor]):
    """Check `function(x, positions)`: rotary positions as in the paper."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 8, generator=generator)
    positions = torch.tensor([0, 1, 2, 7, 30])
    found = as_tensor_like(function(x, positions), x)
    if found is None:
        return "a tensor of the shape of x is wanted"
    # The order 0 4 1 5 2 6 3 7 turns pairs (i, i + d/2) into pairs (2i, 2i + 1).
    order = torch.arange(8).view(2, 4).T.flatten()
    back = order.argsort()
    wanted = rotate(x[..., back], positions)[..., order]
    if _same(found, rotate(x, positions)):
        return "these are the pairs (i, i + d/2); the paper rotates (2i, 2i + 1)"
    if _same(found, rotate(x[..., back], -positions)[..., order]):
        return "the vectors are rotated in the wrong direction"
    if not _same(found.norm(dim=-1), x.norm(dim=-1)):
        return "a rotation keeps the norm of every vector, this does not"
    if not _same(found[:, 0], x[:, 0]):
        return "at position 0 nothing should be rotated"
    if not _same(found, wanted):
        return "the angles are wrong: pair i is rotated by t · 10000^(-2i/d)"
    return None


def _same(found: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(found, wanted, atol=1e-5)
