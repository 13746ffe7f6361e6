"""The transformer block: attention and a feed-forward network, with residuals.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    B  sequences in a batch      T  positions      D  width of the model

References
    [1] Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762
    [2] Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020,
        arXiv:2002.04745
    [3] Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
        arXiv:1910.07467
    [4] Shazeer, "GLU Variants Improve Transformer", 2020, arXiv:2002.05202
    [5] Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", 2016,
        arXiv:1606.08415
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.checks import check_positive, check_real
from genai_lib.components.attention.heads import MultiHeadAttention
from genai_lib.components.attention.interface import KeyValueCache, KeyValues

Activation = Callable[[Tensor], Tensor]
# GPT-2 uses this approximation of GELU.
GELU_TANH = partial(functional.gelu, approximate="tanh")


def quick_gelu(x: Tensor) -> Tensor:
    """Compute x · sigmoid(1.702 x), the coarser approximation of GELU [5, §2]."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": GELU_TANH,
    "gelu_pytorch_tanh": GELU_TANH,
    "gelu_python_tanh": GELU_TANH,
    "gelu_fast": GELU_TANH,
    "gelu_accurate": GELU_TANH,
    "gelu": functional.gelu,
    "gelu_python": functional.gelu,
    "quick_gelu": quick_gelu,
    "relu": functional.relu,
    "silu": functional.silu,
    "swish": functional.silu,
}
"""Activations by their names in Hugging Face's config.json; some have several."""


class RMSNorm(nn.Module):
    """Divide each vector by its root mean square, then scale each entry [3, eq. 4].

    Parameters
    ----------
    width : int
    epsilon : float, default=1e-6
        Added to the mean square, so that a zero vector does not become NaN.
    """

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        check_positive(width=width)
        (self.epsilon,) = check_real(
            "0 or more, and finite", lambda x: 0 <= x < math.inf, epsilon=epsilon
        )
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D); 16-bit numbers are squared in 32 bits."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean_square = wide.square().mean(dim=-1, keepdim=True)
        return (wide * (mean_square + self.epsilon).rsqrt()).to(x.dtype) * self.scale


class FeedForward(nn.Module):
    """Two linear layers, applied to each position separately [1, eq. 2].

    Parameters
    ----------
    width : int
    ffn_width : int, default=4 * width
    activation : function of a Tensor, default=gelu
    bias : bool, default=True
    """

    def __init__(
        self,
        width: int,
        ffn_width: int | None = None,
        activation: Activation = functional.gelu,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        ffn_width = 4 * width if ffn_width is None else ffn_width
        check_positive(width=width, ffn_width=ffn_width)
        self.activation = activation
        self.to_hidden = nn.Linear(width, ffn_width, bias=bias)
        self.to_output = nn.Linear(ffn_width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.to_output(self.activation(self.to_hidden(x)))


class GatedFeedForward(nn.Module):
    """A feed-forward network whose hidden units are multiplied by a gate [4, eq. 6].

    Parameters
    ----------
    width : int
    ffn_width : int, default=8 * width // 3
        With the default it has about as many weights as `FeedForward`.
    activation : function of a Tensor, default=silu
        The activation of the gate; with silu the network is called SwiGLU.
    bias : bool, default=False
    """

    def __init__(
        self,
        width: int,
        ffn_width: int | None = None,
        activation: Activation = functional.silu,
        *,
        bias: bool = False,
    ) -> None:
        super().__init__()
        ffn_width = 8 * width // 3 if ffn_width is None else ffn_width
        check_positive(width=width, ffn_width=ffn_width)
        self.activation = activation
        self.to_gate = nn.Linear(width, ffn_width, bias=bias)
        self.to_hidden = nn.Linear(width, ffn_width, bias=bias)
        self.to_output = nn.Linear(ffn_width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D)."""
        return self.to_output(self.activation(self.to_gate(x)) * self.to_hidden(x))


class TransformerBlock(nn.Module):
    """The pre-norm block: x + f(norm(x)) for each sub-layer f [2].

    Parameters
    ----------
    attention : MultiHeadAttention, or a module with its `forward` and `width`
    feed_forward : nn.Module
        Maps (B, T, D) to (B, T, D).
    norm : function of a width, default=nn.LayerNorm
        Makes the normalisation of each sub-layer.
    cross_attention : MultiHeadAttention, default=None
        Attends to a memory between the other two sub-layers, as in the decoder of an
        encoder-decoder.
    """

    def __init__(
        self,
        attention: MultiHeadAttention,
        feed_forward: nn.Module,
        *,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
        cross_attention: MultiHeadAttention | None = None,
    ) -> None:
        super().__init__()
        self.attention, self.feed_forward = attention, feed_forward
        self.cross_attention = cross_attention
        self.attention_norm = norm(attention.width)
        self.feed_forward_norm = norm(attention.width)
        if cross_attention is not None:
            self.cross_norm = norm(attention.width)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | KeyValues | None = None,
        *,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Apply attention and then the feed-forward network, each with a residual.

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
        memory : Tensor of shape (B, K, memory_width) or KeyValues, default=None
            What the cross-attention attends to; given if and only if there is one.
        mask, memory_mask : bool Tensor, default=None
            The masks of the two attentions, as in `MultiHeadAttention`.
        positions, cache : default=None
            As in `MultiHeadAttention`.

        Returns
        -------
        Tensor of shape (B, T, D)
        """
        self._check(memory, memory_mask)
        options = {"mask": mask, "positions": positions, "cache": cache}
        x = x + self.attention(self.attention_norm(x), **options)
        if self.cross_attention is not None:
            x = x + self.cross_attention(self.cross_norm(x), memory, mask=memory_mask)
        return x + self.feed_forward(self.feed_forward_norm(x))

    def _check(self, memory, memory_mask) -> None:
        crosses = self.cross_attention is not None
        if crosses != (memory is not None) or (memory_mask is not None and not crosses):
            wanted = "is needed by" if crosses else "is given without"
            raise ValueError(f"memory {wanted} cross_attention")


class PostNormBlock(TransformerBlock):
    """The post-norm block: norm(x + f(x)) for each sub-layer f, as in 2017 [1, §3.1].

    Parameters and shapes are those of `TransformerBlock`.
    """

    def forward(
        self,
        x: Tensor,
        memory: Tensor | KeyValues | None = None,
        *,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Apply the sub-layers to (B, T, D), each with a residual connection."""
        self._check(memory, memory_mask)
        options = {"mask": mask, "positions": positions, "cache": cache}
        x = self.attention_norm(x + self.attention(x, **options))
        if self.cross_attention is not None:
            crossed = self.cross_attention(x, memory, mask=memory_mask)
            x = self.cross_norm(x + crossed)
        return self.feed_forward_norm(x + self.feed_forward(x))
