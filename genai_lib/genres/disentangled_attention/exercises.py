"""Checkers for the exercises of chapters/genres/disentangled_attention.ipynb."""

from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.exercises import as_number, as_tensor_like, checker
from genai_lib.genres.disentangled_attention import position_to_content, relative_rows


@checker
def check_rows_used(function: Callable[[int, int], int]):
    """Check `function(k, length)`: how many vectors a text of this length uses."""
    for k, length in ((4, 1), (4, 3), (4, 4), (4, 5), (4, 90), (1, 2), (32, 20)):
        places = torch.arange(length)
        wanted = len(relative_rows(places, places, k).unique())
        found = function(k, length)
        if found != wanted:
            return f"for k = {k} and length {length} it is {wanted}, not {found}"
    return None


@checker
def check_delta(function: Callable[[int, int, int], int]):
    """Check `function(i, j, k)`: δ(i, j), the row for query i and key j."""
    for k in (1, 2, 5):
        for i in range(9):
            for j in range(9):
                wanted = relative_rows(torch.tensor([i]), torch.tensor([j]), k)
                found, case = function(i, j, k), f"δ({i}, {j}) with k = {k}"
                if as_number(found) is None:
                    return f"{case} is to be a whole number, not {found!r}"
                if found == wanted.item():
                    continue
                if not 0 <= found < 2 * k:
                    return f"{case} is {found}; rows are from 0 to {2 * k - 1}"
                back = relative_rows(torch.tensor([j]), torch.tensor([i]), k)
                if found == back.item():
                    return f"{case}: this is δ({j}, {i}); it is i - j that counts"
                return f"{case} is {wanted.item()}, not {found}"
    return None


@checker
def check_third_term(function: Callable[[Tensor, Tensor, int], Tensor]):
    """Check `function(key, position_query, k)`: p2c of one head, not yet scaled."""
    generator = torch.Generator().manual_seed(0)
    cases = ((5, 2, 3, 1), (4, 6, 2, 1), (1, 1, 4, 1), (9, 3, 5, 1000))
    for length, k, width, scale in cases:
        key = scale * torch.randn(length, width, generator=generator)
        table = torch.randn(2 * k, width, generator=generator)
        places = torch.arange(length)
        rows = relative_rows(places, places, k)
        wanted = position_to_content(key, table[None], rows)[0]
        found = as_tensor_like(function(key.clone(), table.clone(), k), wanted)
        if found is None:
            return f"for {length} keys a tensor of shape ({length}, {length}) is wanted"
        if _same(found, wanted):
            continue
        if _same(found, position_to_content(key, table[None], rows.mT)[0]):
            return "this is δ(j, i), the index that the paper prints, not the code's"
        if _same(found, wanted.mT):
            return "queries and keys have changed places: rows are queries"
        return "the scores are wrong: entry (i, j) is key j times row δ(i, j)"
    return None


def _same(found: Tensor, wanted: Tensor) -> bool:
    largest = max(1.0, wanted.abs().max().item())
    return torch.allclose(found, wanted, atol=1e-5 * largest)
