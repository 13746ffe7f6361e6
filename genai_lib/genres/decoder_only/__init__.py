"""GPT, a decoder-only language model, and the n-grams that are its baseline.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only
"""

from genai_lib.components.attention import ACTIVATIONS
from genai_lib.genres.decoder_only.config import GPTConfig, StackConfig
from genai_lib.genres.decoder_only.measure import cross_entropy_bits, text_bits
from genai_lib.genres.decoder_only.model import GPT, ModelCache
from genai_lib.genres.decoder_only.ngram import KneserNey
from genai_lib.genres.decoder_only.repeats import (
    predictable_bits,
    prefix_matching_scores,
    repeats,
)
from genai_lib.genres.decoder_only.scaling import PowerLaw

__all__ = [
    "ACTIVATIONS",
    "GPT",
    "GPTConfig",
    "KneserNey",
    "ModelCache",
    "PowerLaw",
    "StackConfig",
    "cross_entropy_bits",
    "predictable_bits",
    "prefix_matching_scores",
    "repeats",
    "text_bits",
]
