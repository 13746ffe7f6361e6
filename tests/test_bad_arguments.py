"""Wrong numbers are refused by a ValueError at the call, in every public function.

The table holds one right call of each function, class and method that takes a number.
Each number in it is replaced by values that are wrong for its kind; a test finds
public names that the table lacks.
"""

import contextlib
import importlib
import inspect
import math
import pkgutil
import random
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from genai_lib import data, training
from genai_lib.components import (
    adaptive_temperature,
    attention,
    positions,
    softmax,
    softmax_one,
    tokens,
)
from genai_lib.components.embeddings import matryoshka_loss
from genai_lib.components.tokens.stored import load_tokenizer
from genai_lib.genres import (
    decoder_only,
    disentangled_attention,
    encoder_decoder,
    encoder_only,
    gato,
    inference,
)
from tests.book.library_rules import PARTS
from tests.browser import ROOT

WRONG = {
    "text": "3",
    "none": None,
    "nan": math.nan,
    "inf": math.inf,
    "minus": -1,
    "nought": 0,
    "part": 2.5,
    "empty": [],
    "true": True,
    "complex": 1j,
}


def alone(number: object) -> object:
    return number


class Number(NamedTuple):
    """A number in a right call.

    Attributes
    ----------
    value : object
    may_be : names in `WRONG` of values that can be right too
    wrap : function that makes the argument of a number
    said : how an error names it; None is for as it is called
    """

    value: object
    may_be: frozenset = frozenset()
    wrap: Callable = alone
    said: str | None = None


class Anew(NamedTuple):
    """An argument that must be made anew for each call."""

    make: Callable


def kind(*may_be: str) -> Callable[[object], Number]:
    return lambda value: Number(value, frozenset(may_be))


size = kind()
from_0 = kind("nought")
whole = kind("nought", "minus")
positive = kind("part")
share = kind("nought")
as_gymnasium = kind("nought", "true")
real = kind("nought", "minus", "part")
not_negative = kind("nought", "part")
up_to_inf = kind("part", "inf")
any_heat = kind("nought", "part", "inf")


def maybe(number: Number) -> Number:
    return number._replace(may_be=number.may_be | {"none"})


def each(number: Number) -> Number:
    """Several such numbers: a list with a wrong one is wrong."""
    return number._replace(wrap=lambda one: [one])


def seed():
    return torch.Generator().manual_seed(0)


Z = torch.tensor([[2.0, 1.0, -1.0, 0.5], [0.0, 3.0, 1.0, 1.0]])
IDS = (torch.arange(40) % 7).view(2, 20)
TEXT = IDS.flatten()
QKV = {name: torch.rand(1, 2, 3, 4, generator=seed()) for name in ("query", "key")}
QKV["value"] = QKV["key"]
PLACES = torch.arange(3)
WORDS = {b"low": 5, b"lower": 2, b"newest": 6}
GATO_VOCABULARY = gato.Vocabulary(
    data.CharacterTokenizer.of("\nabcdefghijklmnopqrstuvwxyz")
)
GPT_CONFIG = decoder_only.GPTConfig(8, context=32, width=8, heads=2, layers=1)
GPT = decoder_only.GPT(GPT_CONFIG).eval()
SEQ2SEQ = encoder_decoder.Seq2Seq(
    encoder_decoder.span_config(8, 2, width=8, heads=2, encoder_layers=1)
).eval()
GATO = gato.Gato(
    decoder_only.GPTConfig(GATO_VOCABULARY.size, width=8, heads=2, layers=1), pixels=16
).eval()
DISTANCES = disentangled_attention.RelativePositions(8, 4)
STATE = gato.Episode({"goal_offset": torch.tensor([3])}, {"move": torch.tensor([1])})
STEP = gato.Task("step", gato.CORRIDOR.observations, gato.CORRIDOR.actions)
OBSERVED = gato.stack(
    [
        gato.serialize_text("abc", GATO_VOCABULARY),
        gato.serialize_text("abd", GATO_VOCABULARY),
    ]
)
HEAD = attention.MultiHeadAttention(8, 1)
ENCODER = encoder_only.Bert(
    encoder_only.BertConfig(8, context=32, width=8, heads=2, layers=1)
).eval()
RETRIEVAL = adaptive_temperature.MaxRetrieval(classes=3, width=8)
SETS = adaptive_temperature.draw_sets(4, 6, 3, seed())
NUMBERS = encoder_decoder.NumberVocabulary.of(1)
PAIRS = NUMBERS.pairs([(7, "en"), (3, "de")])
LAW = decoder_only.PowerLaw(2.0, 0.5)
OPTIONS = {
    "temperature": not_negative(0.7),
    "top_k": maybe(size(3)),
    "top_p": maybe(share(0.9)),
    "min_p": maybe(share(0.1)),
}
ENDS = {"end_token": maybe(from_0(1))}
STACK = {
    "vocab_size": size(8),
    "context": size(8),
    "width": size(8),
    "heads": size(2),
    "layers": size(1),
    "ffn_width": maybe(size(8)),
    "epsilon": positive(1e-5),
    "init_std": positive(0.02),
}


