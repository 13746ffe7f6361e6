"""Normalisers that stay sharp when items become many, and the task that tests them.

Chapter  chapters/components/adaptive_temperature.ipynb
Tests    tests/components/adaptive_temperature
"""

from genai_lib.components.adaptive_temperature.adaptive import (
    ENTROPY_POLYNOMIAL,
    LEAST_ENTROPY,
    adaptive_temperature_readable,
    adaptive_temperature_softmax,
    dispersion_bound,
    inverse_temperature,
)
from genai_lib.components.adaptive_temperature.alternatives import (
    ScalableSoftmax,
    scalable_softmax,
    sparsemax,
)
from genai_lib.components.adaptive_temperature.retrieval import (
    MaxRetrieval,
    Outcome,
    best_inverse_temperature,
    compare,
    draw_sets,
    labels_of,
)

__all__ = [
    "ENTROPY_POLYNOMIAL",
    "LEAST_ENTROPY",
    "MaxRetrieval",
    "Outcome",
    "ScalableSoftmax",
    "adaptive_temperature_readable",
    "adaptive_temperature_softmax",
    "best_inverse_temperature",
    "compare",
    "dispersion_bound",
    "draw_sets",
    "inverse_temperature",
    "labels_of",
    "scalable_softmax",
    "sparsemax",
]
