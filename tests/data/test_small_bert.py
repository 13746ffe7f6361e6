"""The stored BERT is small and good, and the figure's numbers are its own."""

import json

import pytest
import torch

from genai_lib.data import load_documentation
from genai_lib.data.masked_characters import PATH, SHOWN, expectations
from genai_lib.data.next_characters import LENGTH, passages
from genai_lib.data.small_bert import PATH as WEIGHTS
from genai_lib.data.small_bert import load_small_bert, train_small_bert
from genai_lib.genres.encoder_only import choose_holes, share_right

STORED = json.loads(PATH.read_text(encoding="utf-8"))


def test_files_are_small():
    assert WEIGHTS.stat().st_size < 1_000_000
    assert PATH.stat().st_size < 100_000


def test_a_text_becomes_a_row_after_the_first_token():
    model, tokens = load_small_bert()
    row = tokens.encode("a fit")
    assert row.shape == (1, 6) and row[0, 0] == tokens.first
    assert tokens.characters.decode(row[0, 1:]) == "a fit"
    assert tokens.characters.all == tuple(load_documentation().characters)
    assert model.config.vocab_size == tokens.count == len(tokens.characters) + 2
    assert {tokens.mask, tokens.first} == {tokens.count - 2, tokens.count - 1}


@torch.no_grad()
def test_the_model_fills_holes_in_held_out_text():
    model, tokens = load_small_bert()
    text = load_documentation().validation[: 200 * 80]
    rows = torch.cat([tokens.encode(text[i : i + 80]) for i in range(0, 200 * 80, 80)])
    holes = choose_holes(rows, 0, torch.Generator().manual_seed(0), first=2)
    logits = model(rows.masked_fill(holes, tokens.mask))
    assert share_right(logits, rows, holes) > 0.6


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
    """Hide one character by hand and ask for it."""
    model, tokens = load_small_bert()
    entry = next(iter(STORED.values()))
    row = tokens.encode(entry["text"])
    row[0, 1 + 20] = tokens.mask
    chances = model(row)[0, 1 + 20, : len(tokens.characters)].softmax(-1)
    for character, by_bert, _ in entry["places"][20 - 1]:
        (number,) = tokens.characters.encode(character).tolist()
        assert by_bert == pytest.approx(chances[number].item(), abs=1e-4)


def test_a_first_step_of_the_training_can_be_repeated(capsys):
    one, two = (train_small_bert(steps=1)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
