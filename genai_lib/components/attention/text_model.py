"""A minimal language model around a stack of blocks, and its losses.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width    V  tokens in the vocabulary
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from genai_lib.checks import check_positive, check_whole, describe
from genai_lib.components.attention.interface import PositionalEncoding
from genai_lib.components.attention.masks import causal_mask
from genai_lib.components.softmax import token_log_probabilities


class TextModel(nn.Module):
    """A language model: embedding, causal blocks, a last norm, a linear output layer.

    Parameters
    ----------
    vocabulary : int
        V, the number of different tokens.
    width : int
        D, the width of the blocks.
    blocks : iterable of nn.Module
        Each is called with `mask=` and `positions=`.
    positional_encoding : PositionalEncoding, default=one without positions
        Only its `embed` is used here; rotations and biases belong to the attentions.
    norm : function of a width, default=nn.LayerNorm
        Makes the last normalisation. Post-norm blocks need nn.Identity.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        blocks: Iterable[nn.Module],
        positional_encoding: PositionalEncoding | None = None,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        vocabulary, width = check_positive(vocabulary=vocabulary, width=width)
        self.embedding = nn.Embedding(vocabulary, width)
        self.positional_encoding = (
            PositionalEncoding() if positional_encoding is None else positional_encoding
        )
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm(width)
        self.to_logits = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Map (B, T) to logits (B, T, V); positions are 0 to T - 1 by default."""
        if tokens.ndim != 2:
            raise ValueError(f"tokens={describe(tokens)} must have shape (B, T)")
        length = tokens.shape[1]
        if positions is None:
            positions = torch.arange(length, device=tokens.device)
        mask = causal_mask(length, device=tokens.device)
        x = self.embedding(tokens)  # (B, T, D)
        x = self.positional_encoding.embed(x, positions)
        for block in self.blocks:
            x = block(x, mask=mask, positions=positions)
        return self.to_logits(self.norm(x))


def next_token_loss(model: nn.Module, tokens: Tensor) -> Tensor:
    """Average the cross-entropy of the next token, in nats.

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) to logits (B, T, V).
    tokens : Tensor of shape (B, T + 1)
    """
    return _losses(model, tokens).mean()


@torch.no_grad()
def bits_per_token(model: nn.Module, tokens: Tensor, last: int | None = None) -> float:
    """Compute the mean cross-entropy in bits, over the last tokens of each row.

    Parameters
    ----------
    model : nn.Module
    tokens : Tensor of shape (B, T + 1)
    last : int, default=all
        The number of tokens at the end of each row that count.
    """
    losses = _losses(model, tokens)  # (B, T)
    most = losses.shape[1]
    (last,) = check_whole(1, most, last=most if last is None else last)
    return losses[:, -last:].mean().item() / math.log(2)


def _losses(model: nn.Module, tokens: Tensor) -> Tensor:
    if tokens.ndim != 2 or tokens.shape[1] < 2:
        raise ValueError(f"tokens={describe(tokens)} must have shape (B, T + 1), T > 0")
    return -token_log_probabilities(model(tokens[:, :-1]), tokens[:, 1:])
