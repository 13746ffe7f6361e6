"""Tokens: how text, images, sounds and videos become sequences, and back.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens
"""

from genai_lib.components.tokens.merging import (
    learn_merges,
    learn_merges_loop,
    merge,
)
from genai_lib.components.tokens.patches import (
    patchify,
    tubelets,
    unpatchify,
    untubelets,
)
from genai_lib.components.tokens.sound import (
    inverse_mu_law,
    log_mel,
    mel_filters,
    mu_law,
    mu_law_decode,
    mu_law_encode,
)
from genai_lib.components.tokens.tokenizer import BytePairTokenizer
from genai_lib.components.tokens.words import WORDS, split_words

__all__ = [
    "WORDS",
    "BytePairTokenizer",
    "inverse_mu_law",
    "learn_merges",
    "learn_merges_loop",
    "log_mel",
    "mel_filters",
    "merge",
    "mu_law",
    "mu_law_decode",
    "mu_law_encode",
    "patchify",
    "split_words",
    "tubelets",
    "unpatchify",
    "untubelets",
]
