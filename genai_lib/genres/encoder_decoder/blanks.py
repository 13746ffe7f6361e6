"""Fill a blank in a text with models of three genres, and score what stood there.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  texts    L  tokens of a text    n  tokens of the blank
    V  tokens that can stand in a text    C  candidates for a blank
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genai_lib.checks import check_positive, describe, is_whole_dtype
from genai_lib.components.softmax import token_log_probabilities
from genai_lib.genres.inference import best_continuations
from genai_lib.genres.inference.filters import check_logits


class Blank(NamedTuple):
    """A place in every text of a batch, after its first token and before its last.

    Attributes
    ----------
    start, length : int
    """

    start: int
    length: int

    def cut(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split texts (B, L) into what stands left of the blank, in it, and right.

        >>> [part.tolist() for part in Blank(1, 2).cut(torch.tensor([[5, 6, 7, 8]]))]
        [[[5]], [[6, 7]], [[8]]]
        """
        whole = isinstance(rows, Tensor) and is_whole_dtype(rows.dtype)
        if not whole or rows.ndim != 2:
            raise ValueError(f"rows={describe(rows)} must be int64 of shape (B, L)")
        check_positive(start=self.start, length=self.length)
        end = self.start + self.length
        if end >= rows.shape[1]:
            raise ValueError(
                f"rows={describe(rows)} have no right side behind place {end}"
            )
        rows = rows.long()
        return rows[:, : self.start], rows[:, self.start : end], rows[:, end:]


class FromTheLeft:
    """A model such as `GPT`, which fills a blank as if nothing stood behind it.

    Parameters
    ----------
    model : nn.Module
        Its V tokens are those of the text.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @torch.no_grad()
    def score(self, rows: Tensor, blank: Blank) -> Tensor:
        """Return for each hidden token (B, n) ln p of it, given all before it."""
        left, hidden, _ = blank.cut(rows)
        logits = self.model(torch.cat([left, hidden[:, :-1]], dim=1))
        return token_log_probabilities(logits[:, blank.start - 1 :], hidden)

    @torch.no_grad()
    def fill(self, rows: Tensor, blank: Blank) -> Tensor:
        """Write the likeliest token, again and again: (B, n)."""
        left, _, _ = blank.cut(rows)
        return _write(self.model, left, blank.length, self.model.config.vocab_size)


class Rescored:
    """The same model, made to look right: it judges whole texts.

    A beam search proposes candidates from the left side; the text that is likeliest
    with one of them in the blank and the right side behind it wins. It has no `score`:
    the chance of a fill would take the sum over all that could stand there.

    Parameters
    ----------
    model : nn.Module
    candidates : int, default=16
        C, for each blank.
    """

    def __init__(self, model: nn.Module, candidates: int = 16) -> None:
        (self.candidates,) = check_positive(candidates=candidates)
        self.model = model

    @torch.no_grad()
    def fill(self, rows: Tensor, blank: Blank) -> Tensor:
        """Choose the candidate that makes the whole text likeliest: (B, n)."""
        left, _, right = blank.cut(rows)
        texts, scores, cache = self.propose(left, blank.length)  # (B, C, n), (B, C)
        behind = right.repeat_interleave(texts.shape[1], dim=0)  # (B C, L - ...)
        before = torch.cat([texts[..., -1].reshape(-1, 1), behind[:, :-1]], dim=1)
        logs = token_log_probabilities(self.model(before, cache=cache), behind).sum(
            dim=1
        )
        best = (scores + logs.view_as(scores)).argmax(dim=1)
        return texts[torch.arange(len(texts)), best]

    def propose(self, left: Tensor, length: int):
        """Search for the likeliest ways to go on from `left` (B, L).

        Returns
        -------
        texts : int64 Tensor of shape (B, C, n)
        scores : Tensor of shape (B, C)
            ln p of each, given the left side.
        cache : ModelCache
            Of all but the last token of each.
        """
        (length,) = check_positive(length=length)
        cache, count = self.model.new_cache(), len(left)
        texts = left.new_zeros(count, 1, 0)
        scores, last = torch.zeros(count, 1, device=left.device), left
        for _ in range(length):
            logits = self.model(last, cache=cache)[:, -1]
            scores, parents, tokens = best_continuations(
                scores, logits, self.candidates
            )
            first = torch.arange(count, device=left.device)[:, None] * texts.shape[1]
            cache.select((first + parents).flatten())
            kept = texts.gather(1, parents[..., None].expand(-1, -1, texts.shape[2]))
            texts = torch.cat([kept, tokens[..., None]], dim=2)
            last = tokens.reshape(-1, 1)
        return texts, scores, cache


class AllAtOnce:
    """A model such as `Bert` or `Deberta`, which guesses each hidden token alone.

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
    def score(self, rows: Tensor, blank: Blank) -> Tensor:
        """Return for each hidden token (B, n) ln p of it, given both sides alone."""
        return token_log_probabilities(self._logits(rows, blank), blank.cut(rows)[1])

    @torch.no_grad()
    def fill(self, rows: Tensor, blank: Blank) -> Tensor:
        """Take the likeliest token at each place: (B, n)."""
        logits = self._logits(rows, blank)
        check_logits(logits)
        return logits.argmax(dim=-1)

    def _logits(self, rows: Tensor, blank: Blank) -> Tensor:
        left, hidden, right = blank.cut(rows)
        masks = torch.full_like(hidden, self.mask_token)
        logits = self.model(torch.cat([left, masks, right], dim=1))
        return logits[:, left.shape[1] : -right.shape[1], : self.mask_token]


