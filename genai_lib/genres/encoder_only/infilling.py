"""Infilling: batches of masked windows, a masked test, and its accuracy.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Shape letters used in this file
    B  sequences in a batch    T  positions    V  tokens in the vocabulary
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from genai_lib.checks import (
    check_floating,
    check_share,
    check_whole,
    describe,
)
from genai_lib.data import random_windows
from genai_lib.genres.encoder_only.masking import check_masking, mask_tokens


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
    """Yield batches for `masked_loss`: windows of a text, masked anew each time.

    Parameters
    ----------
    tokens : int64 Tensor of shape (N,)
    length : int
        T, the length of a window.
    size : int
        B, the number of windows in a batch.
    mask_token, vocab_size, rate
        As in `mask_tokens`.
    generator : torch.Generator
    first : int, default=None
        A token put before the text of each window, such as [CLS]. It counts in `length`
        and is never masked.

    Yields
    ------
    inputs, targets : int64 Tensors of shape (size, length)
    """
    special = [] if first is None else check_whole(0, None, first=first)
    check_masking(tokens, mask_token, vocab_size, rate, special)
    (length,) = check_whole(1 + len(special), None, length=length)
    rows = random_windows(tokens, length - len(special), size, generator)
    mask = partial(
        mask_tokens,
        mask_token=mask_token,
        vocab_size=vocab_size,
        rate=rate,
        generator=generator,
        special=special,
    )
    return map(mask, (_led(special, row) for row in rows))


def _led(special: list[int], rows: Tensor) -> Tensor:
    """Put tokens before each row."""
    return torch.cat([rows.new_tensor(special).expand(len(rows), -1), rows], dim=1)


def choose_masked(
    rows: Tensor, rate: float, generator: torch.Generator, *, first: int = 1
) -> Tensor:
    """Choose the positions that a test masks, each with probability `rate`.

    Parameters
    ----------
    rows : Tensor of shape (B, T)
    rate : float
        0 means exactly one position in each row.
    generator : torch.Generator
    first : int, default=1
        Positions before this one are never chosen: a left-to-right model has no context
        for the first.

    Returns
    -------
    bool Tensor of shape (B, T)
    """
    count, length = rows.shape
    (rate,) = check_share(rate=rate)
    (first,) = check_whole(0, length - 1, first=first)
    device = generator.device
    if rate == 0:
        chosen = torch.randint(
            first, length, (count, 1), generator=generator, device=device
        )
        masked = torch.arange(length, device=device) == chosen
    else:
        masked = torch.rand(count, length, generator=generator, device=device) < rate
        masked[:, :first] = False
    return masked.to(rows.device)


def masked_accuracy(logits: Tensor, rows: Tensor, masked: Tensor) -> float:
    """Compute the fraction of masked positions where the top prediction is right.

    Parameters
    ----------
    logits : floating-point Tensor of shape (B, T, V)
        Row t holds the logits of the token at position t.
    rows : int64 Tensor of shape (B, T)
        The original tokens.
    masked : bool Tensor of shape (B, T)
        The positions that count.

    >>> logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0]]])
    >>> masked_accuracy(logits, torch.tensor([[1, 1]]), torch.tensor([[True, True]]))
    0.5
    """
    check_floating("logits", logits)
    for name, tensor in {"rows": rows, "masked": masked}.items():
        if tensor.shape != logits.shape[:-1]:
            raise ValueError(
                f"{name}={describe(tensor)} must have the shape of "
                f"logits={describe(logits)} without its last dimension"
            )
    if masked.dtype != torch.bool or not masked.any():
        raise ValueError(
            f"masked={describe(masked)} must be boolean, with at least one True"
        )
    return (logits.argmax(dim=-1) == rows)[masked].float().mean().item()
