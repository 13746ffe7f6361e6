"""Write on, token by token: with everything read anew, and with a cache.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Shape letters used in this file
    ...  nothing, or B    B  prompts in a batch    T  tokens of a prompt
    N  new tokens         V  tokens in the vocabulary

A model here is what `decoder_only.GPT` is: it maps tokens (B, T) to logits (B, T, V)
and makes a `new_cache()`, which it takes as `cache=`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genai_lib.checks import check_positive, describe
from genai_lib.genres.inference.filters import Sampling


@torch.no_grad()
def generate_loop(
    model: nn.Module,
    prompt: Tensor,
    max_new_tokens: int,
    sampling: Sampling = Sampling(),  # noqa: B008 (it is frozen)
    generator: torch.Generator | None = None,
) -> Tensor:
    """Read the whole text again for every new token: the definition, to be read.

    Parameters
    ----------
    model : nn.Module
    prompt : int64 Tensor of shape (B, T)
    max_new_tokens : int
        N.
    sampling : Sampling, default=the model's own probabilities
    generator : torch.Generator, default=None

    Returns
    -------
    int64 Tensor of shape (B, N)
    """
    tokens = prompt
    for _ in range(max_new_tokens):
        logits = model(tokens)[:, -1]  # (B, V), what follows the last token
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
    end_token: int | None = None,
) -> Iterator[Tensor]:
    """Yield new tokens one step at a time; every token is read once.

    Parameters
    ----------
    model : nn.Module
        As at the top of this file.
    prompt : int64 Tensor of shape (T,) or (B, T)
        Prompts of one batch have the same length. They share the generator, so what
        is drawn for one depends on how many others there are.
    max_new_tokens : int
        N. All but the last are read, so T + N - 1 positions must fit the model.
    temperature, top_k, top_p, min_p : default=the model's own probabilities
        As in `Sampling`.
    generator : torch.Generator, default=None
    end_token : int, default=None
        A row that drew it yields nothing else from then on; when all rows have, the
        stream ends.

    Yields
    ------
    int64 Tensor of shape () or (B,)

    Raises
    ------
    ValueError
        At the call, before anything is computed: if an argument is out of its range
        or the text would not fit the context of the model.
    """
    sampling = Sampling(temperature, top_k, top_p, min_p)
    check_prompt(model, prompt, max_new_tokens)
    return _stream(model, prompt, max_new_tokens, sampling, generator, end_token)


@torch.no_grad()
def _stream(model, prompt, count, sampling, generator, end_token):
    cache = model.new_cache()
    unread = prompt.view(-1, prompt.shape[-1])  # (B, T)
    ended = torch.zeros(len(unread), dtype=torch.bool, device=prompt.device)
    for _ in range(count):
        logits = model(unread, cache=cache)[:, -1]  # (B, V)
        new = sampling.draw(logits, generator)  # (B,)
        if end_token is not None:
            new = new.masked_fill(ended, end_token)
            ended |= new == end_token
        yield new.view(prompt.shape[:-1])
        if end_token is not None and ended.all():
            return
        unread = new[:, None]


@torch.no_grad()
def log_likelihood(model: nn.Module, prompt: Tensor, continuation: Tensor) -> Tensor:
    """Sum log p over the tokens of continuations, in nats.

    Parameters
    ----------
    model : nn.Module
    prompt : int64 Tensor of shape (B, T)
    continuation : int64 Tensor of shape (B, N)

    Returns
    -------
    Tensor of shape (B,)
    """
    tokens = torch.cat([prompt, continuation], dim=1)
    logits = model(tokens[:, :-1])[:, prompt.shape[1] - 1 :]  # (B, N, V)
    logs = logits.log_softmax(dim=-1)
    return logs.gather(-1, continuation[..., None]).sum(dim=(1, 2))


def check_prompt(
    model: nn.Module, prompt: Tensor, max_new_tokens: int, dimensions: tuple = (1, 2)
) -> None:
    """Raise ValueError unless so many tokens can be written after this prompt."""
    check_positive(max_new_tokens=max_new_tokens)
    whole = isinstance(prompt, Tensor) and prompt.dtype == torch.int64
    if not whole or prompt.ndim not in dimensions or 0 in prompt.shape:
        shapes = " or ".join({1: "(T,)", 2: "(B, T)"}[n] for n in dimensions)
        raise ValueError(
            f"prompt={describe(prompt)} must be int64 of shape {shapes}, not empty"
        )
    needed = prompt.shape[-1] + max_new_tokens - 1
    longest = getattr(model, "longest", None)
    if longest is not None and needed > longest:
        raise ValueError(
            f"max_new_tokens={max_new_tokens} after a prompt of {prompt.shape[-1]} "
            f"needs {needed} positions, and the model has {longest}; shorten one"
        )
