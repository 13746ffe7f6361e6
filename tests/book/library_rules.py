"""Rules for the library: addresses, directions of imports, sizes.

Every rule takes the folder of the book and returns one line per breach, which names
the file and the remedy.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from tools import checks
from tools.stored import RECORD

PARTS = ("components", "genres", "classes", "domains", "multimodal", "model_fusion")
LONGEST_MODULE = 300
LONGEST_FUNCTION = 30
# What these print is what the reader sees of them.
PRINTERS = {"claims.py", "documentation.py", "runtime.py", "source.py", "training.py"}


def one_address_in_three_places(root: Path) -> list[str]:
    """chapters/, genai_lib/ and tests/ have the same parts and topics."""
    places = {
        "chapters/{}/{}.ipynb": _chapters(root),
        "genai_lib/{}/{}/__init__.py": _rooms(root / "genai_lib", "__init__.py"),
        "tests/{}/{}/test_*.py": _rooms(root / "tests", "test_*.py"),
    }
    problems = []
    for part, topic in sorted(set().union(*places.values())):
        at = next(name for name, topics in places.items() if (part, topic) in topics)
        problems += [
            f"{name.format(part, topic)}: is missing, though there is "
            f"{at.format(part, topic)}; add it"
            for name, topics in places.items()
            if (part, topic) not in topics
        ]
    return problems


def _chapters(root: Path) -> set[tuple[str, str]]:
    paths = [path.relative_to(root) for path in checks.notebooks(root)]
    return {(path.parts[1], path.stem) for path in paths if path.parts[1] in PARTS}


def _rooms(tree: Path, mark: str) -> set[tuple[str, str]]:
    """Return part and topic of each folder that holds a file like ``mark``."""
    return {
        (part, path.parent.name)
        for part in PARTS
        for path in (tree / part).glob(f"*/{mark}")
    }


def a_topic_has_no_file_elsewhere(root: Path) -> list[str]:
    """Nothing outside a topic's three places bears its name."""
    topics = {topic for _, topic in _chapters(root)}
    problems = []
    for tree in ("genai_lib", "tests"):
        for path in sorted((root / tree).rglob("*")):
            name = path.relative_to(root)
            inside = len(name.parts) > 2 and name.parts[1] in PARTS
            stem = path.stem.removeprefix("test_")
            if not inside and "__pycache__" not in name.parts and stem in topics:
                said = f"bears the name of a topic; move it into the room of {stem}"
                problems.append(f"{name.as_posix()}: {said}")
    return problems


def reading_order_is_import_order(root: Path) -> list[str]:
    """A topic imports shared modules and topics that _toc.yml lists before it."""
    order = [tuple(x.split("/")[1:]) for x in checks.toc_entries(root)]
    problems = []
    for path in _sources(root):
        name = path.relative_to(root)
        here = _room(name.with_suffix("").parts)
        for line, target, names in _imports(path, root):
            where = f"{name.as_posix()}, line {line}: imports {'.'.join(target)}"
            there = _room(target)
            if there == here:
                continue
            private = [n for n in (*target, *names) if n[0] == "_" and n[:2] != "__"]
            if private:
                problems.append(f"{where}: {private[0]} is private; make it public")
            if target[1:2] == ("reading",) and name.parts[1] != "reading":
                problems.append(f"{where}; nothing imports reading")
            elif there and not here and name.parts[1] != "reading":
                problems.append(f"{where}; what is shared imports no topic")
            elif there and here and not _before(there, here, order):
                problems.append(f"{where}, which comes later; move it or what needs it")
    return problems


def _room(parts: tuple[str, ...]) -> tuple[str, str] | None:
    """Return part and topic that a module belongs to; None for a shared one."""
    inside = len(parts) > 2 and parts[1] in PARTS
    return (parts[1], parts[2]) if inside else None


def _before(first: tuple, second: tuple, order: list[tuple]) -> bool:
    if first not in order or second not in order:
        return False
    return order.index(first) < order.index(second)


def the_mathematics_imports_no_figure(root: Path) -> list[str]:
    """Only figures, checkers and makers import figures or the engine behind them."""
    problems = []
    for path in _sources(root):
        name = path.relative_to(root)
        if _room(name.with_suffix("").parts) is None or _is_reserved(path.stem):
            continue
        for line, target, _ in _imports(path, root):
            figure = target[1:2] == ("live",) or target[-1].startswith("figure")
            if figure and target != ("genai_lib", "figures"):
                said = f"imports {'.'.join(target)}; only figure*.py may"
                problems.append(f"{name.as_posix()}, line {line}: {said}")
    return problems


def _is_reserved(stem: str) -> bool:
    return stem in ("exercises", "stored") or stem.split("_")[0] == "figure"


def stored_files_are_named_by_their_maker(root: Path) -> list[str]:
    """Each file in a folder `stored` but its record is named in the `stored.py`."""
    problems = []
    for folder in sorted((root / "genai_lib").rglob("stored")):
        maker = folder.with_suffix(".py")
        text = maker.read_text(encoding="utf-8") if maker.is_file() else ""
        problems += [
            f"{path.relative_to(root).as_posix()}: its maker "
            f"{maker.relative_to(root).as_posix()} does not name it"
            for path in sorted(folder.iterdir())
            if path.name not in text and path.name != RECORD
        ]
        problems += _records_without_files(root, folder / RECORD)
    return problems


def _records_without_files(root: Path, record: Path) -> list[str]:
    names = json.loads(record.read_text("utf-8")) if record.is_file() else {}
    return [
        f"{record.relative_to(root).as_posix()}: {name} is not stored"
        for name in names
        if not record.with_name(name).is_file()
    ]


def _sources(root: Path) -> list[Path]:
    return sorted((root / "genai_lib").rglob("*.py"))


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
            if target[0] != "genai_lib":
                continue
            # What is imported from a package may be a module of its own.
            part_of = len(target) < 3
            for name in names if part_of and names else [None]:
                yield node.lineno, (*target, name) if name else target, names


def modules_are_short(root: Path) -> list[str]:
    """Modules have at most 300 lines, functions 30 without their docstring."""
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
    a_topic_has_no_file_elsewhere,
    reading_order_is_import_order,
    the_mathematics_imports_no_figure,
    stored_files_are_named_by_their_maker,
    modules_are_short,
    library_raises_and_does_not_print,
)
