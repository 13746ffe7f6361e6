"""The shortest transformers that we could write: what PyTorch itself takes.

One matrix makes query, key and value, nothing is checked, and nothing can be
exchanged. The library gives that up to be read; the benchmarks show what it costs.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


class LeanBlock(nn.Module):
    """Self-attention and a feed-forward network, normalised before or after."""

    def __init__(self, width: int, heads: int, gelu: Callable, causal: bool) -> None:
        super().__init__()
        self.heads, self.gelu, self.causal = heads, gelu, causal
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.to_all = nn.Linear(width, 3 * width)
        self.to_output = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.norms
        if self.causal:  # as GPT-2: before
            x = x + self.attend(first(x))
            return x + self.down(self.gelu(self.up(second(x))))
        x = first(x + self.attend(x))  # as BERT: after
        return second(x + self.down(self.gelu(self.up(x))))

    def attend(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = (
            y.view(batch, length, self.heads, -1).transpose(1, 2)
            for y in self.to_all(x).split(width, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(*parts, is_causal=self.causal)
        return self.to_output(mixed.transpose(1, 2).reshape(batch, length, width))


class Lean(nn.Module):
    """Embeddings, blocks and tied scores."""

    def __init__(self, config, gelu: Callable, causal: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.places = nn.Parameter(torch.randn(config.context, config.width))
        self.blocks = nn.Sequential(
            *(
                LeanBlock(config.width, config.heads, gelu, causal)
                for _ in range(config.layers)
            )
        )
        self.norm = nn.LayerNorm(config.width)
        self.last = nn.Identity() if causal else nn.Linear(config.width, config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.blocks(self.tokens(tokens) + self.places[: tokens.shape[1]])
        return self.norm(self.last(x)) @ self.tokens.weight.T
