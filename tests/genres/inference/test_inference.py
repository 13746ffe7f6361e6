"""Cuts and generation: laws, the library transformers, worked examples, bad input."""

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.components.positions import AlibiPositions, RotaryPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.inference import (
    Sampling,
    generate,
    generate_loop,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    log_likelihood,
)

SHARES = torch.tensor([[0.5, 0.1, 0.25, 0.15]])
ROWS = st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=1, max_size=12)


def small_gpt(vocab_size=11, context=24, seed=0, **arguments):
    torch.manual_seed(seed)
    config = GPTConfig(vocab_size, context, 12, 3, 2, init_std=0.5)
    return GPT(config, **arguments).eval()


def stream(*arguments, **options):
    return torch.stack(list(generate(*arguments, **options)), dim=-1)


# Cuts.


def test_top_k_keeps_k_and_ties():
    logits = torch.tensor([[1.0, 3.0, 2.0, 2.0]])
    assert keep_top_k(logits, 1).isfinite().tolist() == [[False, True, False, False]]
    assert keep_top_k(logits, 2).isfinite().tolist() == [[False, True, True, True]]
    assert keep_top_k(logits, 99).equal(logits)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0, 1), (0.4, 1), (0.49, 1), (0.51, 2), (0.8, 3), (1, 4)]
)
def test_top_p_keeps_the_fewest_that_reach_p(top_p, kept):
    logits = SHARES.double().log()
    found = keep_top_p(logits, top_p)
    assert found.isfinite().sum() == kept
    assert set(found[found.isfinite()].tolist()) == set(
        logits.sort(descending=True).values[0, :kept].tolist()
    )


@pytest.mark.parametrize(("min_p", "kept"), [(0, 4), (0.25, 3), (0.5, 2), (1, 1)])
def test_min_p_compares_with_the_largest(min_p, kept):
    assert keep_min_p(SHARES.double().log(), min_p).isfinite().sum() == kept


@given(ROWS, st.integers(1, 14), st.floats(0, 1), st.floats(0, 1))
def test_cuts_remove_the_tail_and_nothing_else(row, top_k, top_p, min_p):
    logits = torch.tensor([row], dtype=torch.double)
    for cut in (
        keep_top_k(logits, top_k),
        keep_top_p(logits, top_p),
        keep_min_p(logits, min_p),
        Sampling(0.7, top_k, top_p, min_p).cut(logits) * 0.7,
    ):
        kept = cut.isfinite()
        assert kept[logits == logits.max()].any()
        assert_close(cut[kept], logits[kept])
        if (~kept).any():
            assert logits[kept].min() >= logits[~kept].max()


@given(ROWS, st.floats(0.01, 1))
def test_the_nucleus_holds_p_and_not_one_token_more(row, top_p):
    p = softmax(torch.tensor(row, dtype=torch.double), dim=-1)
    kept = p[keep_top_p(p.log(), top_p).isfinite()]
    assert kept.sum() >= top_p - 1e-9
    if len(kept) > 1:
        assert kept.sum() - kept.min() <= top_p + 1e-9


@given(ROWS, st.floats(0.1, 3))
def test_min_p_is_a_gap_of_logits(row, theta):
    """p / p_max >= m is z_max - z <= -θ ln m: the sum of all powers cancels."""
    logits = torch.tensor(row, dtype=torch.double)
    kept = keep_min_p(logits / theta, 0.1).isfinite()
    gap = logits.max() - logits
    edge = -theta * math.log(0.1)
    clear = (gap - edge).abs() > 1e-9
    assert (kept == (gap <= edge))[clear].all()


@pytest.mark.parametrize("vocab_size", [2, 7, 300])
def test_cuts_are_those_of_transformers(vocab_size):
    process = pytest.importorskip("transformers.generation.logits_process")
    logits = 4 * torch.randn(40, vocab_size)
    logits[::3] = logits[::3].round()  # with ties
    logits[::5, 1:] -= 200.0
    logits[1, 0] = -math.inf
    ids = torch.zeros(40, 1, dtype=torch.int64)
    for k in (1, 2, 5, 400):
        wanted = process.TopKLogitsWarper(k)(ids, logits)
        assert keep_top_k(logits, k).equal(wanted)
    for share in (0.0, 0.1, 0.5, 0.9, 0.95, 1.0):
        wanted = process.TopPLogitsWarper(share)(ids, logits)
        assert keep_top_p(logits, share).equal(wanted)
        wanted = process.MinPLogitsWarper(share)(ids, logits)
        # It keeps one token by index where several tie at the top.
        assert keep_min_p(logits, share).equal(wanted)


