"""Attention and the block against those of torch: a training step, one thread."""

import torch
from torch import nn
from torch.nn import functional

from genai_lib.components.attention import (
    FeedForward,
    MultiHeadAttention,
    PostNormBlock,
    TransformerBlock,
    causal_mask,
)
from tests.bench._timing import compare, forward_backward, row

# Batch, length, width, heads.
SHAPES = ((16, 64, 64, 4), (16, 64, 128, 4), (8, 256, 256, 8))
GOAL = 1.0


def attentions(width: int, heads: int, mask: torch.Tensor | None):
    """Pair our attention with that of torch."""
    ours = MultiHeadAttention(width, heads)
    torchs = nn.MultiheadAttention(width, heads, batch_first=True)
    forbidden = None if mask is None else ~mask
    return (
        lambda x: ours(x, mask=mask),
        lambda x: torchs(x, x, x, attn_mask=forbidden, need_weights=False)[0],
    )


def blocks(kind: type[TransformerBlock], width: int, heads: int, mask: torch.Tensor):
    """Pair a block of ours with the layer of torch."""
    attention = MultiHeadAttention(width, heads)
    ours = kind(attention, FeedForward(width, activation=functional.relu))
    torchs = nn.TransformerEncoderLayer(
        width,
        heads,
        4 * width,
        dropout=0.0,
        batch_first=True,
        norm_first=kind is TransformerBlock,
    )
    forbidden = None if mask is None else ~mask
    return lambda x: ours(x, mask=mask), lambda x: torchs(x, src_mask=forbidden)


def main() -> None:
    """Print milliseconds of ours and of torch, and their ratio."""
    torch.set_num_threads(1)
    print(
        f"{'training step, forward and backward':<48}{'ours':>12}{'torch':>12}  ratio"
    )
    for batch, length, width, heads in SHAPES:
        x = torch.randn(batch, length, width, requires_grad=True)
        for name, mask in (("", None), (", causal", causal_mask(length))):
            cases = {
                "attention": attentions(width, heads, mask),
                "pre-norm block": blocks(TransformerBlock, width, heads, mask),
                "post-norm block": blocks(PostNormBlock, width, heads, mask),
            }
            for case, pair in cases.items():
                figures = compare(
                    *(lambda f=f, x=x: forward_backward(f, x) for f in pair)
                )
                print(row(f"{case} {batch}×{length}×{width}{name}", *figures, GOAL))


if __name__ == "__main__":
    main()
