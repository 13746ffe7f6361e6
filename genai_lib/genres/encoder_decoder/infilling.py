"""Fill a gap in a text with models of three genres, and measure how well.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  texts    L  tokens of a text    n  missing tokens, those of the gap
    V  tokens that can stand in a text    C  candidates for a gap
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genai_lib.checks import check_positive, describe, is_whole_dtype
from genai_lib.components.softmax import token_log_probabilities
from genai_lib.genres.inference import best_continuations
from genai_lib.genres.inference.filters import check_logits


class Gap(NamedTuple):
    """The positions of the missing tokens, the same in every text of a batch.

    There is at least one token before the gap and one after it.

    Attributes
    ----------
    start, length : int
    """

    start: int
    length: int

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split texts (B, L) into the left context, the gap and the right context.

        >>> [part.tolist() for part in Gap(1, 2).split(torch.tensor([[5, 6, 7, 8]]))]
        [[[5]], [[6, 7]], [[8]]]
        """
        whole = isinstance(rows, Tensor) and is_whole_dtype(rows.dtype)
        if not whole or rows.ndim != 2:
            raise ValueError(f"rows={describe(rows)} must be int64 of shape (B, L)")
        check_positive(start=self.start, length=self.length)
        end = self.start + self.length
        if end >= rows.shape[1]:
            raise ValueError(
                f"rows={describe(rows)} have no token after the gap, which ends "
                f"before position {end}"
            )
        rows = rows.long()
        return rows[:, : self.start], rows[:, self.start : end], rows[:, end:]


