"""Rules for the library: addresses, directions of imports, sizes.

Every rule takes the folder of the book and returns one line per breach, which names
the file and the remedy.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.book.topic import owner
from tools import checks

PARTS = ("components", "genres", "classes", "domains", "multimodal", "model_fusion")
SHARED_PART = "components"
LONGEST_MODULE = 250
LONGEST_FUNCTION = 30
# What these print is what the reader sees of them.
PRINTERS = {"claims.py", "documentation.py", "runtime.py", "source.py", "training.py"}


def one_address_in_three_places(root: Path) -> list[str]:
    """chapters/, genai_lib/ and tests/ have the same parts and topics."""
    chapters = _chapters(root)
    modules, tests = _modules(root), _tests(root)
    problems = []
    for part, topic in sorted(chapters | modules | tests):
        places = {
            f"chapters/{part}/{topic}.ipynb": (part, topic) in chapters,
            f"genai_lib/{part}/{topic}.py": (part, topic) in modules,
            f"tests/{part}/test_{topic}.py": (part, topic) in tests,
        }
        there = next(place for place, exists in places.items() if exists)
        problems += [
            f"{place}: is missing, though there is {there}; add it"
            for place, exists in places.items()
            if not exists
        ]
    return problems


def _chapters(root: Path) -> set[tuple[str, str]]:
    paths = [path.relative_to(root) for path in checks.notebooks(root)]
    return {(path.parts[1], path.stem) for path in paths if path.parts[1] in PARTS}


def _modules(root: Path) -> set[tuple[str, str]]:
    found = set()
    for part in PARTS:
        folder = root / "genai_lib" / part
        packages = [path.parent for path in folder.glob("*/__init__.py")]
        modules = [path for path in folder.glob("*.py") if not path.stem[0] == "_"]
        found |= {(part, path.stem) for path in packages + modules}
    return found


def _tests(root: Path) -> set[tuple[str, str]]:
    """Return part and topic of each test; a test of a piece is one of its topic."""
    found = set()
    for part in PARTS:
        topics = [topic for p, topic in _chapters(root) | _modules(root) if p == part]
        for path in (root / "tests" / part).glob("test_*.py"):
            name = path.stem.removeprefix("test_")
            found.add((part, owner(name, topics) or name))
    return found


def imports_point_one_way(root: Path) -> list[str]:
    """Parts import components and shared modules; nobody imports private names."""
    problems = []
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        home = _area(path.relative_to(root).with_suffix("").parts)
        for line, target, names in _imports(path, root):
            area = _area(target)
            foreign = area != home
            if foreign and home in PARTS and area in set(PARTS) - {SHARED_PART}:
                said = f"{home} imports {'.'.join(target)}; move it to {SHARED_PART}"
                problems.append(f"{name}, line {line}: {said}")
            private = [n for n in (*target, *names) if n[0] == "_" and n[:2] != "__"]
            if foreign and private:
                said = f"imports {private[0]}, private to {area}; make it public"
                problems.append(f"{name}, line {line}: {said}")
    return problems


def _sources(root: Path) -> list[Path]:
    return sorted((root / "genai_lib").rglob("*.py"))


def _area(parts: tuple[str, ...]) -> str:
    return parts[1] if len(parts) > 1 else ""


def _imports(path: Path, root: Path) -> Iterator[tuple[int, tuple, tuple]]:
    """Yield line, module and names of the imports from the library."""
    package = path.relative_to(root).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [(tuple(alias.name.split(".")), ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            target = base + tuple((node.module or "").split(".") if node.module else ())
            found = [(target, tuple(alias.name for alias in node.names))]
        else:
            continue
        for target, names in found:
            if target == ("genai_lib",):
                yield from ((node.lineno, (*target, name), ()) for name in names)
            elif target[0] == "genai_lib":
                yield node.lineno, target, names


def modules_are_short(root: Path) -> list[str]:
    """Modules have at most 250 lines, functions 30 without their docstring."""
    problems = []
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines > LONGEST_MODULE:
            said = f"{lines} lines; split it, {LONGEST_MODULE} are the most"
            problems.append(f"{name}: {said}")
        for function in _functions(ast.parse(text)):
            length = _length(function)
            if length > LONGEST_FUNCTION:
                said = f"{function.name} has {length} lines; split it"
                problems.append(f"{name}, line {function.lineno}: {said}")
    return problems


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    body = body[1:] if ast.get_docstring(function) is not None else body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def library_raises_and_does_not_print(root: Path) -> list[str]:
    """No assert, and print only where printing is the purpose."""
    problems = []
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            line = f"{name}, line {getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Assert):
                problems.append(f"{line}: assert; raise a ValueError that says why")
            called = node.func if isinstance(node, ast.Call) else None
            if getattr(called, "id", None) == "print" and path.name not in PRINTERS:
                problems.append(f"{line}: print; return the text instead")
    return problems


LIBRARY_RULES = (
    one_address_in_three_places,
    imports_point_one_way,
    modules_are_short,
    library_raises_and_does_not_print,
)
