"""Evaluate a language model: cross-entropy in bits.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Shape letters used in this file
    ...  any leading dimensions    T  positions    V  tokens in the vocabulary
    N  tokens of a text
"""

import math

import torch
from torch import Tensor, nn

from genai_lib.checks import check_positive, describe, is_whole_dtype
from genai_lib.components.softmax import token_log_probabilities


def cross_entropy_bits(logits: Tensor, tokens: Tensor) -> Tensor:
    """Compute -log₂ p(token) for each token.

    Parameters
    ----------
    logits : floating-point Tensor of shape (..., V)
    tokens : integer Tensor of shape (...)
        The tokens that came.

    Returns
    -------
    Tensor of shape (...)
        In bits. Their mean is the cross-entropy, and 2 to its power the perplexity.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a token is not from 0 to V - 1, such as the -100
        by which some libraries mark positions to ignore: leave these out.

    >>> cross_entropy_bits(torch.zeros(8), torch.tensor(3))
    tensor(3.)
    """
    return -token_log_probabilities(logits, tokens) / math.log(2)


@torch.no_grad()
def text_bits(
    model: nn.Module, tokens: Tensor, context: int, stride: int, size: int = 64
) -> Tensor:
    """Compute the bits of each token of a long text with a sliding window.

    Windows of `context` tokens advance by `stride` tokens, and only the last `stride`
    predictions of a window count. So each token is predicted from at least
    `context - stride` tokens before it, or from all if there are fewer.

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) to logits (B, T, V).
    tokens : integer Tensor of shape (N,)
    context : int
        The number of tokens in a window.
    stride : int
        At most `context`.
    size : int, default=64
        How many windows the model reads in one batch.

    Returns
    -------
    Tensor of shape (N - 1,)
        Bits of the second token, the third and so on.
    """
    context, stride = check_positive(context=context, stride=stride)
    (size,) = check_positive(size=size)
    if stride > context:
        raise ValueError(f"stride={stride} must be at most context={context}")
    whole = isinstance(tokens, Tensor) and is_whole_dtype(tokens.dtype)
    if not whole or tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(
            f"tokens={describe(tokens)} must be integers of shape (N,), N > 1"
        )
    first = cross_entropy_bits(*_predict(model, tokens[None, : context + 1]))[0]
    bits, last = [first], len(tokens) - 1
    ends = [min(n, last) for n in range(len(first) + stride, last + stride, stride)]
    window = torch.arange(-context, 1)
    for i in range(0, len(ends), size):
        places = torch.tensor(ends[i : i + size])[:, None] + window
        windows = tokens[places.to(tokens.device)]  # (size, context + 1)
        bits.append(
            cross_entropy_bits(*_predict(model, windows))[:, -stride:].flatten()
        )
    found = torch.cat(bits)
    # The last window ends with the text, so its first predictions may be repeated.
    repeated = len(found) - last
    return torch.cat([found[: last - stride], found[last - stride + repeated :]])


def _predict(model: nn.Module, windows: Tensor) -> tuple[Tensor, Tensor]:
    return model(windows[:, :-1]), windows[:, 1:]
