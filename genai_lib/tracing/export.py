"""The two files of a live model: its graph and its weights.

Page     chapters/reading/live_models.md
Tests    tests/tracing
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from genai_lib.checks import check_above_zero, describe
from genai_lib.files import write_whole
from genai_lib.live.controls import require_name
from genai_lib.tracing.graph import KINDS, kind, number
from genai_lib.tracing.program import round_weights, source_of, trace, write

FORMAT = "genai-live 1"
Limits = tuple[float, float] | None


@dataclass(frozen=True)
class LiveExport:
    """A live model: two files, and the module that they must agree with.

    Attributes
    ----------
    name : str
    graph : bytes
        Content of `<name>.graph.json`.
    weights : bytes
        Content of `<name>.safetensors`.
    module : nn.Module
        A copy of the module with the weights as they are in the file.
    """

    name: str
    graph: bytes
    weights: bytes
    module: nn.Module

    def files(self) -> dict[str, bytes]:
        """Return the names of both files with their contents."""
        return {
            f"{self.name}.graph.json": self.graph,
            f"{self.name}.safetensors": self.weights,
        }

    def write(self, folder: str | Path) -> None:
        """Write both files into a folder."""
        for name, content in self.files().items():
            write_whole(Path(folder, name), content)


def export_live(
    module: nn.Module | Callable,
    example_inputs: Sequence[Tensor],
    *,
    name: str,
    inputs: Sequence[str] | Mapping[str, Limits],
    outputs: Sequence[str],
    tolerance: float = 1e-5,
) -> LiveExport:
    """Write a module as a graph that the interpreter of the page can run.

    Parameters
    ----------
    module : nn.Module, or a function of Tensors
        Its parameters are rounded to 16 bits in a copy; its buffers stay as they are.
        What it remembers must be an input and an output.
    example_inputs : sequence of Tensors
        The inputs always have their shapes and dtypes.
    name : str
        Of the model and its files.
    inputs : sequence of str, or dict from names to (lowest, highest) or None
        One name for each input, in order; the page refuses numbers out of the range.
    outputs : sequence of str
        One name for each Tensor that the module returns, in order.
    tolerance : float, default=1e-5
        How far from the module the page may be, relative to numbers above 1.

    Returns
    -------
    LiveExport
        The same bytes for the same arguments and the same PyTorch.

    Raises
    ------
    ValueError
        If the module uses an operation, a dtype or a branch that a graph cannot hold,
        a weight is not finite in 16 bits, or names and Tensors do not go together.

    >>> double = export_live(
    ...     lambda x: 2 * x, [torch.ones(3)], name="double", inputs=["x"], outputs=["y"]
    ... )
    >>> json.loads(double.graph)["nodes"][0]["op"]
    'mul'
    """
    limits = dict(inputs) if isinstance(inputs, Mapping) else dict.fromkeys(inputs)
    _check_names(name, list(inputs), list(outputs))
    _check_examples(list(inputs), example_inputs)
    check_above_zero(tolerance=tolerance)
    rounded = round_weights(module)
    graph, results = write(trace(rounded, tuple(example_inputs)), list(inputs))
    if len(results) != len(outputs):
        raise ValueError(f"outputs={list(outputs)} must name {len(results)} Tensors")
    nodes, constants = graph.live(value for value, _ in results)
    weights = save({key: _smallest(key, x) for key, x in constants.items()})
    described = {
        "format": FORMAT,
        "name": name,
        "source": source_of(module),
        "torch": torch.__version__.partition("+")[0],
        "tolerance": tolerance,
        "checksum": zlib.adler32(weights),
        "weights": _places(weights),
        "inputs": [
            _describe(key, x, limits[key])
            for key, x in zip(limits, example_inputs, strict=True)
        ],
        "outputs": [
            {"name": key, "value": value, "shape": shape}
            for key, (value, shape) in zip(outputs, results, strict=True)
        ],
        "nodes": nodes,
    }
    text = json.dumps(described, allow_nan=False, separators=(",", ":"))
    return LiveExport(name, text.encode(), weights, rounded)


def _check_names(name: str, inputs: list[str], outputs: list[str]) -> None:
    for argument, names in (("name", [name]), ("inputs", inputs), ("outputs", outputs)):
        for one in names:
            require_name(argument, one)
        if len(set(names)) < len(names):
            raise ValueError(f"{argument}={names} must not name anything twice")


def _check_examples(inputs: list[str], examples: Sequence[Tensor]) -> None:
    if len(inputs) != len(examples):
        raise ValueError(f"inputs={inputs} must name {len(examples)} example_inputs")
    for name, example in zip(inputs, examples, strict=True):
        if not isinstance(example, Tensor):
            raise ValueError(f"example_inputs: {name}={example!r} must be a Tensor")
        if example.dtype not in KINDS:
            said = f"{name}={describe(example)} must be {', '.join(map(str, KINDS))}"
            raise ValueError(f"example_inputs: {said}")


def _describe(name: str, example: Tensor, limits: Limits) -> dict:
    """Describe an input; truths are the numbers 0 and 1."""
    shape, dtype = list(example.shape), kind(example.dtype)
    described = {"name": name, "shape": shape, "dtype": dtype}
    if limits is None and dtype != "bool":
        return described
    low, high = (number(x) for x in limits or (0, 1))
    if not low <= high:
        raise ValueError(f"inputs: {name}={limits} must be a lowest and a highest")
    return described | {"low": low, "high": high}


def _smallest(name: str, x: Tensor) -> Tensor:
    """Store numbers in as few bits as hold them exactly."""
    if x.dtype == torch.bool:
        return x
    dtypes = (torch.float16, torch.float32, torch.float64)
    for dtype in dtypes if x.is_floating_point() else (torch.int32,):
        stored = x.to(dtype)
        if torch.allclose(stored.to(x.dtype), x, rtol=0, atol=0, equal_nan=True):
            return stored
    raise ValueError(f"module: {name}={describe(x)} has whole numbers beyond 32 bits")


def _places(file: bytes) -> list[dict]:
    """Say where the tensors lie in a safetensors file, which begins with a header."""
    start = 8 + int.from_bytes(file[:8], "little")
    found = []
    for name, tensor in json.loads(file[8:start]).items():
        begin, end = (start + offset for offset in tensor.pop("data_offsets"))
        found.append({"name": name, **tensor, "from": begin, "to": end})
    return found
