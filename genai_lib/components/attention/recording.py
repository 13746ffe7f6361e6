"""Record the attention weights of any model without changing the model.

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
    """Record the weights of every `MultiHeadAttention` in a model while it runs.

    Yields
    ------
    dict of str to list of Tensor
        For each attention layer by its name in the model, one entry per call: the
        weights, detached, of shape (B, heads, Q, K).

    >>> import torch
    >>> attention = MultiHeadAttention(width=4, heads=2)
    >>> with record_attention(attention) as seen:
    ...     _ = attention(torch.zeros(1, 3, 4))
    >>> seen[""][0].shape
    torch.Size([1, 2, 3, 3])
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, MultiHeadAttention)
    }
    before = {name: module.normalize for name, module in layers.items()}
    recorded = {name: [] for name in layers}
    try:
        for name, module in layers.items():
            _set_normalize(module, _recording(before[name], recorded[name]))
        yield recorded
    finally:
        for name, module in layers.items():
            _set_normalize(module, before[name])


def _recording(normalize: Normalizer, recorded: list[Tensor]) -> Normalizer:
    # Anything but `softmax` itself makes the attention compute its weights (`attend`).
    def normalize_and_record(logits: Tensor, dim: int = -1) -> Tensor:
        weights = normalize(logits, dim=dim)
        recorded.append(weights.detach())
        return weights

    return normalize_and_record


def _set_normalize(module: MultiHeadAttention, normalize: Normalizer) -> None:
    # PyTorch does not let a function overwrite a submodule, so it is deleted first.
    del module.normalize
    module.normalize = normalize
