"""What can be done with a trained model: sampling, searching, guessing ahead, voting.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference
"""

from genai_lib.genres.inference.answers import (
    END,
    STEPS,
    SYMBOLS,
    best_of,
    check_steps,
    digit_sums,
    majority_vote,
    pass_at_k,
    result,
    write_result,
    write_steps,
)
from genai_lib.genres.inference.beams import Beam, beam_search, best_continuations
from genai_lib.genres.inference.counting import CountModel, TokenCache
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
from genai_lib.genres.inference.speculation import accept, speculative_decode

__all__ = [
    "END",
    "STEPS",
    "SYMBOLS",
    "Beam",
    "CountModel",
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
    "result",
    "speculative_decode",
    "write_result",
    "write_steps",
]
