"""Exercises as they stand in a notebook: heading, stub and folded solution."""

import ast
import re
from dataclasses import dataclass

KINDS = ("predict", "change", "derive", "build")
HEADING = re.compile(
    r"^### Exercise (?P<number>\d+) \((?P<kind>\w+), about (?P<minutes>\d+) minutes?\)",
    re.MULTILINE,
)
HEADING_LINE = re.compile(re.sub(r"\?P<\w+>", "?:", HEADING.pattern), re.MULTILINE)
ANY_HEADING = re.compile(r"^### Exercise\b.*$", re.MULTILINE)
LATER_PART = re.compile(r"^## ", re.MULTILINE)
DETAILS = re.compile(
    r"<details>\s*<summary>Solution</summary>(?P<body>.*?)</details>", re.DOTALL
)
PYTHON = re.compile(r"^```python\n(?P<code>.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
CHECK = "check_"


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook.

    Attributes
    ----------
    number : int
    kind : str
    details : int
        How many ``<details>`` blocks with the summary "Solution" there are.
    solutions : tuple of str
        The Python blocks inside them.
    stub : str
        The first Python block outside, or the cell that is not executed, or "".
    """

    number: int
    kind: str
    details: int
    solutions: tuple[str, ...]
    stub: str

    def check_calls(self) -> list[str]:
        """Return the lines of the first solution that call a checker."""
        tree = ast.parse(self.solutions[0])
        return [ast.unparse(node) for node in tree.body if _is_check(node)]

    def imports(self) -> list[str]:
        """Return the import lines of the first solution."""
        tree = ast.parse(self.solutions[0])
        nodes = (ast.Import, ast.ImportFrom)
        return [ast.unparse(node) for node in tree.body if isinstance(node, nodes)]

    def stub_under_check(self) -> str:
        """Return the stub followed by the solution's imports and checker calls."""
        try:
            stub = [node for node in ast.parse(self.stub).body if not _is_check(node)]
            calls, imports = self.check_calls(), self.imports()
        except SyntaxError:
            return self.stub
        lines = [ast.unparse(node) for node in stub]
        return "\n".join(imports + lines + calls)


def exercises(notebook: dict) -> list[Exercise]:
    """Return the exercises of a notebook, in order.

    Parameters
    ----------
    notebook : dict
        A notebook of format 4, as read by json or nbformat.
    """
    text = _text(notebook)
    starts = list(HEADING.finditer(text))
    bodies = HEADING_LINE.split(text)[1:]
    return [_exercise(s, body) for s, body in zip(starts, bodies, strict=True)]


def malformed_headings(notebook: dict) -> list[str]:
    """Return the headings that begin like an exercise and do not follow the form."""
    headings = ANY_HEADING.findall(_text(notebook))
    return [heading for heading in headings if not HEADING.match(heading)]


def show_all(source: str) -> str:
    """Return ``source`` with the value of every expression statement displayed."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in tree.body:
        if isinstance(node, ast.Expr):
            name = ast.Name("display", ast.Load())
            node.value = ast.Call(name, [node.value], [])
    return ast.unparse(ast.fix_missing_locations(tree))


def _text(notebook: dict) -> str:
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif "skip-execution" in cell["metadata"].get("tags", []):
            parts.append(f"```python\n{source}\n```")
    return "\n\n".join(parts)


def _exercise(heading: re.Match[str], body: str) -> Exercise:
    later = LATER_PART.search(PYTHON.sub(lambda block: "." * len(block[0]), body))
    body = body[: later.start()] if later else body
    solutions = DETAILS.findall(body)
    stub = PYTHON.search(DETAILS.sub("", body))
    return Exercise(
        number=int(heading["number"]),
        kind=heading["kind"],
        details=len(solutions),
        solutions=tuple(code for part in solutions for code in PYTHON.findall(part)),
        stub=stub["code"] if stub else "",
    )


def _is_check(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else value.func
    return str(getattr(name, "id", name)).startswith(CHECK)
