"""What generation is given: ends, numbers of any kind, drafts, logits gone wrong."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genai_lib.components.softmax import gumbel_max, sample, softmax
from genai_lib.components.tokens.stored import load_tokenizer
from genai_lib.data import CharacterTokenizer
from genai_lib.genres.decoder_only import ModelCache, cross_entropy_bits, text_bits
from genai_lib.genres.inference import (
    NGramModel,
    Sampling,
    accept,
    beam_search,
    generate,
    generate_loop,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    speculative_decode,
)
from tests.genres.inference.test_inference import small_gpt, stream, theirs, twins
from tests.genres.inference.test_search import Chain, frequencies, speculated

PROMPT = torch.tensor([1, 2, 3])
WAYS = {
    "generate": generate,
    "beam_search": beam_search,
    "speculative_decode": lambda model, *rest, **options: speculative_decode(
        model, model, *rest, **options
    ),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


# Several ends.


@pytest.mark.parametrize("ends", [[4, 7], [7, 4], [4, 7, 0], [4]])
@pytest.mark.parametrize("form", [list, tuple, torch.tensor, np.array])
def test_greedy_text_with_several_ends_is_that_of_transformers(ends, form):
    for seed in range(3):
        reference, model = twins(eos=ends, seed=seed)
        prompt = torch.randint(11, (4, 2))
        wanted = theirs(reference, prompt, 12, do_sample=False, pad_token_id=ends[0])
        assert stream(model, prompt, 12, 0, end_token=form(ends)).equal(wanted)


@pytest.mark.parametrize("ends", [[4, 7], [4, 7, 0, 5]])
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
def test_beams_with_several_ends_are_those_of_transformers(ends, early_stopping):
    for seed in range(4):
        reference, model = twins(eos=ends, seed=seed)
        prompt = torch.randint(11, (1, 3))
        given_ = {"do_sample": False, "num_beams": 4, "early_stopping": early_stopping}
        wanted = theirs(reference, prompt, 12, **given_)[0]
        options = {"early_stopping": early_stopping, "end_token": ends}
        best = beam_search(model, prompt[0], 12, 4, **options)[0].tokens
        assert best.equal(wanted[: len(best)])
        assert (wanted[len(best) :] == 0).all()


@pytest.mark.parametrize("ends", [2, [2], [0, 2]])
def test_speculative_text_ends_where_generated_text_does(ends):
    for seed in range(5):
        model, draft = small_gpt(4, seed=seed), small_gpt(4, seed=seed + 50)
        wanted = stream(model, PROMPT, 20, 0, end_token=ends)
        found = speculated(model, draft, PROMPT, 20, temperature=0, end_token=ends)
        assert found.equal(wanted)


def test_the_law_of_speculative_text_with_an_end_is_that_of_generate():
    model, draft, generator = Chain(0), Chain(1), torch.Generator().manual_seed(0)
    law, shortened = model.law(2, 3), {}
    for text, chance in law.items():
        ended = text[: text.index(1) + 1] if 1 in text else text
        shortened[ended] = shortened.get(ended, 0) + chance

    def draw():
        options = {"generator": generator, "end_token": 1, "ahead": 2}
        return speculated(model, draft, torch.tensor([2]), 3, **options)

    counts = frequencies(draw, shortened, 1500)
    wanted = torch.tensor([1500 * p for p in shortened.values()])
    chi_square = ((torch.tensor(counts) - wanted) ** 2 / wanted).sum()
    assert chi_square < 3 * len(wanted)


@EVERY_WAY
@pytest.mark.parametrize(
    "end", [11, -1, [1, 99], True, 1.0, [], "1", torch.tensor([[1]]), [None]]
)
def test_ends_that_are_no_tokens_are_named_at_the_call(way, end):
    with pytest.raises(ValueError, match="end_token"):
        way(small_gpt(), PROMPT, 3, end_token=end)


# Prompts, drafts and numbers.


@EVERY_WAY
@pytest.mark.parametrize("token", [11, -1, 5000])
def test_unknown_tokens_are_named_at_the_call(way, token):
    with pytest.raises(ValueError, match=f"prompt has tokens from .*{token}"):
        way(small_gpt(), torch.tensor([1, token]), 3)


@EVERY_WAY
@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_tokens_of_any_integer_type_are_taken(way, dtype):
    def written(prompt):
        torch.manual_seed(0)
        return [str(part) for part in way(small_gpt(), prompt, 4)]

    assert written(PROMPT.to(dtype)) == written(PROMPT)


@pytest.mark.parametrize("size", [5, 20])
@pytest.mark.parametrize("kind", ["gpt", "counts"])
def test_a_draft_with_other_tokens_is_named_at_the_call(size, kind):
    counts = NGramModel(torch.arange(5), 2, size)
    draft = small_gpt(size) if kind == "gpt" else counts
    with pytest.raises(ValueError, match=f"draft has {size} tokens and the model 11"):
        speculative_decode(small_gpt(), draft, PROMPT, 3)


def test_a_draft_that_hides_how_many_tokens_it_knows_is_named_too():
    with pytest.raises(ValueError, match="draft_probabilities="):
        speculated(Chain(0), Chain(1, states=2), torch.tensor([1]), 3)


NUMBERS = [np.int64, np.int32, torch.tensor, int]


@pytest.mark.parametrize("kind", NUMBERS)
def test_whole_numbers_of_any_kind_are_taken(kind):
    logits, model = torch.randn(3, 9), small_gpt()
    assert keep_top_k(logits, kind(5)).equal(keep_top_k(logits, 5))
    assert Sampling(top_k=kind(5)) == Sampling(top_k=5)
    wanted = stream(model, PROMPT, 4, 0)
    assert stream(model, PROMPT, kind(4), 0, end_token=None).equal(wanted)
    found = beam_search(model, PROMPT, kind(4), kind(1), end_token=kind(0))
    assert found[0].tokens.equal(stream(model, PROMPT, 4, 0, end_token=0))
    found = speculated(model, model, PROMPT, kind(4), ahead=kind(2), temperature=0)
    assert found.equal(wanted)
    assert NGramModel(torch.arange(5).int(), kind(2), kind(5)).order == 2


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.tensor])
def test_real_numbers_of_any_kind_are_taken(kind):
    logits = torch.randn(3, 9)
    assert keep_top_p(logits, kind(0.5)).equal(keep_top_p(logits, 0.5))
    assert keep_min_p(logits, kind(0.5)).equal(keep_min_p(logits, 0.5))
    made = Sampling(kind(0.5), top_p=kind(0.25), min_p=kind(0.125))
    assert made == Sampling(0.5, top_p=0.25, min_p=0.125)
    model = small_gpt()
    found = beam_search(model, PROMPT, 4, length_penalty=kind(0.5))
    assert found[0].score == beam_search(model, PROMPT, 4, length_penalty=0.5)[0].score


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: keep_top_k(torch.zeros(3), True), "top_k"),
        (lambda: keep_top_p(torch.zeros(3), True), "top_p"),
        (lambda: keep_min_p(torch.zeros(3), False), "min_p"),
        (lambda: Sampling(True), "temperature"),
        (lambda: Sampling(torch.tensor([1.0])), "temperature"),
        (lambda: Sampling(top_k=True), "top_k"),
        (lambda: Sampling(top_p=True), "top_p"),
        (lambda: generate(small_gpt(), PROMPT, True), "max_new_tokens"),
        (lambda: generate(small_gpt(), PROMPT, 3, top_k=True), "top_k"),
        (lambda: beam_search(small_gpt(), PROMPT, 3, True), "beams"),
        (lambda: beam_search(small_gpt(), PROMPT, 3, length_penalty="1"), "length_"),
        (lambda: beam_search(small_gpt(), PROMPT, 3, length_penalty=True), "length_"),
        (lambda: beam_search(small_gpt(), PROMPT, 3, early_stopping=1), "early_stop"),
        (lambda: beam_search(small_gpt(), PROMPT, 3, early_stopping=0), "early_stop"),
        (lambda: beam_search(small_gpt(), PROMPT, 3, early_stopping=None), "early_"),
        (
            lambda: speculative_decode(small_gpt(), small_gpt(), PROMPT, 3, True),
            "ahead",
        ),
        (lambda: NGramModel(torch.arange(5), True, 5), "order"),
        (lambda: NGramModel(torch.arange(5), 1, 5, strength="4"), "strength"),
        (lambda: NGramModel(torch.arange(5), 1, 4), "tokens"),
        (lambda: NGramModel(torch.arange(5.0), 1, 5), "tokens"),
    ],
)
def test_what_is_not_a_number_is_named_at_the_call(call, name):
    with pytest.raises(ValueError, match=name):
        call()


# Logits gone wrong.

WRONG_ROWS = [
    [math.nan, 0.0, 0.0],
    [0.0, 0.0, math.nan],
    [-math.inf, math.nan, 0.0],
    [0.0, math.inf, 0.0],
    [math.inf, math.inf, math.inf],
    [-math.inf, -math.inf, -math.inf],
    [math.inf, -math.inf, 0.0],
]
EVERY_WRONG_ROW = pytest.mark.parametrize("row", WRONG_ROWS, ids=str)
READERS = {
    "top-k": partial(keep_top_k, top_k=2),
    "top-p": partial(keep_top_p, top_p=0.5),
    "min-p": partial(keep_min_p, min_p=0.5),
}
for options in ((0,), (1,), (0.5, 2), (1, None, 0.5), (1, None, None, 0.1), (1e-39,)):
    READERS[f"draw{options}"] = Sampling(*options).draw
    READERS[f"law{options}"] = Sampling(*options).probabilities


@EVERY_WRONG_ROW
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_cut_and_no_draw_is_silent(read, row, dtype):
    right = [0.0, -math.inf, 1.0]
    read(torch.tensor([right], dtype=dtype))
    with pytest.raises(ValueError, match="logits"):
        read(torch.tensor([right, row], dtype=dtype))


@pytest.mark.parametrize("draw", [sample, gumbel_max])
@pytest.mark.parametrize("row", [WRONG_ROWS[0], WRONG_ROWS[2], WRONG_ROWS[5]], ids=str)
def test_nothing_is_drawn_from_nothing(draw, row):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(torch.tensor([[0.0, 1.0, 2.0], row]))


class Wrong(nn.Module):
    """A model whose logits go wrong after it has read so many tokens."""

    vocab_size = 3

    def __init__(self, row, after):
        super().__init__()
        self.row, self.after = torch.tensor(row), after

    def forward(self, tokens, *, cache=None):
        past = 0 if cache is None else cache.length
        places = past + torch.arange(tokens.shape[1])
        if cache is not None:
            cache.length += tokens.shape[1]
        wrong = (places >= self.after)[:, None]
        return torch.where(wrong, self.row, 0.0).expand(len(tokens), -1, -1)

    def new_cache(self):
        return Chain(0).new_cache()


@EVERY_WRONG_ROW
@pytest.mark.parametrize("after", [0, 2, 4])
@pytest.mark.parametrize("temperature", [0, 1])
def test_no_text_is_written_from_wrong_logits(row, after, temperature):
    model, prompt = Wrong(row, after), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="logits"):
        list(generate(model, prompt, 6, temperature))
    with pytest.raises(ValueError, match="logits"):
        generate_loop(model, prompt[None], 6, Sampling(temperature))
    right = Wrong([0.0, 0.0, 0.0], 0)
    for pair in ((model, right), (right, model), (model, model)):
        with pytest.raises(ValueError, match="logits"):
            list(speculative_decode(*pair, prompt, 6, 2, temperature))


@EVERY_WRONG_ROW
def test_no_beam_follows_wrong_logits(row):
    model = Wrong(row, 3)
    model.new_cache = lambda: ModelCacheThatSelects()
    with pytest.raises(ValueError, match="logits"):
        beam_search(model, torch.tensor([0, 1]), 6, 2)


class ModelCacheThatSelects(ModelCache):
    length = 0

    def __init__(self):
        super().__init__(0)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_laws_gone_wrong_are_named(wrong):
    guesses, q = torch.tensor([0]), torch.tensor([[0.5, 0.5]])
    for place in ((0, 0), (0, 1), (1, 0)):
        p = torch.full((2, 2), 0.5)
        p[place] = wrong
        with pytest.raises(ValueError, match="probabilities"):
            accept(guesses, q, p)
    with pytest.raises(ValueError, match="draft_probabilities"):
        accept(guesses, q * wrong, torch.full((2, 2), 0.5))


# Tiny and huge temperatures.

FINITE = st.lists(
    st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False),
    min_size=1,
    max_size=6,
)


@given(FINITE, st.sampled_from([1e-320, 1e-45, 1e-39, 1e-38, 1e-30]))
def test_a_tiny_temperature_gives_the_law_of_softmax(row, temperature):
    logits = torch.tensor([row, [*row[:-1], -math.inf]])
    logits = logits[: 1 + (len(row) > 1)]
    for dtype in (torch.float32, torch.float64):
        z = logits.to(dtype)
        law = Sampling(temperature).probabilities(z)
        assert torch.allclose(law, softmax(z, temperature), atol=1e-6)


def test_the_two_best_do_not_share_when_both_overflow():
    for row in ([3.0, 2.0, 1.0, -1.0], [-1.0, -2.0], [5e8, 4e8], [0.0, -1e-5]):
        for temperature in (1e-36, 1e-37, 1e-38, 1e-39, 1e-45, 1e-320):
            law = Sampling(temperature).probabilities(torch.tensor(row))
            assert law.tolist() == [1.0] + [0.0] * (len(row) - 1)


def test_ties_share_at_a_tiny_temperature():
    logits = torch.tensor([2.0, 1.0, 2.0, -math.inf])
    law = Sampling(1e-39).probabilities(logits)
    assert law.tolist() == [0.5, 0.0, 0.5, 0.0]
    generator = torch.Generator().manual_seed(0)
    drawn = Sampling(1e-39).draw(logits.expand(200, -1), generator)
    assert set(drawn.tolist()) == {0, 2}


@pytest.mark.parametrize("options", [{"top_k": 2}, {"top_p": 0.9}, {"min_p": 0.1}])
def test_cuts_after_a_tiny_temperature_leave_the_best(options):
    law = Sampling(1e-39, **options).probabilities(torch.tensor([3.0, 2.0, 1.0]))
    assert law.tolist() == [1.0, 0.0, 0.0]


def test_a_huge_temperature_levels_what_is_not_masked():
    logits = torch.tensor([3.0, -2.0, -math.inf])
    for temperature in (1e38, 1e39, 1e300):
        law = Sampling(temperature).probabilities(logits)
        assert law.tolist() == [0.5, 0.5, 0.0]


def test_gumbel_noise_draws_the_best_at_a_tiny_temperature():
    generator = torch.Generator().manual_seed(0)
    logits = torch.tensor([[3.0, 2.0, -math.inf]]).expand(50, -1)
    assert (gumbel_max(logits, 1e-39, generator) == 0).all()


@pytest.mark.parametrize("temperature", [1e-39, 1e-3, 1.0])
def test_greedy_text_is_what_a_tiny_temperature_writes(temperature):
    model = small_gpt()
    wanted, draft = stream(model, PROMPT, 8, 0), small_gpt(seed=4)
    if temperature == 1e-39:
        assert stream(model, PROMPT, 8, temperature).equal(wanted)
        found = speculated(model, draft, PROMPT, 8, temperature=temperature)
        assert found.equal(wanted)


# What generate yields can be decoded.


def test_generated_tokens_decode():
    tokenizer, letters = load_tokenizer(300), CharacterTokenizer.of("abcdefghijk")
    model = small_gpt(300)
    tokens = list(generate(model, PROMPT, 5, 0))
    text = tokenizer.decode(torch.stack(tokens).tolist())
    assert tokenizer.decode(tokens) == text
    assert tokenizer.decode(generate(model, PROMPT, 5, 0)) == text
    assert tokenizer.pieces(tokens) == [tokenizer.pieces(t)[0] for t in tokens]
    small = list(generate(small_gpt(), PROMPT, 5, 0))
    assert letters.decode(small) == "".join(
        letters.vocabulary[token] for token in small
    )


@pytest.mark.parametrize("rows", [1, 2])
def test_generated_batches_are_called_so(rows):
    tokens = list(generate(small_gpt(300), PROMPT.expand(rows, -1), 4, 0))
    for decoder in (load_tokenizer(300), CharacterTokenizer.of("abc")):
        with pytest.raises(ValueError, match="several texts"):
            decoder.decode(tokens)
    rows = torch.stack(tokens, dim=1)
    assert isinstance(load_tokenizer(300).decode(rows[0]), str)


# Bits.


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int16])
def test_bits_are_those_of_int64(dtype):
    logits, tokens = torch.randn(2, 4, 7), torch.randint(7, (2, 4))
    found = cross_entropy_bits(logits, tokens.to(dtype))
    assert found.equal(cross_entropy_bits(logits, tokens))


@pytest.mark.parametrize("token", [7, -1, -100])
def test_a_target_out_of_range_costs_an_error_and_not_0_bits(token):
    with pytest.raises(ValueError, match=f"tokens from {min(token, 1)} to"):
        cross_entropy_bits(torch.zeros(2, 7), torch.tensor([1, token]))


def test_text_bits_take_int32():
    model, tokens = small_gpt(), torch.randint(11, (40,))
    wanted = text_bits(model, tokens, 8, 4)
    assert text_bits(model, tokens.int(), np.int64(8), torch.tensor(4)).equal(wanted)
    with pytest.raises(ValueError, match="tokens="):
        text_bits(model, tokens.float(), 8, 4)
