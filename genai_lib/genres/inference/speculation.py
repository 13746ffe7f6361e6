"""Speculative decoding: a draft model guesses tokens that a large model verifies.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Letters used in this file
    p, q  distributions of the model and the draft    k  guesses in a round
    T  tokens of the prompt    V  tokens in the vocabulary

References
    [1] Leviathan et al., "Fast Inference from Transformers via Speculative Decoding",
        2023, arXiv:2211.17192
    [2] Chen et al., "Accelerating Large Language Model Decoding with Speculative
        Sampling", 2023, arXiv:2302.01318
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from genai_lib.checks import as_whole, check_positive, describe
from genai_lib.components.softmax import sample
from genai_lib.genres.inference.filters import Sampling
from genai_lib.genres.inference.generation import (
    read_ends,
    read_prompt,
    vocabulary_of,
)


def accept(
    guesses: Tensor,
    draft_probabilities: Tensor,
    probabilities: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Accept or replace guesses so that the tokens follow p [1, algorithm 1].

    Guess x is accepted with probability min(1, p(x)/q(x)). The first rejected one is
    replaced by a sample from max(0, p - q), normalised. If all k are accepted, one
    more token is sampled from p.

    Parameters
    ----------
    guesses : int64 Tensor of shape (k,)
        Each sampled from its row of `draft_probabilities`.
    draft_probabilities : Tensor of shape (k, V)
    probabilities : Tensor of shape (k + 1, V)
    generator : torch.Generator, default=None

    Returns
    -------
    int64 Tensor of shape (n,)
        With n from 1 to k + 1.

    Raises
    ------
    ValueError
        If the shapes do not fit one another, or a distribution holds NaN or ∞.
    """
    _check_distributions(guesses, draft_probabilities, probabilities)
    p = probabilities[:-1].gather(1, guesses[:, None])[:, 0]  # (k,)
    q = draft_probabilities.gather(1, guesses[:, None])[:, 0]
    device = p.device if generator is None else generator.device
    uniform = torch.rand(len(guesses), generator=generator, device=device)
    kept = uniform.to(p.device) < p / q  # (k,)
    count = int(kept.cumprod(0).sum())
    target = probabilities[count]
    if count < len(guesses):
        residual = (target - draft_probabilities[count]).clamp(min=0)
        # If p and q differ only by rounding, the residual may be 0 everywhere.
        target = residual if residual.any() else target
    last = sample(target.log(), generator=generator)
    return torch.cat([guesses[:count], last[None]])


def speculative_decode(
    model: nn.Module,
    draft: nn.Module,
    prompt: Tensor,
    max_new_tokens: int,
    ahead: int = 4,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    generator: torch.Generator | None = None,
    *,
    end_token: int | Iterable[int] | None = None,
) -> Iterator[Tensor]:
    """Yield the tokens of each pass of the model: 1 to `ahead` + 1 of them [1, 2].

    With any draft the text has exactly the distribution that `generate` gives it with
    the same options; at temperature 0 it is the same text.

    Parameters
    ----------
    model, draft : nn.Module
        As in `generate`, with the same vocabulary.
    prompt : integer Tensor of shape (T,)
        One prompt, since rows of a batch would accept different numbers of guesses.
    max_new_tokens : int
        The total number of tokens, unless an end token comes earlier.
    ahead : int, default=4
        k, the number of tokens that the draft guesses for each pass.
    temperature, top_k, top_p, min_p : default=the model's own probabilities
        As in `Sampling`, for both distributions.
    generator : torch.Generator, default=None
    end_token : int or several, default=None
        As in `generate`: the first one is the last token of the text.

    Yields
    ------
    int64 Tensor of shape (n,)

    Raises
    ------
    ValueError
        At the call: as `generate`, for either model, and if the draft has another
        vocabulary. Later: as `generate`.
    """
    sampling = Sampling(temperature, top_k, top_p, min_p)
    (ahead,) = check_positive(ahead=ahead)
    sizes = [vocabulary_of(reader) for reader in (model, draft)]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            f"draft has {sizes[1]} tokens and the model {sizes[0]}: both need the same "
            "vocabulary"
        )
    for reader in (model, draft):
        tokens = read_prompt(reader, prompt, max_new_tokens, dimensions=(1,))
    ends, most = read_ends(model, end_token, tokens), as_whole(max_new_tokens)
    readers = _Reader(model), _Reader(draft)
    return _rounds(*readers, tokens, most, ahead, sampling, generator, ends)


@torch.no_grad()
def _rounds(model, draft, tokens, remaining, ahead, sampling, generator, ends):
    while remaining > 0:
        guesses, rows = tokens.new_empty(0), []
        # k guesses yield up to k + 1 tokens, which must not exceed `remaining`.
        for _ in range(min(ahead, remaining - 1)):
            logits = draft.read(torch.cat([tokens, guesses]))[-1]  # (V,)
            rows.append(sampling.probabilities(logits))
            guesses = torch.cat([guesses, sample(rows[-1].log(), 1.0, generator)[None]])
        logits = model.read(torch.cat([tokens, guesses]))[-len(guesses) - 1 :]
        q = torch.stack(rows) if rows else logits.new_empty(0, logits.shape[-1])
        new = accept(guesses, q, sampling.probabilities(logits), generator)
        ending = torch.isin(new, ends)
        if ending.any():
            yield new[: int(ending.int().argmax()) + 1]
            return
        yield new
        tokens, remaining = torch.cat([tokens, new]), remaining - len(new)
        for reader in (model, draft):
            reader.crop(len(tokens) - 1)


def _check_distributions(guesses: Tensor, draft: Tensor, model: Tensor) -> None:
    rows, wanted = len(guesses), (len(guesses) + 1, model.shape[-1])
    if tuple(model.shape) != wanted or draft.shape != model[:-1].shape:
        raise ValueError(
            f"draft_probabilities={describe(draft)} and "
            f"probabilities={describe(model)} must have shapes ({rows}, V) and "
            f"({rows + 1}, V) for {rows} guesses"
        )
    for name, table in {"draft_probabilities": draft, "probabilities": model}.items():
        if not table.sum(dim=-1).isfinite().all():
            raise ValueError(f"{name}={describe(table)} has a row with NaN or infinity")


class _Reader:
    """A model with its cache of one text."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.cache = model, model.new_cache()

    def read(self, tokens: Tensor) -> Tensor:
        """Return logits (n, V) after each token of (T,) that is not in the cache."""
        unread = tokens[None, self.cache.length :]
        return self.model(unread, cache=self.cache)[0]

    def crop(self, length: int) -> None:
        """Keep at most the first `length` tokens."""
        self.cache.crop(min(length, self.cache.length))
