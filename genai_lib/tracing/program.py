"""From a PyTorch module to a graph: rounding, tracing, writing.

Tests    tests/tracing
"""

import copy
import inspect
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch._decomp import get_decompositions
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_leaves, tree_map_only

from genai_lib.checks import describe
from genai_lib.tracing import elementwise, layout, products, rows, selection
from genai_lib.tracing.graph import Graph, Value

aten = torch.ops.aten
LOWERINGS = {
    **elementwise.LOWERINGS,
    **layout.LOWERINGS,
    **products.LOWERINGS,
    **rows.LOWERINGS,
    **selection.LOWERINGS,
}
# What a trace notes beside the computation.
SILENT = {aten._assert_async.msg, aten._assert_tensor_metadata.default}
# What PyTorch itself can write as simpler operations, if it is asked to.
SIMPLER = [
    aten._adaptive_avg_pool2d.default,
    aten.elu.default,
    aten.hardtanh.default,
    aten.isinf.default,
    aten.leaky_relu.default,
    aten.linalg_vector_norm.default,
    aten.upsample_bilinear2d.vec,
    aten.upsample_nearest2d.vec,
]


class FunctionModule(nn.Module):
    """A function as a module without weights.

    Parameters
    ----------
    function : function of Tensors
    """

    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Call the function."""
        return self.function(*inputs)


def source_of(module: nn.Module | Callable) -> str:
    """Name the class or the function as "package.module:name"."""
    found = getattr(module, "function", module)
    found = type(found) if isinstance(found, nn.Module) else found
    name = getattr(found, "__qualname__", type(found).__qualname__)
    return f"{getattr(found, '__module__', None) or type(found).__module__}:{name}"


def round_weights(module: nn.Module | Callable) -> nn.Module:
    """Copy a module, its parameters rounded to 16 bits; a function becomes a module."""
    if not callable(module):
        raise ValueError(f"module={module!r} must be an nn.Module or a function")
    if not isinstance(module, nn.Module):
        if any(isinstance(x, nn.Module | nn.Parameter) for x in _used(module)):
            raise ValueError(
                f"module={source_of(module)} must hold the weights it uses"
            )
        module = FunctionModule(module)
    module = copy.deepcopy(module).cpu().eval()
    for name, weight in module.named_parameters():
        half = weight.detach().half().float()
        if weight.dtype != torch.float32 or not half.isfinite().all():
            raise ValueError(
                f"module: {name}={describe(weight)} must be 32-bit numbers that are "
                "finite in 16 bits"
            )
        weight.requires_grad_(False).copy_(half)
    return module


def _used(function: Callable) -> list:
    """List what a function uses besides its arguments."""
    used = [getattr(function, "__self__", None)]
    if inspect.isfunction(function):
        names = inspect.getclosurevars(function)
        used += [*names.nonlocals.values(), *names.globals.values()]
    return used


def trace(module: nn.Module, examples: tuple[Tensor, ...]) -> ExportedProgram:
    """Let PyTorch follow a module and write what it does as simple operations."""
    table = torch.export.default_decompositions()
    table.update(get_decompositions(SIMPLER))
    table.pop(aten.scaled_dot_product_attention.default)  # written as it is defined
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # PyTorch's about itself
            # A Tensor that is given twice would be taken for one input.
            program = torch.export.export(module, tuple(x.clone() for x in examples))
            return program.run_decompositions(table)
    except Exception as error:  # of many classes, private ones among them
        first = str(error).strip().partition("\n")[0]
        said = f"module={source_of(module)} cannot be traced: {first}"
        raise ValueError(said) from error


def write(program: ExportedProgram, inputs: Sequence[str]) -> tuple[Graph, list[tuple]]:
    """Write a traced program as a graph.

    Parameters
    ----------
    program : ExportedProgram
        From `trace`.
    inputs : sequence of str
        The names of its inputs, in order.

    Returns
    -------
    graph : Graph
    results : list of pairs
        The name and the shape of each Tensor that the program returns, in order.
    """
    signature = program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        raise ValueError("module changes a buffer or an input: it must return it")
    held = {**program.state_dict, **program.constants}
    graph = Graph({k: x for k, x in program.state_dict.items() if k not in inputs})
    names = iter(inputs)
    found: dict[torch.fx.Node, object] = {}
    specs = {spec.arg.name: spec for spec in signature.input_specs}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind == InputKind.USER_INPUT:
                found[node] = graph.add_input(next(names), node.meta["val"])
            elif spec.target in held:
                found[node] = held[spec.target].detach()
        elif node.op == "call_function" and node.target not in SILENT:
            found[node] = _lower(graph, node, found)
    return graph, _results(graph, program, found)


def _lower(graph: Graph, node: torch.fx.Node, found: dict) -> object:
    """Write one operation; what depends on no input is computed here and now."""
    args, kwargs = tree_map_only(torch.fx.Node, found.get, (node.args, node.kwargs))
    target = node.target
    depends = any(isinstance(x, Value) for x in tree_leaves((args, kwargs)))
    if depends and target in LOWERINGS:
        return LOWERINGS[target](graph, node.meta["val"], *args, **kwargs)
    if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
        raise ValueError(f"module uses {target}; what is random must be an input")
    if depends:
        raise ValueError(f"module uses {target}, which a live model does not know")
    return target(*args, **kwargs)


def _results(graph: Graph, program: ExportedProgram, found: dict) -> list[tuple]:
    """Return name and shape of each Tensor that a program returns."""
    (ends,) = (node.args[0] for node in program.graph.nodes if node.op == "output")
    results = []
    for end in ends:
        value = found.get(end)
        if not isinstance(value, Value | Tensor):
            raise ValueError(f"module returns {end!r}, not a Tensor")
        results.append((graph.whole(value), list(value.shape)))
    return results
