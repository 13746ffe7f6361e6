"""Rules for one notebook: what is stored in it and how it is written.

Every rule takes a `Notebook` and returns one line per breach, which names the file
and the remedy.  Pictures have their rules in ``picture_rules.py``, the nine parts of a
chapter in ``chapter_rules.py``.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bs4 import BeautifulSoup

from tools import checks, tidiness

WIDEST_CODE = 79
LONGEST_CELL = 30
UNCOMPARED_TAGS = {"nbval-ignore-output", "nbval-skip"}
UNCOMPARED_COMMENT = re.compile(r"#\s*(NBVAL_|PYTEST_VALIDATE_)\w+")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
PATH = re.compile(r"/(?:home|Users)/\w+|[A-Z]:\\\\?Users|site-packages|ipykernel_\d")
PAYLOAD = re.compile(r"base64,[A-Za-z0-9+/=]+")
DIRECTIVE = re.compile(r"^[ \t]*(?:`{3,}|:{3,}|~{3,})\{", re.MULTILINE)
ROLE = re.compile(r"\{[a-zA-Z][\w:+-]*\}`")


@dataclass(frozen=True)
class Notebook:
    """A notebook of the book.

    Attributes
    ----------
    path : Path
    root : Path
        The folder of the book.
    """

    path: Path
    root: Path

    @property
    def name(self) -> str:
        """The path as messages show it."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def topic(self) -> str:
        """The name without folder and suffix."""
        return self.path.stem

    @property
    def part(self) -> str:
        """The folder below chapters."""
        return self.path.relative_to(self.root).parts[1]

    @cached_property
    def text(self) -> str:
        """The file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def content(self) -> dict:
        """The file, read as JSON."""
        return json.loads(self.text)

    def cells(self, kind: str | None = None) -> Iterator[tuple[int, dict, str]]:
        """Yield number, cell and source of the cells of a kind ("code", ...)."""
        for number, cell in enumerate(self.content["cells"], 1):
            if kind in (None, cell["cell_type"]):
                yield number, cell, "".join(cell["source"])

    def outputs(self) -> Iterator[tuple[int, dict]]:
        """Yield the number of the cell and the output."""
        for number, cell, _ in self.cells("code"):
            for output in cell["outputs"]:
                yield number, output

    def pages(self) -> Iterator[tuple[int, dict, BeautifulSoup]]:
        """Yield number of the cell, output and HTML of the outputs that have HTML."""
        for number, output in self.outputs():
            html = "".join(output.get("data", {}).get("text/html", ""))
            if html:
                yield number, output, BeautifulSoup(html, "html.parser")

    def markdown(self) -> str:
        """Return all Markdown cells as one text."""
        return "\n\n".join(source for _, _, source in self.cells("markdown"))

    def at(self, number: int, problem: str) -> str:
        """Return the line that reports a problem in a cell."""
        return f"{self.name}, cell {number}: {problem}"

    @property
    def remake(self) -> str:
        """The remedy for stored outputs."""
        return f"run `make notebooks TOPIC={self.topic}`"


def notebooks(root: Path) -> list[Notebook]:
    """Return the notebooks of the book under ``root``, sorted."""
    return [Notebook(path, root) for path in checks.notebooks(root)]


def is_executed_in_order(notebook: Notebook) -> list[str]:
    """Execution counts are 1, 2, 3, ... and cells that are not run store nothing."""
    due = 1
    for number, cell, _ in notebook.cells("code"):
        count = cell["execution_count"]
        if not checks.is_run(cell):
            if count is not None or cell["outputs"]:
                said = f"is not to be run but stores outputs; {notebook.remake}"
                return [notebook.at(number, said)]
        elif count != due:
            said = f"has execution count {count}, {due} is due; {notebook.remake}"
            return [notebook.at(number, said)]
        else:
            due += 1
    return []


def has_outputs(notebook: Notebook) -> list[str]:
    """Something is stored."""
    if any(True for _ in notebook.outputs()):
        return []
    return [f"{notebook.name}: has no stored outputs; {notebook.remake}"]


def has_no_errors(notebook: Notebook) -> list[str]:
    """No traceback is stored without the tag raises-exception, and no stderr."""
    problems = []
    for number, cell, _ in notebook.cells("code"):
        expected = "raises-exception" in cell["metadata"].get("tags", [])
        kinds = {output["output_type"] for output in cell["outputs"]}
        if "error" in kinds and not expected:
            problems.append(notebook.at(number, f"stores an error; {notebook.remake}"))
        if any(output.get("name") == "stderr" for output in cell["outputs"]):
            said = f"stores stderr; remove its cause and {notebook.remake}"
            problems.append(notebook.at(number, said))
    return problems


def is_compared(notebook: Notebook) -> list[str]:
    """No tag or comment keeps nbval from comparing an output."""
    problems = []
    for number, cell, source in notebook.cells("code"):
        tags = UNCOMPARED_TAGS & set(cell["metadata"].get("tags", []))
        comment = UNCOMPARED_COMMENT.search(source)
        if tags or comment:
            found = comment[0] if comment else min(tags)
            said = f"{found} hides its output from the tests; remove it"
            problems.append(notebook.at(number, said))
    return problems


def tells_nothing_of_the_machine(notebook: Notebook) -> list[str]:
    """No path, no time and no metadata of the run is stored."""
    problems = []
    home = re.compile(rf"{re.escape(str(Path.home()))}(?![\w.-])")
    places = {"path": PATH, "path of this machine": home, "time": TIME}
    for number, cell, _ in notebook.cells():
        text = PAYLOAD.sub("", _without_pictures(cell))
        for kind, pattern in places.items():
            if found := pattern.search(text):
                said = f"stores a {kind}, {found[0]!r}; remove it, {notebook.remake}"
                problems.append(notebook.at(number, said))
        if set(cell["metadata"]) & {"execution", "ExecuteTime", "papermill"}:
            problems.append(notebook.at(number, f"stores its run; {notebook.remake}"))
    return problems


def _without_pictures(cell: dict) -> str:
    cell = json.loads(json.dumps(cell))
    for output in cell.get("outputs", []):
        for kind in ("image/png", "image/jpeg"):
            output.get("data", {}).pop(kind, None)
    return json.dumps(cell, ensure_ascii=False)


def has_no_widget_state(notebook: Notebook) -> list[str]:
    """No widget is stored: it would be dead on the page."""
    kinds = {
        kind for _, output in notebook.outputs() for kind in output.get("data", {})
    }
    if "widgets" in notebook.content["metadata"] or tidiness.WIDGET in kinds:
        return [f"{notebook.name}: stores widgets; {notebook.remake}"]
    return []


def has_fixed_cell_ids(notebook: Notebook) -> list[str]:
    """Cell ids are <topic>-01, <topic>-02, ... in order."""
    return [
        notebook.at(number, f"has id {cell.get('id')!r}; {notebook.remake}")
        for number, cell, _ in notebook.cells()
        if cell.get("id") != f"{notebook.topic}-{number:02d}"
    ]


def code_is_short(notebook: Notebook) -> list[str]:
    """Code lines have at most 79 characters, cells at most 30 lines."""
    problems = []
    for number, _, source in notebook.cells("code"):
        lines = source.splitlines()
        widest = max(map(len, lines), default=0)
        if widest > WIDEST_CODE:
            said = f"a line of {widest} characters; break it at {WIDEST_CODE}"
            problems.append(notebook.at(number, said))
        if len(lines) > LONGEST_CELL:
            said = f"{len(lines)} lines; move code to genai_lib, {LONGEST_CELL} stay"
            problems.append(notebook.at(number, said))
    return problems


def markdown_reads_everywhere(notebook: Notebook) -> list[str]:
    """No directive or role of MyST: Jupyter and Colab show them as raw text."""
    problems = []
    for number, _, source in notebook.cells("markdown"):
        found = DIRECTIVE.search(source) or ROLE.search(source)
        if found:
            said = f"{found[0].strip()!r} is MyST; use plain Markdown"
            problems.append(notebook.at(number, said))
    return problems


def words_stand_between_code(notebook: Notebook) -> list[str]:
    """No code cell follows another without words between them."""
    kinds = [cell["cell_type"] for _, cell, _ in notebook.cells()]
    return [
        notebook.at(number, "follows a code cell; put a sentence between them")
        for number, (before, kind) in enumerate(zip(kinds, kinds[1:], strict=False), 2)
        if before == kind == "code"
    ]


RULES = (
    is_executed_in_order,
    has_outputs,
    has_no_errors,
    is_compared,
    tells_nothing_of_the_machine,
    has_no_widget_state,
    has_fixed_cell_ids,
    code_is_short,
    markdown_reads_everywhere,
    words_stand_between_code,
)
