"""Show the library's own source in a notebook: what is read is what runs."""

import ast
import inspect
import textwrap
from pathlib import Path

from IPython.display import Markdown, display

ROOT = Path(__file__).resolve().parent.parent


def show_source(*things: object) -> None:
    """Display the source of functions or classes, each docstring cut to its first line.

    Parameters
    ----------
    *things : functions or classes of `genai_lib`
    """
    for thing in things:
        path = Path(inspect.getsourcefile(inspect.unwrap(thing))).resolve()
        try:
            place = path.relative_to(ROOT).as_posix()
        except ValueError:
            place = path.name
        display(Markdown(f"`{place}`\n\n```python\n{short_source(thing)}\n```"))


def short_source(thing: object) -> str:
    """Return the source with every docstring cut to its first line."""
    source = textwrap.dedent(inspect.getsource(thing))
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        text = ast.get_docstring(node)
        if text is None or "\n" not in text:
            continue
        string = node.body[0]
        indent = " " * string.col_offset
        summary = text.split("\n\n")[0].splitlines()
        summary = f"\n{indent}".join(summary)
        cut = [f'{indent}"""{summary}"""']
        span = string.end_lineno - string.lineno + 1
        # Padded with empty lines, so that the line numbers of outer nodes stay right.
        lines[string.lineno - 1 : string.end_lineno] = cut + [None] * (span - 1)
    return "\n".join(line for line in lines if line is not None)
