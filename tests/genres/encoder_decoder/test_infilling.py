"""Infilling: each model sees its context, and its probabilities sum to one."""

import functools
import itertools
import math

import pytest
import torch

from genai_lib.components.positions import RotaryPositions
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.disentangled_attention import Deberta, DebertaConfig
from genai_lib.genres.encoder_decoder import (
    Gap,
    LeftToRightInfiller,
    MaskedInfiller,
    RerankedInfiller,
    Seq2Seq,
    SpanInfiller,
    evaluate_infilling,
    span_config,
)
from genai_lib.genres.encoder_only import Bert, BertConfig

V, LENGTH = 5, 9
GAP = Gap(4, 2)
NAMES = ("GPT", "BERT", "DeBERTa", "T5")


@functools.cache
def make(name, **options):
    torch.manual_seed(3)
    sizes = {"width": 16, "heads": 2, "layers": 2, "init_std": 0.4}
    if name == "GPT":
        kind = RerankedInfiller if options else LeftToRightInfiller
        return kind(GPT(GPTConfig(V, LENGTH, **sizes)).eval(), **options)
    if name == "BERT":
        model = Bert(
            BertConfig(V + 1, LENGTH, **sizes), positional_encoding=RotaryPositions(8)
        )
        return MaskedInfiller(model.eval(), V)
    if name == "DeBERTa":
        return MaskedInfiller(Deberta(DebertaConfig(V + 1, LENGTH, **sizes)).eval(), V)
    sizes = {"width": 16, "heads": 2, "decoder_layers": 1}
    return SpanInfiller(Seq2Seq(span_config(V, 2, **sizes)).eval(), V)


def texts(count=6, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(V, (count, LENGTH), generator=draws)


def all_fills(row):
    """One row for each of the V² ways to fill the gap."""
    ways = torch.tensor(list(itertools.product(range(V), repeat=GAP.length)))
    rows = row.repeat(len(ways), 1)
    rows[:, GAP.start : GAP.start + GAP.length] = ways
    return ways, rows


@pytest.mark.parametrize("name", NAMES)
def test_chances_of_all_fills_sum_to_one(name):
    for row in texts(3):
        _, rows = all_fills(row)
        chances = make(name).log_probabilities(rows, GAP).sum(dim=1).exp()
        assert chances.sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"candidates": 4}])
def test_what_stands_in_the_gap_is_not_seen(name, options):
    infiller = make(name, **options) if name == "GPT" else make(name)
    for row in texts(3):
        fills = infiller.fill(all_fills(row)[1], GAP)
        assert fills.shape == (V**2, 2)
        assert (fills == fills[0]).all()
        assert 0 <= fills.min() <= fills.max() < V


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [("GPT", 1, 0), ("BERT", 1, 1), ("DeBERTa", 1, 1), ("T5", 1, 1)],
)
def test_each_model_sees_its_sides(name, left, right):
    rows, infiller = texts(), make(name)
    before = infiller.log_probabilities(rows, GAP)
    for place, seen in ((0, left), (3, left), (6, right), (8, right)):
        other = rows.clone()
        other[:, place] = (rows[:, place] + 1) % V
        change = (
            (infiller.log_probabilities(other, GAP) - before).abs().max(dim=1).values
        )
        assert bool((change > 1e-6).all()) == bool(seen)


@pytest.mark.parametrize("name", ["BERT", "DeBERTa"])
def test_guesses_at_once_do_not_know_of_each_other(name):
    rows = texts()
    other = rows.clone()
    other[:, GAP.start] = (rows[:, GAP.start] + 1) % V
    one, two = (make(name).log_probabilities(r, GAP)[:, 1] for r in (rows, other))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", ["GPT", "T5"])
def test_a_written_token_depends_on_the_one_before(name):
    rows = texts()
    other = rows.clone()
    other[:, GAP.start] = (rows[:, GAP.start] + 1) % V
    one, two = (make(name).log_probabilities(r, GAP)[:, 1] for r in (rows, other))
    assert not torch.allclose(one, two)


@pytest.mark.parametrize("name", NAMES)
def test_fills_are_the_likeliest_step_by_step(name):
    """At each position try all tokens, with what is filled in before it."""
    infiller, rows = make(name), texts()
    wanted = rows.clone()
    for step in range(GAP.length):
        place, tries = GAP.start + step, []
        for token in range(V):
            wanted[:, place] = token
            tries.append(infiller.log_probabilities(wanted, GAP)[:, step])
        wanted[:, place] = torch.stack(tries).argmax(dim=0)
    assert infiller.fill(rows, GAP).equal(GAP.split(wanted)[1])


