"""A language model that only counts: a draft that costs next to nothing.

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
    """The tokens read so far, with what generation asks of a cache.

    Attributes
    ----------
    tokens : int64 Tensor of shape (B, T) or None
    """

    def __init__(self) -> None:
        self.tokens: Tensor | None = None

    @property
    def length(self) -> int:
        """How many positions it holds."""
        return 0 if self.tokens is None else self.tokens.shape[1]

    def extend(self, tokens: Tensor) -> Tensor:
        """Append new tokens (B, T) and return all."""
        if self.tokens is not None:
            tokens = torch.cat([self.tokens, tokens], dim=1)
        self.tokens = tokens
        return tokens

    def select(self, rows: Tensor) -> None:
        """Keep some sequences of the batch, in this order."""
        if self.tokens is not None:
            self.tokens = self.tokens[rows]

    def crop(self, length: int) -> None:
        """Forget all positions but the first `length`."""
        (length,) = check_whole(0, self.length, length=length)
        if self.tokens is not None:
            self.tokens = self.tokens[:, :length]


class CountModel(nn.Module):
    """Predict by how often each token followed the last ones [1].

    p(x | c) = (n(c x) + λ p(x | c')) / (n(c) + λ), where n counts in the training text
    and c' is the context c without its first token.
    Its tables have no gradient, and stay on the device of the training text.

    Parameters
    ----------
    tokens : integer Tensor of shape (N,)
        The training text.
    order : int
        Contexts have up to `order` - 1 tokens.
    vocab_size : int
        V.
    strength : float, default=4.0
        λ, how many counts the shorter context weighs.

    Raises
    ------
    ValueError
        If a size is not positive, the text is shorter than `order` or has an unknown
        token, or so many contexts cannot be numbered.
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
        self.keys: list[Tensor] = []  # of each context length, sorted, (R,)
        self.laws: list[Tensor] = []  # (R, V)
        for length in range(order):
            self._count(tokens, length, strength)

    def forward(self, tokens: Tensor, *, cache: TokenCache | None = None) -> Tensor:
        """Score every token as the next one: log p, of shape (B, T, V)."""
        everything = tokens if cache is None else cache.extend(tokens)
        count = tokens.shape[1]
        law = self.laws[0].expand(*tokens.shape, -1).clone()  # (B, T, V)
        for length in range(1, min(self.order, everything.shape[1] + 1)):
            contexts = everything.unfold(1, length, 1)[:, -count:]  # (B, <= T, length)
            keys = self._number(contexts)
            found, rows = self._find(keys, length)
            part = law[:, count - keys.shape[1] :]
            part[found] = self.laws[length][rows[found]]
        return law.log()

    def new_cache(self) -> TokenCache:
        """Make an empty cache for this model."""
        return TokenCache()

    def _count(self, tokens: Tensor, length: int, strength: float) -> None:
        windows = tokens.unfold(0, length + 1, 1)
        keys, rows = self._number(windows[:, :-1]).unique(return_inverse=True)
        pairs = rows * self.vocab_size + windows[:, -1]
        counts = pairs.bincount(minlength=len(keys) * self.vocab_size)
        counts = counts.view(len(keys), -1).float()  # (R, V)
        if length == 0:
            shorter = torch.full_like(counts, 1 / self.vocab_size)
        else:
            # The first token of a context is the first digit of its number.
            _, below = self._find(keys % self.vocab_size ** (length - 1), length - 1)
            shorter = self.laws[-1][below]
        total = counts.sum(dim=1, keepdim=True)
        self.keys.append(keys)
        self.laws.append((counts + strength * shorter) / (total + strength))

    def _number(self, contexts: Tensor) -> Tensor:
        """Number contexts (..., length) as V-ary numbers."""
        length = contexts.shape[-1]
        places = self.vocab_size ** torch.arange(length - 1, -1, -1)
        return (contexts * places.to(contexts.device)).sum(dim=-1).contiguous()

    def _find(self, keys: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Say which contexts were seen, and in which row they are."""
        known = self.keys[length]
        rows = torch.searchsorted(known, keys).clamp(max=len(known) - 1)
        return known[rows] == keys, rows
