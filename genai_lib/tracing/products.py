"""How products are written into a graph: matrices, attention, convolution, pooling.

Tests    tests/tracing

The interpreter has one product: every row of one matrix with every row of another. A
convolution is that product with the windows of a picture as rows.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genai_lib.tracing.elementwise import elementwise
from genai_lib.tracing.graph import Graph, Operand, Value, bare, strides
from genai_lib.tracing.rows import as_rows
from genai_lib.tracing.selection import flip, overwrite, pad

aten = torch.ops.aten


def rows_by_rows(graph: Graph, result: Tensor, a: Operand, b: Operand) -> Value:
    """Add a node: a (..., m, k) and b (..., n, k), or (n, k), make (..., m, n)."""
    m, n, k = a.shape[-2], *b.shape[-2:]
    pages = math.prod(b.shape[:-2])
    if b.ndim == 2:
        pages, m = 1, m * math.prod(a.shape[:-2])
    a = graph.look(a, lambda t: t.view(-1, m, k) if t.numel() else t)
    if isinstance(b, Value):
        name, view = graph.place(graph.look(b, lambda t: t.view(pages, n, k)))
    else:
        name, view = graph.whole(b), bare((pages, n, k), b.dtype)
    place = {"offset": view.storage_offset(), "strides": strides(view)}
    return graph.emit("matmul", [graph.whole(a), name], result, **place)


def _transposed(graph: Graph, x: Operand) -> Operand:
    return graph.look(x, lambda t: t.mT)


def _matmul(graph, result, a, b):
    return rows_by_rows(graph, result, a, _transposed(graph, b))


def _add_matmul(graph, result, bias, a, b, *, beta=1, alpha=1):
    x = _matmul(graph, result, a, b)
    x = x if alpha == 1 else elementwise(graph, result, "mul", x, alpha)
    if beta != 1:
        like = bare(bias.shape, result.dtype)
        bias = elementwise(graph, like, "mul", bias, beta)
    return elementwise(graph, result, "add", x, bias)


def _attention(
    graph,
    result,
    query,
    key,
    value,
    mask=None,
    dropout=0.0,
    is_causal=False,
    *,
    scale=None,
    enable_gqa=False,
):
    """Write attention as it is defined; a query that may look nowhere gets zeros."""
    if dropout or enable_gqa:
        raise ValueError("module uses attention with dropout or with groups of heads")
    batch = result.shape[:-2]
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    query, key, value = (
        graph.look(x, lambda t: t.expand(*batch, *t.shape[-2:]))
        for x in (query, key, value)
    )
    scores = bare((*batch, query.shape[-2], key.shape[-2]), result.dtype)
    x = rows_by_rows(graph, scores, query, key)
    x = elementwise(graph, scores, "mul", x, scale)
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None and mask.dtype == torch.bool:
        nothing = torch.tensor(-math.inf, dtype=result.dtype)
        x = elementwise(graph, scores, "where", mask, x, nothing)
    elif mask is not None:
        x = elementwise(graph, scores, "add", x, mask)
    weights = graph.emit("softmax", [graph.whole(x)], scores, zeros=True)
    return rows_by_rows(graph, result, weights, _transposed(graph, value))


def windows(
    graph: Graph,
    x: Operand,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Operand:
    """Look at the windows of the last dimensions: (..., *places, *kernel)."""
    first = x.ndim - len(kernel)

    def cut(t: Tensor) -> Tensor:
        sizes = zip(kernel, stride, dilation, strict=True)
        for dim, (size, step, apart) in enumerate(sizes, start=first):
            t = t.unfold(dim, (size - 1) * apart + 1, step)[..., ::apart]
        return t

    return graph.look(x, cut)


def _convolve(
    graph, result, x, weight, bias, stride, padding, dilation, turned, output, groups
):
    """Write a convolution of any number of dimensions, also a transposed one."""
    kernel = weight.shape[2:]
    n = len(kernel)
    stride, padding, dilation, output = (
        list(sizes) * (n if len(sizes) == 1 else 1)
        for sizes in (stride, padding, dilation, output)
    )
    if turned:
        x, weight, padding = _undone(
            graph, x, weight, stride, padding, dilation, groups
        )
        sizes = zip(padding[::-1], output[::-1], strict=True)
        x = pad(graph, x, [y for size, more in sizes for y in (size, size + more)])
        stride = [1] * n
    else:
        x = pad(graph, x, [size for size in padding[::-1] for _ in range(2)])
    cut = windows(graph, x, kernel, stride, dilation)  # (N, C, *places, *kernel)
    made = _window_products(graph, result, cut, weight, groups)
    if bias is None:
        return made
    bias = graph.look(bias, lambda t: t.view(-1, *[1] * n))
    return elementwise(graph, result, "add", made, bias)


def _window_products(graph, result, cut, weight, groups):
    """Multiply every window with every filter: a product of matrices for each group."""
    size, filters, places = cut.shape[0], weight.shape[0], result.shape[2:]
    n, m = len(places), size * math.prod(places)
    order = (1, 0, *range(3, 3 + n), 2, *range(3 + n, 3 + 2 * n))
    cut = graph.look(cut, lambda t: t.unflatten(1, (groups, -1)).permute(order))
    cut = graph.look(cut, lambda t: t.view(groups, m, -1))
    weight = graph.look(weight, lambda t: t.view(groups, filters // groups, -1))
    made = bare((groups, m, filters // groups), result.dtype)
    made = rows_by_rows(graph, made, cut, weight)
    made = graph.look(made, lambda t: t.view(groups, size, *places, -1))
    back = (1, 0, 2 + n, *range(2, 2 + n))
    made = graph.look(made, lambda t: t.permute(back))
    return graph.look(made, lambda t: t.view(result.shape))


def _undone(graph, x, weight, stride, padding, dilation, groups):
    """Turn a transposed convolution into one with spread inputs and turned filters."""
    kernel = weight.shape[2:]
    n = len(kernel)
    sizes = zip(x.shape[2:], stride, strict=True)
    shape = (*x.shape[:2], *((size - 1) * step + 1 for size, step in sizes))
    apart = (slice(None), slice(None), *(slice(None, None, step) for step in stride))
    spread = bare(shape, x.dtype)
    x = overwrite(graph, spread, torch.zeros(shape), x, lambda t: t[apart])
    weight = flip(graph, weight, tuple(range(-n, 0)))
    weight = graph.look(weight, lambda t: t.unflatten(0, (groups, -1)).transpose(1, 2))
    filters = weight.shape[1] * groups
    weight = graph.look(weight, lambda t: t.reshape(filters, -1, *kernel))
    sizes = zip(kernel, dilation, padding, strict=True)
    return x, weight, [apart * (size - 1) - less for size, apart, less in sizes]


def _max_pool(
    graph, result, x, kernel, stride=(), padding=(0,), dilation=(1,), ceil_mode=False
):
    sizes = _both(kernel, stride or kernel, padding, dilation)
    cut = _pool_windows(graph, result[0], x, *sizes, -math.inf)
    return graph.emit("amax", [graph.whole(cut)], result[0]), None


def _mean_pool(
    graph,
    result,
    x,
    kernel,
    stride=(),
    padding=(0,),
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    kernel, stride, padding = _both(kernel, stride or kernel, padding)
    if ceil_mode or divisor_override or (any(padding) and not count_include_pad):
        raise ValueError("module takes means of windows of different sizes")
    cut = _pool_windows(graph, result, x, kernel, stride, padding, [1, 1], 0.0)
    return graph.emit("mean", [graph.whole(cut)], result)


def _both(*sizes: Sequence[int]) -> list[list[int]]:
    return [list(pair) * (2 if len(pair) == 1 else 1) for pair in sizes]


def _pool_windows(graph, result, x, kernel, stride, padding, dilation, value):
    """Return all windows as rows, also one at the end that is not full."""
    sizes = []
    for d in (-1, -2):
        end = (result.shape[d] - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1
        sizes += [padding[d], end - x.shape[d] - padding[d]]
    x = pad(graph, x, sizes, value)
    return as_rows(graph, windows(graph, x, kernel, stride, dilation), (-2, -1))


LOWERINGS = {
    aten.mm.default: _matmul,
    aten.bmm.default: _matmul,
    aten.addmm.default: _add_matmul,
    aten.baddbmm.default: _add_matmul,
    aten.scaled_dot_product_attention.default: _attention,
    aten.convolution.default: _convolve,
    aten.max_pool2d_with_indices.default: _max_pool,
    aten.avg_pool2d.default: _mean_pool,
}
