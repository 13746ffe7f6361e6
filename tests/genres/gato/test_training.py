"""Training batches: sequences of five sources that fit, in fixed shares."""

from itertools import islice

import pytest
import torch

from genai_lib.data import load_documentation
from genai_lib.genres.gato import (
    CORRIDOR,
    END,
    NAMES,
    training,
)
from genai_lib.genres.gato.sequences import PATCH

WORDS = training.documentation_words()


@pytest.fixture(scope="module")
def taught():
    return training.demonstrations(WORDS, torch.Generator().manual_seed(0))


def sources(taught):
    text = WORDS.characters.encode(load_documentation().train)
    return training.streams(taught, text, torch.Generator().manual_seed(1))


def test_no_sequence_is_too_long_and_all_have_something_to_learn(taught):
    found = sources(taught)
    assert list(found) == list(training.SHARE)
    for stream in found.values():
        for sequence in islice(stream, 60):
            assert 1 < len(sequence) <= training.LENGTH and sequence.learned.any()


def test_captions_are_four_patches_a_separator_and_a_name(taught):
    for sequence in islice(sources(taught)["captions"], 20):
        assert sequence.ids[:5].tolist() == [PATCH] * 4 + [WORDS.separator]
        name = WORDS.characters.decode(sequence.ids[5:].tolist())
        assert name[-1] == END and name[:-1] in NAMES


def test_corridors_take_turns_and_their_wires_are_one_kind_in_a_sequence(taught):
    """Where the goal is to the right, the action tells how the wires are."""
    prompts = 0
    (way,) = CORRIDOR.observations
    assert way == "way"
    for number, sequence in enumerate(islice(sources(taught)["corridor"], 200)):
        steps = sequence.ids.view(-1, 3)
        right = steps[:, 0] > 3
        assert torch.equal(steps[:, 2] == 1, right ^ bool(number % 2))
        prompts += len(steps) == 2 * training.PROMPT
    assert prompts >= 100


def test_a_batch_has_so_many_of_each_source(taught):
    batch = next(training.batches(sources(taught), list(training.SHARE)))
    assert len(batch) == sum(training.SHARE.values())
    pictures = (batch.ids == PATCH).any(dim=1).sum()
    assert pictures == training.SHARE["captions"]
    plain = (batch.local == 0).all(dim=1) & batch.learned.all(dim=1)
    assert plain.sum() == training.SHARE["text"]
    alone = next(training.batches(sources(taught), ["grid"]))
    assert len(alone) == training.SHARE["grid"]


def test_a_network_learns(taught, capsys):
    torch.manual_seed(0)
    generator, network = (
        torch.Generator().manual_seed(2),
        training.new_network(WORDS, 8),
    )
    grid = training.batches(sources(taught), ["grid"])
    history = training.learn(network, grid, 30, generator)
    assert history.losses[-1] < history.losses[0] and not network.training
