"""Span corruption, the pre-training objective of T5.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  texts in a batch    L  tokens of a text    S  of a source    T  of a target
    n  corrupted tokens, in k spans

References
    [1] Raffel et al., "Exploring the Limits of Transfer Learning with a Unified
        Text-to-Text Transformer", 2019, arXiv:1910.10683
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from genai_lib.checks import as_whole, check_positive, check_real, check_whole, describe
from genai_lib.genres.encoder_decoder.config import Seq2SeqConfig


def corrupt_spans(
    tokens: Tensor,
    first_sentinel: int,
    end_token: int,
    corruption_rate: float = 0.15,
    mean_span_length: float = 3.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Replace spans by sentinels; the target has each sentinel with its span [1].

    Of a text A B C D E F with the corrupted spans C D and F, the source is
    A B x E y end, and the target x C D y F end, with the sentinels x and y.

    Parameters
    ----------
    tokens : int64 Tensor of shape (B, L)
        None of them at or above `first_sentinel`.
    first_sentinel : int
        The token that stands for the first span; the next ones follow it.
    end_token : int
        Ends the source and the target.
    corruption_rate : float, default=0.15
        The fraction of corrupted tokens: n is about `corruption_rate` · L.
    mean_span_length : float, default=3.0
        k is about n / `mean_span_length`.
    generator : torch.Generator, default=None

    Returns
    -------
    source : int64 Tensor of shape (B, L - n + k + 1)
    target : int64 Tensor of shape (B, n + k + 1)

    Raises
    ------
    ValueError
        If there is no text, it is too short for one span, an argument is out of its
        range, or the end token is one of the sentinels.
    """
    first_sentinel = _check(tokens, first_sentinel)
    sizes = (corruption_rate, mean_span_length)
    _check_end(end_token, first_sentinel, count_spans(tokens.shape[1], *sizes)[1])
    corrupted = span_mask(*tokens.shape, *sizes, generator).to(tokens.device)
    source = _with_sentinels(tokens, corrupted, first_sentinel)
    # The target replaces the kept parts instead. Each stands before its span, so it
    # gets the sentinel of the span that follows.
    target = _with_sentinels(tokens, ~corrupted, first_sentinel)
    end = tokens.new_full((len(tokens), 1), as_whole(end_token))
    return torch.cat([source, end], dim=1), torch.cat([target, end], dim=1)