class LeftToRightInfiller:
    """Fill a gap with a model such as `GPT`, which sees only the left context.

    Parameters
    ----------
    model : nn.Module
        Its V tokens are those of the text.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @torch.no_grad()
    def log_probabilities(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return ln p of each missing token (B, n), given all tokens before it."""
        left, missing, _ = gap.split(rows)
        logits = self.model(torch.cat([left, missing[:, :-1]], dim=1))
        return token_log_probabilities(logits[:, gap.start - 1 :], missing)

    @torch.no_grad()
    def fill(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return the greedy continuation of the left context (B, n)."""
        left, _, _ = gap.split(rows)
        return _decode(self.model, left, gap.length, self.model.config.vocab_size)


class RerankedInfiller:
    """Let a left-to-right model propose fills, and rerank them by the whole text.

    A beam search proposes candidates from the left context. The candidate with which
    the whole text, right context included, is most probable is chosen. There is no
    `log_probabilities`: p(fill | both sides) needs a sum over all possible fills.

    Parameters
    ----------
    model : nn.Module
    candidates : int, default=16
        C, for each gap.
    """

    def __init__(self, model: nn.Module, candidates: int = 16) -> None:
        (self.candidates,) = check_positive(candidates=candidates)
        self.model = model

    @torch.no_grad()
    def fill(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return the candidate that makes the whole text most probable (B, n)."""
        left, _, right = gap.split(rows)
        fills, scores, cache = self.propose(left, gap.length)  # (B, C, n), (B, C)
        right = right.repeat_interleave(fills.shape[1], dim=0)  # (B C, L - ...)
        # The cache lacks the last token of each candidate; it predicts the first
        # token of the right context.
        inputs = torch.cat([fills[..., -1].reshape(-1, 1), right[:, :-1]], dim=1)
        logits = self.model(inputs, cache=cache)
        logs = token_log_probabilities(logits, right).sum(dim=1)
        best = (scores + logs.view_as(scores)).argmax(dim=1)
        return fills[torch.arange(len(fills)), best]

    def propose(self, left: Tensor, length: int):
        """Find the most probable continuations of `left` (B, L) by beam search.

        Returns
        -------
        fills : int64 Tensor of shape (B, C, n)
        scores : Tensor of shape (B, C)
            ln p of each fill, given the left context.
        cache : ModelCache
            Keys and values of all but the last token of each candidate.
        """
        (length,) = check_positive(length=length)
        cache, count = self.model.new_cache(), len(left)
        fills = left.new_zeros(count, 1, 0)
        scores, last = torch.zeros(count, 1, device=left.device), left
        for _ in range(length):
            logits = self.model(last, cache=cache)[:, -1]
            scores, parents, tokens = best_continuations(
                scores, logits, self.candidates
            )
            # Rows of the cache run through all candidates of text 0, then of text 1.
            first = torch.arange(count, device=left.device)[:, None] * fills.shape[1]
            cache.select((first + parents).flatten())
            kept = fills.gather(1, parents[..., None].expand(-1, -1, fills.shape[2]))
            fills = torch.cat([kept, tokens[..., None]], dim=2)
            last = tokens.reshape(-1, 1)
        return fills, scores, cache


class MaskedInfiller:
    """Fill a gap with a model such as `Bert`: all masked tokens at once.

    Each masked token is predicted from both sides, independently of the others.

    Parameters
    ----------
    model : nn.Module
    mask_token : int
        V; the tokens below it are those of the text.
    """

    def __init__(self, model: nn.Module, mask_token: int) -> None:
        (self.mask_token,) = check_positive(mask_token=mask_token)
        self.model = model

    @torch.no_grad()
    def log_probabilities(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return ln p of each missing token (B, n), given only the two contexts."""
        return token_log_probabilities(self._logits(rows, gap), gap.split(rows)[1])

    @torch.no_grad()
    def fill(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return the most probable token at each masked position (B, n)."""
        logits = self._logits(rows, gap)
        check_logits(logits)
        return logits.argmax(dim=-1)

    def _logits(self, rows: Tensor, gap: Gap) -> Tensor:
        left, missing, right = gap.split(rows)
        masks = torch.full_like(missing, self.mask_token)
        logits = self.model(torch.cat([left, masks, right], dim=1))
        return logits[:, left.shape[1] : -right.shape[1], : self.mask_token]


class SpanInfiller:
    """Fill a gap with a `Seq2Seq` trained by span corruption.

    The encoder reads both sides with one sentinel in place of the gap; the decoder
    writes the missing span from left to right.

    Parameters
    ----------
    model : nn.Module
        Trained on examples of `corrupt_spans`, with a configuration of `span_config`.
    first_sentinel : int
        V; the tokens below it are those of the text.
    """

    def __init__(self, model: nn.Module, first_sentinel: int) -> None:
        (self.first_sentinel,) = check_positive(first_sentinel=first_sentinel)
        self.model = model

    @torch.no_grad()
    def log_probabilities(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return ln p of each missing token (B, n), given both sides and those before.

        As for the other infillers the length of the gap is known: sentinels and the
        end token get no probability.
        """
        source, prompt = self._inputs(rows, gap)
        missing = gap.split(rows)[1]
        logits = self.model(source, torch.cat([prompt, missing[:, :-1]], dim=1))
        return token_log_probabilities(logits[:, 1:, : self.first_sentinel], missing)

    @torch.no_grad()
    def fill(self, rows: Tensor, gap: Gap) -> Tensor:
        """Return the span that greedy decoding writes (B, n)."""
        source, prompt = self._inputs(rows, gap)
        decoder = self.model.conditioned_on(source)
        return _decode(decoder, prompt, gap.length, self.first_sentinel)

    def _inputs(self, rows: Tensor, gap: Gap) -> tuple[Tensor, Tensor]:
        """Return the source with a sentinel for the gap, and the target's first two."""
        left, _, right = gap.split(rows)
        config = self.model.config
        sentinel = left.new_full((len(left), 1), self.first_sentinel)
        end = torch.full_like(sentinel, config.end_token)
        start = torch.full_like(sentinel, config.start_token)
        source = torch.cat([left, sentinel, right, end], dim=1)
        return source, torch.cat([start, sentinel], dim=1)


def evaluate_infilling(infiller, rows: Tensor, gap: Gap) -> tuple[float, float]:
    """Measure how well a model fills one gap in each of many texts (B, L).

    Returns
    -------
    right : float
        The fraction of texts whose gap is filled exactly.
    bits : float
        Mean -log2 p of a missing token; NaN for an infiller without
        `log_probabilities`.
    """
    missing = gap.split(rows)[1]
    right = (infiller.fill(rows, gap) == missing).all(dim=1).float().mean().item()
    if not hasattr(infiller, "log_probabilities"):
        return right, math.nan
    return right, -infiller.log_probabilities(rows, gap).mean().item() / math.log(2)


def _decode(model, prompt: Tensor, length: int, options: int) -> Tensor:
    """Continue a prompt greedily with the first `options` tokens only: (B, n)."""
    cache, found = model.new_cache(), [prompt]
    for _ in range(length):
        logits = model(found[-1], cache=cache)[:, -1, :options]
        check_logits(logits)
        found.append(logits.argmax(dim=-1, keepdim=True))
    return torch.cat(found[1:], dim=1)
