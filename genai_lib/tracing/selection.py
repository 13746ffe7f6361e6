"""How numbers are looked up, put in and joined: reading and writing at strides.

Tests    tests/tracing
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genai_lib.tracing.elementwise import elementwise
from genai_lib.tracing.graph import Graph, Operand, Value, bare, plain, strides

aten = torch.ops.aten


def take(graph: Graph, result: Tensor, x: Operand, dim: int, index: Operand) -> Value:
    """Choose slices of a dimension by their numbers, as rows of an embedding.

    Parameters
    ----------
    graph : Graph
    result : Tensor
        Of the shape of the result: the dimension `dim` of `x` gives way to those of
        `index`.
    x : Value or Tensor
    dim : int
    index : Value or Tensor
        Integers from 0; the interpreter refuses others.
    """
    name, view = graph.place(x)
    slices = _insert(view.select(dim, 0), dim, index.ndim).expand(result.shape)
    chosen = bare(index.shape, torch.int64)
    chosen = _insert(chosen, index.ndim, view.ndim - 1 - dim).expand(result.shape)
    details = _steps(view, slices, chosen, view.stride(dim), x, dim)
    return graph.emit("read", [name, graph.whole(index)], result, **details)


def gather(graph: Graph, result: Tensor, x: Operand, dim: int, index: Operand) -> Value:
    """Choose one number for each index, from the line along `dim` where it stands."""
    if x.ndim == 0:
        x, index = (graph.look(y, lambda t: t.view(1)) for y in (x, index))
        made = gather(graph, bare((1,), result.dtype), x, 0, index)
        return graph.look(made, lambda t: t.view(()))
    dim %= x.ndim
    name, view = graph.place(x)
    details = _lines(view, index, dim)
    return graph.emit("read", [name, graph.whole(index)], result, **details)


def scatter(graph, result, base, dim, index, x, add=False) -> Value:
    """Put numbers into `base` where `gather` would read them."""
    dim %= max(base.ndim, 1)
    if not isinstance(x, Value | Tensor):
        x = torch.full(index.shape, x, dtype=result.dtype)
    x = graph.look(x, lambda t: t[tuple(slice(n) for n in index.shape)])
    details = _lines(bare(result.shape, result.dtype), index, dim)
    reads = [graph.whole(x), graph.whole(index)]
    return _write(graph, result, base, reads, add, details)


def put(graph, result, base, dim, index, x, add=False) -> Value:
    """Put slices of a dimension into `base` where `take` would read them."""
    view = bare(result.shape, result.dtype)
    shape = (*view.shape[:dim], *index.shape, *view.shape[dim + 1 :])
    slices = _insert(view.select(dim, 0), dim, index.ndim).expand(shape)
    chosen = bare(index.shape, torch.int64)
    chosen = _insert(chosen, index.ndim, view.ndim - 1 - dim).expand(shape)
    x = graph.look(x, lambda t: t.expand(shape))
    details = _steps(view, slices, chosen, view.stride(dim), base, dim)
    reads = [graph.whole(x), graph.whole(index)]
    return _write(graph, result, base, reads, add, details)


def overwrite(
    graph: Graph, result: Tensor, base: Operand, x: Operand, at: Callable
) -> Value:
    """Put `x` into `base`, where `at(base)` looks."""
    region = at(bare(result.shape, result.dtype))
    x = graph.look(x, lambda t: t.expand(region.shape))
    details = {"offset": region.storage_offset(), "strides": strides(region)}
    return _write(graph, result, base, [graph.whole(x)], False, details)


def pad(graph: Graph, x: Operand, sizes: Sequence[int], value: float = 0) -> Operand:
    """Add as many numbers before and behind: of the last dimension, the one before, ...

    A negative size takes numbers away.
    """
    before = [0] * (x.ndim - len(sizes) // 2) + [n for n in sizes[::2]][::-1]
    behind = [0] * (x.ndim - len(sizes) // 2) + [n for n in sizes[1::2]][::-1]
    ends = list(zip(before, behind, x.shape, strict=True))
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for a, b, n in ends)
    x = graph.look(x, lambda t: t[kept])
    if all(a <= 0 and b <= 0 for a, b, _ in ends):
        return x
    shape = [n + a + b for a, b, n in ends]
    inside = tuple(
        slice(max(a, 0), size - max(b, 0))
        for (a, b, _), size in zip(ends, shape, strict=True)
    )
    base = torch.full(shape, value, dtype=x.dtype)
    return overwrite(graph, bare(shape, x.dtype), base, x, lambda t: t[inside])


def flip(graph: Graph, x: Operand, dims: Sequence[int]) -> Operand:
    """Turn dimensions round."""
    if isinstance(x, Tensor):
        return x.flip(dims)
    for dim in dims:
        dim %= x.ndim
        x = take(graph, x.view, x, dim, torch.arange(x.shape[dim] - 1, -1, -1))
    return x


def _write(graph, result, base, reads, add, details):
    if isinstance(base, Tensor) and base.numel() and (base == base.flatten()[0]).all():
        base = plain(base.flatten()[0])
    if add:
        details = {**details, "add": True}
    return graph.emit("write", [graph.whole(base), *reads], result, **details)


def _insert(view: Tensor, dim: int, count: int) -> Tensor:
    for _ in range(count):
        view = view.unsqueeze(dim)
    return view


def _steps(view, spread, chosen, step, x, dim):
    return {
        "offset": view.storage_offset(),
        "strides": strides(spread),
        "index_strides": strides(chosen),
        "stride": step,
        "length": x.shape[dim],
    }


def _lines(view: Tensor, index: Operand, dim: int) -> dict:
    """Say where the lines along `dim` begin in which the indices stand."""
    sizes = list(view.shape)
    sizes[dim] = index.shape[dim]
    spread = view.select(dim, 0).unsqueeze(dim).expand(sizes)
    spread = spread[tuple(slice(n) for n in index.shape)]
    chosen = bare(index.shape, torch.int64)
    return _steps(view, spread, chosen, view.stride(dim), view, dim)


def _embedding(graph, result, weight, index, *_):
    return take(graph, result, weight, 0, index)


def _index_select(graph, result, x, dim, index):
    index = graph.look(index, lambda t: t.view(-1))
    if x.ndim == 0:
        x = graph.look(x, lambda t: t.view(1))
        made = take(graph, bare((1,), result.dtype), x, 0, index)
        return graph.look(made, lambda t: t.view(result.shape))
    return take(graph, result, x, dim % x.ndim, index)


def _index(graph, result, x, indices):
    """Write x[i, j, ...], where some of the indices may be left out."""
    dims = [d for d, index in enumerate(indices) if index is not None]
    sizes = [x.shape[d] for d in dims]
    found = [_from_zero(graph, indices[d], x.shape[d]) for d in dims]
    if len(dims) > 1:
        pairs = zip(found, sizes, strict=True)
        found = [_refusing(graph, index, size) for index, size in pairs]
    shape = torch.broadcast_shapes(*(index.shape for index in found))
    flat = found[0]
    for index, size in zip(found[1:], sizes[1:], strict=True):
        flat = _whole_numbers(graph, shape, "mul", flat, size)
        flat = _whole_numbers(graph, shape, "add", flat, index)
    # The new dimensions stand where the old ones stood, or first if these were apart.
    at = dims[0] if dims == list(range(dims[0], dims[-1] + 1)) else 0
    places = list(range(at, at + len(dims)))
    x = graph.look(x, lambda t: t.movedim(dims, places))
    joined = (*x.shape[:at], math.prod(sizes), *x.shape[at + len(dims) :])
    x = graph.look(x, lambda t: t.view(joined))
    return take(graph, result, x, at, flat)


def _from_zero(graph: Graph, index: Operand, size: int) -> Operand:
    """Count from the front what counts from the end."""
    if index.dtype == torch.bool:
        raise ValueError("module chooses by a mask, so its shapes depend on numbers")
    if isinstance(index, Tensor):
        return torch.where(index < 0, index + size, index)
    shape = index.shape
    negative = elementwise(graph, bare(shape, torch.bool), "lt", index, 0)
    behind = _whole_numbers(graph, shape, "add", index, size)
    return _whole_numbers(graph, shape, "where", negative, behind, index)


def _refusing(graph: Graph, index: Operand, size: int) -> Operand:
    """Let the interpreter refuse what is outside, by reading a table of all numbers."""
    if isinstance(index, Tensor):
        return index
    return take(graph, bare(index.shape, torch.int64), torch.arange(size), 0, index)


def _whole_numbers(graph, shape, op, *operands):
    if all(isinstance(x, Tensor | int) for x in operands):
        return getattr(torch, op)(*operands)
    return elementwise(graph, bare(shape, torch.int64), op, *operands)


def _index_put(graph, result, base, indices, x, accumulate=False):
    dims = [d for d, index in enumerate(indices) if index is not None]
    if len(dims) > 1:
        raise ValueError("module puts numbers at several indices at once")
    index = indices[dims[0]]
    if index.dtype != torch.bool:
        index = _from_zero(graph, index, base.shape[dims[0]])
        return put(graph, result, base, dims[0], index, x, accumulate)
    if math.prod(x.shape) != 1 or dims != [0] or accumulate:
        raise ValueError("module puts several numbers where a mask is True")
    shape = (*index.shape, *[1] * (base.ndim - index.ndim))
    index = graph.look(index, lambda t: t.view(shape))
    x = graph.look(x, lambda t: t.view(()))
    return elementwise(graph, result, "where", index, x, base)


def _cat(graph, result, parts, dim=0):
    parts = [x for x in parts if math.prod(x.shape)]
    reads = [graph.whole(x) for x in parts]
    return graph.emit("cat", reads, result, dim=dim % result.ndim)


def _select_scatter(graph, result, base, x, dim, index):
    return overwrite(graph, result, base, x, lambda t: t.select(dim, index))


def _slice_scatter(graph, result, base, x, dim=0, start=None, end=None, step=1):
    def part(t):
        return aten.slice.Tensor(t, dim, start, end, step)

    return overwrite(graph, result, base, x, part)


def _repeat(graph, result, x, counts):
    shape = [1] * (len(counts) - x.ndim) + list(x.shape)
    apart = [size for n in shape for size in (1, n)]
    spread = [size for pair in zip(counts, shape, strict=True) for size in pair]
    x = graph.look(x, lambda t: t.view(apart).expand(spread))
    return graph.look(x, lambda t: t.view(result.shape))


def _pad(graph, result, x, sizes, value=0):
    return pad(graph, x, sizes, value)


def _flip(graph, result, x, dims):
    return flip(graph, x, dims)


def _gather(graph, result, x, dim, index, *, sparse_grad=False):
    return gather(graph, result, x, dim, index)


def _scatter_add(graph, result, base, dim, index, x):
    return scatter(graph, result, base, dim, index, x, add=True)


LOWERINGS = {
    aten.embedding.default: _embedding,
    aten.index_select.default: _index_select,
    aten.index.Tensor: _index,
    aten.gather.default: _gather,
    aten.index_put.default: _index_put,
    aten.scatter.src: scatter,
    aten.scatter.value: scatter,
    aten.scatter_add.default: _scatter_add,
    aten.select_scatter.default: _select_scatter,
    aten.slice_scatter.default: _slice_scatter,
    aten.constant_pad_nd.default: _pad,
    aten.cat.default: _cat,
    aten.repeat.default: _repeat,
    aten.flip.default: _flip,
}
