"""Every operation of the interpreter gives what PyTorch gives, in V8."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genai_lib.tracing import export_live
from tests.live.v8 import Page

INF, NAN = math.inf, math.nan
EDGES = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-8, -1e-8, 3.0, -7.25, 40.0, -95.0]
LARGE = [*EDGES, 1e4, -1e4, 3e38, -3e38, INF, -INF]
SHAPES = [(), (1,), (7,), (3, 1), (2, 3, 4), (1, 5, 1, 2)]


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


def whole(high, *shape, low=0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, shape, generator=generator)


def agree(function, *inputs, tolerance=1e-6):
    """Trace a function, run it on the page and compare all outputs with PyTorch's."""
    names = [f"x{i}" for i in range(len(inputs))]
    wanted = function(*inputs)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    outputs = [f"y{i}" for i in range(len(wanted))]
    export = export_live(function, inputs, name="f", inputs=names, outputs=outputs)
    found = Page(export).run("f", dict(zip(names, inputs, strict=True)))
    for key, want in zip(outputs, wanted, strict=True):
        assert list(found[key].shape) == list(want.shape)
        want = want.double()
        torch.testing.assert_close(
            found[key], want, rtol=tolerance, atol=tolerance, equal_nan=True
        )


UNARY = """abs atan ceil cos erf exp expm1 floor log log1p log2 neg relu round rsqrt
    sigmoid sign sin sqrt square tan tanh trunc reciprocal isnan isinf isfinite
    logical_not frac exp2""".split()


def all_of(names):
    """Return one function that computes many, so that one trace tests them all."""
    return lambda x: tuple(getattr(torch, name)(x) for name in names)


def test_functions_of_one_number():
    def change(x, *others):
        return (*all_of(UNARY)(x), *(y.exp() for y in others))

    agree(change, numbers(5, 3), *(numbers(*shape) for shape in SHAPES))


def test_functions_of_one_number_at_the_edges():
    steep = {"cos", "sin", "tan"}  # of 1e38 nobody knows them
    agree(all_of([name for name in UNARY if name not in steep]), torch.tensor(LARGE))
    agree(all_of(sorted(steep)), torch.tensor(EDGES))


ACTIVATIONS = [
    F.gelu,
    partial(F.gelu, approximate="tanh"),
    F.silu,
    F.mish,
    F.softplus,
    F.elu,
    F.selu,
    F.celu,
    F.leaky_relu,
    F.hardtanh,
    F.hardswish,
    F.hardsigmoid,
    F.logsigmoid,
    F.relu6,
]


def test_activations():
    def activate(x):
        return tuple(f(x) for f in ACTIVATIONS)

    agree(activate, numbers(4, 33) * 3)
    agree(activate, torch.tensor([*EDGES, 1e4, -1e4, 3e38]))


BINARY = """add sub mul div maximum minimum eq ne lt le gt ge remainder fmod
    floor_divide""".split()
PAIRS = [
    ((), ()),
    ((1,), (4,)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), (3, 1)),
    ((5, 1, 2), (1, 3, 1)),
    ((2, 3), ()),
]


def combine(a, b):
    made = [getattr(torch, name)(a, b) for name in BINARY]
    made += [torch.pow(a.abs(), b), torch.where(a > b, a, b), torch.sub(a, b, alpha=3)]
    made += [torch.div(a, b, rounding_mode="trunc"), torch.logical_xor(a > 0, b > 0)]
    made += [(a > 0) & (b > 0), (a > 0) | (b > 0), ~(a > b), (a > 0) + (b > 0)]
    return made


def test_functions_of_two_numbers():
    def change(a, b, *others):
        pairs = zip(others[::2], others[1::2], strict=True)
        return (*combine(a, b), *(torch.where(a > b, a, b) for a, b in pairs))

    shapes = [(3, 1), (1, 4), *(shape for pair in PAIRS for shape in pair)]
    agree(change, *(numbers(*x, seed=n) * 3 for n, x in enumerate(shapes)))


def test_functions_of_two_numbers_at_the_edges():
    a, b = torch.tensor(LARGE)[:, None], torch.tensor(LARGE)[None]
    names = [x for x in BINARY if x not in ("remainder", "fmod", "floor_divide")]
    agree(lambda a, b: tuple(getattr(torch, x)(a, b) for x in names), a, b)
    agree(
        lambda a, b: (a % b, a.fmod(b)),
        torch.tensor([-7.0, 7.0, 2.5]),
        torch.tensor([3.0, -3.0, INF]),
    )


def test_numbers_of_python():
    def scale(x):
        return (
            x * 0.1 + 3,
            2 - x,
            x / 3,
            1 / x,
            x**2,
            2**x,
            x <= 0.1,
            x == -INF,
            x - 1e-3,
        )

    agree(scale, torch.tensor([0.1, 2.0, -INF, 1.7]))


