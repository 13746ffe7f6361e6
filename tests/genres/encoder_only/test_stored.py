"""The stored BERT and the left-to-right control differ in mask and loss alone.

The numbers of the live figure are those of the stored BERT.
"""

import json
from functools import partial

import pytest
import torch

from genai_lib.components.attention import causal_mask, next_token_loss
from genai_lib.data import load_documentation
from genai_lib.genres.decoder_only.stored import LENGTH, passages
from genai_lib.genres.encoder_only import choose_masked, mask_tokens, masked_accuracy
from genai_lib.genres.encoder_only import stored as small_bert
from genai_lib.genres.encoder_only.stored import (
    BERT,
    LEFT_TO_RIGHT,
    MASKED_CHARACTERS,
    SHOWN,
    every_next_loss,
    expectations,
    load_left_to_right,
    load_small_bert,
    new_small_bert,
    train_left_to_right,
    train_small_bert,
)

STORED = json.loads(MASKED_CHARACTERS.read_text(encoding="utf-8"))
TRAINED = (train_small_bert, train_left_to_right)


def held_out(tokens, count=200, length=80):
    """Cut rows of held-out text, each after the first token."""
    text = load_documentation().validation[: count * length]
    cuts = range(0, count * length, length)
    return torch.cat([tokens.encode(text[i : i + length]) for i in cuts])


def test_files_are_small():
    assert BERT.stat().st_size < 1_000_000
    assert LEFT_TO_RIGHT.stat().st_size == BERT.stat().st_size
    assert MASKED_CHARACTERS.stat().st_size < 100_000


def test_a_text_becomes_a_row_after_the_first_token():
    model, tokens = load_small_bert()
    row = tokens.encode("a fit")
    assert row.shape == (1, 6) and row[0, 0] == tokens.first
    assert tokens.characters.decode(row[0, 1:]) == "a fit"
    assert tokens.characters.vocabulary == tuple(load_documentation().characters)
    assert model.config.vocab_size == tokens.count == len(tokens.characters) + 2
    assert {tokens.mask, tokens.first} == {tokens.count - 2, tokens.count - 1}


@torch.no_grad()
def test_the_model_predicts_masked_characters_of_held_out_text():
    model, tokens = load_small_bert()
    rows = held_out(tokens)
    masked = choose_masked(rows, 0, torch.Generator().manual_seed(0), first=2)
    logits = model(rows.masked_fill(masked, tokens.mask))
    assert masked_accuracy(logits, rows, masked) > 0.6


@pytest.mark.parametrize("name", STORED)
def test_the_stored_numbers_can_be_made_again(name):
    assert STORED[name]["text"] == passages()[name]
    assert len(STORED[name]["text"]) == LENGTH
    again = expectations(STORED[name]["text"])
    assert len(again) == LENGTH - 1
    for stored, found in zip(STORED[name]["places"], again, strict=True):
        assert len(stored) == len(found) == SHOWN
        # Options of about equal chances may change places on another machine.
        chances = {character: rest for character, *rest in found}
        for character, *rest in stored:
            if character in chances:
                assert rest == pytest.approx(chances[character], abs=1e-4)


@torch.no_grad()
def test_the_numbers_of_one_place_are_those_of_the_model():
    """Mask one character by hand and ask for it."""
    model, tokens = load_small_bert()
    entry = next(iter(STORED.values()))
    row = tokens.encode(entry["text"])
    row[0, 1 + 20] = tokens.mask
    chances = model(row)[0, 1 + 20, : len(tokens.characters)].softmax(-1)
    for character, by_bert, _ in entry["places"][20 - 1]:
        (number,) = tokens.characters.encode(character).tolist()
        assert by_bert == pytest.approx(chances[number].item(), abs=1e-4)


@pytest.mark.parametrize("train", TRAINED)
def test_a_first_step_of_the_training_can_be_repeated(train, capsys):
    one, two = (train(steps=1)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


@torch.no_grad()
def test_the_control_predicts_the_next_character():
    model, tokens = load_left_to_right()
    rows = held_out(tokens)
    masked = choose_masked(rows, 0, torch.Generator().manual_seed(0), first=2)
    mask = causal_mask(rows.shape[1] - 1)
    logits = model(rows[:, :-1], mask=mask)
    shares = [masked_accuracy(logits, rows[:, 1:], masked[:, 1:])]
    # Read one place too early or too late, it knows little.
    shares.append(masked_accuracy(logits, rows[:, :-1], masked[:, :-1]))
    shares.append(masked_accuracy(logits[:, :-1], rows[:, 2:], masked[:, 2:]))
    assert shares[0] > 0.5 > 0.35 > max(shares[1:])


def test_the_control_has_the_sizes_of_the_bert_and_other_weights():
    (bert, tokens), (control, same) = load_small_bert(), load_left_to_right()
    assert control.config == bert.config and tokens == same
    ours, theirs = bert.state_dict(), control.state_dict()
    assert {n: w.shape for n, w in ours.items()} == {
        n: w.shape for n, w in theirs.items()
    }
    assert not torch.equal(ours["embedding.weight"], theirs["embedding.weight"])


def test_both_are_trained_alike_but_for_the_loss(monkeypatch):
    """Weights at the start, batches, optimizer and schedule are the same."""
    trained = []

    def watched(model, batches, loss, **plan):
        weights = [p.detach().clone() for p in model.parameters()]
        seen = [next(batches) for _ in range(3)]
        optimizer, schedule = plan.pop("optimizer"), plan.pop("schedule")
        groups = [{**g, "params": None} for g in optimizer.param_groups]
        rates = [schedule(share / 4) for share in range(5)]
        trained.append((weights, seen, type(optimizer), groups, rates, plan, loss))

    monkeypatch.setattr(small_bert, "fit", watched)
    for train in TRAINED:
        train(steps=7)
    one, two = trained
    for a, b in zip(one[0], two[0], strict=True):
        assert torch.equal(a, b)
    for a, b in zip(one[1], two[1], strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
        assert a[0].shape == (small_bert.BATCH, small_bert.CONTEXT)
    assert one[2:6] == two[2:6] and one[5] == {"steps": 7}
    assert one[6] is not two[6] is every_next_loss


@torch.no_grad()
def test_the_loss_of_the_control_masks_nothing_and_sees_nothing_later():
    model, tokens = new_small_bert()
    rows = held_out(tokens, count=4, length=20)
    losses = [
        every_next_loss(
            model,
            mask_tokens(
                rows,
                tokens.mask,
                tokens.count,
                rate,
                torch.Generator().manual_seed(seed),
                special=(tokens.first,),
            ),
        )
        for seed, rate in enumerate((0, 0.3, 1))
    ]
    wanted = next_token_loss(partial(model, mask=causal_mask(20)), rows)
    assert all(torch.equal(loss, wanted) for loss in losses)
    assert not torch.isclose(next_token_loss(model, rows), wanted)
