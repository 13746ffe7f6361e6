"""GPT, the model that predicts the next token, and what to compare it with.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/test_decoder_only.py
"""

from genai_lib.genres.decoder_only.config import ACTIVATIONS, GPTConfig
from genai_lib.genres.decoder_only.measure import cross_entropy_bits, text_bits
from genai_lib.genres.decoder_only.model import GPT, ModelCache

__all__ = [
    "ACTIVATIONS",
    "GPT",
    "GPTConfig",
    "ModelCache",
    "cross_entropy_bits",
    "text_bits",
]
