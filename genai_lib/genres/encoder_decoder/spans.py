"""T5's own lesson: blank out short spans of a text and write them down in order.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  texts in a batch    L  tokens of a text    S  of a source    T  of a target
    n  tokens that are blanked out                k  spans that they form

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
    first_mark: int,
    end_token: int,
    share: float = 0.15,
    mean_span: float = 3.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Replace spans by one mark each; the target lists every mark and its span [1].

    Of a text A B C D E F with the spans C D and F blanked out, the source is
    A B x E y end, and the target x C D y F end, with the marks x and y.

    Parameters
    ----------
    tokens : int64 Tensor of shape (B, L)
        None of them at or above `first_mark`.
    first_mark : int
        The token that stands for the first span; the next ones follow it.
    end_token : int
        Ends the source and the target.
    share : float, default=0.15
        Of the tokens that are blanked out: n is about `share` · L.
    mean_span : float, default=3.0
        k is about n / `mean_span`.
    generator : torch.Generator, default=None

    Returns
    -------
    source : int64 Tensor of shape (B, L - n + k + 1)
    target : int64 Tensor of shape (B, n + k + 1)

    Raises
    ------
    ValueError
        If there is no text, it is too short for one span, an argument is out of its
        range, or the end token is one of the marks.
    """
    first_mark = _check(tokens, first_mark)
    _check_end(end_token, first_mark, count_spans(tokens.shape[1], share, mean_span)[1])
    blank = span_mask(*tokens.shape, share, mean_span, generator).to(tokens.device)
    source = _marked(tokens, blank, first_mark)
    # In the target the kept stretches are the gaps. Each stands before its span, so
    # its number is that of the span that follows.
    target = _marked(tokens, ~blank, first_mark)
    end = tokens.new_full((len(tokens), 1), as_whole(end_token))
    return torch.cat([source, end], dim=1), torch.cat([target, end], dim=1)


def span_mask(
    count: int,
    length: int,
    share: float,
    mean_span: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw where the spans lie, equally many tokens and spans in every row.

    Every row begins with a token that stays and ends with a span; all ways to cut the
    blanked tokens into k spans are equally likely, and so are those of the others.

    Returns
    -------
    bool Tensor of shape (count, length)
        True where a token is blanked out.
    """
    (count,) = check_positive(count=count)
    blanked, spans = count_spans(length, share, mean_span)
    parts = []
    for total in (length - blanked, blanked):
        # k - 1 of the total - 1 gaps between tokens become ends of parts.
        order = torch.rand(count, total - 1, generator=generator).argsort(dim=1)
        starts = order < spans - 1
        parts.append(torch.cat([starts.new_zeros(count, 1), starts], dim=1).cumsum(1))
    # Part i of the kept tokens comes before span i; sort by place, then by kind.
    keys = torch.cat([2 * parts[0], 2 * parts[1] + 1], dim=1)  # (count, length)
    return keys.sort(dim=1, stable=True).values % 2 == 1


def count_spans(length: int, share: float, mean_span: float) -> tuple[int, int]:
    """Return how many of `length` tokens are blanked out, and in how many spans.

    >>> count_spans(40, 0.15, 3.0)
    (6, 2)
    """
    (length,) = check_whole(2, None, length=length)
    part, mean = _read_law(share, mean_span)
    blanked = min(max(round(length * part), 1), length - 1)
    return blanked, min(max(round(blanked / mean), 1), length - blanked)


def _read_law(share: float, mean_span: float) -> tuple[float, float]:
    (part,) = check_real("above 0 and below 1", lambda x: 0 < x < 1, share=share)
    wanted = "at least 1, and finite"
    return part, *check_real(wanted, lambda x: 1 <= x < math.inf, mean_span=mean_span)


def span_config(vocab_size: int, marks: int, **sizes) -> Seq2SeqConfig:
    """Add to V tokens of a text the marks, an end and a pad, behind them.

    Parameters
    ----------
    vocab_size : int
        V; the first mark is the token V.
    marks : int
        At least as many as a text has spans.
    **sizes
        Of `Seq2SeqConfig`.

    >>> config = span_config(50, marks=4)
    >>> config.vocab_size, config.end_token, config.pad_token
    (56, 54, 55)
    """
    vocab_size, marks = check_positive(vocab_size=vocab_size, marks=marks)
    end = vocab_size + marks
    return Seq2SeqConfig(
        end + 2, end_token=end, pad_token=end + 1, start_token=end + 1, **sizes
    )


def span_batches(
    windows: Iterator[Tensor],
    vocab_size: int,
    config: Seq2SeqConfig,
    share: float = 0.15,
    mean_span: float = 3.0,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Turn stretches of text (B, L) into lessons, for a model of `span_config`.

    Parameters
    ----------
    windows : iterator of int64 Tensors of shape (B, L)
    vocab_size : int
        V of the text.
    config : Seq2SeqConfig
    share, mean_span, generator
        As in `corrupt_spans`.

    Yields
    ------
    pair of int64 Tensors of shapes (B, S) and (B, T)
    """
    _read_law(share, mean_span)
    (vocab_size,) = check_whole(1, config.end_token - 1, vocab_size=vocab_size)
    return _lessons(windows, vocab_size, config, share, mean_span, generator)


def _lessons(windows, vocab_size, config, share, mean_span, generator) -> Iterator:
    marks = config.end_token - vocab_size
    for tokens in windows:
        _check(tokens, vocab_size)
        if count_spans(tokens.shape[1], share, mean_span)[1] > marks:
            raise ValueError(
                f"a text of {tokens.shape[1]} tokens has more spans than {marks} marks"
            )
        yield corrupt_spans(
            tokens, vocab_size, config.end_token, share, mean_span, generator
        )


def _marked(tokens: Tensor, blank: Tensor, first_mark: int) -> Tensor:
    """Put one mark in place of every stretch that is blanked out, row by row."""
    begins = blank & ~torch.cat([blank.new_zeros(len(blank), 1), blank[:, :-1]], dim=1)
    marks = first_mark + begins.cumsum(dim=1) - 1
    found = torch.where(begins, marks, tokens)
    return found[~blank | begins].view(len(tokens), -1)


def _check(tokens: Tensor, first_mark: int) -> int:
    whole = isinstance(tokens, Tensor) and tokens.dtype == torch.int64
    if not whole or tokens.ndim != 2 or not len(tokens) or tokens.shape[1] < 2:
        raise ValueError(
            f"tokens={describe(tokens)} must be int64 of shape (B > 0, L > 1)"
        )
    (first_mark,) = check_positive(first_mark=first_mark)
    if not 0 <= tokens.min() <= tokens.max() < first_mark:
        raise ValueError(
            f"tokens up to {tokens.max()} must be below first_mark={first_mark}, and "
            f"from 0 on: the smallest is {tokens.min()}"
        )
    return first_mark


def _check_end(end_token: int, first_mark: int, spans: int) -> None:
    (end,) = check_whole(0, None, end_token=end_token)
    if first_mark <= end < first_mark + spans:
        raise ValueError(
            f"end_token={end_token} is one of the {spans} marks from "
            f"first_mark={first_mark} on"
        )
