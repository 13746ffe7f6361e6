"""Multi-head attention, with grouped key-value heads, cross-attention and a cache.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    B  sequences in a batch    Q  query positions    K  key positions
    D  width of the model      d  width of one head, usually D / heads

References
    [1] Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762
    [2] Ainslie et al., "GQA", 2023, arXiv:2305.13245
"""

import torch
from torch import Tensor, nn

from genai_lib.checks import check_finite, check_floating, check_positive, describe
from genai_lib.components.attention.dot_product import Normalizer, attend, attend_fast
from genai_lib.components.attention.interface import (
    KeyValueCache,
    KeyValues,
    PositionalEncoding,
)
from genai_lib.components.attention.masks import check_mask
from genai_lib.components.softmax import softmax


class MultiHeadAttention(nn.Module):
    """Multi-head attention: each head has its own slice of the width [1, §3.2.2].

    Parameters
    ----------
    width : int
        D, the width of inputs and outputs.
    heads : int
    kv_heads : int, default=`heads`
        Key-value heads. With fewer than `heads` it is grouped-query attention, where
        heads / kv_heads query heads share each of them [2]; one is multi-query.
    head_width : int, default=width / heads
    memory_width : int, default=`width`
        The width of the vectors that keys and values are projected from.
    normalize : function of (logits, dim), default=softmax
        Softmax itself runs as `attend_fast`, any other function as `attend`.
    positional_encoding : PositionalEncoding, default=None
        Rotates queries and keys, and adds a bias to the scores.
    scale : float, default=1/√d
    bias : bool, default=True
        Whether the four linear layers have a bias.

    Raises
    ------
    ValueError
        If a size is not positive, or `width` is not a multiple of `heads`, or `heads`
        is not a multiple of `kv_heads`.

    Notes
    -----
    A vector behind the mask reaches no other position, even if it is NaN. But it makes
    the gradients of `to_key`, `to_value` and other linear layers that read it NaN: they
    sum each input times what flows back to it, and 0 · NaN is NaN. Put zeros in its
    place before training.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_width: int | None = None,
        memory_width: int | None = None,
        normalize: Normalizer = softmax,
        positional_encoding: PositionalEncoding | None = None,
        scale: float | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        memory_width = width if memory_width is None else memory_width
        check_positive(width=width, heads=heads, kv_heads=kv_heads)
        check_positive(memory_width=memory_width)
        _check_multiple("heads", heads, "kv_heads", kv_heads)
        if head_width is None:
            _check_multiple("width", width, "heads", heads)
            head_width = width // heads
        check_positive(head_width=head_width)
        if scale is not None:
            (scale,) = check_finite(scale=scale)
        self.width, self.heads, self.kv_heads = width, heads, kv_heads
        self.normalize, self.scale = normalize, scale
        self.positional_encoding = positional_encoding
        self.to_query = nn.Linear(width, heads * head_width, bias=bias)
        self.to_key = nn.Linear(memory_width, kv_heads * head_width, bias=bias)
        self.to_value = nn.Linear(memory_width, kv_heads * head_width, bias=bias)
        self.to_output = nn.Linear(heads * head_width, width, bias=bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | KeyValues | None = None,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Let each position of `x` attend to `x` itself, or to `memory`.

        Parameters
        ----------
        x : Tensor of shape (B, Q, D)
        memory : Tensor of shape (B, K, memory_width) or KeyValues, default=`x`
            What cross-attention attends to; `project_kv` projects it once.
        mask : bool Tensor of shape (Q, K) or (B or 1, heads or 1, Q or 1, K)
            True where attention is allowed; with a cache, K counts its positions too.
        positions : Tensor of shape (Q,), default=those that follow the cache
        cache : KeyValueCache, default=None
            The keys and values of earlier positions. It is attended to and extended.

        Returns
        -------
        Tensor of shape (B, Q, D)
        """
        mixed = self.mix(x, memory, mask=mask, positions=positions, cache=cache)
        # (B, heads, Q, d) -> (B, Q, heads * d) -> (B, Q, D)
        return self.to_output(mixed.transpose(-3, -2).flatten(-2))

    def mix(
        self,
        x: Tensor,
        memory: Tensor | KeyValues | None = None,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return the output of each head, of shape (B, heads, Q, d).

        `forward` passes it to the output projection; the parameters are the same.
        """
        self._check(x, memory, cache)
        query = _split_heads(self.to_query(x), self.heads)  # (B, heads, Q, d)
        if memory is None:
            self._check_mask(query, mask, cache)
            query, memory, bias = self._prepare_self(query, x, positions, cache)
        else:
            memory, bias = self.project_kv(memory), None
        key, value = (self._repeat_kv(y) for y in memory)
        if self.normalize is softmax:
            return attend_fast(query, key, value, mask, bias, scale=self.scale)
        mixed, _ = attend(
            query, key, value, mask, self.normalize, bias, scale=self.scale
        )
        return mixed

    def score_bias(
        self, query: Tensor, key: Tensor, positions: Tensor, key_positions: Tensor
    ) -> Tensor | None:
        """Return what is added to the scores: here the bias of the positional encoding.

        Subclasses may let it depend on the contents: `query` of shape (B, heads, Q, d)
        and `key` of shape (B, kv_heads, K, d), both rotated.
        """
        if self.positional_encoding is None:
            return None
        return self.positional_encoding.bias(positions, key_positions)

    def project_kv(self, memory: Tensor | KeyValues) -> KeyValues:
        """Project (B, K, memory_width) to keys and values, unless that is done."""
        if isinstance(memory, KeyValues):
            return memory
        wanted = self.to_key.in_features
        if memory.ndim != 3 or memory.shape[-1] != wanted:
            raise ValueError(
                f"memory={describe(memory)} must have shape (B, K, {wanted})"
            )
        key = _split_heads(self.to_key(memory), self.kv_heads)
        value = _split_heads(self.to_value(memory), self.kv_heads)
        return KeyValues(key, value)

    def _prepare_self(self, query, x, positions, cache):
        """Prepare self-attention: keys and values of `x`, positions and the cache."""
        memory = self.project_kv(x)
        if positions is None:
            past = cache.length if cache is not None else 0
            positions = torch.arange(past, past + x.shape[-2], device=x.device)
        if positions.shape != x.shape[-2:-1]:
            raise ValueError(
                f"positions={describe(positions)} must have shape ({x.shape[-2]},)"
            )
        if self.positional_encoding is not None:
            query, key = self.positional_encoding.rotate(query, memory.key, positions)
            memory = KeyValues(key, memory.value)
        key_positions = positions
        if cache is not None:
            memory, key_positions = cache.extend(memory, positions)
        bias = self.score_bias(query, memory.key, positions, key_positions)
        return query, memory, bias

    def _repeat_kv(self, x: Tensor) -> Tensor:
        # (B, kv_heads, K, d) -> (B, heads, K, d): neighbouring query heads share one.
        if self.kv_heads == self.heads:
            return x
        return x.repeat_interleave(self.heads // self.kv_heads, dim=-3)

    def _check_mask(self, query, mask, cache) -> None:
        # Checked before the cache is extended, so that an error leaves it unchanged.
        if mask is not None:
            past = 0 if cache is None else cache.length
            shape = (*query.shape[:-1], past + query.shape[-2])
            check_mask(mask, shape, query.device)

    def _check(self, x, memory, cache) -> None:
        check_floating("x", x)
        if x.ndim != 3 or x.shape[-1] != self.width:
            raise ValueError(f"x={describe(x)} must have shape (B, Q, {self.width})")
        if memory is not None and (
            cache is not None or self.positional_encoding is not None
        ):
            raise ValueError(
                "memory is given: neither a cache nor positional_encoding may be"
            )


def _split_heads(x: Tensor, heads: int) -> Tensor:
    # (B, T, heads * d) -> (B, T, heads, d) -> (B, heads, T, d): heads become a batch
    # dimension. Reshaping straight to (B, heads, T, d) would mix positions.
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _check_multiple(name: str, value: int, of: str, part: int) -> None:
    if value % part:
        raise ValueError(f"{name}={value} must be a multiple of {of}={part}")