def used_cache():
    cache = attention.KeyValueCache()
    cache.extend(attention.KeyValues(QKV["key"], QKV["value"]), PLACES)
    return cache


def used_model_cache():
    cache = decoder_only.ModelCache(1)
    cache.blocks[0] = used_cache()
    return cache


def used_token_cache():
    cache = inference.TokenCache()
    cache.extend(IDS)
    return cache


def begun():
    environment = gato.GridWorld()
    environment.reset(seed=0)
    return environment


# Each callable, and its arguments in a right call.
TABLE = {
    softmax.entropy: {"probabilities": Z.softmax(-1), "dim": whole(-1)},
    softmax.expected_calibration_error: {
        "probabilities": Z.softmax(-1),
        "labels": torch.tensor([0, 1]),
        "bins": size(5),
    },
    softmax.gumbel_max: {"logits": Z, "temperature": positive(0.7)},
    softmax.log_softmax: {"logits": Z, "temperature": any_heat(0.7), "dim": whole(-1)},
    softmax.sample: {"logits": Z, "temperature": any_heat(0.7)},
    softmax.softmax: {"logits": Z, "temperature": any_heat(0.7), "dim": whole(-1)},
    softmax.softmax_loop: {"logits": [1.0, 2.0], "temperature": positive(0.7)},
    tokens.inverse_mu_law: {
        "compressed": torch.tensor([0.5]),
        "mu": positive(255),
        "largest": positive(1.0),
    },
    tokens.mu_law: {
        "values": torch.tensor([0.5]),
        "mu": positive(255),
        "largest": positive(1.0),
    },
    tokens.mu_law_encode: {"sound": torch.tensor([0.5]), "mu": size(255)},
    tokens.mu_law_decode: {"codes": torch.tensor([5]), "mu": size(255)},
    tokens.BytePairTokenizer: {
        "merges": from_0(104)._replace(wrap=lambda one: [(one, 105)])
    },
    tokens.learn_merges: {"words": WORDS, "merges": from_0(2)},
    tokens.learn_merges_loop: {"words": WORDS, "merges": from_0(2)},
    tokens.mel_filters: {
        "sample_rate": size(16_000),
        "frame": size(400),
        "mels": size(8),
    },
    tokens.log_mel: {
        "sound": torch.rand(800, generator=seed()),
        "sample_rate": size(16_000),
        "frame": size(400),
        "hop": size(160),
        "mels": size(8),
    },
    tokens.patchify: {"images": torch.zeros(1, 8, 8), "patch": size(4)},
    tokens.tubelets: {
        "video": torch.zeros(4, 1, 8, 8),
        "frames": size(2),
        "patch": size(4),
    },
    tokens.unpatchify: {
        "patches": torch.zeros(4, 16),
        "patch": size(4),
        "rows": size(8),
        "columns": size(8),
    },
    tokens.untubelets: {
        "tokens": torch.zeros(8, 32),
        "frames": size(2),
        "patch": size(4),
        "length": size(4),
        "rows": size(8),
        "columns": size(8),
    },
    tokens.BytePairTokenizer.train: {"text": "hihi hi" * 9, "vocab_size": size(258)},
    tokens.BytePairTokenizer.truncated: {
        "self": tokens.BytePairTokenizer([(104, 105)]),
        "vocab_size": size(256),
    },
    load_tokenizer: {"vocab_size": size(300)},
    matryoshka_loss: {
        "loss": lambda x: x.mean(),
        "vectors": Z,
        "widths": each(size(2)),
        "weights": maybe(each(real(1.0))),
    },
    attention.FeedForward: {"width": size(4), "ffn_width": maybe(size(8))},
    attention.GatedFeedForward: {"width": size(4), "ffn_width": maybe(size(8))},
    attention.MultiHeadAttention: {
        "width": size(8),
        "heads": size(4),
        "kv_heads": maybe(size(2)),
        "head_width": maybe(size(2)),
        "memory_width": maybe(size(8)),
        "scale": maybe(real(0.5)),
    },
    attention.RMSNorm: {"width": size(4), "epsilon": not_negative(1e-6)},
    attention.TextModel: {"vocabulary": size(7), "width": size(4), "blocks": ()},
    attention.attend: {**QKV, "scale": maybe(real(0.5))},
    attention.attend_fast: {**QKV, "scale": maybe(real(0.5))},
    attention.bits_per_token: {"model": GPT, "tokens": IDS, "last": maybe(size(2))},
    attention.causal_mask: {"queries": from_0(2), "keys": maybe(size(4))},
    attention.KeyValueCache.crop: {"self": Anew(used_cache), "length": from_0(2)},
    positions.AlibiPositions: {"heads": size(6)},
    positions.BucketPositions: {
        "heads": size(2),
        "buckets": size(8),
        "max_distance": size(16),
    },
    positions.LearnedPositions: {"length": size(4), "width": size(8)},
    positions.RotaryPositions: {
        "head_width": size(8),
        "base": positive(100.0),
        "sharpness": positive(1.5),
    },
    positions.SinusoidalPositions: {"width": size(8), "base": positive(100.0)},
    positions.alibi_bias: {"heads": size(6), "length": size(4)},
    positions.alibi_slopes: {"heads": size(6)},
    positions.interpolated_frequencies: {
        "width": size(8),
        "factor": positive(2.0),
        "base": positive(100.0),
    },
    positions.ntk_frequencies: {
        "width": size(8),
        "factor": positive(2.0),
        "base": positive(100.0),
    },
    positions.rotary_frequencies: {"width": size(8), "base": positive(100.0)},
    positions.rotate: {
        "x": QKV["query"],
        "positions": PLACES,
        "base": positive(100.0),
    },
    positions.sinusoidal: {
        "length": size(4),
        "width": size(8),
        "base": positive(100.0),
    },
    positions.t5_bucket: {
        "offset": PLACES,
        "buckets": size(8),
        "max_distance": size(16),
    },
    positions.yarn_sharpness: {"factor": positive(2.0)},
    adaptive_temperature.MaxRetrieval: {"classes": size(3), "width": size(4)},
    adaptive_temperature.ScalableSoftmax: {
        "heads": maybe(size(2)),
        "scale": real(0.4),
    },
    adaptive_temperature.ScalableSoftmax.forward: {
        "self": adaptive_temperature.ScalableSoftmax(),
        "logits": Z,
        "dim": whole(-1),
    },
    adaptive_temperature.best_inverse_temperature: {
        "model": RETRIEVAL,
        "sets": SETS,
        "candidates": each(positive(1.5)),
    },
    adaptive_temperature.compare: {
        "model": RETRIEVAL,
        "normalizers": {"softmax": softmax.softmax},
        "sizes": each(size(4)),
        "sets": size(2),
        "most": size(2),
    },
    adaptive_temperature.dispersion_bound: {
        "spread": torch.tensor([1.0]),
        "items": size(4),
    },
    adaptive_temperature.draw_sets: {
        "sets": size(2),
        "items": size(3),
        "classes": size(4),
    },
    adaptive_temperature.inverse_temperature: {
        "entropy": Z.abs(),
        "polynomial": each(real(0.5)),
        "max_entropy": up_to_inf(3.0),
    },
    adaptive_temperature.scalable_softmax: {
        "logits": Z,
        "scale": real(0.4),
        "dim": whole(-1),
    },
    adaptive_temperature.sparsemax: {"logits": Z, "dim": whole(-1)},
    softmax_one.GatedAttention: {
        "width": size(8),
        "heads": size(2),
        "initial_gate": kind()(0.5),
    },
    softmax_one.LearnedSink: {"heads": maybe(size(2)), "sink": real(0.5)},
    softmax_one.LearnedSink.forward: {
        "self": softmax_one.LearnedSink(),
        "logits": Z,
        "dim": whole(-1),
    },
    softmax_one.NoOpHead: {
        "attention": HEAD,
        "length": size(8),
        "vocabulary": size(4),
    },
    softmax_one.QuantizedLinear: {
        "linear": nn.Linear(3, 3),
        "weight_bits": size(8),
        "input_bits": size(8),
    },
    softmax_one.clipped_softmax: {
        "logits": Z,
        "gamma": kind("nought", "minus")(-0.1),
        "zeta": positive(1.5),
        "dim": whole(-1),
    },
    softmax_one.draw_sequences: {
        "sequences": size(2),
        "length": size(4),
        "vocabulary": size(5),
        "rate": share(0.2),
    },
    softmax_one.fake_quantize: {"x": Z, "bits": size(8)},
    softmax_one.kurtosis: {"x": Z, "dim": whole(-1)},
    softmax_one.learn_no_op: {
        "attention_mass": lambda z: softmax_one.softmax_one(z).sum(),
        "items": size(3),
        "tolerance": positive(0.9),
        "steps": size(3),
    },
    softmax_one.plant_outliers: {
        "model": GPT,
        "channels": each(from_0(1)),
        "factor": positive(4.0),
    },
    softmax_one.quantize_linears: {
        "model": nn.Linear(3, 3),
        "weight_bits": size(8),
        "input_bits": size(8),
    },
    softmax_one.no_op_logit_range: {"mass": kind()(0.9), "items": size(4)},
    softmax_one.smooth_linears: {
        "model": nn.Linear(4, 3),
        "examples": Z,
        "strength": share(0.5),
    },
    softmax_one.smooth_quantize: {
        "x": Z,
        "weight": Z,
        "bits": size(8),
        "strength": share(0.5),
    },
    softmax_one.smoothing_scales: {
        "largest": Z[0].abs(),
        "weight": Z,
        "strength": share(0.5),
    },
    softmax_one.softmax_one: {"logits": Z, "dim": whole(-1)},
    softmax_one.softmax_with_sink: {
        "logits": Z,
        "sink": real(0.5),
        "dim": whole(-1),
    },
    decoder_only.GPTConfig: STACK,
    decoder_only.StackConfig: STACK,
    decoder_only.KneserNey: {
        "text": "abcabc",
        "order": size(2),
        "characters": ("a", "b", "c"),
    },
    decoder_only.ModelCache: {"layers": from_0(2)},
    decoder_only.ModelCache.crop: {"self": Anew(used_model_cache), "length": from_0(2)},
    decoder_only.PowerLaw: {"factor": positive(2.0), "exponent": real(0.5)},
    decoder_only.PowerLaw.fit: {
        "sizes": positive(10)._replace(wrap=lambda one: [100, one]),
        "losses": positive(2.0)._replace(wrap=lambda one: [3.0, one]),
    },
    decoder_only.PowerLaw.at: {"self": LAW, "size": positive(10)},
    decoder_only.repeats: {
        "periods": size(2)._replace(wrap=lambda one: (one, 3)),
        "length": size(8),
        "size": size(2),
        "vocab_size": size(5),
        "generator": Anew(seed),
    },
    decoder_only.text_bits: {
        "model": GPT,
        "tokens": TEXT,
        "context": size(8),
        "stride": size(4),
        "size": size(4),
    },
    encoder_only.BertClassifier: {"bert": ENCODER, "classes": size(3)},
    encoder_only.BertConfig: {**STACK, "token_types": size(2)},
    encoder_only.choose_masked: {
        "rows": IDS,
        "rate": share(0.2),
        "generator": Anew(seed),
        "first": from_0(1),
    },
    encoder_only.mask_tokens: {
        "tokens": IDS,
        "mask_token": from_0(7),
        "vocab_size": size(8),
        "rate": share(0.2),
        "special": each(from_0(1)),
        "mask_fraction": share(0.8),
        "random_fraction": share(0.1),
    },
    encoder_only.masked_windows: {
        "tokens": TEXT,
        "length": size(6),
        "size": size(2),
        "mask_token": from_0(7),
        "vocab_size": size(8),
        "generator": Anew(seed),
        "rate": share(0.2),
        "first": maybe(from_0(1)),
    },
    encoder_only.padding_mask: {"tokens": IDS, "padding": whole(1)},
    disentangled_attention.Convolution: {
        "width": size(4),
        "size": size(3)._replace(said="convolution"),
    },
    disentangled_attention.DebertaConfig: {
        **STACK,
        "max_relative_distance": size(4),
        "max_distance": maybe(size(8)),
        "convolution": maybe(size(3)),
    },
    disentangled_attention.DebertaAttention: {
        "width": size(8),
        "heads": size(2),
        "positions": DISTANCES,
    },
    disentangled_attention.DebertaAttentionAsPrinted: {
        "width": size(8),
        "heads": size(2),
        "positions": DISTANCES,
    },
    disentangled_attention.RelativePositions: {
        "width": size(8),
        "max_relative_distance": size(4),
        "max_distance": maybe(size(8)),
    },
    disentangled_attention.enhanced_mask_decoder: {
        "block": attention.PostNormBlock(
            disentangled_attention.DebertaAttention(8, 2, DISTANCES),
            attention.FeedForward(8),
        ),
        "query": torch.zeros(1, 3, 8),
        "memory": torch.zeros(1, 3, 8),
        "steps": size(2),
    },
    disentangled_attention.log_bucket: {
        "distance": PLACES,
        "max_relative_distance": size(4),
        "max_distance": size(8),
    },
    disentangled_attention.relative_rows: {
        "query_positions": PLACES,
        "key_positions": PLACES,
        "max_relative_distance": size(4),
        "max_distance": maybe(size(8)),
    },
    encoder_decoder.MaskedInfiller: {"model": ENCODER, "mask_token": size(7)},
    encoder_decoder.RerankedInfiller: {"model": GPT, "candidates": size(2)},
    encoder_decoder.RerankedInfiller.propose: {
        "self": encoder_decoder.RerankedInfiller(GPT, 2),
        "left": IDS[:, :3],
        "length": size(2),
    },
    encoder_decoder.SpanInfiller: {"model": SEQ2SEQ, "first_sentinel": size(8)},
    encoder_decoder.NumberVocabulary.of: {"digits": size(1)},
    encoder_decoder.NumberVocabulary.source: {
        "self": NUMBERS,
        "number": from_0(7),
        "language": "en",
    },
    encoder_decoder.NumberVocabulary.target: {
        "self": NUMBERS,
        "number": from_0(7),
        "language": "en",
    },
    encoder_decoder.NumberVocabulary.pairs: {
        "self": NUMBERS,
        "examples": from_0(7)._replace(wrap=lambda one: [(one, "en")]),
    },
    encoder_decoder.Pairs.batches: {
        "self": PAIRS,
        "size": size(2),
        "generator": Anew(seed),
        "pool": size(2),
    },
    encoder_decoder.Seq2SeqConfig: {
        "vocab_size": size(8),
        "width": size(8),
        "heads": size(2),
        "head_width": maybe(size(4)),
        "ffn_width": maybe(size(8)),
        "encoder_layers": size(1),
        "decoder_layers": size(1),
        "buckets": size(8),
        "max_distance": size(16),
        "epsilon": positive(1e-6),
        "pad_token": from_0(0),
        "start_token": from_0(0),
        "end_token": from_0(1),
    },
    encoder_decoder.greedy_decode: {
        "model": SEQ2SEQ,
        "source": IDS[:, :4],
        "max_new_tokens": size(2),
    },
    encoder_decoder.corrupt_spans: {
        "tokens": IDS,
        "first_sentinel": size(8),
        "end_token": from_0(30),
        "corruption_rate": kind()(0.2),
        "mean_span_length": positive(3.0),
    },
    encoder_decoder.draw_numbers: {
        "digits": size(2),
        "count": size(2),
        "rng": Anew(random.Random),
        "held_out": False,
    },
    encoder_decoder.in_words: {"number": whole(7), "language": "en"},
    encoder_decoder.is_held_out: {"number": whole(7)},
    encoder_decoder.parameter_groups: {
        "model": SEQ2SEQ,
        "learning_rate": positive(0.1),
        "faster": positive(10.0),
    },
    encoder_decoder.shift_right: {"target": IDS, "start_token": from_0(0)},
    encoder_decoder.smoothed_cross_entropy: {
        "logits": Z,
        "target": torch.tensor([1, 2]),
        "smoothing": share(0.1),
        "pad_token": whole(0),
    },
    encoder_decoder.span_batches: {
        "windows": Anew(lambda: iter([IDS])),
        "vocab_size": size(8),
        "config": encoder_decoder.span_config(8, 4, width=8, heads=2),
        "corruption_rate": kind()(0.2),
        "mean_span_length": positive(3.0),
    },
    encoder_decoder.span_config: {"vocab_size": size(8), "sentinels": size(2)},
    encoder_decoder.span_mask: {
        "count": size(2),
        "length": size(8),
        "corruption_rate": kind()(0.2),
        "mean_span_length": positive(3.0),
    },
    encoder_decoder.translation_loss: {
        "model": SEQ2SEQ,
        "batch": (IDS[:, :4], IDS[:, 1:4]),
        "smoothing": share(0.1),
    },
    gato.Bounded: {
        "shape": each(size(2)),
        "low": kind("minus", "nought")(-0.5),
        "high": kind("nought")(0.5),
    },
    gato.Continuous: {
        "shape": each(size(2)),
        "low": real(-9.0),
        "high": real(9.0),
    },
    gato.Corridor: {"swapped": False, "steps": size(3)},
    gato.Discrete: {"options": size(3), "shape": each(size(2))},
    gato.Gato: {"config": GPT_CONFIG, "pixels": size(4), "local": size(8)},
    gato.GridWorld: {"limit": size(3)},
    gato.GridWorld.reset: {
        "self": Anew(gato.GridWorld),
        "seed": maybe(as_gymnasium(3)),
    },
    gato.GridWorld.step: {"self": Anew(begun), "action": as_gymnasium(1)},
    gato.Image: {
        "shape": size(8)._replace(wrap=lambda one: (1, one, 8)),
        "patch": size(4),
    },
    gato.Policy: {
        "model": GATO,
        "task": gato.CORRIDOR,
        "vocabulary": GATO_VOCABULARY,
        "history": size(2),
    },
    gato.bin_edges: {"tokens": torch.tensor([32_000]), "text_size": size(32_000)},
    gato.bounded_to_tokens: {"values": Z / 9, "text_size": size(32_000)},
    gato.cart_pole_episodes: {
        "count": size(1),
        "generator": Anew(seed),
        "steps": size(2),
        "mistakes": share(0.1),
    },
    gato.continuous_to_tokens: {"values": Z, "text_size": size(32_000)},
    gato.corridor_episodes: {
        "count": size(1),
        "generator": Anew(seed),
        "swapped": False,
    },
    gato.grid_episodes: {"count": size(1), "generator": Anew(seed)},
    gato.normalise_patches: {"images": torch.ones(1, 1, 8, 8), "patch": size(4)},
    gato.rollout: {
        "environments": Anew(lambda: [gato.Corridor(False, 2)]),
        "seeds": each(as_gymnasium(3)),
        "policy": lambda observations, _: [0 for _ in observations],
    },
    gato.serialize_episode: {
        "episode": STATE,
        "task": STEP,
        "vocabulary": GATO_VOCABULARY,
        "context": maybe(size(9)),
    },
    gato.serialize_text: {
        "text": "abc",
        "vocabulary": GATO_VOCABULARY,
        "context": maybe(size(9)),
    },
    gato.tokens_to_bounded: {
        "tokens": torch.tensor([32_000]),
        "text_size": size(32_000),
    },
    gato.tokens_to_continuous: {
        "tokens": torch.tensor([32_000]),
        "text_size": size(32_000),
    },
    gato.generate_captions: {
        "model": GATO,
        "observed": OBSERVED,
        "vocabulary": GATO_VOCABULARY,
        "end": "\n",
        "max_new_tokens": size(2),
    },
    inference.NGramModel: {
        "tokens": TEXT,
        "order": size(2),
        "vocab_size": size(8),
        "strength": positive(4.0),
    },
    inference.Sampling: OPTIONS,
    inference.TokenCache.crop: {"self": Anew(used_token_cache), "length": from_0(2)},
    inference.beam_search: {
        "model": GPT,
        "prompt": TEXT[:3],
        "max_new_tokens": size(2),
        "beams": size(2),
        "length_penalty": real(1.0),
        **ENDS,
    },
    inference.best_continuations: {
        "scores": torch.zeros(1, 2),
        "logits": Z,
        "count": size(2),
    },
    inference.digit_sums: {
        "digits": size(2),
        "size": size(2),
        "generator": Anew(seed),
        "with_steps": share(0.4),
        "mistakes": share(0.1),
    },
    inference.generate: {
        "model": GPT,
        "prompt": TEXT[:3],
        "max_new_tokens": size(2),
        **OPTIONS,
        **ENDS,
    },
    inference.generate_loop: {
        "model": GPT,
        "prompt": IDS[:, :3],
        "max_new_tokens": size(2),
    },
    inference.keep_min_p: {"logits": Z, "min_p": share(0.1)},
    inference.keep_top_k: {"logits": Z, "top_k": size(2)},
    inference.keep_top_p: {"logits": Z, "top_p": share(0.9)},
    inference.pass_at_k: {"right": from_0(1), "answers": size(4), "k": size(2)},
    inference.speculative_decode: {
        "model": GPT,
        "draft": GPT,
        "prompt": TEXT[:3],
        "max_new_tokens": size(2),
        "ahead": size(2),
        **OPTIONS,
        **ENDS,
    },
    inference.write_steps: {"question": IDS, "slips": whole(1)},
    data.Digits.with_noisy_labels: {
        "self": data.Digits(torch.rand(1, 8, 8), torch.tensor([3])),
        "share": share(0.1),
        "generator": Anew(seed),
    },
    data.load_digits: {"part": "test", "shuffle_seed": from_0(1)},
    data.even_windows: {"tokens": TEXT, "length": size(4), "most": size(2)},
    data.random_windows: {
        "tokens": TEXT,
        "length": size(4),
        "size": size(2),
        "generator": Anew(seed),
    },
    training.History.smoothed: {
        "self": training.History([3.0, 2.0]),
        "window": size(2),
    },
    training.cosine: {"warmup": share(0.1)},
    training.fit: {
        "model": Anew(lambda: nn.Linear(2, 1)),
        "batches": Anew(lambda: repeat(torch.ones(3, 2))),
        "loss": lambda model, batch: model(batch).square().mean(),
        "steps": size(2),
        "learning_rate": positive(1e-3),
        "clip": maybe(positive(1.0)),
        "ema": maybe(share(0.9)),
    },
}
for yarn in (positions.yarn_frequencies, positions.yarn_frequencies_by_pair):
    TABLE[yarn] = {
        "width": size(8),
        "factor": positive(2.0),
        "length": size(16),
        "base": positive(100.0),
        "slow": not_negative(1.0),
        "fast": positive(32.0),
    }
