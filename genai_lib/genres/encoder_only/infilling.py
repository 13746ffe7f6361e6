"""Fill holes in a text: batches to learn it from, and how often a guess is right.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Shape letters used in this file
    B  sequences in a batch    T  positions    V  tokens in the vocabulary
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from genai_lib.checks import check_floating, describe
from genai_lib.data import random_windows
from genai_lib.genres.encoder_only.masking import mask_tokens


def masked_windows(
    tokens: Tensor,
    length: int,
    size: int,
    mask_token: int,
    vocab_size: int,
    generator: torch.Generator,
    *,
    rate: float = 0.15,
    first: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for `masked_loss`: stretches of a text, masked anew each time.

    Parameters
    ----------
    tokens : int64 Tensor of shape (N,)
    length : int
        T, of each stretch.
    size : int
        B, how many stretches a batch has.
    mask_token, vocab_size, rate
        As in `mask_tokens`.
    generator : torch.Generator
    first : int, default=None
        A token that stands before each stretch, within its length, and is not masked.

    Yields
    ------
    inputs, targets : int64 Tensors of shape (size, length)
    """
    special = () if first is None else (first,)
    for rows in random_windows(tokens, length - len(special), size, generator):
        if first is not None:
            rows = torch.cat([torch.full_like(rows[:, :1], first), rows], dim=1)
        yield mask_tokens(
            rows, mask_token, vocab_size, rate, generator, special=special
        )


def choose_masked(
    rows: Tensor, rate: float, generator: torch.Generator, *, first: int = 1
) -> Tensor:
    """Choose what a test hides: each position with probability `rate`, alone.

    Parameters
    ----------
    rows : Tensor of shape (B, T)
    rate : float
        At 0 one position is chosen in each row.
    generator : torch.Generator
    first : int, default=1
        Positions before this one are never chosen: who reads from the left knows
        nothing of the first.

    Returns
    -------
    bool Tensor of shape (B, T)
    """
    count, length = rows.shape
    if not 0 <= rate <= 1:
        raise ValueError(f"rate={rate} must be from 0 to 1")
    if not 0 <= first < length:
        raise ValueError(f"first={first} must be from 0 to {length - 1}")
    home = generator.device
    if rate == 0:
        chosen = torch.randint(
            first, length, (count, 1), generator=generator, device=home
        )
        holes = torch.arange(length, device=home) == chosen
    else:
        holes = torch.rand(count, length, generator=generator, device=home) < rate
        holes[:, :first] = False
    return holes.to(rows.device)


def masked_accuracy(logits: Tensor, rows: Tensor, holes: Tensor) -> float:
    """Measure how often the best guess for a hole is the token that stood there.

    Parameters
    ----------
    logits : floating-point Tensor of shape (B, T, V)
        Row t scores what stands at position t.
    rows : int64 Tensor of shape (B, T)
        The tokens as they were.
    holes : bool Tensor of shape (B, T)

    >>> logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0]]])
    >>> masked_accuracy(logits, torch.tensor([[1, 1]]), torch.tensor([[True, True]]))
    0.5
    """
    check_floating("logits", logits)
    for name, tensor in {"rows": rows, "holes": holes}.items():
        if tensor.shape != logits.shape[:-1]:
            raise ValueError(
                f"{name}={describe(tensor)} must have the shape of "
                f"logits={describe(logits)} without its last dimension"
            )
    if holes.dtype != torch.bool or not holes.any():
        raise ValueError(f"holes={describe(holes)} must be boolean, and one True")
    return (logits.argmax(dim=-1) == rows)[holes].float().mean().item()
