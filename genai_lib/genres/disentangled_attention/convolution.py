"""The convolution beside the first block, as in the released models of version 2.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width

References
    [1] He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", 2020,
        arXiv:2006.03654
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genai_lib.checks import check_boolean, check_positive, describe
from genai_lib.components.attention import (
    ACTIVATIONS,
    FeedForward,
    MultiHeadAttention,
    PostNormBlock,
)

CONVOLVED = {"tanh": torch.tanh, **ACTIVATIONS}
"""The activations of the convolution by name; a file without a name means "tanh"."""


def check_size(size: int) -> int:
    """Return an odd `size`: a window of even size has no middle position."""
    (size,) = check_positive(convolution=size)
    if size % 2 == 0:
        raise ValueError(f"convolution={size} must be odd: a window needs a middle")
    return size


class Convolution(nn.Module):
    """Add a convolution of a block's input to the block's output [1].

    The result is norm(y + activation(convolution(x))) for a block that maps x to y.

    Parameters
    ----------
    width : int
        D.
    size : int
        The kernel size: the number of positions in a window, an odd number.
    activation : function of a Tensor, default=tanh
    norm : function of a width, default=nn.LayerNorm
        Makes the normalisation of the sum.

    Raises
    ------
    ValueError
        If a size is not a whole number above 0, or `size` is even.
    """

    def __init__(
        self,
        width: int,
        size: int,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__()
        (width,), size = check_positive(width=width), check_size(size)
        self.window = nn.Conv1d(width, width, size, padding=size // 2)
        self.activation = activation
        self.norm = norm(width)

    def forward(self, x: Tensor, output: Tensor, mask: Tensor | None = None) -> Tensor:
        """Convolve `x`, add `output` and normalise.

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
            The input of the block; beyond its ends the convolution sees zeros.
        output : Tensor of shape (B, T, D)
            The output of the block.
        mask : bool Tensor of shape (B, T), default=None
            False at padding, where the convolution sees zeros as beyond the ends.

        Returns
        -------
        Tensor of shape (B, T, D)

        Raises
        ------
        ValueError
            If the shapes of `x` and `output` differ, or that of `mask` does not fit.
        """
        if x.ndim != 3 or x.shape != output.shape:
            raise ValueError(
                f"x={describe(x)} and output={describe(output)} must have the same "
                "shape (B, T, D)"
            )
        if mask is not None:
            check_boolean("mask", mask, x.shape[:-1], x.device)
            x = x.masked_fill(~mask[..., None], 0)
        # Conv1d wants the positions in the last dimension: (B, T, D) -> (B, D, T).
        convolved = self.window(x.mT).mT
        return self.norm(output + self.activation(convolved))


class ConvolvedBlock(PostNormBlock):
    """A block with a convolution beside it that has the same input.

    Parameters
    ----------
    attention : MultiHeadAttention
    feed_forward : nn.Module
        Maps (B, T, D) to (B, T, D).
    convolution : Convolution
    norm : function of a width, default=nn.LayerNorm
        Makes the normalisation of each sub-layer of the block.
    """

    def __init__(
        self,
        attention: MultiHeadAttention,
        feed_forward: FeedForward,
        convolution: Convolution,
        *,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
    ) -> None:
        super().__init__(attention, feed_forward, norm=norm)
        self.convolution = convolution

    def forward(
        self,
        x: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Map (B, T, D) to (B, T, D).

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
        mask : bool Tensor of shape (B, 1, 1, T), default=None
            False at padding.
        positions : integer Tensor of shape (T,), default=0 to T - 1
        """
        batch, length, _ = x.shape
        if mask is not None:
            check_boolean("mask", mask, (batch, 1, 1, length), x.device)
        output = super().forward(x, mask=mask, positions=positions)
        return self.convolution(x, output, None if mask is None else mask[:, 0, 0])
