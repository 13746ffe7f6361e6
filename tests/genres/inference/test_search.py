"""Beam search and speculative decoding: exactness, and the library transformers."""

import itertools
import math

import pytest
import torch
from scipy import stats
from torch import nn

from genai_lib.genres.decoder_only import ModelCache
from genai_lib.genres.inference import (
    accept,
    beam_search,
    best_continuations,
    generate,
    log_likelihood,
    speculative_decode,
)
from tests.genres.inference.test_inference import small_gpt, stream, theirs, twins


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("beams", [1, 2, 4])
def test_beams_are_those_of_transformers(seed, beams):
    reference, model = twins(seed=seed)
    prompt = torch.randint(11, (1, 3))
    if beams > 1:
        options = {"num_beams": beams, "num_return_sequences": beams}
        wanted = theirs(reference, prompt, 12, do_sample=False, **options)
    else:
        wanted = theirs(reference, prompt, 12, do_sample=False)
    found = beam_search(model, prompt[0], 12, beams)
    assert torch.stack([beam.tokens for beam in found]).equal(wanted)


@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("length_penalty", [1.0, 0.0, -0.7, 2.5])
def test_beams_with_an_end_are_those_of_transformers(early_stopping, length_penalty):
    for seed in range(3):
        reference, model = twins(eos=4, seed=seed)
        prompt = torch.randint(11, (1, 3))
        options = {"length_penalty": length_penalty, "early_stopping": early_stopping}
        given = {"do_sample": False, "num_beams": 4} | options
        wanted = theirs(reference, prompt, 12, **given)[0]
        found = beam_search(model, prompt[0], 12, 4, **options, end_token=4)
        best = found[0].tokens
        assert best.equal(wanted[: len(best)])
        assert (wanted[len(best) :] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_transformers(seed):
    """Of all finished texts: where many end, K must be left to be carried on."""
    reference, model = twins(eos=4, seed=seed, vocab_size=6)
    prompt = torch.randint(6, (1, 3))
    made = reference.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=9,
        num_beams=4,
        num_return_sequences=4,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    found = [beam.score for beam in beam_search(model, prompt[0], 9, end_token=4)]
    assert found == pytest.approx(made.sequences_scores.tolist(), abs=1e-5)


def test_as_many_are_carried_on_when_one_ends():
    """After the end (0.5), b (0.3) and c (0.2) go on, and c ends at 0.2."""
    end, b, c, d, e = range(1, 6)
    chances = torch.zeros(6, 6)
    chances[0, [end, b, c]] = torch.tensor([0.5, 0.3, 0.2])
    chances[b, [d, e]] = 0.5
    chances[c, end] = 1.0
    model = nn.Module()
    model.forward = lambda tokens, *, cache: chances.log()[tokens]
    model.new_cache = lambda: ModelCache(1)

    options = {"length_penalty": 0, "end_token": end}
    found = beam_search(model, torch.tensor([0]), 2, 2, **options)

    assert [beam.tokens.tolist() for beam in found] == [[end], [c, end]]
    assert [math.exp(beam.score) for beam in found] == pytest.approx([0.5, 0.2])


def test_one_beam_is_greedy_and_all_beams_are_the_best_text():
    model, prompt = small_gpt(vocab_size=4), torch.tensor([1, 2])
    greedy = beam_search(model, prompt, 3, beams=1)[0]
    assert greedy.tokens.equal(stream(model, prompt, 3, 0))
    texts = torch.tensor(list(itertools.product(range(4), repeat=3)))
    scores = log_likelihood(model, prompt.expand(64, 2), texts)
    every = beam_search(model, prompt, 3, beams=64, length_penalty=0)
    order = scores.argsort(descending=True)
    assert torch.stack([beam.tokens for beam in every]).equal(texts[order])
    assert every[0].score == pytest.approx(scores.max().item(), abs=1e-5)


@pytest.mark.parametrize("count", [1, 3, 99])
def test_the_best_continuations_are_the_best_of_all(count):
    scores = torch.tensor([[-1.0, -2.0], [-0.5, -math.inf]])
    logits = torch.randn(4, 3)
    totals, rows, tokens = best_continuations(scores, logits, count)
    logs = logits.log_softmax(-1).view(2, 2, 3)
    for text in range(2):
        every = [
            (scores[text, k].item() + logs[text, k, v].item(), k, v)
            for k in range(2)
            for v in range(3)
        ]
        wanted = sorted(every, key=lambda way: -way[0])[:count]
        assert totals[text].tolist() == pytest.approx([way[0] for way in wanted])
        counted = min(count, 3) if text else min(count, 6)
        found = list(zip(rows[text].tolist(), tokens[text].tolist(), strict=True))
        assert found[:counted] == [way[1:] for way in wanted][:counted]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beams": 0}, "beams=0"),
        ({"length_penalty": math.nan}, "length_penalty=nan"),
        ({"early_stopping": "always"}, "early_stopping='always'"),
    ],
)
def test_bad_beams_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        beam_search(small_gpt(), torch.tensor([1]), 3, **options)
    with pytest.raises(ValueError, match="prompt=.*must be int64 of shape"):
        beam_search(small_gpt(), torch.tensor([[1]]), 3)


# Speculative decoding.


