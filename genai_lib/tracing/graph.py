"""The graph that the interpreter in the page runs, while it is being written.

Tests    tests/tracing

Here a value of the graph is either a Tensor, where it does not depend on any input, or
a `Value`. What only looks at numbers in another order, such as a transposition, adds no
node: a `Value` knows at which strides its numbers lie, and a node is added when an
operation needs them in one piece.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

KINDS = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.int64: "int64",
    torch.int32: "int64",
    torch.bool: "bool",
}


@dataclass(frozen=True)
class Value:
    """Numbers that depend on an input: those of a node, or some of them.

    Attributes
    ----------
    name : str
        Of the node or the input.
    view : Tensor on the device "meta"
        Has no numbers; its dtype, shape, strides and offset say how they are looked at.
    """

    name: str
    view: Tensor

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the numbers."""
        return self.view.dtype

    @property
    def shape(self) -> torch.Size:
        """The shape in which they are looked at."""
        return self.view.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.view.ndim


Operand = Value | Tensor | float


class Graph:
    """The nodes and constants of a graph.

    Attributes
    ----------
    nodes : list of dict
        As in the file, in the order in which they run.
    constants : dict from names to Tensors
        What the nodes read and no node makes, such as weights.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.nodes: list[dict] = []
        self.constants: dict[str, Tensor] = {}
        self._shapes: dict[str, torch.Size] = {}
        self._made: dict[str, Value] = {}
        self._names: dict[tuple, str] = {}
        for name in sorted(weights):
            self._names.setdefault(_content(weights[name]), name)

    def add_input(self, name: str, example: Tensor) -> Value:
        """Return the value of an input that looks like an example."""
        self._shapes[name] = example.shape
        return Value(name, bare(example.shape, example.dtype))

    def emit(
        self, op: str, reads: list[str | float], result: Tensor, **details
    ) -> Value:
        """Add a node, unless there is an equal one, and return its value.

        Parameters
        ----------
        op : str
            A name of an operation of the interpreter.
        reads : list of names and numbers
            From `whole`, or numbers.
        result : Tensor
            Has the shape and the dtype of the result; its numbers are not read.
        **details
            What the operation needs besides.
        """
        shape = list(result.shape)
        node = {"op": op, "in": reads, "shape": shape, "dtype": kind(result.dtype)}
        node |= details
        value = self._made.get(repr(node))
        if value is None:
            name = f"{op}:{len(self.nodes) + 1}"
            self.nodes.append({"out": name, **node})
            self._shapes[name] = result.shape
            value = self._made[repr(node)] = Value(name, bare(shape, result.dtype))
        return value

    def look(self, x: Operand, at: Callable[[Tensor], Tensor]) -> Value | Tensor:
        """Return a view of the numbers of `x`.

        Parameters
        ----------
        x : Value or Tensor
        at : function of a Tensor
            Returns a view of it, such as a transposition; a RuntimeError says that only
            numbers in one piece can be looked at so.
        """
        if isinstance(x, Tensor):
            try:
                return at(x)
            except RuntimeError:
                return at(x.contiguous())
        try:
            return Value(x.name, at(x.view))
        except RuntimeError:
            x = self.in_one_piece(x)
            return Value(x.name, at(x.view))

    def whole(self, x: Operand) -> str | float:
        """Return the name under which all numbers of `x` are read, in order."""
        if isinstance(x, Tensor):
            return self._constant(x)
        return self.in_one_piece(x).name if isinstance(x, Value) else number(x)

    def in_one_piece(self, x: Value) -> Value:
        """Return a contiguous copy of a value."""
        view, shape = x.view, self._shapes[x.name]
        if not view.is_contiguous():
            place = {"offset": view.storage_offset(), "strides": strides(view)}
            return self.emit("read", [x.name], view, **place)
        if view.shape == shape:
            return x
        return self.emit("reshape", [x.name], view, offset=view.storage_offset())

    def place(self, x: Value | Tensor) -> tuple[str, Tensor]:
        """Return the name under which `x` can be read at strides, and its strides."""
        if isinstance(x, Value):
            return x.name, x.view
        return self.whole(x), bare(x.shape, x.dtype)

    def live(self, outputs: Iterable[str]) -> tuple[list[dict], dict[str, Tensor]]:
        """Return the nodes and the constants that the outputs depend on."""
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if node["out"] in needed:
                nodes.append(node)
                needed |= {x for x in node["in"] if isinstance(x, str)}
        constants = {
            k: self.constants[k] for k in sorted(self.constants) if k in needed
        }
        return nodes[::-1], constants

    def _constant(self, x: Tensor) -> str:
        content = _content(x)
        if content not in self._names:
            self._names[content] = f"constant:{len(self.constants) + 1}"
        name = self._names[content]
        self.constants[name] = x.detach().contiguous()
        self._shapes[name] = x.shape
        return name


def kind(dtype: torch.dtype) -> str:
    """Name a dtype as the file does; a ValueError says that it does not know it."""
    if dtype not in KINDS:
        known = ", ".join(map(str, KINDS))
        raise ValueError(f"module makes numbers of {dtype}; a live model has {known}")
    return KINDS[dtype]


def number(x: float, dtype: torch.dtype = torch.float64) -> float:
    """Return a number as numbers of a dtype hold it, whole numbers as an int."""
    if isinstance(x, bool | int):
        return int(x)
    x = float(torch.tensor(x, dtype=torch.float64).to(dtype))
    return int(x) if math.isfinite(x) and x == int(x) and abs(x) < 2**53 else x


def strides(view: Tensor) -> list[int]:
    """List how far apart neighbours lie, 0 where there is only one."""
    pairs = zip(view.stride(), view.shape, strict=True)
    return [stride if size > 1 else 0 for stride, size in pairs]


def bare(shape: Iterable[int], dtype: torch.dtype) -> Tensor:
    """Return a Tensor that has a shape and a dtype but no numbers."""
    return torch.empty(tuple(shape), dtype=dtype, device="meta")


def plain(x: Operand) -> Operand:
    """Return the number that a constant repeats; if infinite or NaN, as a Tensor."""
    if isinstance(x, float) and not math.isfinite(x):
        return torch.tensor(x)
    if not isinstance(x, Tensor) or x.numel() == 0:
        return x
    first = x.flatten()[0]
    return first.item() if first.isfinite() and (x == first).all() else x


def _content(x: Tensor) -> tuple:
    x = x.detach().contiguous()
    return kind(x.dtype), x.shape, x.numpy().tobytes()
