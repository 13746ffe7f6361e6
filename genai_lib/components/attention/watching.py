"""See the attention weights of any model without a change to the model.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from genai_lib.components.attention.dot_product import Normalizer
from genai_lib.components.attention.heads import MultiHeadAttention


@contextmanager
def record_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Keep the weights of every `MultiHeadAttention` in a model while it runs.

    Yields
    ------
    dict of str to list of Tensor
        For each attention by its name in the model, one entry per call: its weights,
        detached, of shape (B, heads, Q, K).

    >>> import torch
    >>> attention = MultiHeadAttention(width=4, heads=2)
    >>> with record_attention(attention) as seen:
    ...     _ = attention(torch.zeros(1, 3, 4))
    >>> seen[""][0].shape
    torch.Size([1, 2, 3, 3])
    """
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, MultiHeadAttention)
    }
    before = {name: module.normalize for name, module in found.items()}
    seen = {name: [] for name in found}
    try:
        for name, module in found.items():
            _exchange(module, _keeping(before[name], seen[name]))
        yield seen
    finally:
        for name, module in found.items():
            _exchange(module, before[name])


def _keeping(normalize: Normalizer, kept: list[Tensor]) -> Normalizer:
    def keep(logits: Tensor, dim: int = -1) -> Tensor:
        weights = normalize(logits, dim=dim)
        kept.append(weights.detach())
        return weights

    return keep


def _exchange(module: MultiHeadAttention, normalize: Normalizer) -> None:
    # A normaliser that is a module cannot be overwritten by a function.
    del module.normalize
    module.normalize = normalize
