"""Random sequences that repeat: the test of induction heads.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Shape letters used in this file
    B  sequences in a batch    T  positions    V  tokens in the vocabulary

References
    [1] Olsson et al., "In-context Learning and Induction Heads", 2022,
        arXiv:2209.11895
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from genai_lib.checks import check_each, check_positive, check_whole
from genai_lib.genres.decoder_only.measure import cross_entropy_bits


def repeats(
    periods: tuple[int, int],
    length: int,
    size: int,
    vocab_size: int,
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield sequences of random tokens, each repeated with its own period.

    Parameters
    ----------
    periods : tuple of int
        The shortest and the longest; the period is drawn uniformly from this range.
    length : int
        T.
    size : int
        B.
    vocab_size : int
        V.
    generator : torch.Generator

    Yields
    ------
    tokens : int64 Tensor of shape (B, T)
    predictable : bool Tensor of shape (B, T)
        Whether a token can be predicted. The first token of the second period cannot,
        since nothing shows where a period ends.
    """
    length, size = check_positive(length=length, size=size)
    (vocab_size,) = check_positive(vocab_size=vocab_size)
    periods = check_each(partial(check_whole, None, None), periods=periods)
    if len(periods) != 2 or not 1 <= periods[0] <= periods[1] < length - 1:
        raise ValueError(f"{periods=} must rise from 1 to below {length=} - 1")
    return _repeated(*periods, length, size, vocab_size, generator)


def _repeated(low, high, length, size, vocab_size, generator) -> Iterator:
    places = torch.arange(length)
    while True:
        period = torch.randint(low, high + 1, (size, 1), generator=generator)
        block = torch.randint(vocab_size, (size, high), generator=generator)
        yield block.gather(1, places % period), places > period


def predictable_bits(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Average the bits of the predictable tokens.

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) to logits (B, T, V).
    batch : tokens and predictable, as `repeats` yields them
    """
    tokens, predictable = batch
    bits = cross_entropy_bits(model(tokens[:, :-1]), tokens[:, 1:])
    return bits[predictable[:, 1:]].mean()


def prefix_matching_scores(weights: Tensor, tokens: Tensor) -> Tensor:
    """Compute the prefix-matching score of each head, high for induction heads [1].

    Parameters
    ----------
    weights : Tensor of shape (B, heads, T, T)
        The attention weights of one layer, from `record_attention`.
    tokens : int64 Tensor of shape (B, T)

    Returns
    -------
    Tensor of shape (heads,)
        The mean weight on positions right after an earlier copy of the current token,
        over all positions with such a copy.
    """
    same = (tokens[:, :, None] == tokens[:, None, :]).tril(-1)  # (B, T, T)
    after = same.roll(1, dims=-1)
    after[..., 0] = False
    found = (weights * after[:, None]).sum(-1)  # (B, heads, T)
    return found.movedim(1, -1)[after.any(-1)].mean(0)
