"""Masked language modelling: mask some tokens, and predict them.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Shape letters used in this file
    ...  any leading dimensions    B  sequences in a batch    T  positions
    V  tokens in the vocabulary

References
    [1] Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for
        Language Understanding", 2018, arXiv:1810.04805
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.checks import (
    as_ids,
    as_whole,
    check_positive,
    check_share,
    check_tokens,
    describe,
)

IGNORED = -100
"""The target of positions that do not count; cross-entropy ignores them."""


def mask_tokens(
    tokens: Tensor,
    mask_token: int,
    vocab_size: int,
    rate: float = 0.15,
    generator: torch.Generator | None = None,
    *,
    special: Sequence[int] = (),
    mask_fraction: float = 0.8,
    random_fraction: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to be predicted, and mask most of them [1, §3.1 and A.1].

    Every token is chosen independently with probability `rate`. A chosen token becomes
    the mask with probability `mask_fraction`. With probability `random_fraction` it is
    replaced by a token drawn uniformly from all but `mask_token` and `special`.
    Otherwise it stays as it is, so the model cannot trust any token that it reads.

    Parameters
    ----------
    tokens : int64 Tensor of shape (..., T)
    mask_token : int
        The token that replaces a masked one. It is never chosen itself.
    vocab_size : int
        V; tokens are from 0 to V - 1.
    rate : float, default=0.15
    generator : torch.Generator, default=None
    special : sequence of int, default=()
        Tokens that are never chosen and never drawn, such as padding and separators.
    mask_fraction, random_fraction : float, default=0.8, 0.1

    Returns
    -------
    inputs : int64 Tensor of shape (..., T)
        The tokens that the model reads.
    targets : int64 Tensor of shape (..., T)
        The original tokens where they were chosen, and `IGNORED` everywhere else.

    Raises
    ------
    ValueError
        If a token is outside the vocabulary, a fraction outside [0, 1], or no token
        is left to draw.
    """
    kept = check_masking(tokens, mask_token, vocab_size, rate, special)
    rate, to_mask, to_random = check_share(
        rate=rate, mask_fraction=mask_fraction, random_fraction=random_fraction
    )
    both = to_mask + to_random
    # Rounding may put sums such as 0.9 + 0.1 above 1.
    if both > 1 + 1e-9:
        raise ValueError(f"mask_fraction + random_fraction={both} must be from 0 to 1")
    mask_token, vocab_size = kept[0], as_whole(vocab_size)
    home = generator.device if generator is not None else tokens.device
    shape = tuple(tokens.shape)
    chance, fate = torch.rand(2, *shape, generator=generator, device=home)
    allowed = torch.ones(vocab_size, dtype=torch.bool, device=home)
    allowed[kept] = False
    ordinary = allowed.nonzero().flatten()
    drawn = torch.randint(len(ordinary), shape, generator=generator, device=home)
    drawn = ordinary[drawn].to(tokens)
    chosen = (chance < rate).to(tokens.device) & allowed.to(tokens.device)[tokens]
    fate = fate.to(tokens.device)
    inputs = tokens.masked_fill(chosen & (fate < to_mask), mask_token)
    random = chosen & (fate >= to_mask) & (fate < to_mask + to_random)
    return torch.where(random, drawn, inputs), tokens.masked_fill(~chosen, IGNORED)


def masked_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Average the cross-entropy, in nats, over the chosen tokens [1, §3.1].

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) to logits (B, T, V).
    batch : inputs and targets, each an int64 Tensor of shape (B, T)
        From `mask_tokens`. If no token is chosen the loss is 0.
    """
    inputs, targets = batch
    logits = model(inputs)  # (B, T, V)
    total = functional.cross_entropy(
        logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / (targets != IGNORED).sum().clamp_min(1)


def masked_loss_fast(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Compute `masked_loss` with logits of the chosen positions only.

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) and `at=`, a bool Tensor (B, T), to logits (N, V) where it is True.
    batch : as in `masked_loss`
    """
    inputs, targets = batch
    chosen = targets != IGNORED
    logits = model(inputs, at=chosen)  # (N, V)
    total = functional.cross_entropy(logits, targets[chosen], reduction="sum")
    return total / max(len(logits), 1)


def check_masking(
    tokens: Tensor,
    mask_token: int,
    vocab_size: int,
    rate: float,
    special: Sequence[int],
) -> list[int]:
    """Return the mask and the special tokens as ints; ValueError if one cannot be."""
    (vocab_size,) = check_positive(vocab_size=vocab_size)
    kept = as_ids("mask_token and special", [mask_token, *special], vocab_size)
    if not isinstance(tokens, Tensor) or tokens.dtype != torch.int64:
        raise ValueError(f"tokens={describe(tokens)} must be an int64 tensor")
    if tokens.ndim < 1:
        raise ValueError(f"tokens={describe(tokens)} must have shape (..., T)")
    check_tokens("tokens", tokens, vocab_size)
    if len(set(kept)) == vocab_size:
        raise ValueError(f"special={kept} leaves no token of {vocab_size} to draw")
    check_share(rate=rate)
    return kept
