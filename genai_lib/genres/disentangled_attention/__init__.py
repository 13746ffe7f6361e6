"""DeBERTa: attention that keeps apart what a token is and where it stands.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention
"""

from genai_lib.genres.disentangled_attention.attention import (
    TERMS,
    DebertaAttention,
    PrintedDebertaAttention,
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
from genai_lib.genres.disentangled_attention.decoder import decode
from genai_lib.genres.disentangled_attention.model import Deberta

__all__ = [
    "CONVOLVED",
    "TERMS",
    "Convolution",
    "ConvolvedBlock",
    "Deberta",
    "DebertaAttention",
    "DebertaConfig",
    "PrintedDebertaAttention",
    "RelativePositions",
    "content_to_position",
    "decode",
    "log_bucket",
    "position_to_content",
    "relative_rows",
]
