"""Checkers for the exercises of chapters/components/embeddings.ipynb."""

from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.components.embeddings import info_nce
from genai_lib.exercises import as_tensor_like, checker

CELLS = [
    {"cell_type": "markdown", "source": ["# Title\n", "\n", "First thought.\n"]},
    {"cell_type": "code", "source": ["x = 'no passage'\n", "\n", "y = 2"]},
    {"cell_type": "markdown", "source": "Two\nlines.\n\n```python\nz = 3\n\nw\n```\n"},
    {"cell_type": "markdown", "source": ["\n", "\n", "## Part\n", "Last."]},
]
PASSAGES = ["Title", "First thought.", "Two lines.", "Part Last."]


@checker
def check_contrast(function: Callable[[Tensor, Tensor, float], Tensor]):
    """Check `function(first, second, temperature)`: InfoNCE over both directions."""
    generator = torch.Generator().manual_seed(3)
    first, second = torch.randn(2, 5, 4, generator=generator)
    second = second + 2 * first
    for temperature in (1.0, 0.1):
        wanted = info_nce(first, second, temperature)
        found = as_tensor_like(function(first, second, temperature), wanted)
        if found is None:
            return "a tensor without dimensions is wanted: the mean loss"
        if torch.allclose(found, wanted, atol=1e-5):
            continue
        if torch.allclose(found, _raw(first, second, temperature), atol=1e-5):
            return "the vectors must be divided by their lengths first"
        if torch.allclose(found, _one_way(first, second, temperature), atol=1e-5):
            return "that is one direction: average it with the other one"
        if torch.allclose(found, info_nce(first, second, 1 / temperature), atol=1e-5):
            return "divide by the temperature, do not multiply"
        return f"at temperature {temperature} the loss should be {wanted.item():.4f}"
    return None


@checker
def check_passages(function: Callable[[list[dict]], list[str]]):
    """Check `function(cells)`: the prose of a notebook, cut at its empty lines.

    No code cells, no fenced code, no marks of headings, one line for each passage.
    """
    found = function(CELLS)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return "a list of strings is wanted"
    text = "\n".join(found)
    if "no passage" in text:
        return "code cells are no prose: look at cell_type"
    if "z = 3" in text or "w" in found or "```" in text:
        return "fenced code is still there: remove it before you cut"
    if any(not one.strip() for one in found):
        return "there are empty passages"
    if "#" in text:
        return "the marks # of headings are still there"
    if "Two\nlines." in found:
        return "a passage should be one line: join its lines with a blank"
    if found != PASSAGES:
        return f"for the cells of the check {PASSAGES} is wanted, not {found}"
    return None


def _raw(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    partners = torch.arange(len(first))
    scores = first @ second.T / temperature
    ways = (scores, scores.T)
    return sum(torch.nn.functional.cross_entropy(w, partners) for w in ways) / 2


def _one_way(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    cosines = torch.nn.functional.cosine_similarity(first[:, None], second[None], -1)
    partners = torch.arange(len(first))
    return torch.nn.functional.cross_entropy(cosines / temperature, partners)
