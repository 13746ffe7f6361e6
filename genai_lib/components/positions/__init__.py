"""Six positional encodings with one interface, and rotary ones for longer texts.

Chapter  chapters/components/positions.ipynb
Tests    tests/components/positions
"""

from genai_lib.components.attention import PositionalEncoding as NoPositions
from genai_lib.components.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
    sinusoidal,
)
from genai_lib.components.positions.frequencies import rotary_frequencies
from genai_lib.components.positions.relative import (
    AlibiPositions,
    BucketPositions,
    alibi_bias,
    alibi_slopes,
    t5_bucket,
)
from genai_lib.components.positions.rotary import (
    RotaryPositions,
    interpolated_frequencies,
    ntk_frequencies,
    rotate,
    yarn_frequencies,
    yarn_frequencies_by_pair,
    yarn_sharpness,
)

__all__ = [
    "AlibiPositions",
    "BucketPositions",
    "LearnedPositions",
    "NoPositions",
    "RotaryPositions",
    "SinusoidalPositions",
    "alibi_bias",
    "alibi_slopes",
    "interpolated_frequencies",
    "ntk_frequencies",
    "rotary_frequencies",
    "rotate",
    "sinusoidal",
    "t5_bucket",
    "yarn_frequencies",
    "yarn_frequencies_by_pair",
    "yarn_sharpness",
]
