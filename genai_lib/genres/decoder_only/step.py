"""One step of a GPT with everything that it remembers as input and output.

Page     chapters/reading/live_models.md
Tests    tests/genres/decoder_only

Shape letters used in this file
    L  blocks    H  heads    C  longest context    d  width of one head
    V  tokens in the vocabulary
"""

import torch
from torch import Tensor, nn

from genai_lib.components.attention import KeyValueCache, KeyValues
from genai_lib.components.softmax import softmax
from genai_lib.genres.decoder_only.model import GPT

NEARLY_ONE = 1 - 2**-23  # times a sum of 32 bits it is still below that sum


class LanguageStep(nn.Module):
    """Read one token, then draw the next: the step that a live model repeats.

    All shapes are always the same, so it can be traced; see `export_live`.

    Parameters
    ----------
    model : GPT
        With learned positions, which say how long a text can be.
    """

    def __init__(self, model: GPT) -> None:
        super().__init__()
        if model.max_positions is None:
            raise ValueError("model must have a longest context: learned positions")
        self.model = model

    def new_cache(self) -> Tensor:
        """Return an empty key-value cache of shape (L, 2, H, C, d)."""
        config = self.model.config
        head_width = config.width // config.heads
        return torch.zeros(
            config.layers, 2, config.heads, self.model.max_positions, head_width
        )

    def forward(
        self,
        token: Tensor,
        position: Tensor,
        cache: Tensor,
        temperature: Tensor,
        uniform: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Score and draw what follows a token.

        Parameters
        ----------
        token : int64 Tensor of shape (1,)
        position : int64 Tensor of shape (1,)
            How many tokens came before.
        cache : Tensor of shape (L, 2, H, C, d)
            Keys and values of all positions before; what lies behind is not read.
        temperature : Tensor of shape (1,)
            Of the softmax, from 0.
        uniform : Tensor of shape (1,)
            A number from 0 to 1, drawn with equal chances; it decides what is drawn.

        Returns
        -------
        logits : Tensor of shape (V,)
        probabilities : Tensor of shape (V,)
        drawn : int64 Tensor of shape (1,)
        cache : Tensor of shape (L, 2, H, C, d)
            With this token too.
        """
        model = self.model
        known = (torch.arange(cache.shape[-2]) <= position)[None]  # (1, C)
        slots = [_Slots(*kept) for kept in cache]
        x = model.embedding(token[None])  # (1, 1, D)
        x = model.positional_encoding.embed(x, position)
        for block, kept in zip(model.blocks, slots, strict=True):
            x = block(x, mask=known, positions=position, cache=kept)
        logits = model.to_logits(model.norm(x))[0, 0]
        probabilities = softmax(logits, temperature, dim=-1)
        cache = torch.stack([torch.cat(kept.memory) for kept in slots])
        return logits, probabilities, draw_at(probabilities, uniform), cache


class _Slots(KeyValueCache):
    """A cache with a place for every position; a new one goes into its own."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        super().__init__()
        self.memory = KeyValues(key[None], value[None])

    @property
    def length(self) -> int:
        """All places but the one that is read next; a mask hides the empty ones."""
        return super().length - 1

    def extend(self, memory: KeyValues, positions: Tensor) -> tuple[KeyValues, Tensor]:
        """Put new positions in their places and return everything."""
        pairs = zip(self.memory, memory, strict=True)
        self.memory = KeyValues(*(old.index_copy(-2, positions, x) for old, x in pairs))
        return self.memory, torch.arange(self.memory.key.shape[-2])


def draw_at(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Sample an index: the first whose cumulative probability exceeds a number.

    Parameters
    ----------
    probabilities : Tensor of shape (..., V)
    uniform : Tensor of shape (..., 1) or (1,)
        From 0 to 1; an index is drawn as often as its probability says if all of these
        are equally likely.

    Returns
    -------
    int64 Tensor of shape (..., 1)

    >>> draw_at(torch.tensor([0.5, 0.0, 0.5]), torch.tensor([0.5]))
    tensor([2])
    """
    sums = probabilities.cumsum(-1)
    reached = sums <= uniform.clamp(max=NEARLY_ONE) * sums[..., -1:]
    return reached.sum(-1, keepdim=True)
