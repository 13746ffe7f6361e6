"""A right answer passes in any precision, as tensors, arrays or lists."""

import importlib
import inspect
import math
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor

from genai_lib import exercises as results
from genai_lib.components.attention import attend
from genai_lib.components.embeddings import info_nce
from genai_lib.components.positions import AlibiPositions
from genai_lib.components.softmax import softmax
from genai_lib.exercises import as_number, as_tensor, as_tensor_like
from genai_lib.genres.decoder_only import GPT
from tests.components.adaptive_temperature import (
    test_adaptive_temperature as adaptive_temperature,
)
from tests.components.attention import test_exercises as attention
from tests.components.embeddings import test_embeddings as embeddings
from tests.components.positions import test_exercises as positions
from tests.components.softmax import test_softmax as softmax_tests
from tests.components.softmax_one import test_softmax_one as softmax_one
from tests.components.tokens import test_tokens as tokens
from tests.genres.decoder_only import test_exercises as decoder_only
from tests.genres.disentangled_attention import test_exercises as disentangled
from tests.genres.encoder_decoder import test_exercises as encoder_decoder
from tests.genres.encoder_only import test_exercises as encoder_only
from tests.genres.gato import test_exercises as gato
from tests.genres.inference import test_exercises as inference

ROOT = Path(__file__).resolve().parents[2]


def changed_gpt(config):
    def normalize(logits, dim=-1):
        return decoder_only.softmax_one(logits.double(), dim).float()

    return GPT(config, normalize, AlibiPositions(config.heads))


RIGHT = {
    "acceptance": inference.acceptance,
    "adaptive_softmax": adaptive_temperature.right_adaptive,
    "alibi": positions.alibi,
    "apply_merges": tokens.right_apply,
    "attention": attention.right_attention,
    "best_ahead": inference.best_ahead,
    "best_segmentation": tokens.viterbi,
    "bits_per_token": decoder_only.bits,
    "changed_gpt": changed_gpt,
    "continuation_counts": decoder_only.continuations,
    "contrast": info_nce,
    "delta": disentangled.delta,
    "fill_in": encoder_decoder.fill_in,
    "hidden_bits": encoder_only.bits,
    "mask_spans": encoder_only.spans,
    "needed_gap": lambda items, w: math.log((items - 1) * w / (1 - w)),
    "number_token": gato.number_token,
    "passages": embeddings.right_passages,
    "quantize": softmax_one.right_quantize,
    "retemper": lambda p, t: softmax(p.log(), t),
    "rotate_neighbors": positions.neighbors,
    "rows_used": disentangled.rows_used,
    "silent_logit": lambda items, mass: math.log(mass / (1 - mass) / items),
    "smoothed_loss": encoder_decoder.smoothed,
    "softmax_one": softmax_one.with_a_zero,
    "sparsemax": adaptive_temperature.right_sparsemax,
    "stable_softmax": softmax_tests.right_softmax,
    "temperature_of_odds": lambda gap, odds: gap / math.log(odds),
    "third_term": disentangled.third_term,
    "time_step": gato.time_step,
    "tokens_kept": inference.tokens_kept,
    "tokens_of_run": lambda n, k: (n >> k) + (n % 2**k).bit_count(),
    "weighted_vote": inference.weighted_vote,
    "whole_answers": lambda right, tokens: right**tokens,
    "window_mask": attention.window_mask,
}


