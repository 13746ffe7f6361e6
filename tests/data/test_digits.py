"""The digits: disjoint parts, honest noise."""

import pytest
import torch

from genai_lib.data import load_digits


def test_parts_are_disjoint_and_complete():
    parts = [load_digits(name) for name in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [1000, 397, 400]
    images = torch.cat([part.images for part in parts]).flatten(1)
    assert len(images.unique(dim=0)) == len(images)
    assert images.min() == 0
    assert images.max() == 1
    assert parts[0].images.shape[1:] == (8, 8)


def test_seeds_shuffle_differently_but_repeatably():
    assert load_digits("test", 1).labels.equal(load_digits("test", 1).labels)
    assert not load_digits("test", 1).labels.equal(load_digits("test", 2).labels)


def test_noise_changes_the_stated_share_of_labels_to_another_digit():
    digits = load_digits("train")
    noisy = digits.with_noisy_labels(0.3, torch.Generator().manual_seed(0))
    changed = (noisy.labels != digits.labels).double().mean()
    assert changed == pytest.approx(0.3, abs=0.05)
    assert noisy.labels.min() >= 0
    assert noisy.labels.max() <= 9
    none = digits.with_noisy_labels(0.0, torch.Generator())
    assert none.labels.equal(digits.labels)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="part='dev'"):
        load_digits("dev")
    with pytest.raises(ValueError, match="share=2"):
        load_digits("test").with_noisy_labels(2, torch.Generator())
