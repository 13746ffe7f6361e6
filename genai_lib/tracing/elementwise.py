"""How operations on each number alone are written into a graph.

Tests    tests/tracing
"""

from functools import partial

import torch
from torch import Tensor

from genai_lib.tracing.graph import Graph, Operand, Value, number, plain, strides

aten = torch.ops.aten
UNARY = """abs atan ceil cos erf exp expm1 floor log log1p log2 logical_not neg relu
    round rsqrt sigmoid sign sin sqrt tan tanh trunc""".split()
BINARY = """eq fmod ge gt le logical_and logical_or lt maximum minimum mul ne pow
    remainder""".split()
LOGIC = {"and": "logical_and", "or": "logical_or", "xor": "ne", "not": "logical_not"}
FORMS = ("default", "Tensor", "Scalar", "Tensor_Tensor", "Tensor_Scalar")
ROUNDED = {None: "div", "floor": "div_floor", "trunc": "div_trunc"}


def elementwise(graph: Graph, result: Tensor, op: str, *operands: Operand) -> Value:
    """Add a node that makes each number of a result from those at the same place.

    Parameters
    ----------
    graph : Graph
    result : Tensor
        Of the shape and the dtype of the result; its numbers are not read.
    op : str
    *operands : Value, Tensor or number
        Broadcast to the shape of the result.
    """
    wide = any(getattr(x, "dtype", None) == torch.float64 for x in operands)
    reads, places, alike = [], [], True
    for x in map(plain, operands):
        if not isinstance(x, Value | Tensor):
            reads.append(number(x, torch.float64 if wide else torch.float32))
            places.append([0] * result.ndim)
            continue
        if isinstance(x, Value) and x.view.storage_offset():
            x = graph.in_one_piece(x)
        name, view = graph.place(x)
        view = view.expand(result.shape)
        alike &= view.is_contiguous()
        reads.append(name)
        places.append(strides(view))
    return graph.emit(op, reads, result, **({} if alike else {"strides": places}))


def cast(graph: Graph, result: Tensor, x: Operand, **_) -> Value | Tensor:
    """Give numbers another dtype: towards 0 for integers, and 0 alone is False."""
    if x.dtype == result.dtype:
        return x
    if result.dtype == torch.bool:
        return elementwise(graph, result, "ne", x, 0)
    cut = x.dtype.is_floating_point and not result.dtype.is_floating_point
    return elementwise(graph, result, "trunc" if cut else "copy", x)


def _sum(op, graph, result, a, b, alpha=1):
    if alpha != 1:
        known = not isinstance(b, Value)
        b = b * alpha if known else elementwise(graph, b.view, "mul", b, alpha)
    if result.dtype == torch.bool:
        op = "logical_or"
    return elementwise(graph, result, op, a, b)


def _divide(graph, result, a, b, rounding_mode=None):
    return elementwise(graph, result, ROUNDED[rounding_mode], a, b)


def _clamp(graph, result, x, low=None, high=None):
    for op, limit in (("maximum", low), ("minimum", high)):
        if limit is not None:
            x = elementwise(graph, result, op, x, limit)
    return x


def _gelu(graph, result, x, approximate="none"):
    op = "gelu_tanh" if approximate == "tanh" else "gelu"
    return elementwise(graph, result, op, x)


def _bitwise(op, graph, result, *operands):
    if result.dtype != torch.bool:
        raise ValueError(f"module computes {op} of the bits of integers, not of bools")
    return elementwise(graph, result, op, *operands)


def _apply(op, graph, result, *operands):
    return elementwise(graph, result, op, *operands)


def _reciprocal(graph, result, x):
    return elementwise(graph, result, "div", 1, x)


def _power_of_two(graph, result, x):
    return elementwise(graph, result, "pow", 2, x)


def _is_nan(graph, result, x):
    return elementwise(graph, result, "ne", x, x)


def _forms(name: str) -> list:
    """Return all forms of an operation of PyTorch that take tensors and numbers."""
    packet = getattr(aten, name)
    return [getattr(packet, form) for form in FORMS if form in packet.overloads()]


LOWERINGS = {
    aten.where.self: partial(_apply, "where"),
    aten.reciprocal.default: _reciprocal,
    aten.exp2.default: _power_of_two,
    aten.isnan.default: _is_nan,
    aten.gelu.default: _gelu,
    aten.clamp.default: _clamp,
    aten.clamp.Tensor: _clamp,
    aten._to_copy.default: cast,
    aten.div.Tensor_mode: _divide,
    aten.div.Scalar_mode: _divide,
}
for _name in UNARY + BINARY:
    LOWERINGS |= dict.fromkeys(_forms(_name), partial(_apply, _name))
for _name in ("add", "sub"):
    LOWERINGS |= dict.fromkeys(_forms(_name), partial(_sum, _name))
for _name, _op in LOGIC.items():
    LOWERINGS |= dict.fromkeys(_forms(f"bitwise_{_name}"), partial(_bitwise, _op))
LOWERINGS |= dict.fromkeys(_forms("logical_xor"), partial(_apply, "ne"))
LOWERINGS |= dict.fromkeys(_forms("div"), _divide)
