"""Encoder-decoders: T5, recurrent models, a translation task, and infilling.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder
"""

from genai_lib.genres.encoder_decoder.cache import (
    ConditionalLM,
    RecurrentCache,
    Seq2SeqCache,
)
from genai_lib.genres.encoder_decoder.config import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.genres.encoder_decoder.infilling import (
    Gap,
    LeftToRightInfiller,
    MaskedInfiller,
    RerankedInfiller,
    SpanInfiller,
    evaluate_infilling,
)
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
    exact_matches,
    greedy_decode,
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
    "AttentiveSeq2Seq",
    "ConditionalLM",
    "Gap",
    "LeftToRightInfiller",
    "MaskedInfiller",
    "NumberVocabulary",
    "Pairs",
    "RecurrentCache",
    "RecurrentSeq2Seq",
    "RerankedInfiller",
    "Seq2Seq",
    "Seq2SeqCache",
    "Seq2SeqConfig",
    "SpanInfiller",
    "corrupt_spans",
    "draw_numbers",
    "evaluate_infilling",
    "exact_matches",
    "greedy_decode",
    "in_words",
    "is_held_out",
    "parameter_groups",
    "pieces",
    "shift_right",
    "smoothed_cross_entropy",
    "span_batches",
    "span_config",
    "span_mask",
    "translation_loss",
]
