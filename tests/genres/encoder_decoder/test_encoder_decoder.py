"""Seq2Seq: who sees what, what is shared, what is counted, and that it learns."""

import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from genai_lib.components.attention import record_attention
from genai_lib.components.softmax import softmax
from genai_lib.genres.encoder_decoder import (
    AttentiveSeq2Seq,
    RecurrentSeq2Seq,
    Seq2Seq,
    Seq2SeqConfig,
    exact_matches,
    greedy_decode,
    translation_loss,
)
from genai_lib.genres.inference import beam_search, generate, generate_loop
from genai_lib.training import fit

SMALL = Seq2SeqConfig(
    13, width=12, heads=3, ffn_width=20, decoder_layers=3, buckets=8, max_distance=16
)
MODELS = [Seq2Seq, RecurrentSeq2Seq, AttentiveSeq2Seq]


def lively(kind=Seq2Seq, config=SMALL, **options):
    """Make a model whose weights are so large that every part of it shows."""
    model = kind(config, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.4)
    return model.eval()


def some_source():
    return torch.tensor([[4, 5, 6, 7, 1], [8, 9, 1, 0, 0], [7, 1, 0, 0, 0]])


@pytest.mark.parametrize("kind", MODELS)
class TestEveryModel:
    def test_later_target_tokens_change_no_earlier_logits(self, kind):
        model, target = lively(kind), torch.randint(2, 13, (3, 7))
        changed = target.clone()
        changed[:, 4:] = (changed[:, 4:] + 1) % 13
        before, after = model(some_source(), target), model(some_source(), changed)
        assert before.shape == (3, 7, 13)
        assert_close(after[:, :4], before[:, :4])
        assert not torch.isclose(after[:, 4:], before[:, 4:]).all()

    def test_every_source_token_can_change_the_first_logits(self, kind):
        model, source = lively(kind), some_source()[:1]
        target = torch.zeros(1, 1, dtype=torch.int64)
        before = model(source, target)
        for place in range(5):
            changed = source.clone()
            changed[0, place] = 11
            assert not torch.isclose(model(changed, target), before).all()

    def test_pad_tokens_of_a_source_change_nothing(self, kind):
        model, target = lively(kind), torch.randint(2, 13, (3, 4))
        together = model(some_source(), target)
        for row, length in enumerate((5, 3, 2)):
            alone = model(some_source()[row : row + 1, :length], target[row : row + 1])
            assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("pieces", [(1,) * 6, (2, 1, 3)])
    def test_a_cache_changes_no_logit(self, kind, pieces):
        model, target = lively(kind), torch.randint(2, 13, (3, 6))
        cache = model.start(some_source())
        parts = [model.decode(part, cache) for part in target.split(pieces, dim=1)]
        found = torch.cat(parts, dim=1)
        assert_close(found, model(some_source(), target), atol=1e-5, rtol=1e-5)

    def test_a_cache_can_be_reordered_with_its_sources(self, kind):
        model, target = lively(kind), torch.randint(2, 13, (3, 3))
        cache = model.start(some_source())
        model.decode(target, cache)
        rows, new = torch.tensor([2, 0, 0, 1]), torch.tensor([[3], [4], [5], [6]])
        cache.select(rows)
        wanted = model(some_source()[rows], torch.cat([target[rows], new], dim=1))
        assert_close(model.decode(new, cache), wanted[:, -1:], atol=1e-5, rtol=1e-5)

    def test_the_ways_to_generate_work_with_it(self, kind):
        model, source = lively(kind), some_source()
        prompt = torch.zeros(3, 1, dtype=torch.int64)
        steps = generate(model.conditioned_on(source), prompt, 5, temperature=0.0)
        found = torch.stack(list(steps), dim=1)
        loop = prompt
        for _ in range(5):
            best = model(source, loop)[:, -1:].argmax(dim=-1)
            loop = torch.cat([loop, best], dim=1)
        assert found.equal(loop[:, 1:])
        assert generate_loop(model.conditioned_on(source), prompt, 2).shape == (3, 2)
        given = model.conditioned_on(source[:1])
        (best,) = beam_search(given, prompt[0], 5, beams=1)
        assert best.tokens.equal(found[0])
        assert beam_search(given, prompt[0], 5)[0].score >= best.score

    def test_it_learns_to_reverse_by_heart(self, kind):
        config = Seq2SeqConfig(13, 32, 2, ffn_width=32, encoder_layers=1, tied=False)
        model = kind(config)
        source = torch.rand(8, 11).argsort(dim=1)[:, :4] + 2
        end = torch.ones(8, 1, dtype=torch.int64)
        batch = (source, torch.cat([source.flip(1), end], dim=1))
        batches = iter(lambda: batch, None)
        fit(model, batches, translation_loss, steps=100, learning_rate=1e-2)
        assert exact_matches(model, *batch).all()

    def test_wrong_input_is_one_clear_error(self, kind):
        model = kind(SMALL)
        target = torch.zeros(3, 1, dtype=torch.int64)
        with pytest.raises(ValueError, match="source from .* to 13 must be from 0 to"):
            model(torch.full((3, 2), 13), target)
        with pytest.raises(ValueError, match="source=.*must be integers of shape"):
            model(torch.ones(3, 2), target)
        with pytest.raises(ValueError, match="source=.*not empty"):
            model(torch.ones(3, 0).long(), target)
        with pytest.raises(ValueError, match="target=.*must be integers of shape"):
            model(some_source(), target[0])
        with pytest.raises(ValueError, match="as many rows as the source"):
            model(some_source(), target[:2])