def checkers():
    """Return all checkers of the book, each by its name without "check_"."""
    found = {}
    for path in sorted((ROOT / "genai_lib").glob("*/*/exercises.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        things = vars(importlib.import_module(name))
        names = [name for name in things if name.startswith("check_")]
        found |= {name.removeprefix("check_"): things[name] for name in names}
    return found


CHECKERS = checkers()


def in_double(answer):
    """Return the answer that computes in double precision."""

    def double(x):
        return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x

    return lambda *arguments: answer(*map(double, arguments))


def changed(result, of_tensor, of_numbers):
    """Change the tensors, the numbers and the lists of numbers of a result."""
    if isinstance(result, tuple):
        return tuple(changed(part, of_tensor, of_numbers) for part in result)
    if isinstance(result, Tensor):
        return of_tensor(result)
    numbers = result if isinstance(result, list) else [result]
    if numbers and all(isinstance(x, int | float) for x in numbers):
        return of_numbers(result)
    return result


FORMS = {
    "double": lambda result: result,
    "arrays": lambda result: changed(
        result, Tensor.numpy, lambda x: numpy.array(x)[()]
    ),
    "tensors": lambda result: changed(
        result,
        lambda x: x,
        lambda x: torch.from_numpy(numpy.array(x)),  # whose numbers stay double
    ),
    "lists": lambda result: changed(result, Tensor.tolist, lambda x: x),
    "lists_of_tensors": lambda result: changed(
        result, lambda x: list(x) if x.ndim else x, lambda x: x
    ),
    "with_gradient": lambda result: changed(
        result, lambda x: x.requires_grad_(x.is_floating_point()), lambda x: x
    ),
}


# One checker for each function that brings results into one form.
CONVERTED = {
    "as_number": "silent_logit",
    "as_tensor": "window_mask",
    "as_tensor_like": "stable_softmax",
}


def swapped(result):
    """Give lists for tensors, and tensors for numbers; a lone one has a gradient.

    A checker that compares what it gets without a conversion falls on it.
    """
    return changed(
        result,
        lambda x: x.tolist() if x.ndim else x.requires_grad_(x.is_floating_point()),
        lambda x: torch.from_numpy(numpy.array(x)),
    )


def verdict(name, form):
    """Return what a checker says to the right answer in double and in a form."""
    answer = in_double(RIGHT[name])
    return CHECKERS[name](lambda *arguments: form(answer(*arguments)))


def test_every_checker_has_a_right_answer_here():
    assert sorted(CHECKERS) == sorted(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_passes_in_double_and_in_another_form(name):
    found = verdict(name, swapped)
    assert found, found


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("name", CONVERTED.values(), ids=CONVERTED)
def test_each_conversion_takes_every_form(name, form):
    found = verdict(name, form)
    assert found, found


def test_the_conversions_are_those_of_the_library():
    made_here = {n for n, f in vars(results).items() if inspect.isfunction(f)}
    assert made_here == set(CONVERTED)
    for conversion, name in CONVERTED.items():
        module = inspect.getmodule(CHECKERS[name])
        assert getattr(module, conversion) is getattr(results, conversion)


@pytest.mark.parametrize("name", ["temperature_of_odds", "silent_logit"])
def test_a_number_may_be_rounded_to_32_bits(name):
    answer = RIGHT[name]
    assert CHECKERS[name](lambda *arguments: numpy.float32(answer(*arguments)))
    assert CHECKERS[name](lambda *arguments: torch.tensor(answer(*arguments)))


def test_a_checker_still_refuses_what_is_no_tensor_of_the_shape():
    for found in ("text", object(), [[1.0], [1.0, 2.0]], [], {}, 3.0, torch.ones(2)):
        assert as_tensor_like(found, torch.zeros(5, 3)) is None
        assert "shape" in CHECKERS["attention"](lambda *x, f=found: f).message
    for found in ("2.0", b"2", "nan", math.nan, -math.inf, 10**400, [], torch.ones(2)):
        assert as_number(found) is None
    assert as_tensor([[1, 2], numpy.array([3, 4])]).tolist() == [[1, 2], [3, 4]]
    assert as_tensor([]).shape == (0,)


def test_a_mask_must_still_be_boolean():
    verdict = CHECKERS["window_mask"](
        lambda *sizes: attention.window_mask(*sizes).int().tolist()
    )
    assert "booleans" in verdict.message


def test_large_scores_are_compared_in_double_as_well():
    assert CHECKERS["attention"](in_double(lambda *x: attend(*x)[0]))


@pytest.mark.parametrize(
    "name", ["bits_per_token", "whole_answers", "smoothed_loss", "hidden_bits"]
)
@pytest.mark.parametrize("found", ["many", math.nan, torch.ones(2)])
def test_what_is_no_number_is_told_so(name, found):
    assert "a finite number is wanted" in CHECKERS[name](lambda *x: found).message
