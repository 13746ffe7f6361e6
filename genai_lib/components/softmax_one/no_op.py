"""The no-op task: a head must answer where a flag asks, and give zeros elsewhere.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one

Shape letters used in this file
    B  sequences in a batch      T  positions      V  tokens in the vocabulary

References
    [1] Bondarenko et al., "Quantizable Transformers: Removing Outliers by Helping
        Attention Heads Do Nothing", 2023, arXiv:2306.12929
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.checks import (
    as_real,
    as_whole,
    check_above_zero,
    check_positive,
    check_share,
)
from genai_lib.components.attention import MultiHeadAttention, causal_mask

AttentionMass = Callable[[Tensor], Tensor]
"""Maps logits (n,) to the attention, a scalar, that a silent head gives away."""


class Sequences(NamedTuple):
    """Sequences of the no-op task.

    Attributes
    ----------
    tokens : int64 Tensor of shape (B, T)
        Token V, if there is one, stands at the beginning and nowhere else.
    flags : int64 Tensor of shape (B, T)
        1 where the head must answer.
    answers : Tensor of shape (B, T, V)
        The token before, as one-hot, where the flag is 1; zeros elsewhere.
    """

    tokens: Tensor
    flags: Tensor
    answers: Tensor


def draw_sequences(
    sequences: int,
    length: int = 32,
    vocabulary: int = 16,
    rate: float = 0.15,
    *,
    begin: bool = False,
    generator: torch.Generator | None = None,
) -> Sequences:
    """Draw tokens, and flags that ask for the token before.

    Parameters
    ----------
    sequences, length, vocabulary : int
        B, T and V.
    rate : float, default=0.15
        The probability of a flag. At 1 the task is plain copying.
    begin : bool, default=False
        Whether a token that carries no information stands at the beginning.
    generator : torch.Generator, default=None
    """
    check_positive(sequences=sequences, length=length, vocabulary=vocabulary)
    (rate,) = check_share(rate=rate)
    shape = (sequences, length)
    device = None if generator is None else generator.device
    tokens = torch.randint(vocabulary, shape, generator=generator, device=device)
    flags = (torch.rand(shape, generator=generator, device=device) < rate).long()
    if begin:
        tokens[:, 0] = vocabulary
    flags[:, : 1 + begin] = 0  # no token to answer with
    before = functional.one_hot(tokens.roll(1, dims=1), vocabulary + 1)[..., :-1]
    return Sequences(tokens, flags, (before * flags[..., None]).float())


class NoOpHead(nn.Module):
    """A single attention head, without a residual connection or other layers.

    The output of the head is the answer, so only the head itself can make it zero.

    Parameters
    ----------
    attention : MultiHeadAttention
        With one head.
    length : int, default=32
        The longest sequence.
    vocabulary : int, default=16
    """

    def __init__(
        self, attention: MultiHeadAttention, length: int = 32, vocabulary: int = 16
    ) -> None:
        super().__init__()
        check_positive(length=length, vocabulary=vocabulary)
        width = attention.width
        self.attention = attention
        self.embedding = nn.Embedding(vocabulary + 1, width)
        self.flag_embedding = nn.Embedding(2, width)
        self.position_embedding = nn.Embedding(length, width)
        self.to_answer = nn.Linear(width, vocabulary, bias=False)

    def embed(self, tokens: Tensor, flags: Tensor) -> Tensor:
        """Map (B, T) and (B, T) to the inputs of the head, (B, T, D)."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        place = self.position_embedding(positions)  # (T, D)
        return self.embedding(tokens) + self.flag_embedding(flags) + place

    def forward(self, tokens: Tensor, flags: Tensor) -> Tensor:
        """Map (B, T) and (B, T) to answers (B, T, V)."""
        mask = causal_mask(tokens.shape[1], device=tokens.device)
        found = self.attention(self.embed(tokens, flags), mask=mask)
        return self.to_answer(found)


def answer_loss(model: NoOpHead, batch: Sequences) -> Tensor:
    """Average the squared error of all entries of the answers."""
    return functional.mse_loss(model(batch.tokens, batch.flags), batch.answers)


def no_op_logit_range(mass: float, items: int) -> float:
    """Compute the smallest range of logits that leaves `mass` to one sink [1, §3].

    The sink lies ln((n - 1) m / (1 - m)) above n - 1 equal logits, for the mass m.

    >>> round(no_op_logit_range(0.999, 16), 2)
    9.61
    """
    count, share = as_whole(items), as_real(mass)
    if None in (count, share) or count < 2 or not 0 < share < 1:
        raise ValueError(f"{items=!r} and {mass=!r}: at least 2, and 0 to 1")
    return math.log((count - 1) * share / (1 - share))


def learn_no_op(
    attention_mass: AttentionMass,
    items: int,
    tolerance: float,
    *,
    steps: int = 2000,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Train logits by gradient descent until the head gives away almost no attention.

    Parameters
    ----------
    attention_mass : function of logits
        Returns the attention that is given away.
    items : int
        n, how many logits there are; they start as small random numbers.
    tolerance : float
        The largest mass that counts as none; above 0.
    steps : int, default=2000
        The largest number of steps.
    generator : torch.Generator, default=None

    Returns
    -------
    Tensor of shape (n,)

    Raises
    ------
    ValueError
        If a size is not positive or the mass is above `tolerance` after all steps.
    """
    check_positive(items=items, steps=steps)
    (tolerance,) = check_above_zero(tolerance=tolerance)
    start = 0.1 * torch.randn(items, generator=generator, dtype=torch.double)
    logits = start.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.02)
    for _ in range(steps):
        mass = attention_mass(logits)
        if mass <= tolerance:
            return logits.detach()
        optimizer.zero_grad()
        mass.log().backward()
        optimizer.step()
    raise ValueError(
        f"tolerance={tolerance}: after steps={steps} the mass is {mass.item():.3g}"
    )
