"""An n-gram model with Dirichlet smoothing: a cheap draft for speculative decoding.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Shape letters used in this file
    B  sequences in a batch    T  positions    V  tokens in the vocabulary
    N  tokens of the training text    R  different contexts of one length

References
    [1] MacKay and Peto, "A Hierarchical Dirichlet Language Model", 1995
"""

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    check_above_zero,
    check_positive,
    check_tokens,
    check_whole,
    describe,
    is_whole_dtype,
)


class TokenCache:
    """A cache of tokens with the interface that generation needs.

    Attributes
    ----------
    tokens : int64 Tensor of shape (B, T) or None
    """

    def __init__(self) -> None:
        self.tokens: Tensor | None = None

    @property
    def length(self) -> int:
        """The number of positions in the cache."""
        return 0 if self.tokens is None else self.tokens.shape[1]

    def extend(self, tokens: Tensor) -> Tensor:
        """Append new tokens (B, T) and return all."""
        if self.tokens is not None:
            tokens = torch.cat([self.tokens, tokens], dim=1)
        self.tokens = tokens
        return tokens

    def select(self, rows: Tensor) -> None:
        """Keep the given sequences of the batch, in this order."""
        if self.tokens is not None:
            self.tokens = self.tokens[rows]

    def crop(self, length: int) -> None:
        """Keep only the first `length` positions."""
        (length,) = check_whole(0, self.length, length=length)
        if self.tokens is not None:
            self.tokens = self.tokens[:, :length]


class NGramModel(nn.Module):
    """An n-gram model whose longer contexts are smoothed by shorter ones [1].

    p(x | c) = (n(c x) + λ p(x | c')) / (n(c) + λ), where n counts in the training text
    and c' is the context c without its first token.
    Its tables have no gradient and stay on the device of the training text.

    Parameters
    ----------
    tokens : integer Tensor of shape (N,)
        The training text.
    order : int
        n: contexts have up to `order` - 1 tokens.
    vocab_size : int
        V.
    strength : float, default=4.0
        λ, the weight of the shorter context, in counts.

    Raises
    ------
    ValueError
        If a size is not positive, the text is shorter than `order` or has an unknown
        token, or contexts do not fit into 64-bit numbers.
    """

    def __init__(
        self, tokens: Tensor, order: int, vocab_size: int, strength: float = 4.0
    ) -> None:
        super().__init__()
        order, vocab_size = check_positive(order=order, vocab_size=vocab_size)
        whole = isinstance(tokens, Tensor) and is_whole_dtype(tokens.dtype)
        if not whole or tokens.ndim != 1 or len(tokens) < order:
            raise ValueError(
                f"tokens={describe(tokens)} must be whole, of shape (N,), N >= {order}"
            )
        tokens = check_tokens("tokens", tokens, vocab_size)
        (strength,) = check_above_zero(strength=strength)
        if vocab_size**order >= 2**62:
            raise ValueError(
                f"vocab_size={vocab_size} to the power of order={order} must be below "
                "2 ** 62"
            )
        self.vocab_size, self.order = vocab_size, order
        self.keys: list[Tensor] = []  # sorted contexts of each length, (R,)
        self.probabilities: list[Tensor] = []  # (R, V)
        for length in range(order):
            self._count(tokens, length, strength)

    def forward(self, tokens: Tensor, *, cache: TokenCache | None = None) -> Tensor:
        """Return log p of the token after each position (B, T, V)."""
        everything = tokens if cache is None else cache.extend(tokens)
        count = tokens.shape[1]
        result = self.probabilities[0].expand(*tokens.shape, -1).clone()  # (B, T, V)
        for length in range(1, min(self.order, everything.shape[1] + 1)):
            contexts = everything.unfold(1, length, 1)[:, -count:]  # (B, <= T, length)
            keys = self._number(contexts)
            known, rows = self._find(keys, length)
            # The first positions have no context of this length.
            part = result[:, count - keys.shape[1] :]
            part[known] = self.probabilities[length][rows[known]]
        return result.log()

    def new_cache(self) -> TokenCache:
        """Return an empty cache for this model."""
        return TokenCache()

    def _count(self, tokens: Tensor, length: int, strength: float) -> None:
        """Append the table of all contexts of one length that occur in the text."""
        windows = tokens.unfold(0, length + 1, 1)
        keys, rows = self._number(windows[:, :-1]).unique(return_inverse=True)
        pairs = rows * self.vocab_size + windows[:, -1]
        counts = pairs.bincount(minlength=len(keys) * self.vocab_size)
        counts = counts.view(len(keys), -1).float()  # (R, V)
        if length == 0:
            shorter = torch.full_like(counts, 1 / self.vocab_size)
        else:
            # The remainder drops the first token, the first digit of the number.
            _, below = self._find(keys % self.vocab_size ** (length - 1), length - 1)
            shorter = self.probabilities[-1][below]
        total = counts.sum(dim=1, keepdim=True)
        self.keys.append(keys)
        self.probabilities.append((counts + strength * shorter) / (total + strength))

    def _number(self, contexts: Tensor) -> Tensor:
        """Return contexts (..., length) as numbers in base V."""
        length = contexts.shape[-1]
        places = self.vocab_size ** torch.arange(length - 1, -1, -1)
        return (contexts * places.to(contexts.device)).sum(dim=-1).contiguous()

    def _find(self, keys: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Return which contexts occur in the training text, and their rows."""
        known = self.keys[length]
        rows = torch.searchsorted(known, keys).clamp(max=len(known) - 1)
        return known[rows] == keys, rows
