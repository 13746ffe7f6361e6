"""The stored GPT is small and good, and the numbers of the figure are its own."""

import json

import pytest
import torch

from genai_lib.data import load_documentation
from genai_lib.genres.decoder_only import text_bits
from genai_lib.genres.decoder_only.stored import (
    FOLDER,
    LENGTH,
    NEXT_CHARACTERS,
    SHOWN,
    expectations,
    load_small_gpt,
    passages,
    train_small_gpt,
)

STORED = json.loads(NEXT_CHARACTERS.read_text(encoding="utf-8"))


def test_files_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    assert NEXT_CHARACTERS.stat().st_size < 100_000


def test_the_model_reads_every_character_of_the_documentation():
    model, characters = load_small_gpt()
    assert characters.vocabulary == tuple(load_documentation().characters)
    assert model.config.vocab_size == len(characters)


def test_the_model_says_how_it_was_trained():
    stored, trained = load_small_gpt()[0], train_small_gpt(steps=1)[0]
    assert stored.config == trained.config


def test_the_model_predicts_held_out_text():
    model, characters = load_small_gpt()
    tokens = characters.encode(load_documentation().validation[:6000])
    assert text_bits(model, tokens, model.config.context, 64).mean() < 2.2


@pytest.mark.parametrize("name", STORED)
def test_the_stored_numbers_can_be_made_again(name):
    assert STORED[name]["text"] == passages()[name]
    assert len(STORED[name]["text"]) == LENGTH
    again = expectations(STORED[name]["text"])
    for stored, found in zip(STORED[name]["places"], again, strict=True):
        assert stored["bits"] == pytest.approx(found["bits"], abs=1e-3)
        assert len(stored["options"]) == len(found["options"]) == SHOWN
        # Options of about equal chances may change places on another machine.
        chances = {character: rest for character, *rest in found["options"]}
        for character, *rest in stored["options"]:
            if character in chances:
                assert rest == pytest.approx(chances[character], abs=1e-4)


def test_a_first_step_of_the_training_can_be_repeated(capsys):
    one, two = (train_small_gpt(steps=1)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
