"""The stored networks that learned one thing alone are small, whole and good."""

from statistics import fmean

import pytest
import torch

from genai_lib.data import even_windows, load_digits, load_documentation
from genai_lib.genres import gato
from genai_lib.genres.gato import training
from genai_lib.genres.gato.stored import (
    PATH,
    WIDTH,
    load_alone,
    save_alone,
    to_whole_numbers,
    train_alone,
)

WORDS = training.documentation_words()


@pytest.fixture(scope="module")
def networks():
    return load_alone()


def test_the_file_is_small():
    assert PATH.stat().st_size < 1_000_000


def test_each_has_the_size_of_the_joint_network(networks):
    joint = training.new_network(WORDS, WIDTH).state_dict()
    assert list(networks) == list(training.SHARE)
    for network in networks.values():
        shapes = {name: weight.shape for name, weight in network.state_dict().items()}
        assert shapes == {name: weight.shape for name, weight in joint.items()}
        assert not network.training


def test_one_names_digits_that_it_has_not_seen(networks):
    digits = load_digits("test")
    labels = digits.labels[:200]
    episodes = gato.caption_episodes(digits.images[:200], labels)
    seen = gato.stack([e[:5] for e in training.write(episodes, gato.CAPTION, WORDS)])
    said = gato.write_captions(networks["captions"], seen, WORDS, gato.END)
    meant = [gato.NAMES[label] for label in labels.tolist()]
    assert fmean(a == b for a, b in zip(said, meant, strict=True)) >= 0.85


def test_one_walks_and_one_predicts_text(networks):
    player = gato.Policy(networks["grid"], gato.GRID, WORDS, history=4)
    environments = [gato.GridWorld() for _ in range(20)]
    assert fmean(r.total for r in gato.rollout(environments, range(20), player)) > -5
    text = WORDS.characters.encode(load_documentation().validation)
    assert gato.bits_per_character(networks["text"], even_windows(text, 32, 100)) < 2.9


def test_whole_numbers_are_near_the_weights():
    weight = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    weight[1] = 0.0
    whole, factors = to_whole_numbers(weight)
    assert (whole.dtype, factors.shape) == (torch.int8, (3, 1))
    # Rounding of the factors, to eleven bits, may move the largest number a little.
    assert ((whole * factors.float() - weight).abs() <= 0.56 * factors.float()).all()
    assert whole[0].abs().max() == 127 and (whole[1] == 0).all()


def test_what_is_stored_comes_back(networks, tmp_path):
    save_alone(networks, tmp_path / "networks.safetensors")
    path = tmp_path / "networks.safetensors"
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    back = load_alone(path)
    for name, network in networks.items():
        for part, weight in network.named_parameters():
            if name == "captions" or not part.startswith("patches."):
                near = (back[name].get_parameter(part) - weight).abs().max()
                assert near <= weight.abs().max() / 127 * 0.56 + 1e-4


def test_a_first_step_can_be_taken_again(capsys):
    networks = train_alone(steps=1)
    assert list(networks) == list(training.SHARE)
    assert capsys.readouterr().out.count("step      1 of 1") == len(networks)
