"""Beam search: an approximate search for the most probable text.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Shape letters used in this file
    K  beams    T  tokens of the prompt    V  tokens in the vocabulary

The rules are those of `generate(num_beams=K)` in the library `transformers`.

References
    [1] Graves, "Sequence Transduction with Recurrent Neural Networks", 2012,
        arXiv:1211.3711
    [2] Wu et al., "Google's Neural Machine Translation System", 2016,
        arXiv:1609.08144
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genai_lib.checks import check_finite, check_positive
from genai_lib.genres.inference.filters import check_logits
from genai_lib.genres.inference.generation import read_ends, read_prompt

EARLY_STOPPING = (False, True, "never")


class Beam(NamedTuple):
    """A finished text and its score.

    Attributes
    ----------
    tokens : int64 Tensor of shape (length,)
        The new tokens, with the end token if there is one.
    score : float
        log p of these tokens, divided by length to the power of `length_penalty`.
    """

    tokens: Tensor
    score: float


@torch.no_grad()
def beam_search(
    model: nn.Module,
    prompt: Tensor,
    max_new_tokens: int,
    beams: int = 4,
    *,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
    end_token: int | Iterable[int] | None = None,
) -> list[Beam]:
    """Extend the K most probable beginnings in parallel [1].

    Parameters
    ----------
    model : nn.Module
        With a cache, as in `generate`.
    prompt : integer Tensor of shape (T,)
    max_new_tokens : int
        The maximal length of a text, unless an end token comes earlier.
    beams : int, default=4
        K.
    length_penalty : float, default=1.0
        0 compares sums of log p, which favours short texts; 1 compares means [2].
    early_stopping : bool or "never", default=False
        When the search ends before `max_new_tokens`. True: as soon as K texts are
        finished. False: when K are finished and the best beginning, at its present
        length, does not score better than the worst of them. "never": when no
        beginning can score better at any length; this is exact for a length penalty
        of 0 or more.
    end_token : int or several, default=None
        As in `generate`.

    Returns
    -------
    list of Beam
        At most K, the best first.

    Raises
    ------
    ValueError
        As `generate`, and if an option is out of its range.
    """
    prompt = read_prompt(model, prompt, max_new_tokens, dimensions=(1,))
    ends = read_ends(model, end_token, prompt)
    most, beams = check_positive(max_new_tokens=max_new_tokens, beams=beams)
    (length_penalty,) = check_finite(length_penalty=length_penalty)
    if not isinstance(early_stopping, bool) and early_stopping != "never":
        raise ValueError(f"{early_stopping=!r} must be one of {EARLY_STOPPING}")
    search = _Search(most, beams, length_penalty, early_stopping, ends)
    cache = model.new_cache()
    logits = model(prompt[None], cache=cache)[:, -1].expand(beams, -1)  # (K, V)
    cache.select(torch.zeros(beams, dtype=torch.int64, device=prompt.device))
    search.begin(prompt)
    while True:
        rows = search.advance(logits)
        if search.is_over():
            return search.finished
        cache.select(rows)
        logits = model(search.running[:, -1:], cache=cache)[:, -1]


def best_continuations(
    scores: Tensor, logits: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the most probable texts that are one token longer than given ones.

    Parameters
    ----------
    scores : Tensor of shape (B, K)
        ln p of K beginnings for each of B prompts; -∞ marks an unused one.
    logits : Tensor of shape (B K, V)
        Of the token after each beginning.
    count : int
        How many texts are returned for each prompt; fewer if fewer exist.

    Returns
    -------
    scores : Tensor of shape (B, count)
        ln p of the longer texts, the most probable first.
    rows, tokens : int64 Tensors of shape (B, count)
        The beginning that each extends, from 0 to K - 1, and its new token.
    """
    (count,) = check_positive(count=count)
    unused = scores.flatten()[:, None] == -math.inf
    check_logits(logits.masked_fill(unused, 0.0))
    logs = logits.float().log_softmax(dim=-1).view(*scores.shape, -1)  # (B, K, V)
    totals = (scores[..., None] + logs).flatten(1)
    scores, places = totals.topk(min(count, totals.shape[1]), dim=1)
    return scores, places // logs.shape[-1], places % logs.shape[-1]


class _Search:
    """The state of a beam search: running beginnings and finished texts."""

    def __init__(self, most, beams, length_penalty, early_stopping, ends):
        self.most, self.beams = most, beams
        self.length_penalty, self.early_stopping = length_penalty, early_stopping
        self.ends = ends  # (E,)
        self.finished: list[Beam] = []

    def begin(self, prompt: Tensor) -> None:
        """Start with one empty text; the other rows are unused."""
        self.running = prompt.new_empty(self.beams, 0)  # (K, length)
        self.scores = torch.full((self.beams,), -math.inf, device=prompt.device)
        self.scores[0] = 0.0

    def advance(self, logits: Tensor) -> Tensor:
        """Add one token to the best beginnings; return the rows that they extend."""
        # Enough candidates that K of them go on even if all end tokens are among them.
        count = (1 + max(1, len(self.ends))) * self.beams
        scores, rows, new = (
            found[0] for found in best_continuations(self.scores[None], logits, count)
        )
        texts = torch.cat([self.running[rows], new[:, None]], dim=1)
        ends = torch.isin(new, self.ends) | (texts.shape[1] == self.most)
        self._finish(texts[: self.beams], scores, ends)
        alive = scores.masked_fill(ends, -math.inf)
        kept = alive.topk(min(self.beams, len(alive))).indices
        self.running, self.scores = texts[kept], alive[kept]
        return rows[kept]

    def is_over(self) -> bool:
        """Return whether the search is over."""
        length = self.running.shape[1]
        best = self.scores[0].item()
        if length == self.most or best == -math.inf:
            return True
        if len(self.finished) < self.beams:
            return False
        if self.early_stopping is True:
            return True
        if self.early_stopping == "never" and self.length_penalty > 0:
            length = self.most
        return best / length**self.length_penalty <= self.finished[-1].score

    def _finish(self, texts: Tensor, scores: Tensor, ends: Tensor) -> None:
        divisor = texts.shape[1] ** self.length_penalty
        self.finished += [
            Beam(text, score / divisor)
            for text, score, ended in zip(texts, scores.tolist(), ends, strict=False)
            if ended and score > -math.inf
        ]
        self.finished.sort(key=lambda beam: -beam.score)
        del self.finished[self.beams :]
