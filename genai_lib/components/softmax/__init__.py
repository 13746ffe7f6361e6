"""Softmax with a temperature, how to draw from it, and how to calibrate it.

Chapter  chapters/components/softmax.ipynb
Tests    tests/components/softmax
"""

from genai_lib.components.softmax.calibration import (
    expected_calibration_error,
    fit_temperature,
)
from genai_lib.components.softmax.likelihood import token_log_probabilities
from genai_lib.components.softmax.normalizer import (
    entropy,
    gumbel_max,
    log_softmax,
    sample,
    softmax,
    softmax_loop,
)

__all__ = [
    "entropy",
    "expected_calibration_error",
    "fit_temperature",
    "gumbel_max",
    "log_softmax",
    "sample",
    "softmax",
    "softmax_loop",
    "token_log_probabilities",
]
