"""Types of attention: positional encodings, projected keys and values, the cache.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    B  sequences in a batch    T  positions    Q  query positions    K  key positions
    D  width of the model      d  width of one head
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from genai_lib.checks import check_whole, describe


class PositionalEncoding(nn.Module):
    """Base class for positional encodings.

    It adds no information about positions; a subclass overrides one of the three
    hooks. Positions are an argument, a Tensor of shape (T,), so that they can be scaled
    or continue after a cache.
    """

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Add information about positions to the input vectors (B, T, D) of a model."""
        return x

    def rotate(
        self, query: Tensor, key: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rotate queries (B, heads, T, d) and keys (B, kv_heads, T, d)."""
        return query, key

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """Return a bias for the attention scores, of shape (heads, Q, K), or None."""
        return None


class KeyValues(NamedTuple):
    """Projected keys and values of a sequence, computed once and reused.

    Attributes
    ----------
    key, value : Tensor of shape (B, kv_heads, K, d)
    """

    key: Tensor
    value: Tensor


class KeyValueCache:
    """The keys and values of one attention for all positions seen so far.

    Attributes
    ----------
    memory : KeyValues or None
    positions : Tensor of shape (K,) or None
    """

    def __init__(self) -> None:
        self.memory: KeyValues | None = None
        self.positions: Tensor | None = None

    @property
    def length(self) -> int:
        """The number of positions in the cache."""
        return 0 if self.memory is None else self.memory.key.shape[-2]

    def extend(self, memory: KeyValues, positions: Tensor) -> tuple[KeyValues, Tensor]:
        """Append new positions, and return the keys, values and positions of all."""
        if self.memory is not None:
            self._check_fits(memory)
            pairs = zip(self.memory, memory, strict=True)
            memory = KeyValues(*(torch.cat(pair, dim=-2) for pair in pairs))
            positions = torch.cat([self.positions, positions])
        self.memory, self.positions = memory, positions
        return memory, positions

    def select(self, rows: Tensor) -> None:
        """Keep some sequences of the batch, in this order, as beam search does."""
        if self.memory is not None:
            self.memory = KeyValues(*(part[rows] for part in self.memory))

    def _check_fits(self, memory: KeyValues) -> None:
        held, new = self.memory.key, memory.key
        if held.shape[:-2] != new.shape[:-2] or held.shape[-1] != new.shape[-1]:
            raise ValueError(
                f"cache holds keys={describe(held)}, and {describe(new)} do not "
                "continue them: another batch needs a cache of its own"
            )

    def crop(self, length: int) -> None:
        """Keep only the first `length` positions."""
        (length,) = check_whole(0, self.length, length=length)
        if self.memory is not None:
            self.memory = KeyValues(*(part[..., :length, :] for part in self.memory))
            self.positions = self.positions[:length]
