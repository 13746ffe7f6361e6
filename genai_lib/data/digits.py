"""The 1,797 handwritten digits of 8 by 8 pixels that come with scikit-learn."""

from dataclasses import dataclass

import torch
from torch import Tensor

from genai_lib.checks import check_option, check_share, check_whole

PARTS = {"train": 1000, "validation": 397, "test": 400}


@dataclass(frozen=True)
class Digits:
    """One part of the digits.

    Attributes
    ----------
    images : float32 Tensor of shape (N, 8, 8)
        From 0 (paper) to 1 (ink).
    labels : int64 Tensor of shape (N,)
        The digit, 0 to 9.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Digits":
        """Move images and labels to a device."""
        return Digits(self.images.to(device), self.labels.to(device))

    def with_noisy_labels(self, share: float, generator: torch.Generator) -> "Digits":
        """Replace each label, with probability `share`, by one of the nine others."""
        (share,) = check_share(share=share)
        noisy = torch.rand(len(self), generator=generator) < share
        shift = torch.randint(1, 10, (len(self),), generator=generator)
        labels = torch.where(noisy, (self.labels + shift) % 10, self.labels)
        return Digits(self.images, labels)


def load_digits(part: str, shuffle_seed: int = 0) -> Digits:
    """Load one part: 1,000 digits to train, 397 to validate, 400 to test.

    Parameters
    ----------
    part : {"train", "validation", "test"}
    shuffle_seed : int, default=0
        Seed of the shuffle before the split; the parts of one seed are disjoint.
    """
    check_option("part", part, PARTS)
    (shuffle_seed,) = check_whole(0, 2**64 - 1, shuffle_seed=shuffle_seed)
    from sklearn import datasets  # here, for its import takes two seconds

    data = datasets.load_digits()
    generator = torch.Generator().manual_seed(shuffle_seed)
    order = torch.randperm(len(data.target), generator=generator)
    start = sum(size for name, size in PARTS.items() if _before(name, part))
    chosen = order[start : start + PARTS[part]]
    images = torch.from_numpy(data.images).float() / 16
    return Digits(images[chosen], torch.from_numpy(data.target).long()[chosen])


def _before(name: str, part: str) -> bool:
    names = list(PARTS)
    return names.index(name) < names.index(part)
