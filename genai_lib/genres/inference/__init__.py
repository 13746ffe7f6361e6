"""Inference: sampling, beam search, speculative decoding, self-consistency.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference
"""

from genai_lib.genres.inference.beams import Beam, beam_search, best_continuations
from genai_lib.genres.inference.filters import (
    Sampling,
    keep_min_p,
    keep_top_k,
    keep_top_p,
)
from genai_lib.genres.inference.generation import (
    generate,
    generate_loop,
    log_likelihood,
)
from genai_lib.genres.inference.ngram import NGramModel, TokenCache
from genai_lib.genres.inference.self_consistency import (
    END,
    STEPS,
    SYMBOLS,
    best_of,
    check_steps,
    digit_sums,
    majority_vote,
    pass_at_k,
    read_result,
    write_result,
    write_steps,
)
from genai_lib.genres.inference.speculation import accept, speculative_decode

__all__ = [
    "END",
    "STEPS",
    "SYMBOLS",
    "Beam",
    "NGramModel",
    "Sampling",
    "TokenCache",
    "accept",
    "beam_search",
    "best_continuations",
    "best_of",
    "check_steps",
    "digit_sums",
    "generate",
    "generate_loop",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "log_likelihood",
    "majority_vote",
    "pass_at_k",
    "read_result",
    "speculative_decode",
    "write_result",
    "write_steps",
]
