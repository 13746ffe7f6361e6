"""DeBERTa: an encoder with disentangled attention.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention
"""

from genai_lib.genres.disentangled_attention.attention import (
    TERMS,
    DebertaAttention,
    DebertaAttentionAsPrinted,
    content_to_position,
    position_to_content,
)
from genai_lib.genres.disentangled_attention.buckets import (
    RelativePositions,
    log_bucket,
    relative_rows,
)
from genai_lib.genres.disentangled_attention.config import DebertaConfig
from genai_lib.genres.disentangled_attention.convolution import (
    CONVOLVED,
    Convolution,
    ConvolvedBlock,
)
from genai_lib.genres.disentangled_attention.model import (
    Deberta,
    enhanced_mask_decoder,
)

__all__ = [
    "CONVOLVED",
    "TERMS",
    "Convolution",
    "ConvolvedBlock",
    "Deberta",
    "DebertaAttention",
    "DebertaConfig",
    "DebertaAttentionAsPrinted",
    "RelativePositions",
    "content_to_position",
    "enhanced_mask_decoder",
    "log_bucket",
    "position_to_content",
    "relative_rows",
]
