"""Keys and values that are kept: those of another sequence, and those of the past.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    B  sequences in a batch    K  key positions    d  width of one head
"""

from typing import NamedTuple

import torch
from torch import Tensor

from genai_lib.checks import check_whole, describe


class Memory(NamedTuple):
    """Keys and values, ready to be looked at again and again.

    Attributes
    ----------
    key, value : Tensor of shape (B, groups, K, d)
    """

    key: Tensor
    value: Tensor


class KeyValueCache:
    """The keys and values of one attention for all positions seen so far.

    Attributes
    ----------
    memory : Memory or None
    positions : Tensor of shape (K,) or None
    """

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.positions: Tensor | None = None

    @property
    def length(self) -> int:
        """How many positions it holds."""
        return 0 if self.memory is None else self.memory.key.shape[-2]

    def extend(self, memory: Memory, positions: Tensor) -> tuple[Memory, Tensor]:
        """Append new positions and return everything."""
        if self.memory is not None:
            self._check_fits(memory)
            pairs = zip(self.memory, memory, strict=True)
            memory = Memory(*(torch.cat(pair, dim=-2) for pair in pairs))
            positions = torch.cat([self.positions, positions])
        self.memory, self.positions = memory, positions
        return memory, positions

    def select(self, rows: Tensor) -> None:
        """Keep some sequences of the batch, in this order, as a beam search does."""
        if self.memory is not None:
            self.memory = Memory(*(part[rows] for part in self.memory))

    def _check_fits(self, memory: Memory) -> None:
        held, new = self.memory.key, memory.key
        if held.shape[:-2] != new.shape[:-2] or held.shape[-1] != new.shape[-1]:
            raise ValueError(
                f"cache holds keys={describe(held)}, and {describe(new)} do not "
                "continue them: another batch needs a cache of its own"
            )

    def crop(self, length: int) -> None:
        """Forget all positions but the first `length`."""
        (length,) = check_whole(0, self.length, length=length)
        if self.memory is not None:
            self.memory = Memory(*(part[..., :length, :] for part in self.memory))
            self.positions = self.positions[:length]