for adaptive in (
    adaptive_temperature.adaptive_temperature_readable,
    adaptive_temperature.adaptive_temperature_softmax,
):
    TABLE[adaptive] = {
        "logits": Z,
        "dim": whole(-1),
        "polynomial": each(real(0.5)),
        "max_entropy": up_to_inf(3.0),
    }


# What stands in no row of the table, and why.
ELSEWHERE = {"embeddings", "vector_search"}  # they have tests of their own
IDS_OF_ANY_FORM = {"ids", "tokens", "numbers"}  # see test_checks.py
TO_BE_READ = {"attend_loop", "softmax_loop", "softmax_one_loop", "merge"}
MADE_BY_US = {"check_bias", "check_mask", "History", "Rollout"}  # from what is right


def name_of(called: Callable) -> str:
    return f"{called.__module__.removeprefix('genai_lib.')}.{called.__qualname__}"


def attempt(called: Callable, /, **changed: object) -> object:
    """Call a function with some of its arguments changed."""
    values = {name: argument(value) for name, value in TABLE[called].items()} | changed
    first = [values.pop(name) for name in ("loss", "vectors") if "widths" in values]
    return called(*first, **values)


def argument(value: object) -> object:
    if isinstance(value, Anew):
        return value.make()
    return value.wrap(value.value) if isinstance(value, Number) else value