def test_only_the_decoder_is_causal_and_only_it_looks_at_the_source():
    model = lively()
    with record_attention(model) as seen:
        model(some_source()[:1], torch.randint(2, 13, (1, 4)))
    assert len(seen) == 2 + 3 * 2
    for name, (weights,) in seen.items():
        if "cross" in name:
            assert name.startswith("decoder") and weights.shape == (1, 3, 4, 5)
        elif name.startswith("encoder"):
            assert weights.shape == (1, 3, 5, 5) and (weights > 0).all()
        else:
            later = torch.ones(4, 4, dtype=torch.bool).triu(1)
            assert (weights[..., later] == 0).all()
            assert (weights[..., ~later] > 0).all()


def test_the_order_of_the_source_matters():
    model, target = lively(), torch.zeros(1, 1, dtype=torch.int64)
    source = some_source()[:1]
    swapped = source[:, [1, 0, 2, 3, 4]]
    assert not torch.isclose(model(source, target), model(swapped, target)).all()


def test_scores_are_not_divided_by_the_root_of_the_width():
    """Of two heads with d = 4 the weights are the softmax of the plain products."""
    config = Seq2SeqConfig(13, width=8, heads=2, encoder_layers=1)
    model = lively(config=config)
    block, source = model.encoder[0], some_source()[:1]
    x = block.attention_norm(model.embedding(source))[0]
    query, key = (
        y(x).unflatten(-1, (2, 4)).transpose(0, 1)
        for y in (block.attention.to_query, block.attention.to_key)
    )
    bias = block.attention.positional_encoding.bias(torch.arange(5), torch.arange(5))
    with record_attention(model) as seen:
        model.encode(source)
    wanted = (query @ key.mT + bias).softmax(-1)
    assert_close(seen["encoder.0.attention"][0][0], wanted, atol=1e-5, rtol=1e-5)


def test_the_normaliser_reaches_every_attention():
    model = Seq2Seq(SMALL, normalize=partial(softmax, temperature=2.0))
    blocks = [*model.encoder, *model.decoder]
    parts = [b.attention for b in blocks] + [b.cross_attention for b in model.decoder]
    assert all(part.normalize is parts[0].normalize for part in parts)
    assert parts[0].normalize is not softmax


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        Seq2SeqConfig(100),
        Seq2SeqConfig(7, 10, 2, 3, 5, 1, 4, "gated-gelu", buckets=4, tied=False),
    ],
)
def test_parameters_are_counted(config):
    model = Seq2Seq(config)
    assert config.parameters == sum(p.numel() for p in model.parameters())


def test_the_smallest_t5_has_60_million_parameters():
    config = Seq2SeqConfig(32128, 512, 8, 64, 2048, 6, 6)
    assert config.parameters == 60_506_624
    with torch.device("meta"):
        assert sum(p.numel() for p in Seq2Seq(config).parameters()) == 60_506_624


def test_initial_sizes_keep_signals_near_one():
    model = Seq2Seq(Seq2SeqConfig(200, width=128, heads=4))
    block = model.decoder[0]
    assert model.embedding.weight.std().item() == pytest.approx(1.0, rel=0.05)
    for linear, wanted in {
        block.attention.to_query: (128 * 32) ** -0.5,
        block.cross_attention.to_query: (128 * 32) ** -0.5,
        block.attention.to_key: 128**-0.5,
        block.feed_forward.to_output: 512**-0.5,
    }.items():
        assert linear.weight.std().item() == pytest.approx(wanted, rel=0.05)
    logits = model(torch.randint(2, 200, (4, 9)), torch.randint(2, 200, (4, 9)))
    assert 0.5 < logits.std().item() < 2.0


def test_the_tied_head_is_scaled_and_another_is_not():
    for options, factor in (({}, math.sqrt(12)), ({"scaled": False}, 1.0)):
        config = Seq2SeqConfig(13, width=12, heads=3, **options)
        model, target = lively(config=config), torch.randint(2, 13, (3, 2))
        hidden = model.hidden_states(target, model.start(some_source()))
        wanted = hidden @ model.embedding.weight.T / factor
        assert_close(model(some_source(), target), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10, "heads": 4}, "width=10 must be a multiple of heads=4"),
        ({"heads": 0}, "heads=0"),
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"feed_forward": "tanh"}, "feed_forward='tanh' must be one of .*relu"),
        ({"epsilon": 0}, "epsilon=0 must be above 0"),
        ({"end_token": 13}, "end_token=13 must be from 0 to vocab_size=13"),
        ({"pad_token": True}, "pad_token=True"),
        ({"decoder_layers": -1}, "decoder_layers=-1"),
    ],
)
def test_impossible_sizes_are_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig(**({"vocab_size": 13} | options))


def test_other_special_tokens_are_respected():
    config = Seq2SeqConfig(13, width=12, heads=3, pad_token=12, start_token=2)
    model = lively(config=config)
    source = torch.tensor([[3, 0, 4, 12, 12]])
    assert greedy_decode(model, source, 3).equal(greedy_decode(model, source[:, :3], 3))
    first = model(source, torch.tensor([[2]]))[0, -1].argmax()
    assert greedy_decode(model, source, 3)[0, 0] == first
