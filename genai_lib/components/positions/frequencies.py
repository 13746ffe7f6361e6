"""Frequencies of sinusoidal and rotary positions, kept exact in every number format.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

References
    [1] Su et al., "RoFormer", 2021, arXiv:2104.09864
"""

import torch
from torch import Tensor

from genai_lib.checks import check_above_zero, check_positive
from genai_lib.components.attention import PositionalEncoding


def rotary_frequencies(width: int, base: float = 10000.0) -> Tensor:
    """Compute ω_i = base^(-2i / width), the angle per position of each pair [1, §3.2].

    Returns
    -------
    Tensor of shape (width / 2,)

    >>> rotary_frequencies(4)
    tensor([1.0000, 0.0100])
    """
    return exact_frequencies(width, base).float()


def exact_frequencies(width: int, base: float = 10000.0) -> Tensor:
    """Compute the ω_i of `rotary_frequencies` in double precision."""
    (width,) = check_positive(width=width)
    if width % 2:
        raise ValueError(f"width={width} must be even: entries are rotated in pairs")
    (base,) = check_above_zero(base=base)
    exponents = torch.arange(0, width, 2, dtype=torch.double) / width
    return base**-exponents


class FrequencyEncoding(PositionalEncoding):
    """Base class for positional encodings with frequencies of at least 32 bits.

    Moving the model to another device moves the frequencies; casting it to another
    number format does not cast them: an angle is a position times a frequency, and at
    position 1000 frequencies of 16 bits give a wrong angle. They are also computed for
    a model on the meta device, because files of weights do not contain them.

    Parameters
    ----------
    width : int
        An even number.
    base : float
    """

    def __init__(self, width: int, base: float) -> None:
        super().__init__()
        device = torch.get_default_device()
        with torch.device("cpu" if device.type == "meta" else device):
            frequencies = rotary_frequencies(width, base)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def frequencies_for(self, x: Tensor) -> Tensor:
        """Return the frequencies on the device of `x`, in 64 bits if `x` has them."""
        precise = torch.promote_types(x.dtype, self.frequencies.dtype)
        return self.frequencies.to(x.device, precise)

    def _apply(self, fn, recurse=True):
        # PyTorch calls this for `.to`, `.half` and so on: only the device may change.
        kept = self.frequencies
        super()._apply(fn, recurse)
        device = self.frequencies.device
        self.frequencies = kept if device.type == "meta" else kept.to(device)
        return self
