"""Several attentions side by side.

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
from genai_lib.components.attention.masks import check_mask
from genai_lib.components.attention.memory import KeyValueCache, Memory
from genai_lib.components.attention.scheme import PositionScheme
from genai_lib.components.softmax import softmax


class MultiHeadAttention(nn.Module):
    """Attend with several heads, each in its own slice of the width [1, §3.2.2].

    Parameters
    ----------
    width : int
        D, the width of inputs and outputs.
    heads : int
    groups : int, default=`heads`
        How many different keys and values there are; each serves heads / groups
        heads [2]. One group is multi-query attention.
    head_width : int, default=width / heads
    memory_width : int, default=`width`
        The width of what keys and values are made of.
    normalize : function of (logits, dim), default=softmax
        Softmax runs fused; anything else runs as `attend` is written.
    scheme : PositionScheme, default=None
        Rotates queries and keys and biases the scores.
    scale : float, default=1/√d
    bias : bool, default=True
        Whether the four linear maps add a bias.

    Raises
    ------
    ValueError
        If a size is not positive, `width` no multiple of `heads`, or `heads` none of
        `groups`.

    Notes
    -----
    A vector behind the mask reaches no other position, even if it is NaN. But it makes
    the gradients of `to_key`, `to_value` and other maps that read it NaN: they sum each
    input times what flows back to it, and 0 · NaN is NaN. Put zeros in its place
    before training.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        groups: int | None = None,
        head_width: int | None = None,
        memory_width: int | None = None,
        normalize: Normalizer = softmax,
        scheme: PositionScheme | None = None,
        scale: float | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        groups = heads if groups is None else groups
        memory_width = width if memory_width is None else memory_width
        check_positive(width=width, heads=heads, groups=groups)
        check_positive(memory_width=memory_width)
        _check_multiple("heads", heads, "groups", groups)
        if head_width is None:
            _check_multiple("width", width, "heads", heads)
            head_width = width // heads
        check_positive(head_width=head_width)
        if scale is not None:
            (scale,) = check_finite(scale=scale)
        self.width, self.heads, self.groups = width, heads, groups
        self.normalize, self.scheme, self.scale = normalize, scheme, scale
        self.to_query = nn.Linear(width, heads * head_width, bias=bias)
        self.to_key = nn.Linear(memory_width, groups * head_width, bias=bias)
        self.to_value = nn.Linear(memory_width, groups * head_width, bias=bias)
        self.to_output = nn.Linear(heads * head_width, width, bias=bias)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | Memory | None = None,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Let every position of `x` look at `x` itself, or at `memory`.

        Parameters
        ----------
        x : Tensor of shape (B, Q, D)
        memory : Tensor of shape (B, K, memory_width) or Memory, default=`x`
            What to look at, in cross-attention; `remember` prepares it once.
        mask : bool Tensor of shape (Q, K) or (B or 1, heads or 1, Q or 1, K)
            True where looking is allowed; with a cache, K counts its positions too.
        positions : Tensor of shape (Q,), default=those that follow the cache
        cache : KeyValueCache, default=None
            Is looked at as well, and extended.

        Returns
        -------
        Tensor of shape (B, Q, D)
        """
        mixed = self.mix(x, memory, mask=mask, positions=positions, cache=cache)
        return self.to_output(mixed.transpose(-3, -2).flatten(-2))  # (B, Q, D)

    def mix(
        self,
        x: Tensor,
        memory: Tensor | Memory | None = None,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return what each head found, of shape (B, heads, Q, d).

        It is what `forward` gives to the output map, with the same parameters.
        """
        self._check(x, memory, cache)
        query = _split(self.to_query(x), self.heads)  # (B, heads, Q, d)
        if memory is None:
            self._check_mask(query, mask, cache)
            query, memory, bias = self._look_back(query, x, positions, cache)
        else:
            memory, bias = self.remember(memory), None
        key, value = (self._repeat(y) for y in memory)
        if self.normalize is softmax:
            return attend_fast(query, key, value, mask, bias, scale=self.scale)
        mixed, _ = attend(
            query, key, value, mask, self.normalize, bias, scale=self.scale
        )
        return mixed

    def score_bias(
        self, query: Tensor, key: Tensor, positions: Tensor, key_positions: Tensor
    ) -> Tensor | None:
        """Return what is added to the scores, here what the scheme says.

        Subclasses may let it depend on the contents: `query` of shape (B, heads, Q, d)
        and `key` of shape (B, groups, K, d), both rotated.
        """
        if self.scheme is None:
            return None
        return self.scheme.bias(positions, key_positions)

    def remember(self, memory: Tensor | Memory) -> Memory:
        """Turn (B, K, memory_width) into keys and values, unless that is done."""
        if isinstance(memory, Memory):
            return memory
        wanted = self.to_key.in_features
        if memory.ndim != 3 or memory.shape[-1] != wanted:
            raise ValueError(
                f"memory={describe(memory)} must have shape (B, K, {wanted})"
            )
        key, value = self.to_key(memory), self.to_value(memory)
        return Memory(_split(key, self.groups), _split(value, self.groups))

    def _look_back(self, query, x, positions, cache):
        """Make keys and values of `x` itself, placed by the scheme, after the cache."""
        memory = self.remember(x)
        if positions is None:
            past = cache.length if cache is not None else 0
            positions = torch.arange(past, past + x.shape[-2], device=x.device)
        if positions.shape != x.shape[-2:-1]:
            raise ValueError(
                f"positions={describe(positions)} must have shape ({x.shape[-2]},)"
            )
        if self.scheme is not None:
            query, key = self.scheme.rotate(query, memory.key, positions)
            memory = Memory(key, memory.value)
        everywhere = positions
        if cache is not None:
            memory, everywhere = cache.extend(memory, positions)
        bias = self.score_bias(query, memory.key, positions, everywhere)
        return query, memory, bias

    def _repeat(self, x: Tensor) -> Tensor:
        if self.groups == self.heads:
            return x
        return x.repeat_interleave(self.heads // self.groups, dim=-3)

    def _check_mask(self, query, mask, cache) -> None:
        # Before the cache is extended, so that it stays as it was.
        if mask is not None:
            past = 0 if cache is None else cache.length
            shape = (*query.shape[:-1], past + query.shape[-2])
            check_mask(mask, shape, query.device)

    def _check(self, x, memory, cache) -> None:
        check_floating("x", x)
        if x.ndim != 3 or x.shape[-1] != self.width:
            raise ValueError(f"x={describe(x)} must have shape (B, Q, {self.width})")
        if memory is not None and (cache is not None or self.scheme is not None):
            raise ValueError("memory is given: a cache or a scheme has no place there")


def _split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)  # (B, heads, T, d)


def _check_multiple(name: str, value: int, of: str, part: int) -> None:
    if value % part:
        raise ValueError(f"{name}={value} must be a multiple of {of}={part}")
