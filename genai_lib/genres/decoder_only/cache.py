"""What a model keeps of the tokens that it has read.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only
"""

from torch import Tensor

from genai_lib.checks import check_whole
from genai_lib.components.attention import KeyValueCache


class ModelCache:
    """What a model remembers of the tokens that it has read: one cache per block.

    Attributes
    ----------
    blocks : list of KeyValueCache
    """

    def __init__(self, layers: int) -> None:
        (layers,) = check_whole(0, None, layers=layers)
        self.blocks = [KeyValueCache() for _ in range(layers)]

    @property
    def length(self) -> int:
        """How many positions it holds."""
        return self.blocks[0].length

    def select(self, rows: Tensor) -> None:
        """Keep some sequences of the batch, in this order, as a beam search does."""
        for block in self.blocks:
            block.select(rows)

    def crop(self, length: int) -> None:
        """Forget all positions but the first `length`."""
        for block in self.blocks:
            block.crop(length)
