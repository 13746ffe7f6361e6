"""Operations that look at the same numbers in another order, and need no node.

Tests    tests/tracing
"""

import operator
from functools import partial

import torch

from genai_lib.tracing.elementwise import cast

aten = torch.ops.aten
VIEWS = (
    aten.alias.default,
    aten.detach.default,
    aten.diagonal.default,
    aten.expand.default,
    aten.permute.default,
    aten.select.int,
    aten.slice.Tensor,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.t.default,
    aten.transpose.int,
    aten.unfold.default,
    aten.unsqueeze.default,
    aten.view.default,
)
LISTS = (aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int)


def _view(target, graph, result, x, *args, **kwargs):
    return graph.look(x, lambda t: target(t, *args, **kwargs))


def _views(target, graph, result, x, *args, **kwargs):
    def part(place):
        return graph.look(x, lambda t: target(t, *args, **kwargs)[place])

    return [part(place) for place in range(len(result))]


def _same(graph, result, x, *args, **kwargs):
    return x


def _full(graph, result, x, value, **_):
    return torch.full(result.shape, value, dtype=result.dtype)


def _copy(graph, result, base, x, *_):
    return cast(graph, result, graph.look(x, lambda t: t.expand(result.shape)))


LOWERINGS = {
    **{target: partial(_view, target) for target in VIEWS},
    **{target: partial(_views, target) for target in LISTS},
    aten._unsafe_view.default: partial(_view, aten.view.default),
    aten.clone.default: _same,
    aten.copy.default: _copy,
    aten.full_like.default: _full,
    aten.lift_fresh_copy.default: _same,
    operator.getitem: lambda graph, result, parts, place: parts[place],
}
