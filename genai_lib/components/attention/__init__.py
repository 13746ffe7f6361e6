"""Attention, multi-head attention, feed-forward networks, transformer blocks.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention
"""

from genai_lib.components.attention.block import (
    ACTIVATIONS,
    GELU_TANH,
    FeedForward,
    GatedFeedForward,
    PostNormBlock,
    RMSNorm,
    TransformerBlock,
    quick_gelu,
)
from genai_lib.components.attention.dot_product import (
    Normalizer,
    attend,
    attend_fast,
    attend_loop,
)
from genai_lib.components.attention.heads import MultiHeadAttention
from genai_lib.components.attention.interface import (
    KeyValueCache,
    KeyValues,
    PositionalEncoding,
)
from genai_lib.components.attention.masks import (
    causal_mask,
    check_bias,
    check_mask,
)
from genai_lib.components.attention.recording import record_attention
from genai_lib.components.attention.text_model import (
    TextModel,
    bits_per_token,
    next_token_loss,
)

__all__ = [
    "ACTIVATIONS",
    "GELU_TANH",
    "FeedForward",
    "GatedFeedForward",
    "KeyValueCache",
    "KeyValues",
    "MultiHeadAttention",
    "Normalizer",
    "PositionalEncoding",
    "PostNormBlock",
    "RMSNorm",
    "TextModel",
    "TransformerBlock",
    "attend",
    "attend_fast",
    "attend_loop",
    "bits_per_token",
    "causal_mask",
    "check_bias",
    "check_mask",
    "next_token_loss",
    "quick_gelu",
    "record_attention",
]