def test_the_order_of_the_cuts_is_that_of_transformers():
    transformers = pytest.importorskip("transformers")
    reference, _ = twins()
    options = {"temperature": 0.6, "top_k": 6, "top_p": 0.8, "min_p": 0.1}
    config = transformers.GenerationConfig(
        do_sample=True, bos_token_id=0, eos_token_id=None, pad_token_id=0, **options
    )
    processors = reference._get_logits_processor(config, input_ids_seq_length=1)
    logits = 3 * torch.randn(200, 11)
    wanted = processors(torch.zeros(200, 1, dtype=torch.int64), logits)
    found = Sampling(**options).cut(logits)
    assert found.equal(wanted)
    other_order = keep_top_p(keep_min_p(keep_top_k(logits / 0.6, 6), 0.1), 0.8)
    assert not other_order.equal(wanted)
    late_temperature = keep_min_p(keep_top_p(keep_top_k(logits, 6), 0.8), 0.1) / 0.6
    assert not late_temperature.equal(wanted)


def test_known_wrong_cuts_differ():
    """Dropping the token that crosses p; comparing min-p with 1, not the largest."""
    p = SHARES.double()
    falling, places = p.sort(descending=True)
    below = (falling.cumsum(-1) <= 0.6).scatter(1, places, falling.cumsum(-1) <= 0.6)
    assert not below.equal(keep_top_p(p.log(), 0.6).isfinite())
    assert not (p >= 0.3).equal(keep_min_p(p.log(), 0.3).isfinite())


def test_zero_temperature_is_the_first_of_the_largest():
    logits = torch.tensor([[1.0, 2.0, 2.0]])
    greedy = Sampling(0, top_k=2)
    assert greedy.draw(logits).tolist() == [1]
    assert greedy.probabilities(logits).tolist() == [[0, 1, 0]]


def test_half_precision_is_cut_in_single():
    logits = torch.randn(3, 50).to(torch.bfloat16)
    assert Sampling(0.9, top_p=0.5).cut(logits).dtype == torch.float32


# Generation.


@pytest.mark.parametrize(
    "positional_encoding",
    [None, AlibiPositions(3), RotaryPositions(4)],
    ids=["table", "alibi", "r"],
)
@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {}, {"temperature": 1.4, "top_p": 0.9, "top_k": 5}]
)
def test_cached_is_uncached(positional_encoding, options):
    model = small_gpt(positional_encoding=positional_encoding)
    prompt = torch.randint(11, (3, 4))
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    found = stream(model, prompt, 20, **options, generator=generators[0])
    wanted = generate_loop(model, prompt, 20, Sampling(**options), generators[1])
    assert found.equal(wanted) and found.shape == (3, 20)


def test_a_prompt_without_batch_gives_single_tokens():
    model, prompt = small_gpt(), torch.tensor([1, 2, 3])
    alone = list(generate(model, prompt, 5, 0))
    assert {token.shape for token in alone} == {()}
    assert torch.stack(alone).equal(stream(model, prompt[None], 5, 0)[0])


def test_greedy_rows_of_a_batch_do_not_know_of_each_other():
    model, prompts = small_gpt(), torch.randint(11, (4, 3))
    together = stream(model, prompts, 9, 0)
    for row, prompt in zip(together, prompts, strict=True):
        assert row.equal(stream(model, prompt, 9, 0))


def test_tokens_come_when_they_are_asked_for():
    model, read = small_gpt(), []
    model.embedding.register_forward_hook(lambda m, given, out: read.append(given[0]))
    tokens = generate(model, torch.tensor([1, 2, 3]), 10)
    assert not read
    next(tokens)
    next(tokens)
    assert [r.shape[1] for r in read] == [3, 1]


def test_each_token_is_read_once():
    """Three of the prompt and nine new: the tenth new one is not read at all."""
    model, positions = small_gpt(), []
    model.embedding.register_forward_hook(
        lambda m, given, out: positions.append(given[0].shape[1])
    )
    stream(model, torch.tensor([1, 2, 3]), 10)
    assert sum(positions) == 3 + 10 - 1
    positions.clear()
    generate_loop(model, torch.tensor([[1, 2, 3]]), 10)
    assert sum(positions) == sum(range(3, 13))


def test_a_row_that_ended_stays_ended_and_all_ended_stop():
    model, prompts = small_gpt(seed=1), torch.randint(11, (6, 2))
    free = stream(model, prompts, 20, 0)
    end = int(free[0, 2])
    found = stream(model, prompts, 20, 0, end_token=end)
    for row, wanted in zip(found, free, strict=True):
        before = (wanted == end).cumsum(0).bool()
        assert row.equal(wanted.masked_fill(before, end)[: len(row)])
    alone = stream(model, prompts[0], 20, 0, end_token=end)
    first = free[0].tolist().index(end)
    assert alone.equal(free[0, : first + 1])


def test_no_gradient_is_kept_and_none_is_switched_off_outside():
    model = small_gpt()
    tokens = generate(model, torch.tensor([1]), 3)
    next(tokens)
    assert torch.is_grad_enabled()
    model(torch.stack(list(tokens))[None]).sum().backward()


