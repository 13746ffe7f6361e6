"""Autoregressive generation, without and with a key-value cache.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Shape letters used in this file
    ...  nothing, or B    B  prompts in a batch    T  tokens of a prompt
    N  new tokens         V  tokens in the vocabulary

A model here has the interface of `decoder_only.GPT`: it maps tokens (B, T) to logits
(B, T, V), and its method `new_cache` returns a cache that it accepts as `cache=`.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    as_ids,
    as_whole,
    can_be_read,
    check_positive,
    describe,
    is_whole_dtype,
)
from genai_lib.components.softmax import token_log_probabilities
from genai_lib.genres.inference.filters import Sampling

MOST_TOKENS = 2**31  # assumed for a model without a known vocabulary size


@torch.no_grad()
def generate_loop(
    model: nn.Module,
    prompt: Tensor,
    max_new_tokens: int,
    sampling: Sampling = Sampling(),  # noqa: B008 (it is frozen)
    generator: torch.Generator | None = None,
) -> Tensor:
    """Generate without a cache: read the whole text again for every new token.

    Parameters
    ----------
    model : nn.Module
    prompt : integer Tensor of shape (B, T)
    max_new_tokens : int
        N.
    sampling : Sampling, default=the model's own probabilities
    generator : torch.Generator, default=None

    Returns
    -------
    int64 Tensor of shape (B, N)
    """
    tokens = prompt = read_prompt(model, prompt, max_new_tokens, dimensions=(2,))
    for _ in range(as_whole(max_new_tokens)):
        logits = model(tokens)[:, -1]  # (B, V), of the token after the last
        new = sampling.draw(logits, generator)  # (B,)
        tokens = torch.cat([tokens, new[:, None]], dim=1)
    return tokens[:, prompt.shape[1] :]


def generate(
    model: nn.Module,
    prompt: Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    generator: torch.Generator | None = None,
    *,
    end_token: int | Iterable[int] | None = None,
) -> Iterator[Tensor]:
    """Yield new tokens step by step; with a cache every token is read only once.

    Parameters
    ----------
    model : nn.Module
        As at the top of this file.
    prompt : integer Tensor of shape (T,) or (B, T)
        Prompts of one batch have the same length. They share the generator, so the
        tokens of one depend on the number of others.
    max_new_tokens : int
        N. All but the last are read, so T + N - 1 positions must fit the model.
    temperature, top_k, top_p, min_p : default=the model's own probabilities
        As in `Sampling`.
    generator : torch.Generator, default=None
    end_token : int or several, default=None
        Any of several ends a row, which then yields the first of them; when all rows
        have ended, the generator ends.

    Yields
    ------
    int64 Tensor of shape () or (B,)

    Raises
    ------
    ValueError
        At the call, before anything is computed: if an argument is out of its range,
        a token of the prompt or an end is not in the vocabulary, or the text would
        not fit the context of the model. Later: if logits hold NaN or +∞, or only -∞.
    """
    sampling = Sampling(temperature, top_k, top_p, min_p)
    prompt = read_prompt(model, prompt, max_new_tokens)
    ends, count = read_ends(model, end_token, prompt), as_whole(max_new_tokens)
    return _stream(model, prompt, count, sampling, generator, ends)


@torch.no_grad()
def _stream(model, prompt, count, sampling, generator, ends):
    cache = model.new_cache()
    unread = prompt.view(-1, prompt.shape[-1])  # (B, T)
    ended = torch.zeros(len(unread), dtype=torch.bool, device=prompt.device)
    for _ in range(count):
        logits = model(unread, cache=cache)[:, -1]  # (B, V)
        new = sampling.draw(logits, generator)  # (B,)
        if len(ends):
            new = torch.where(ended, ends[0], new)
            ended |= torch.isin(new, ends)
        yield new.view(prompt.shape[:-1])
        if len(ends) and ended.all():
            return
        unread = new[:, None]


@torch.no_grad()
def log_likelihood(model: nn.Module, prompt: Tensor, continuation: Tensor) -> Tensor:
    """Return the sum of ln p over the tokens of each continuation, in nats.

    Parameters
    ----------
    model : nn.Module
    prompt : integer Tensor of shape (B, T)
    continuation : integer Tensor of shape (B, N)

    Returns
    -------
    Tensor of shape (B,)
    """
    tokens = torch.cat([prompt, continuation], dim=1)
    logits = model(tokens[:, :-1])[:, prompt.shape[1] - 1 :]  # (B, N, V)
    return token_log_probabilities(logits, continuation).sum(dim=1)


def read_prompt(
    model: nn.Module, prompt: Tensor, max_new_tokens: int, dimensions: tuple = (1, 2)
) -> Tensor:
    """Return the prompt as int64; ValueError if it or its continuation does not fit."""
    check_positive(max_new_tokens=max_new_tokens)
    whole = isinstance(prompt, Tensor) and is_whole_dtype(prompt.dtype)
    if not whole or prompt.ndim not in dimensions or 0 in prompt.shape:
        shapes = " or ".join({1: "(T,)", 2: "(B, T)"}[n] for n in dimensions)
        raise ValueError(
            f"prompt={describe(prompt)} must be int64 of shape {shapes}, or of another "
            "integer type, and not empty"
        )
    size, prompt = vocabulary_of(model), prompt.long()
    known = size is None or not can_be_read(prompt)
    if not known and not 0 <= prompt.min() <= prompt.max() < size:
        raise ValueError(
            f"prompt has tokens from {prompt.min()} to {prompt.max()}, and the model "
            f"knows those from 0 to {size - 1}"
        )
    needed = prompt.shape[-1] + as_whole(max_new_tokens) - 1
    max_positions = getattr(model, "max_positions", None)
    if max_positions is not None and needed > max_positions:
        raise ValueError(
            f"max_new_tokens={max_new_tokens} after a prompt of {prompt.shape[-1]} "
            f"needs {needed} positions, and the model has {max_positions}; shorten one"
        )
    return prompt


def read_ends(
    model: nn.Module, end_token: int | Iterable[int] | None, prompt: Tensor
) -> Tensor:
    """Return the end tokens (E,) on the device of the prompt; E is 0 for None."""
    ids = []
    if end_token is not None:
        ids = as_ids("end_token", end_token, vocabulary_of(model) or MOST_TOKENS)
        if not ids:
            raise ValueError(f"{end_token=} holds no token; None means no end token")
    return torch.tensor(ids, dtype=torch.int64, device=prompt.device)


def vocabulary_of(model: nn.Module) -> int | None:
    """Return V from the model or its configuration; None if neither has it."""
    stated = getattr(model, "vocab_size", None)
    if stated is None:
        stated = getattr(getattr(model, "config", None), "vocab_size", None)
    return stated
