"""The stored specialists are small, complete and good."""

from statistics import fmean

import pytest
import torch

from genai_lib.data import even_windows, load_digits, load_documentation
from genai_lib.genres import gato
from genai_lib.genres.gato import training
from genai_lib.genres.gato.stored import (
    PATH,
    WIDTH,
    load_specialists,
    quantise_rows,
    save_specialists,
    train_specialists,
)

VOCABULARY = training.documentation_vocabulary()


@pytest.fixture(scope="module")
def networks():
    return load_specialists()


def test_the_file_is_small():
    assert PATH.stat().st_size < 1_000_000


def test_each_has_the_size_of_the_joint_network(networks):
    joint = training.new_network(VOCABULARY, WIDTH).state_dict()
    assert list(networks) == list(training.SEQUENCES_PER_BATCH)
    for network in networks.values():
        shapes = {name: weight.shape for name, weight in network.state_dict().items()}
        assert shapes == {name: weight.shape for name, weight in joint.items()}
        assert not network.training


def test_one_names_digits_that_it_has_not_seen(networks):
    digits = load_digits("test")
    labels = digits.labels[:200]
    episodes = gato.caption_episodes(digits.images[:200], labels)
    seen = gato.stack(
        [e[:5] for e in training.serialize(episodes, gato.CAPTION, VOCABULARY)]
    )
    said = gato.generate_captions(networks["captions"], seen, VOCABULARY, gato.END)
    meant = [gato.DIGIT_NAMES[label] for label in labels.tolist()]
    assert fmean(a == b for a, b in zip(said, meant, strict=True)) >= 0.85


def test_one_walks_and_one_predicts_text(networks):
    player = gato.Policy(networks["grid"], gato.GRID, VOCABULARY, history=4)
    environments = [gato.GridWorld() for _ in range(20)]
    assert fmean(r.total for r in gato.rollout(environments, range(20), player)) > -5
    text = VOCABULARY.characters.encode(load_documentation().validation)
    assert gato.bits_per_character(networks["text"], even_windows(text, 32, 100)) < 2.9


def test_whole_numbers_are_near_the_weights():
    weight = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    weight[1] = 0.0
    whole, factors = quantise_rows(weight)
    assert (whole.dtype, factors.shape) == (torch.int8, (3, 1))
    # Rounding of the factors, to eleven bits, may move the largest number a little.
    assert ((whole * factors.float() - weight).abs() <= 0.56 * factors.float()).all()
    assert whole[0].abs().max() == 127 and (whole[1] == 0).all()


def test_what_is_stored_comes_back(networks, tmp_path):
    save_specialists(networks, tmp_path / "networks.safetensors")
    path = tmp_path / "networks.safetensors"
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    back = load_specialists(path)
    for name, network in networks.items():
        for part, weight in network.named_parameters():
            if name == "captions" or not part.startswith("patches."):
                near = (back[name].get_parameter(part) - weight).abs().max()
                assert near <= weight.abs().max() / 127 * 0.56 + 1e-4


def test_a_first_step_can_be_taken_again(capsys):
    networks = train_specialists(steps=1)
    assert list(networks) == list(training.SEQUENCES_PER_BATCH)
    assert capsys.readouterr().out.count("step      1 of 1") == len(networks)