def test_whole_numbers_and_truths():
    def count(i, j, t):
        made = (
            i + j,
            i * j - 2,
            i // j,
            i % j,
            i / j,
            -i,
            i.abs(),
            i < j,
            i.float() * 0.5,
        )
        return (*made, t & (i > 0), t.float(), t.sum(), i.sum(), i.bool(), t.long() + i)

    i, j = whole(9, 6, low=-9), whole(5, 6, low=1, seed=1)
    agree(count, i, j, numbers(6) > 0)
    agree(lambda x: (x.long(), x.int(), x.bool(), x.double() / 3), numbers(5) * 9)


@pytest.mark.parametrize(
    "shape, dims",
    [
        ((5,), (0,)),
        ((3, 4), (0,)),
        ((3, 4), (-1,)),
        ((2, 3, 4), (1,)),
        ((2, 1, 4), (0, 2)),
    ],
    ids=str,
)
def test_reductions(shape, dims):
    def reduce(x):
        made = [x.sum(dims), x.mean(dims), x.amax(dims, keepdim=True), x.amin(dims)]
        made += [x.var(dims, unbiased=False), x.std(dims), x.norm(dim=dims)]
        made += [(x > 0).any(dims), (x > -9).all(dims), x.logsumexp(dims)]
        made += [
            x.sum(),
            x.mean(),
            x.max(),
            x.min(),
            x.prod(),
            x.argmax(),
            x.prod(dims[0]),
        ]
        made += [x.argmax(dims[0]), x.argmin(dims[0], keepdim=True), *x.max(dims[0])]
        return tuple(made)

    agree(reduce, numbers(*shape))


def test_reductions_at_the_edges():
    x = torch.tensor([[INF, -INF, 1.0], [2.0, 2.0, -INF], [-INF, -INF, -INF]])
    agree(lambda x: (x.amax(-1), x.argmax(-1), x.amin(0), x.argmin(0), x.sum(-1)), x)
    agree(lambda x: (x.sum(), x.mean(), x.max(), x.argmax()), torch.tensor(3.0))
    agree(lambda x: (x.sum(-1), x.prod(-1)), numbers(3, 0))
    # A mean far from 0 leaves few digits to differences.
    agree(lambda x: F.layer_norm(x, (8,)), numbers(4, 8) + 1e3, tolerance=1e-3)


@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4), (2, 1)], ids=str)
def test_rows(shape):
    def change(x):
        made = [
            x.softmax(-1),
            x.softmax(0),
            x.log_softmax(-1),
            x.cumsum(0),
            x.cumsum(-1),
        ]
        made += [*x.sort(-1), *x.sort(0, descending=True), x.argsort(-1)]
        made += [*x.topk(1, -1), *x.topk(shape[0], 0), F.layer_norm(x, x.shape[-1:])]
        return (*made, F.rms_norm(x, x.shape[-1:]), x.long().cumsum(-1))

    agree(change, numbers(*shape) * 2)


def test_softmax_at_the_edges():
    x = torch.tensor(
        [[0.0, -INF, 1.0], [-INF, -INF, -INF], [1e4, 1e4, -1e4], [3e38, 1, 0]]
    )
    agree(lambda x: (x.softmax(-1), x.log_softmax(-1), x.softmax(0)), x)


