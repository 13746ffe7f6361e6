"""Write signatures as they stand in the source, from its syntax tree alone.

Tests    tests/website/test_library.py
"""

import ast

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
RECORDS = ("dataclass", "NamedTuple")


def construction(
    node: ast.ClassDef, functions: list[ast.FunctionDef]
) -> tuple[str, ...]:
    """Write what a class is made from: its `__init__`, or its fields."""
    for item in functions:
        if item.name == "__init__":
            return tuple(parameters(item.args)[1:])
    marks = [*node.decorator_list, *node.bases]
    if not any(ast.unparse(mark).split("(")[0] in RECORDS for mark in marks):
        return ()
    fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    return tuple(ast.unparse(item) for item in fields)


def parameters(arguments: ast.arguments) -> list[str]:
    """Write each parameter as in its source, "/" and "*" between them included."""
    positional = [*arguments.posonlyargs, *arguments.args]
    gaps = [None] * (len(positional) - len(arguments.defaults))
    found = [
        _parameter(argument, default)
        for argument, default in zip(
            positional, [*gaps, *arguments.defaults], strict=True
        )
    ]
    if arguments.posonlyargs:
        found.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        found.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        found.append("*")
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found += [_parameter(argument, default) for argument, default in keywords]
    if arguments.kwarg:
        found.append(f"**{ast.unparse(arguments.kwarg)}")
    return found


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    text = ast.unparse(argument)
    if default is None:
        return text
    equals = " = " if argument.annotation else "="
    return f"{text}{equals}{ast.unparse(default)}"