def test_the_context_may_be_filled_and_not_exceeded():
    model = small_gpt(context=8)
    assert stream(model, torch.tensor([1, 2, 3]), 6).shape == (6,)
    with pytest.raises(ValueError, match="max_new_tokens=7 .* needs 9 .* has 8"):
        generate(model, torch.tensor([1, 2, 3]), 7)
    endless = small_gpt(context=8, positional_encoding=AlibiPositions(3))
    assert stream(endless, torch.tensor([1, 2, 3]), 30).shape == (30,)


def test_likelihood_is_the_product_along_the_way():
    model, prompt = small_gpt(), torch.randint(11, (2, 3))
    new = torch.randint(11, (2, 4))
    total = torch.zeros(2)
    for step in range(4):
        logits = model(torch.cat([prompt, new[:, :step]], dim=1))[:, -1]
        total += logits.log_softmax(-1)[torch.arange(2), new[:, step]]
    assert_close(log_likelihood(model, prompt, new), total.detach())


def twins(eos=None, seed=0, **sizes):
    """Make a GPT-2 of transformers and ours with the same weights."""
    transformers = pytest.importorskip("transformers")
    import tempfile

    torch.manual_seed(seed)
    sizes = {"vocab_size": 11, "n_positions": 24, "n_embd": 12, "n_head": 3} | sizes
    config = transformers.GPT2Config(
        n_layer=2, bos_token_id=0, eos_token_id=eos, pad_token_id=0, **sizes
    )
    reference = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.normal_(0.0, 0.4)
    with tempfile.TemporaryDirectory() as folder:
        reference.save_pretrained(folder)
        return reference, GPT.from_pretrained(folder)


def theirs(reference, prompt, count, **options):
    """Generate with transformers; return the new tokens."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokens = reference.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=count,
            **({"pad_token_id": 0} | options),
        )
    return tokens[:, prompt.shape[1] :]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "sizes", [{}, {"vocab_size": 57, "n_head": 2}, {"n_embd": 20, "n_head": 5}]
)
def test_greedy_text_is_that_of_transformers(seed, sizes):
    reference, model = twins(seed=seed, **sizes)
    prompt = torch.randint(model.config.vocab_size, (3, 4))
    wanted = theirs(reference, prompt, 20, do_sample=False)
    assert stream(model, prompt, 20, 0).equal(wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7},
        {"top_k": 3},
        {"top_p": 0.8},
        {"min_p": 0.2},
        {"temperature": 1.7, "top_k": 8, "top_p": 0.9, "min_p": 0.05},
    ],
)
def test_drawn_text_is_that_of_transformers(options):
    """With the same random numbers: both draw by `torch.multinomial`."""
    reference, model = twins()
    prompt = torch.randint(11, (3, 4))
    torch.manual_seed(3)
    wanted = theirs(reference, prompt, 20, do_sample=True, **({"top_k": 0} | options))
    torch.manual_seed(3)
    assert stream(model, prompt, 20, **options).equal(wanted)


def test_greedy_text_with_an_end_is_that_of_transformers():
    reference, model = twins(eos=4, seed=2)
    for prompt in torch.randint(11, (12, 1, 2)):
        wanted = theirs(reference, prompt, 20, do_sample=False)
        assert stream(model, prompt, 20, 0, end_token=4).equal(wanted)


# Bad input.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: keep_top_k(z, 0), "top_k=0"),
        (lambda z: keep_top_k(z, 2.0), "top_k=2.0"),
        (lambda z: keep_top_k(z.long(), 2), "logits="),
        (lambda z: keep_top_k(torch.tensor(1.0), 2), "logits="),
        (lambda z: keep_top_p(z, 1.1), "top_p=1.1"),
        (lambda z: keep_top_p(z, math.nan), "top_p=nan"),
        (lambda z: keep_min_p(z, -0.1), "min_p=-0.1"),
        (lambda z: keep_min_p(z, "0.1"), "min_p='0.1'"),
        (lambda z: Sampling(-1), "temperature=-1"),
        (lambda z: Sampling(math.inf), "temperature=inf"),
        (lambda z: Sampling(top_k=0), "top_k=0"),
        (lambda z: Sampling(top_p=2), "top_p=2"),
    ],
)
def test_bad_cuts_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("prompt", "count", "message"),
    [
        ([1, 2], 3, r"prompt=\[1, 2\]"),
        (torch.tensor([1.0]), 3, "prompt=.*float32"),
        (torch.tensor([], dtype=torch.int64), 3, "not empty"),
        (torch.ones(1, 2, 3).long(), 3, "prompt="),
        (torch.tensor([1]), 0, "max_new_tokens=0"),
    ],
)
def test_bad_prompts_are_named_at_the_call(prompt, count, message):
    with pytest.raises(ValueError, match=message):
        generate(small_gpt(), prompt, count)
