"""What cannot be written is refused by name, and equal modules give equal bytes."""

import json
import zlib

import pytest
import torch
from safetensors import safe_open
from torch import nn

from genai_lib.tracing import export_live
from tests.live.v8 import Page

ONE = {"name": "f", "inputs": ["x"], "outputs": ["y"]}


def traced(module, *inputs, **changes):
    return export_live(module, inputs or (torch.ones(2, 3),), **(ONE | changes))


def refused(message, module, *inputs, **changes):
    with pytest.raises(ValueError, match=message) as caught:
        traced(module, *inputs, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "function, name",
    [
        (torch.linalg.inv, "linalg_inv_ex"),
        (torch.fft.fft, "fft"),
        (torch.lgamma, "lgamma"),
        (lambda x: x.long() << 1, "bitwise_left_shift|__lshift__"),
        (lambda x: x.long() & 3, "bits of integers"),
    ],
)
def test_unknown_operations_are_refused_by_name(function, name):
    refused(name, function, torch.eye(3) + 1)


@pytest.mark.parametrize(
    "function",
    [torch.rand_like, lambda x: x + torch.rand(3), lambda x: torch.randperm(3) + x],
)
def test_what_is_random_must_be_an_input(function):
    refused("random", function)


def test_dtypes_that_the_page_has_not_are_refused():
    refused("float16", lambda x: x.half() * 2)
    refused("x=torch.complex64", lambda x: x.real, torch.ones(2, dtype=torch.complex64))
    refused("must be 32-bit", nn.Linear(3, 2).double())


def test_shapes_and_branches_that_depend_on_numbers_are_refused():
    refused("cannot be traced", lambda x: x * 2 if x.sum() > 0 else x)
    refused("mask|cannot be traced", lambda x: x[x > 0])


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        return x + self.count


def test_a_hidden_state_is_refused():
    refused("must return it", Counter())
    refused("must return it", lambda x: x.add_(1))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": "a b"}, "name='a b'"),
        ({"inputs": ["x", "x"]}, "twice"),
        ({"inputs": ["x", "y"]}, "must name 1"),
        ({"outputs": ["y", "z"]}, "must name 1"),
        ({"outputs": ["1"]}, "outputs='1'"),
        ({"inputs": {"x": (2, 1)}}, "lowest"),
        ({"tolerance": 0}, "tolerance=0"),
    ],
)
def test_names_and_limits_are_checked(changes, message):
    refused(message, torch.neg, **changes)


def test_inputs_and_outputs_must_be_tensors():
    refused("x=2 must be a Tensor", torch.neg, 2)
    refused("not a Tensor", lambda x: (x, None), outputs=["y", "z"])
    refused("must be an nn.Module", 3)


def test_weights_must_be_finite_in_16_bits():
    for bad in (1e5, float("nan"), float("inf")):
        linear = nn.Linear(3, 2)
        nn.init.constant_(linear.weight, bad)
        refused("weight", linear)


def test_weights_must_be_held_by_the_module():
    linear = nn.Linear(3, 2)
    for function in (lambda x: linear(x), linear.forward):
        refused("must hold the weights", function)


class Two(nn.Module):
    """A module with a shared weight, a table and numbers of its own."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight
        self.register_buffer("table", torch.linspace(0, 1, 7))

    def forward(self, x, i):
        return self.b(torch.tanh(self.a(x))) + self.table[i], i + 1


def two(**changes):
    torch.manual_seed(0)
    inputs = (torch.ones(2, 4), torch.tensor([1]))
    names = {
        "name": "two",
        "inputs": {"x": None, "i": (0, 6)},
        "outputs": ["y", "next"],
    }
    return export_live(Two(), inputs, **(names | changes))


def test_the_same_module_gives_the_same_bytes():
    one, other = two(), two()
    assert one.files() == other.files()
    assert two(tolerance=1e-4).graph != one.graph


def test_files_say_what_they_are(tmp_path):
    export = two()
    export.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "two.graph.json",
        "two.safetensors",
    }
    graph = json.loads((tmp_path / "two.graph.json").read_text())
    assert graph["source"] == "tests.tracing.test_export:Two"
    assert graph["torch"] == torch.__version__.partition("+")[0]
    assert graph["tolerance"] == 1e-5
    assert graph["checksum"] == zlib.adler32(export.weights)
    assert graph["inputs"][1] == {
        "name": "i",
        "shape": [1],
        "dtype": "int64",
        "low": 0,
        "high": 6,
    }


def test_weights_are_16_bits_once_and_tables_exact(tmp_path):
    export = two()
    export.write(tmp_path)
    with safe_open(str(tmp_path / "two.safetensors"), framework="pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}
    assert set(kept) == {"a.weight", "a.bias", "b.bias", "table"}
    assert kept["a.weight"].dtype == torch.float16
    assert kept["table"].dtype == torch.float32  # 1/6 has no end
    assert torch.equal(kept["a.weight"].float(), export.module.a.weight)
    assert torch.equal(kept["table"], torch.linspace(0, 1, 7))


def test_the_module_that_was_given_stays_as_it_was():
    torch.manual_seed(0)
    module = Two().train()
    before = {name: x.clone() for name, x in module.state_dict().items()}
    inputs = (torch.ones(2, 4), torch.tensor([1]))
    export = export_live(
        module, inputs, name="two", inputs=["x", "i"], outputs=["y", "next"]
    )
    assert module.training and not export.module.training
    assert all(torch.equal(before[name], x) for name, x in module.state_dict().items())
    assert not torch.equal(export.module.a.weight, module.a.weight)


def test_one_example_may_serve_for_two_inputs():
    one = torch.ones(2)
    export = traced(lambda x, y: x - 2 * y, one, one, inputs=["x", "y"], outputs=["z"])
    inputs = {"x": torch.tensor([5.0, 7.0]), "y": torch.tensor([1.0, 2.0])}
    assert Page(export).run("f", inputs)["z"].tolist() == [3, 3]


def test_outputs_may_be_inputs_and_constants():
    export = traced(
        lambda x: (x, torch.arange(3), x[0], x), outputs=["a", "b", "c", "d"]
    )
    found = Page(export).run("f", {"x": torch.ones(2, 3)})
    assert found["b"].tolist() == [0, 1, 2]
    assert found["a"].tolist() == found["d"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert found["c"].tolist() == [1, 1, 1]