def span_mask(
    count: int,
    length: int,
    corruption_rate: float,
    mean_span_length: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw random spans, with equally many tokens and spans in every row.

    Every row begins with a kept token and ends with a span. All ways to divide the
    corrupted tokens into k spans are equally likely, and so are those for the kept
    tokens.

    Returns
    -------
    bool Tensor of shape (count, length)
        True where a token is corrupted.
    """
    (count,) = check_positive(count=count)
    corrupted, spans = count_spans(length, corruption_rate, mean_span_length)
    parts = []
    for total in (length - corrupted, corrupted):
        # k - 1 of the total - 1 borders between tokens become borders of parts.
        order = torch.rand(count, total - 1, generator=generator).argsort(dim=1)
        starts = order < spans - 1
        parts.append(torch.cat([starts.new_zeros(count, 1), starts], dim=1).cumsum(1))
    # Part i of the kept tokens comes before span i: sort by i, kept before corrupted.
    keys = torch.cat([2 * parts[0], 2 * parts[1] + 1], dim=1)  # (count, length)
    return keys.sort(dim=1, stable=True).values % 2 == 1


def count_spans(
    length: int, corruption_rate: float, mean_span_length: float
) -> tuple[int, int]:
    """Return how many of `length` tokens are corrupted, and in how many spans.

    >>> count_spans(40, 0.15, 3.0)
    (6, 2)
    """
    (length,) = check_whole(2, None, length=length)
    rate, mean = _read_sizes(corruption_rate, mean_span_length)
    corrupted = min(max(round(length * rate), 1), length - 1)
    return corrupted, min(max(round(corrupted / mean), 1), length - corrupted)


def _read_sizes(corruption_rate: float, mean_span_length: float) -> tuple[float, float]:
    wanted = "above 0 and below 1"
    (rate,) = check_real(wanted, lambda x: 0 < x < 1, corruption_rate=corruption_rate)
    wanted = "at least 1, and finite"
    (mean,) = check_real(
        wanted, lambda x: 1 <= x < math.inf, mean_span_length=mean_span_length
    )
    return rate, mean


def span_config(vocab_size: int, sentinels: int, **sizes) -> Seq2SeqConfig:
    """Make a configuration whose vocabulary has sentinels, an end and a pad token.

    They follow the V tokens of the text.

    Parameters
    ----------
    vocab_size : int
        V; the first sentinel is the token V.
    sentinels : int
        How many there are: at least as many as a text has spans.
    **sizes
        Other attributes of `Seq2SeqConfig`.

    >>> config = span_config(50, sentinels=4)
    >>> config.vocab_size, config.end_token, config.pad_token
    (56, 54, 55)
    """
    vocab_size, sentinels = check_positive(vocab_size=vocab_size, sentinels=sentinels)
    end = vocab_size + sentinels
    return Seq2SeqConfig(
        end + 2, end_token=end, pad_token=end + 1, start_token=end + 1, **sizes
    )


def span_batches(
    windows: Iterator[Tensor],
    vocab_size: int,
    config: Seq2SeqConfig,
    corruption_rate: float = 0.15,
    mean_span_length: float = 3.0,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield training batches of corrupted text for a model of `span_config`.

    Parameters
    ----------
    windows : iterator of int64 Tensors of shape (B, L)
    vocab_size : int
        V, the tokens of the text alone.
    config : Seq2SeqConfig
    corruption_rate, mean_span_length, generator
        As in `corrupt_spans`.

    Yields
    ------
    pair of int64 Tensors of shapes (B, S) and (B, T)
    """
    sizes = _read_sizes(corruption_rate, mean_span_length)
    (vocab_size,) = check_whole(1, config.end_token - 1, vocab_size=vocab_size)
    return _batches(windows, vocab_size, config, sizes, generator)


def _batches(windows, vocab_size, config, sizes, generator) -> Iterator:
    sentinels = config.end_token - vocab_size
    for tokens in windows:
        _check(tokens, vocab_size)
        if count_spans(tokens.shape[1], *sizes)[1] > sentinels:
            raise ValueError(
                f"a text of {tokens.shape[1]} tokens has more spans than "
                f"{sentinels} sentinels"
            )
        yield corrupt_spans(tokens, vocab_size, config.end_token, *sizes, generator)


def _with_sentinels(tokens: Tensor, replaced: Tensor, first_sentinel: int) -> Tensor:
    """Replace each run of True in `replaced` by one sentinel, row by row."""
    before = torch.cat([replaced.new_zeros(len(replaced), 1), replaced[:, :-1]], dim=1)
    begins = replaced & ~before
    sentinels = first_sentinel + begins.cumsum(dim=1) - 1
    found = torch.where(begins, sentinels, tokens)
    return found[~replaced | begins].view(len(tokens), -1)


def _check(tokens: Tensor, first_sentinel: int) -> int:
    whole = isinstance(tokens, Tensor) and tokens.dtype == torch.int64
    if not whole or tokens.ndim != 2 or not len(tokens) or tokens.shape[1] < 2:
        raise ValueError(
            f"tokens={describe(tokens)} must be int64 of shape (B > 0, L > 1)"
        )
    (first_sentinel,) = check_positive(first_sentinel=first_sentinel)
    if not 0 <= tokens.min() <= tokens.max() < first_sentinel:
        raise ValueError(
            f"tokens up to {tokens.max()} must be below "
            f"first_sentinel={first_sentinel}, and from 0 on: the smallest is "
            f"{tokens.min()}"
        )
    return first_sentinel


def _check_end(end_token: int, first_sentinel: int, spans: int) -> None:
    (end,) = check_whole(0, None, end_token=end_token)
    if first_sentinel <= end < first_sentinel + spans:
        raise ValueError(
            f"end_token={end_token} is one of the {spans} sentinels from "
            f"first_sentinel={first_sentinel} on"
        )
