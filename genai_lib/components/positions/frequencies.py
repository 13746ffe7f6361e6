"""Frequencies of waves and of rotations, which stay exact in every format of a model.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions

References
    [1] Su et al., "RoFormer", 2021, arXiv:2104.09864
"""

import torch
from torch import Tensor

from genai_lib.checks import as_real, as_whole, check_above_zero, check_positive
from genai_lib.components.attention import PositionalEncoding


def rotary_frequencies(width: int, base: float = 10000.0) -> Tensor:
    """List ω_i = base^(-2i / width), the angle per position of each pair [1, §3.2].

    Returns
    -------
    Tensor of shape (width / 2,)

    >>> rotary_frequencies(4)
    tensor([1.0000, 0.0100])
    """
    return exact_frequencies(width, base).float()


def exact_frequencies(width: int, base: float = 10000.0) -> Tensor:
    """List the ω_i of `rotary_frequencies` in double precision."""
    check_positive(width=width)
    if width % 2:
        raise ValueError(f"width={width} must be even: entries turn in pairs")
    check_above_zero(base=base)
    width = as_whole(width)
    exponents = torch.arange(0, width, 2, dtype=torch.double) / width
    return as_real(base) ** -exponents


class FrequencyEncoding(PositionalEncoding):
    """Hold frequencies that no cast of the model touches; it only moves them.

    An angle is a position times a frequency: at position 1000, frequencies of 16 bits
    would turn by a wrong angle. A model that is built on the meta device has them too,
    as no file of weights brings them.

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
        """Return them on the device of `x`, in its format where that is finer."""
        precise = torch.promote_types(x.dtype, self.frequencies.dtype)
        return self.frequencies.to(x.device, precise)

    def _apply(self, fn, recurse=True):
        kept = self.frequencies
        super()._apply(fn, recurse)
        device = self.frequencies.device
        self.frequencies = kept if device.type == "meta" else kept.to(device)
        return self
