"""Training batches: sequences of five sources that fit, in fixed shares."""

from itertools import islice

import pytest
import torch

from genai_lib.data import load_documentation
from genai_lib.genres.gato import (
    CORRIDOR,
    DIGIT_NAMES,
    END,
    training,
)
from genai_lib.genres.gato.sequences import PATCH

VOCABULARY = training.documentation_vocabulary()


@pytest.fixture(scope="module")
def taught():
    return training.demonstrations(VOCABULARY, torch.Generator().manual_seed(0))


def sources(taught):
    text = VOCABULARY.characters.encode(load_documentation().train)
    return training.streams(taught, text, torch.Generator().manual_seed(1))


def test_no_sequence_is_too_long_and_all_have_something_to_learn(taught):
    found = sources(taught)
    assert list(found) == list(training.SEQUENCES_PER_BATCH)
    for stream in found.values():
        for sequence in islice(stream, 60):
            assert 1 < len(sequence) <= training.LENGTH and sequence.loss_mask.any()


def test_captions_are_four_patches_a_separator_and_a_name(taught):
    for sequence in islice(sources(taught)["captions"], 20):
        assert sequence.ids[:5].tolist() == [PATCH] * 4 + [VOCABULARY.separator]
        name = VOCABULARY.characters.decode(sequence.ids[5:].tolist())
        assert name[-1] == END and name[:-1] in DIGIT_NAMES


def test_corridors_take_turns_and_their_wires_are_one_kind_in_a_sequence(taught):
    """Where the goal is to the right, the action tells how the wires are."""
    prompts = 0
    (name,) = CORRIDOR.observations
    assert name == "goal_offset"
    for number, sequence in enumerate(islice(sources(taught)["corridor"], 200)):
        steps = sequence.ids.view(-1, 3)
        right = steps[:, 0] > 3
        assert torch.equal(steps[:, 2] == 1, right ^ bool(number % 2))
        prompts += len(steps) == 2 * training.PROMPT
    assert prompts >= 100


def test_a_batch_has_so_many_of_each_source(taught):
    batch = next(training.batches(sources(taught), list(training.SEQUENCES_PER_BATCH)))
    assert len(batch) == sum(training.SEQUENCES_PER_BATCH.values())
    images = (batch.ids == PATCH).any(dim=1).sum()
    assert images == training.SEQUENCES_PER_BATCH["captions"]
    plain = (batch.local == 0).all(dim=1) & batch.loss_mask.all(dim=1)
    assert plain.sum() == training.SEQUENCES_PER_BATCH["text"]
    alone = next(training.batches(sources(taught), ["grid"]))
    assert len(alone) == training.SEQUENCES_PER_BATCH["grid"]


def test_a_network_learns(taught, capsys):
    torch.manual_seed(0)
    generator, network = (
        torch.Generator().manual_seed(2),
        training.new_network(VOCABULARY, 8),
    )
    grid = training.batches(sources(taught), ["grid"])
    history = training.train(network, grid, 30, generator)
    assert history.losses[-1] < history.losses[0] and not network.training