class Written:
    """A model such as `Seq2Seq`: it reads both sides and writes from left to right.

    Parameters
    ----------
    model : nn.Module
        Trained on lessons of `corrupt_spans`, with a configuration of `span_config`.
    first_mark : int
        V; the tokens below it are those of the text.
    """

    def __init__(self, model: nn.Module, first_mark: int) -> None:
        (self.first_mark,) = check_positive(first_mark=first_mark)
        self.model = model

    @torch.no_grad()
    def score(self, rows: Tensor, blank: Blank) -> Tensor:
        """Return for each hidden token (B, n) ln p of it, of both sides and the past.

        Like the others it is told how long the blank is: marks and ends do not count.
        """
        source, prompt = self._ask(rows, blank)
        hidden = blank.cut(rows)[1]
        logits = self.model(source, torch.cat([prompt, hidden[:, :-1]], dim=1))
        return token_log_probabilities(logits[:, 1:, : self.first_mark], hidden)

    @torch.no_grad()
    def fill(self, rows: Tensor, blank: Blank) -> Tensor:
        """Write the likeliest token, again and again: (B, n)."""
        source, prompt = self._ask(rows, blank)
        return _write(self.model.given(source), prompt, blank.length, self.first_mark)

    def _ask(self, rows: Tensor, blank: Blank) -> tuple[Tensor, Tensor]:
        left, _, right = blank.cut(rows)
        config = self.model.config
        mark = left.new_full((len(left), 1), self.first_mark)
        end = torch.full_like(mark, config.end_token)
        start = torch.full_like(mark, config.start_token)
        source = torch.cat([left, mark, right, end], dim=1)
        return source, torch.cat([start, mark], dim=1)


def judge(filler, rows: Tensor, blank: Blank) -> tuple[float, float]:
    """Measure how well a model fills one blank in each of many texts (B, L).

    Returns
    -------
    right : float
        The share of texts whose blank is filled exactly.
    bits : float
        Per hidden token, what stood there costs; NaN without a `score`.
    """
    hidden = blank.cut(rows)[1]
    right = (filler.fill(rows, blank) == hidden).all(dim=1).float().mean().item()
    if not hasattr(filler, "score"):
        return right, math.nan
    return right, -filler.score(rows, blank).mean().item() / math.log(2)


def _write(model, prompt: Tensor, length: int, options: int) -> Tensor:
    """Append the likeliest of the first `options` tokens, again and again: (B, n)."""
    cache, found = model.new_cache(), [prompt]
    for _ in range(length):
        logits = model(found[-1], cache=cache)[:, -1, :options]
        check_logits(logits)
        found.append(logits.argmax(dim=-1, keepdim=True))
    return torch.cat(found[1:], dim=1)