def packages() -> Iterator[object]:
    yield from (data, training)
    for part in PARTS:
        folder = ROOT / "genai_lib" / part
        for found in pkgutil.iter_modules([folder], f"genai_lib.{part}."):
            if found.name.rpartition(".")[2] not in ELSEWHERE:
                yield importlib.import_module(found.name)


def public() -> Iterator[Callable]:
    """Find the functions, the classes and their methods that a reader may call."""
    for package in packages():
        for name in getattr(package, "__all__", ("fit", "cosine", "History")):
            offered = getattr(package, name)
            if inspect.isfunction(offered) or inspect.isclass(offered):
                yield offered
            if inspect.isclass(offered):
                yield from (m for n, m in methods(offered) if not n.startswith("_"))


def methods(owner: type) -> Iterator[tuple[str, Callable]]:
    for name, found in vars(owner).items():
        if isinstance(found, classmethod) or inspect.isfunction(found):
            yield name, getattr(owner, name)


def holds_number(hint: object) -> bool:
    """Tell whether a type is that of a number, or of several."""
    if typing.get_origin(hint) in (Callable, Mapping, dict):
        return False
    return hint in (int, float) or any(map(holds_number, typing.get_args(hint)))


def numbers_of(called: Callable) -> dict[str, Number]:
    return {n: v for n, v in TABLE[called].items() if isinstance(v, Number)}


