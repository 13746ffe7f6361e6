"""A number of another kind gives what Python's own gives, or is refused by its name."""

import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from genai_lib.checks import as_real, check_flags
from genai_lib.components.adaptive_temperature import (
    ScalableSoftmax,
    inverse_temperature,
)
from genai_lib.components.attention import RMSNorm, attend, attend_fast, causal_mask
from genai_lib.components.embeddings import SkipGram, TextEncoder, info_nce
from genai_lib.components.positions import (
    interpolated_frequencies,
    ntk_frequencies,
    rotary_frequencies,
    yarn_frequencies,
    yarn_frequencies_by_pair,
    yarn_sharpness,
)
from genai_lib.components.softmax import gumbel_max, log_softmax, sample, softmax
from genai_lib.components.softmax_one import (
    GatedAttention,
    LearnedSink,
    clipped_softmax,
    softmax_with_sink,
)
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.encoder_decoder import (
    Seq2Seq,
    Seq2SeqConfig,
    corrupt_spans,
    smoothed_cross_entropy,
    span_config,
    span_mask,
)
from genai_lib.genres.encoder_only import mask_tokens
from genai_lib.genres.inference import NGramModel, Sampling

Z = torch.tensor([[2.0, 1.0, -1.0, 0.5], [0.0, 3.0, 1.0, 1.0]])
IDS = (torch.arange(40) % 7).view(2, 20)
HALF = [np.float32(0.5), np.float16(0.5), np.array(0.5), torch.tensor(0.5)]
HALF += [Fraction(1, 2), Decimal("0.5")]
FOUR = [np.int64(4), np.uint8(4), np.array(4), torch.tensor(4)]
NO_NUMBER = [True, np.True_, "4", None, 4j, [4], math.nan]


def seed():
    return torch.Generator().manual_seed(0)


TAKE_A_HALF = {
    "softmax": lambda x: softmax(Z, x),
    "log_softmax": lambda x: log_softmax(Z, x),
    "sample": lambda x: sample(Z, x, seed()),
    "gumbel_max": lambda x: gumbel_max(Z, x, seed()),
    "info_nce": lambda x: info_nce(Z, Z + 1, x),
    "attend": lambda x: attend(Z, Z, Z, scale=x)[0],
    "attend_fast": lambda x: attend_fast(Z[None], Z[None], Z[None], scale=x),
    "RMSNorm": lambda x: RMSNorm(4, x)(Z),
    "ScalableSoftmax": lambda x: ScalableSoftmax(scale=x)(Z),
    "max_entropy": lambda x: inverse_temperature(Z[0].abs(), max_entropy=x),
    "sink": lambda x: softmax_with_sink(Z, x),
    "LearnedSink": lambda x: LearnedSink(sink=x)(Z),
    "gamma": lambda x: clipped_softmax(Z, -x if as_real(x) else x),
    "initial_gate": lambda x: GatedAttention(4, 2, initial_gate=x).to_gate.bias,
    "base": lambda x: rotary_frequencies(4, x),
    "smoothing": lambda x: smoothed_cross_entropy(Z, torch.tensor([1, 2]), x),
    "corruption_rate": lambda x: span_mask(2, 8, x, 2.0, seed()),
    "rate": lambda x: mask_tokens(IDS, 6, 7, x, generator=seed())[0],
    "strength": lambda x: NGramModel(IDS[0], 2, 7, x).probabilities[-1],
}
TAKE_A_FOUR = {
    "causal_mask": lambda n: causal_mask(n, 4),
    "TextEncoder": lambda n: torch.tensor(TextEncoder(n, n).words.weight.shape),
    "SkipGram": lambda n: torch.tensor(len(SkipGram(n, n).state_dict())),
    "zeta": lambda n: clipped_softmax(Z, -0.1, n),
    "factor": lambda n: interpolated_frequencies(8, n),
    "ntk": lambda n: ntk_frequencies(8, n),
    "yarn": lambda n: yarn_frequencies(8, n, n, 100.0, 0.5, n),
    "yarn_by_pair": lambda n: yarn_frequencies_by_pair(8, n, n, 100.0, 0.5, n),
    "sharpness": lambda n: torch.tensor(yarn_sharpness(n)),
    "mean_span_length": lambda n: span_mask(2, 9, 0.5, n, seed()),
    "length": lambda n: span_mask(n, n, 0.5, 2.0, seed()),
    "end_token": lambda n: corrupt_spans(IDS, 20, n, 0.2, 2.0, seed())[0],
    "mask_token": lambda n: mask_tokens(IDS, n, 7, generator=seed())[0],
}
CASES = [(call, half, 0.5) for call in TAKE_A_HALF.items() for half in HALF]
CASES += [(call, four, 4) for call in TAKE_A_FOUR.items() for four in FOUR]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0][0]}-{case[1]!r}")
def test_a_number_of_any_kind_counts(case):
    (_, call), value, plain = case
    torch.testing.assert_close(call(value), call(plain))


@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda value: repr(value)[:8])
@pytest.mark.parametrize("call", TAKE_A_HALF | TAKE_A_FOUR)
def test_what_is_no_number_is_a_value_error(call, value):
    if value is None and call in ("attend", "attend_fast"):
        return  # the default
    with pytest.raises(ValueError):
        (TAKE_A_HALF | TAKE_A_FOUR)[call](value)


def test_what_is_too_large_for_a_float_is_infinite():
    assert as_real(10**400) == math.inf and as_real(-(10**400)) == -math.inf
    assert as_real(Fraction(10**400)) == math.inf
    with pytest.raises(ValueError, match="temperature"):
        Sampling(10**400)


def test_flags_of_numpy_are_flags():
    check_flags(tied=np.True_)
    with pytest.raises(ValueError, match="tied"):
        check_flags(tied=1)


@pytest.mark.parametrize("theta", [1e-45, 1e-320, torch.tensor(1e-45), 1e-30])
def test_a_tiny_temperature_of_info_nce_is_that_of_softmax(theta):
    rows = torch.eye(3)
    assert info_nce(rows, rows, theta) == 0
    assert (
        info_nce(torch.ones(4, 3), torch.ones(4, 3), theta)
        .exp()
        .allclose(torch.tensor(4.0))
    )


@pytest.mark.parametrize("number", [np.int64, np.array, torch.tensor])
def test_configurations_hold_plain_numbers_and_can_be_written(tmp_path, number):
    sizes = {"vocab_size": 7, "width": 8, "heads": 2, "ffn_width": 16}
    deep = {"encoder_layers": 1, "decoder_layers": 1, "pad_token": 2, "end_token": 3}
    for model, config, more in (
        (GPT, GPTConfig, {"layers": 1}),
        (Seq2Seq, Seq2SeqConfig, deep),
    ):
        wanted = sizes | more
        found = config(
            **{name: number(size) for name, size in wanted.items()},
            epsilon=Fraction(1, 1024),
            tied=np.True_,
        )
        assert found == config(**wanted, epsilon=1 / 1024)
        kinds = {type(value) for value in vars(found).values()}
        assert kinds <= {int, float, bool, str}
        model(found).save_pretrained(tmp_path / model.__name__)
        assert json.loads((tmp_path / model.__name__ / "config.json").read_text())
        assert model.from_pretrained(tmp_path / model.__name__).config == found
    assert span_config(number(9), number(2)) == span_config(9, 2)