class Chain(nn.Module):
    """A Markov chain with the contract of a language model: few texts, known laws."""

    def __init__(self, seed, states=3):
        super().__init__()
        drawn = torch.randn(states, states, generator=torch.manual_seed(seed))
        self.logits = 1.5 * drawn

    def forward(self, tokens, *, cache=None):
        if cache is not None:
            cache.length += tokens.shape[1]
        return self.logits[tokens]

    def new_cache(self):
        cache = ModelCache(0)
        cache.__class__ = type("Count", (), {"length": 0, "crop": crop})
        return cache

    def law(self, start, length):
        """List the probability of every text."""
        p = self.logits.double().softmax(-1)
        texts = itertools.product(range(len(p)), repeat=length)
        return {
            text: math.prod(
                p[a, b].item() for a, b in itertools.pairwise((start, *text))
            )
            for text in texts
        }


def crop(cache, length):
    cache.length = length


def speculated(model, draft, prompt, count, **options):
    return torch.cat(list(speculative_decode(model, draft, prompt, count, **options)))


def frequencies(draw, law, draws):
    counts = dict.fromkeys(law, 0)
    for _ in range(draws):
        counts[tuple(draw().tolist())] += 1
    return [counts[text] for text in law]


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_the_law_of_the_text_is_that_of_the_model(ahead):
    model, draft = Chain(0), Chain(1)
    law, prompt = model.law(2, 3), torch.tensor([0, 2])
    generator = torch.Generator().manual_seed(ahead)

    def draw():
        options = {"ahead": ahead, "generator": generator}
        return speculated(model, draft, prompt, 3, **options)

    counts = frequencies(draw, law, 1500)
    wanted = [1500 * p for p in law.values()]
    assert stats.chisquare(counts, wanted).pvalue > 1e-3
    of_draft = list(draft.law(2, 3).values())
    assert stats.chisquare(counts, [1500 * p for p in of_draft]).pvalue < 1e-9


def known_wrong(kind):
    """Make the mistakes that are often made in the last draw of a round."""

    def draw(guess, q, p, generator):
        chance = (p[0] / q[0])[guess]
        if torch.rand((), generator=generator) < chance:
            return guess
        law = p[0] if kind == "from p" else (q[0] - p[0]).clamp(min=0)
        return torch.multinomial(law, 1, generator=generator)

    return draw


@pytest.mark.parametrize("kind", ["right", "from p", "q minus p"])
def test_one_guess_is_exact_and_known_mistakes_are_not(kind):
    q = torch.tensor([[0.6, 0.3, 0.1]])
    p = torch.tensor([[0.2, 0.3, 0.5], [1 / 3] * 3])
    generator = torch.Generator().manual_seed(0)
    function = accept if kind == "right" else known_wrong(kind)
    counts = torch.zeros(3)
    for _ in range(4000):
        guess = torch.multinomial(q[0], 1, generator=generator)
        counts[function(guess, q, p, generator)[0]] += 1
    found = stats.chisquare(counts.numpy(), 4000 * p[0].double().numpy(), sum_check=0)
    assert (found.pvalue > 1e-3) == (kind == "right")


def test_the_cuts_shape_the_law_too():
    """Top-k of both laws: nothing that the model's cut removes may come."""
    model, draft = Chain(0), Chain(1)
    generator = torch.Generator().manual_seed(0)
    options = {"top_k": 1, "generator": generator}
    wanted = stream(model, torch.tensor([1]), 6, top_k=1)
    for _ in range(20):
        found = speculated(model, draft, torch.tensor([1]), 6, **options)
        assert found.equal(wanted)


@pytest.mark.parametrize("ahead", [1, 3, 8])
def test_greedy_is_greedy_of_the_model(ahead):
    for seed in range(5):
        model, draft = small_gpt(seed=seed), small_gpt(seed=seed + 50)
        prompt = torch.randint(11, (4,))
        wanted = stream(model, prompt, 20, 0)
        rounds = list(
            speculative_decode(model, draft, prompt, 20, ahead, temperature=0)
        )
        assert torch.cat(rounds).equal(wanted)
        assert all(1 <= len(tokens) <= ahead + 1 for tokens in rounds)


def test_a_draft_that_is_the_model_is_always_right():
    model = small_gpt()
    rounds = list(speculative_decode(model, model, torch.tensor([1, 2]), 20, 3))
    assert [len(tokens) for tokens in rounds] == [4] * 5


def test_a_pass_reads_what_is_new_and_no_more():
    model, draft, read = small_gpt(), small_gpt(seed=9), []
    model.embedding.register_forward_hook(
        lambda m, given, out: read.append(given[0].shape[1])
    )
    rounds = list(speculative_decode(model, draft, torch.tensor([1, 2, 3]), 18, 4))
    assert len(read) == len(rounds)
    assert read[0] == 3 + 4 and set(read[1:4]) == {5}
    assert max(read[4:]) <= 5


def test_the_whole_context_of_either_model_can_be_filled():
    model, draft = small_gpt(context=9), small_gpt(context=30)
    prompt = torch.tensor([1, 2, 3])
    assert len(speculated(model, draft, prompt, 7)) == 7
    for pair in ((model, draft), (draft, model)):
        with pytest.raises(ValueError, match="needs 10 positions"):
            speculative_decode(*pair, prompt, 8)
    with pytest.raises(ValueError, match="ahead=0"):
        speculative_decode(model, draft, prompt, 3, ahead=0)


def test_single_tokens_of_a_chain_follow_its_law():
    """The chain itself is right: `generate` draws from its law as well."""
    model, generator = Chain(0), torch.Generator().manual_seed(0)
    law = model.law(2, 2)

    def draw():
        tokens = generate(model, torch.tensor([2]), 2, generator=generator)
        return torch.stack(list(tokens))

    counts = frequencies(draw, law, 2000)
    assert stats.chisquare(counts, [2000 * p for p in law.values()]).pvalue > 1e-3