def other_forms(number: object) -> list[object]:
    """Return the same number as NumPy and PyTorch have it."""
    if isinstance(number, int):
        return [np.int64(number), np.array(number), torch.tensor(number)]
    return [np.float64(number), np.array(number), torch.tensor(number).double()]


def begin(found: object) -> None:
    if isinstance(found, Iterator):
        next(found)


@pytest.mark.parametrize("called", TABLE, ids=name_of)
def test_right_numbers_are_right_in_every_form(called):
    begin(attempt(called))
    for name, number in numbers_of(called).items():
        for form in other_forms(number.value):
            begin(attempt(called, **{name: number.wrap(form)}))


@pytest.mark.parametrize("called", TABLE, ids=name_of)
def test_wrong_numbers_are_named_at_the_call(called):
    for name, number in numbers_of(called).items():
        for word, wrong in WRONG.items():
            changed = {name: number.wrap(wrong)}
            if word in number.may_be:
                with contextlib.suppress(ValueError):
                    begin(attempt(called, **changed))
                continue
            with pytest.raises(ValueError) as refusal:
                attempt(called, **changed)
            if number.wrap is alone:  # else it may say which entry
                said = number.said or name
                assert re.search(rf"\b{said}\b", str(refusal.value)), (name, wrong)


def test_the_table_holds_every_public_number():
    missing = []
    for called in public():
        maker = called.__init__ if inspect.isclass(called) else called
        if called.__name__ in TO_BE_READ | MADE_BY_US or is_record(called):
            continue
        hints = typing.get_type_hints(maker).items()
        wanted = {n for n, hint in hints if n != "return" and holds_number(hint)}
        wanted -= numbers_of(called).keys() if called in TABLE else set()
        missing += [(name_of(called), name) for name in wanted - IDS_OF_ANY_FORM]
    assert not missing


def is_record(called: Callable) -> bool:
    """Tell whether it is a named tuple, in which the library returns what it found."""
    return inspect.isclass(called) and issubclass(called, tuple)