def whole_text(model, rows):
    """Compute ln p of each text but its first token, token by token."""
    logs = model(rows).log_softmax(-1)
    return sum(
        logs[torch.arange(len(rows)), t, rows[:, t + 1]] for t in range(LENGTH - 1)
    )


@torch.no_grad()
def test_rescoring_finds_the_likeliest_of_all_texts():
    infiller = make("GPT", candidates=V**2)
    found = infiller.fill(texts(20), GAP)
    for row, fill in zip(texts(20), found, strict=True):
        ways, rows = all_fills(row)
        assert fill.equal(ways[whole_text(infiller.model, rows).argmax()])
    assert not found.equal(make("GPT").fill(texts(20), GAP))


@torch.no_grad()
def test_proposals_are_scored_as_they_are():
    infiller = make("GPT", candidates=6)
    rows = texts(4)
    proposals, scores, _ = infiller.propose(rows[:, : GAP.start], GAP.length)
    assert proposals.shape == (4, 6, 2) and scores.shape == (4, 6)
    for row, ways, numbers in zip(rows, proposals, scores, strict=True):
        assert len(ways.unique(dim=0)) == 6
        tried = row.repeat(6, 1)
        tried[:, GAP.start : GAP.start + 2] = ways
        by_hand = make("GPT").log_probabilities(tried, GAP).sum(1)
        torch.testing.assert_close(numbers, by_hand)
        assert numbers.equal(numbers.sort(descending=True).values)


def test_one_candidate_is_the_greedy_fill():
    one = make("GPT", candidates=1).fill(texts(), GAP)
    assert one.equal(make("GPT").fill(texts(), GAP))


@torch.no_grad()
def test_t5_by_hand():
    """The source has one sentinel for the gap and an end; the target begins with it."""
    infiller, row = make("T5"), texts(1)
    end, pad = V + 2, V + 3
    source = torch.cat([row[:, :4], torch.tensor([[V]]), row[:, 6:]], dim=1)
    source = torch.cat([source, torch.tensor([[end]])], dim=1)
    target = torch.tensor([[pad, V, row[0, 4].item()]])
    logs = infiller.model(source, target)[0, 1:, :V].log_softmax(-1)
    wanted = torch.stack([logs[0, row[0, 4]], logs[1, row[0, 5]]])
    torch.testing.assert_close(infiller.log_probabilities(row, GAP)[0], wanted)


@pytest.mark.parametrize("name", NAMES)
def test_a_gap_of_one_at_the_edge(name):
    for gap in (Gap(1, 1), Gap(LENGTH - 2, 1)):
        assert make(name).log_probabilities(texts(), gap).shape == (6, 1)
        assert make(name).fill(texts(), gap).shape == (6, 1)


@pytest.mark.parametrize(
    ("rows", "gap", "message"),
    [
        (texts(), Gap(0, 2), "start=0"),
        (texts(), Gap(2, 0), "length=0"),
        (texts(), Gap(7, 2), "no token after the gap, which ends before position 9"),
        (texts().float(), GAP, "rows="),
        (texts()[0], GAP, "rows="),
    ],
)
def test_a_place_that_is_not_a_gap_is_refused(rows, gap, message):
    with pytest.raises(ValueError, match=message):
        make("GPT").fill(rows, gap)


def test_no_candidate_is_refused():
    with pytest.raises(ValueError, match="candidates=0"):
        make("GPT", candidates=0)


@pytest.mark.parametrize("name", NAMES)
def test_judging_counts_whole_gaps(name):
    infiller, rows = make(name), texts(4)
    fills = infiller.fill(rows, GAP)
    rows[:, GAP.start : GAP.start + 2] = fills
    rows[0, GAP.start] = (fills[0, 0] + 1) % V  # half right is wrong
    right, bits = evaluate_infilling(infiller, rows, GAP)
    assert right == (infiller.fill(rows, GAP) == GAP.split(rows)[1]).all(1).sum() / 4
    assert right in (0.5, 0.75)  # T5 and GPT may go on in another way
    wanted = -infiller.log_probabilities(rows, GAP).sum() / (4 * 2) / math.log(2)
    assert bits == pytest.approx(wanted.item(), rel=1e-5)


def test_a_rescored_model_has_no_bits():
    right, bits = evaluate_infilling(make("GPT", candidates=3), texts(), GAP)
    assert 0 <= right <= 1 and math.isnan(bits)
