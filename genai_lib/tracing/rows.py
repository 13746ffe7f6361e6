"""How operations along dimensions are written into a graph: as operations on rows.

Tests    tests/tracing

The interpreter works along the last dimension only, so others are moved there.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from genai_lib.tracing.elementwise import cast, elementwise
from genai_lib.tracing.graph import Graph, Operand, Value, bare
from genai_lib.tracing.selection import gather

aten = torch.ops.aten


def as_rows(graph: Graph, x: Operand, dims: Sequence[int]) -> Value | Tensor:
    """Look at `x` so that some dimensions are the last one.

    Returns
    -------
    Value or Tensor of shape (..., n)
        The other dimensions in their order, then one for all of `dims`.
    """
    dims = [d % max(x.ndim, 1) for d in dims]
    rest = [d for d in range(x.ndim) if d not in dims]
    shape = [x.shape[d] for d in rest]
    n = math.prod(x.shape[d] for d in dims)
    moved = graph.look(x, lambda t: t.permute(*rest, *dims) if t.ndim else t)
    return graph.look(moved, lambda t: t.view(*shape, n))


def _reduce(op, graph, result, x, dims=None, keepdim=False, *, dtype=None):
    """Make one number of each row; `keepdim` is in the shape of the result already."""
    dims = [dims] if isinstance(dims, int) else dims
    x = x if dtype is None else cast(graph, bare(x.shape, dtype), x)
    x = as_rows(graph, x, dims or range(x.ndim))
    if x.shape[-1] == 0 and op not in ("sum", "prod"):
        raise ValueError(f"module takes {op} of nothing")
    return graph.emit(op, [graph.whole(x)], result)


def _with_place(op, graph, result, x, dim=-1, keepdim=False):
    values = _reduce(f"a{op}", graph, result[0], x, dim)
    return values, _reduce(f"arg{op}", graph, result[1], x, dim)


def _holds(op, graph, result, x, dims=None, keepdim=False):
    wanted = bare(x.shape, torch.bool)
    return _reduce(op, graph, result, cast(graph, wanted, x), dims)


def _variance(graph, result, x, dims=None, *, correction=1, keepdim=False):
    dims = range(x.ndim) if not dims else dims
    x = as_rows(graph, x, dims)
    n = x.shape[-1]
    column = bare((*x.shape[:-1], 1), result.dtype)
    row = bare(x.shape, result.dtype)
    mean = graph.emit("mean", [graph.whole(x)], column)
    apart = elementwise(graph, row, "sub", x, mean)
    square = elementwise(graph, row, "mul", apart, apart)
    mean = graph.emit("mean", [graph.whole(square)], result)
    left = n - (1 if correction is None else correction)
    return elementwise(graph, result, "mul", mean, n / left if left else math.inf)


def _row_to_row(op, graph, result, x, dim, **details):
    """Make a row of each row, and move its dimension back to where it was."""
    if x.ndim == 0:
        x = graph.look(x, lambda t: t.view(1))
    rows = as_rows(graph, x, [dim])
    like = bare(rows.shape, result.dtype)
    made = graph.emit(op, [graph.whole(rows)], like, **details)
    back = graph.look(made, lambda t: t.movedim(-1, dim))
    return back if result.ndim else graph.look(back, lambda t: t.view(()))


def _softmax(graph, result, x, dim, half_to_float=False, *, log=False):
    details = {"log": True} if log else {}
    return _row_to_row("softmax", graph, result, x, dim, **details)


def _cumsum(graph, result, x, dim, *, dtype=None):
    x = cast(graph, bare(x.shape, result.dtype), x)
    return _row_to_row("cumsum", graph, result, x, dim)


def _sort(graph, result, x, dim=-1, descending=False):
    details = {"descending": True} if descending else {}
    order = _row_to_row("argsort", graph, result[1], x, dim, **details)
    return gather(graph, result[0], x, dim, order), order


def _stable_sort(graph, result, x, *, stable=None, dim=-1, descending=False):
    return _sort(graph, result, x, dim, descending)


def _top(graph, result, x, k, dim=-1, largest=True, sorted=True):
    whole = [bare(x.shape, y.dtype) for y in result]
    found = _sort(graph, whole, x, dim, largest)
    return tuple(graph.look(y, lambda t: t.narrow(dim, 0, k)) for y in found)


def _layer_norm(graph, result, x, shape, weight, bias, epsilon):
    rows = as_rows(graph, x, range(-len(shape), 0))
    made = _normalize(graph, rows, epsilon)
    made = graph.look(made, lambda t: t.view(x.shape))
    return _scaled(graph, result, made, weight, bias)


def _group_norm(graph, result, x, weight, bias, n, channels, rest, groups, epsilon):
    rows = graph.look(x, lambda t: t.view(n, groups, channels * rest // groups))
    made = _normalize(graph, rows, epsilon)
    made = graph.look(made, lambda t: t.view(x.shape))
    shape = (channels,) + (1,) * (x.ndim - 2)
    affine = [
        y if y is None else graph.look(y, lambda t: t.view(shape))
        for y in (weight, bias)
    ]
    return _scaled(graph, result, made, *affine)


def _batch_norm(graph, result, x, weight, bias, mean, variance, momentum, epsilon):
    """Write what a batch norm does after training: it scales and shifts channels."""
    scale = (variance + epsilon).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    shape = (-1,) + (1,) * (x.ndim - 2)
    return _scaled(graph, result, x, scale.view(shape), shift.view(shape))


def _normalize(graph, rows, epsilon):
    like = bare(rows.shape, rows.dtype)
    return graph.emit("normalize", [graph.whole(rows)], like, epsilon=epsilon)


def _scaled(graph, result, x, weight, bias):
    for op, y in (("mul", weight), ("add", bias)):
        x = x if y is None else elementwise(graph, result[0], op, x, y)
    # Mean and deviation, which PyTorch returns too, serve its gradients only.
    return x, None, None


LOWERINGS = {
    aten.mean.default: partial(_reduce, "mean"),
    aten.mean.dim: partial(_reduce, "mean"),
    aten.sum.default: partial(_reduce, "sum"),
    aten.sum.dim_IntList: partial(_reduce, "sum"),
    aten.prod.default: partial(_reduce, "prod"),
    aten.prod.dim_int: partial(_reduce, "prod"),
    aten.amax.default: partial(_reduce, "amax"),
    aten.amin.default: partial(_reduce, "amin"),
    aten.max.default: partial(_reduce, "amax"),
    aten.min.default: partial(_reduce, "amin"),
    aten.argmax.default: partial(_reduce, "argmax"),
    aten.argmin.default: partial(_reduce, "argmin"),
    aten.max.dim: partial(_with_place, "max"),
    aten.min.dim: partial(_with_place, "min"),
    aten.any.default: partial(_holds, "amax"),
    aten.any.dim: partial(_holds, "amax"),
    aten.any.dims: partial(_holds, "amax"),
    aten.all.default: partial(_holds, "amin"),
    aten.all.dim: partial(_holds, "amin"),
    aten.all.dims: partial(_holds, "amin"),
    aten.var.correction: _variance,
    aten.cumsum.default: _cumsum,
    aten._softmax.default: _softmax,
    aten._log_softmax.default: partial(_softmax, log=True),
    aten.sort.default: _sort,
    aten.sort.stable: _stable_sort,
    aten.topk.default: _top,
    aten._native_batch_norm_legit_no_training.default: _batch_norm,
    aten.native_layer_norm.default: _layer_norm,
    aten.native_group_norm.default: _group_norm,
}
