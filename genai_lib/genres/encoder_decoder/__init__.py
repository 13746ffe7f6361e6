"""The encoder-decoder: T5, the recurrent models before it, and what they translate.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder
"""

from genai_lib.genres.encoder_decoder.blanks import (
    AllAtOnce,
    Blank,
    FromTheLeft,
    Rescored,
    Written,
    judge,
)
from genai_lib.genres.encoder_decoder.cache import (
    Given,
    RecurrentCache,
    Seq2SeqCache,
)
from genai_lib.genres.encoder_decoder.config import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.genres.encoder_decoder.model import Seq2Seq
from genai_lib.genres.encoder_decoder.numbers import (
    LANGUAGES,
    NumberVocabulary,
    Pairs,
    draw_numbers,
    in_words,
    is_held_out,
    pieces,
)
from genai_lib.genres.encoder_decoder.objective import (
    answer,
    exact_matches,
    parameter_groups,
    shift_right,
    smoothed_cross_entropy,
    translation_loss,
)
from genai_lib.genres.encoder_decoder.recurrent import (
    AttentiveSeq2Seq,
    RecurrentSeq2Seq,
)
from genai_lib.genres.encoder_decoder.spans import (
    corrupt_spans,
    span_batches,
    span_config,
    span_mask,
)

__all__ = [
    "FEED_FORWARDS",
    "LANGUAGES",
    "AllAtOnce",
    "AttentiveSeq2Seq",
    "Blank",
    "FromTheLeft",
    "Given",
    "NumberVocabulary",
    "Pairs",
    "RecurrentCache",
    "RecurrentSeq2Seq",
    "Rescored",
    "Seq2Seq",
    "Seq2SeqCache",
    "Seq2SeqConfig",
    "Written",
    "answer",
    "corrupt_spans",
    "draw_numbers",
    "exact_matches",
    "in_words",
    "is_held_out",
    "judge",
    "parameter_groups",
    "pieces",
    "shift_right",
    "smoothed_cross_entropy",
    "span_batches",
    "span_config",
    "span_mask",
    "translation_loss",
]
