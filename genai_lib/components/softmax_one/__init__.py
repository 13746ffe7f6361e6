"""Attention that may do nothing: softmax_one, sinks, clipping, gates, and outliers.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one
"""

from genai_lib.components.softmax_one.gating import GatedAttention, gate
from genai_lib.components.softmax_one.no_op import (
    NoOpHead,
    Sequences,
    answer_loss,
    draw_sequences,
    learn_no_op,
    no_op_logit_range,
)
from genai_lib.components.softmax_one.normalizers import (
    LearnedSink,
    clipped_softmax,
    softmax_one,
    softmax_one_loop,
    softmax_with_sink,
)
from genai_lib.components.softmax_one.outliers import (
    fake_quantize,
    kurtosis,
    max_infinity_norm,
    smooth_quantize,
    smoothing_scales,
)
from genai_lib.components.softmax_one.quantization import (
    QuantizedLinear,
    SmoothedLinear,
    plant_outliers,
    quantize_linears,
    smooth_linears,
)

__all__ = [
    "GatedAttention",
    "LearnedSink",
    "NoOpHead",
    "QuantizedLinear",
    "Sequences",
    "SmoothedLinear",
    "answer_loss",
    "clipped_softmax",
    "draw_sequences",
    "fake_quantize",
    "gate",
    "kurtosis",
    "learn_no_op",
    "max_infinity_norm",
    "plant_outliers",
    "quantize_linears",
    "no_op_logit_range",
    "smooth_linears",
    "smooth_quantize",
    "smoothing_scales",
    "softmax_one",
    "softmax_one_loop",
    "softmax_with_sink",
]