def test_norms():
    layer, group = nn.LayerNorm((3, 4), eps=0.1), nn.GroupNorm(2, 6)
    batch = nn.BatchNorm2d(6).eval()
    for norm in (layer, group, batch):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    modules = nn.ModuleList([layer, group, batch, nn.LayerNorm(4, bias=False)])

    class All(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = modules.half().float()

        def forward(self, x):
            return tuple(norm(x) for norm in self.norms)

    agree(All().eval(), numbers(2, 6, 3, 4))


def test_products():
    def multiply(a, b, v, s):
        made = [
            a @ b,
            a.mT @ a,
            a[0] @ v,
            v @ b[0],
            v @ v,
            torch.einsum("bij,bjk->bki", a, b),
        ]
        made += [
            F.linear(a, s),
            F.linear(a, s, v[:2]),
            torch.baddbmm(a @ b, a, b, alpha=2),
        ]
        made += [
            torch.outer(v, v),
            torch.addmm(v[:2], a[0], s.mT, beta=0.5),
            a[:, None] @ b,
        ]
        return (*made, a[:, :1] @ b, a @ b[:1])

    agree(multiply, numbers(3, 2, 5), numbers(3, 5, 7), numbers(5), numbers(2, 5))


@pytest.mark.parametrize(
    "case", ["plain", "mask", "hidden", "bias", "causal", "shared"]
)
def test_attention(case):
    q, k, v = (
        numbers(2, 3, 4, 8),
        numbers(2, 3, 5, 8, seed=1),
        numbers(2, 3, 5, 6, seed=2),
    )
    mask = numbers(4, 5) > 0
    mask[0] = case != "hidden"
    extra = {"mask": mask, "hidden": mask, "bias": numbers(2, 1, 4, 5)}.get(case)
    if case == "causal":
        q = numbers(2, 3, 5, 8)
    if case == "shared":
        k, v = k[:, :1], v[:, :1]

    def attend(q, k, v):
        return F.scaled_dot_product_attention(
            q, k, v, extra, is_causal=case == "causal"
        )

    agree(attend, q, k, v)
    if extra is not None:
        agree(lambda *x: F.scaled_dot_product_attention(*x), q, k, v, extra)


def test_looking():
    def look(x):
        made = [
            x.mT,
            x.permute(2, 0, 1),
            x[0],
            x[:, 1:],
            x[..., ::2],
            x[-1, -2],
            x[:, None],
        ]
        made += [x.reshape(4, 6), x.mT.reshape(-1), x.flatten(1), x.expand(2, 2, 3, 4)]
        made += [x.unfold(2, 2, 1), x.diagonal(0, 1, 2), x.squeeze(0), *x.chunk(2, -1)]
        made += [*x.split([1, 2], 1), *x.unbind(0), x.movedim(0, -1), x.flip(0, -1)]
        made += [
            x.roll(1, 2),
            x.repeat(2, 1, 3),
            x.repeat_interleave(2, 1),
            x.tril(),
            x.triu(1),
        ]
        return tuple(y + 1 for y in made)

    agree(look, numbers(2, 3, 4))
    agree(lambda x: (x.view(1, 1) * 2, x.expand(3) + 1, x.clone()), numbers())


def test_joining_and_padding():
    def join(a, b):
        made = [torch.cat([a, b]), torch.cat([a, b, a], -1), torch.stack([a, b], 1)]
        made += [
            F.pad(a, (1, 2)),
            F.pad(a, (0, -1, 1, 0), value=-INF),
            F.pad(a, (-1, 1)),
        ]
        made += [a.select_scatter(b[0], 0, 1), a.slice_scatter(b[:, :2], 1, 0, 3, 2)]
        made += [
            F.pad(a[None], (1, 1), mode="reflect"),
            F.pad(a[None], (1, 2), mode="replicate"),
        ]
        return (*made, torch.cat([a, (b > 0).float()[:1]]))

    agree(join, numbers(2, 3), numbers(2, 3, seed=1))


def test_choosing():
    def choose(x, i, j):
        made = [x[i], x[:, j], x[i, j], x[i[:, None], j], x[:, :, i], x[i, :, j]]
        made += [
            x.index_select(1, j),
            F.embedding(i, x[0]),
            x[-1 - i],
            x[torch.tensor([1, 0])],
        ]
        made += [x.gather(2, i.view(1, 1, 2)), x[0].gather(0, torch.stack([i, i]))]
        made += [F.one_hot(i, 3), x.masked_fill(x > 0, -1.0), x[:, [0, -1]]]
        return tuple(made)

    agree(choose, numbers(2, 3, 4), whole(2, 2), whole(2, 2, seed=3))


def test_putting():
    def put(x, i, y):
        made = [
            x.index_copy(0, i, y),
            x.index_add(0, i, y),
            x.scatter(0, i[:, None], y),
        ]
        made += [x.scatter(1, i[:, None], 2.0), x.scatter_add(0, i[:, None], y)]
        filled = x.clone()
        filled[:, 1] = 5
        filled[i] = y
        filled[x > 1] = 0
        return (*made, filled)

    agree(put, numbers(4, 3), torch.tensor([2, 0]), numbers(2, 3, seed=1))


CONVOLUTIONS = [
    (nn.Conv1d, (3, 4, 3), {"padding": 1}, (2, 3, 7)),
    (nn.Conv2d, (3, 4, 3), {"padding": 1, "stride": 2}, (2, 3, 6, 5)),
    (nn.Conv2d, (4, 6, (2, 3)), {"groups": 2, "dilation": 2}, (1, 4, 7, 7)),
    (nn.Conv2d, (4, 4, 1), {"groups": 4, "bias": False}, (2, 4, 3, 3)),
    (nn.ConvTranspose2d, (3, 4, 4), {"stride": 2, "padding": 1}, (2, 3, 3, 4)),
    (
        nn.ConvTranspose2d,
        (4, 6, 3),
        {"groups": 2, "stride": 3, "output_padding": 1, "dilation": 2},
        (1, 4, 3, 2),
    ),
    (nn.ConvTranspose1d, (2, 3, 5), {"padding": 4}, (2, 2, 9)),
]


@pytest.mark.parametrize("kind, sizes, options, shape", CONVOLUTIONS)
def test_convolutions(kind, sizes, options, shape):
    agree(kind(*sizes, **options).half().float(), numbers(*shape))


def test_pictures():
    def change(x):
        made = [F.max_pool2d(x, 2), F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 2)]
        made += [F.avg_pool2d(x, 3, 1, 1), F.max_pool2d(x, 2, ceil_mode=True)]
        made += [F.adaptive_avg_pool2d(x, 1), F.interpolate(x, scale_factor=2.0)]
        made += [F.interpolate(x, size=(4, 9)), F.pixel_shuffle(x, 2), F.unfold(x, 2)]
        made += [F.interpolate(x, scale_factor=2.0, mode="bilinear")]
        return tuple(made)

    agree(change, numbers(2, 4, 5, 6))
