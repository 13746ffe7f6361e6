"""GPT, the model that predicts the next token, and what to compare it with.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only
"""

from genai_lib.components.attention import ACTIVATIONS
from genai_lib.genres.decoder_only.cache import ModelCache
from genai_lib.genres.decoder_only.config import GPTConfig, StackConfig
from genai_lib.genres.decoder_only.measure import cross_entropy_bits, text_bits
from genai_lib.genres.decoder_only.model import GPT
from genai_lib.genres.decoder_only.ngram import KneserNey
from genai_lib.genres.decoder_only.repeats import known_bits, prefix_scores, repeats
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
    "known_bits",
    "prefix_scores",
    "repeats",
    "text_bits",
]
