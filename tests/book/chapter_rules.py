"""Rules for one chapter: its nine parts, its claims and its exercises.

Every rule takes a `Notebook` and returns one line per breach, which names the file
and the remedy.  The part ``reading`` has no chapters and is exempt.
"""

import ast
import re

from tests.book.exercise_markup import KINDS, Exercise, exercises, malformed_headings
from tests.book.notebook_rules import Notebook

PARTS = (
    "Try it first",
    "The idea",
    "The code",
    "A small model",
    "The claim",
    "Limits and common mistakes",
    "Exercises",
    "Summary",
)
FEWEST_EXERCISES, MOST_EXERCISES = 3, 5
HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*#*$", re.MULTILINE)
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.DOTALL | re.MULTILINE)
UNTESTED = {"did not reproduce at this scale", "not tested"}


def has_nine_parts_in_order(notebook: Notebook) -> list[str]:
    """A title, then the eight headings of level two, then the further reading."""
    text = FENCED.sub("", notebook.markdown())
    headings = [(len(marks), title) for marks, title in HEADING.findall(text)]
    titles = [title for level, title in headings if level == 1]
    parts = [title for level, title in headings if level == 2]
    problems = []
    if len(titles) != 1 or headings[0][0] != 1:
        problems.append(f"{notebook.name}: give it one title (#), in the first cell")
    if parts != list(PARTS):
        wanted = ", ".join(PARTS)
        said = f"its headings (##) are {', '.join(parts) or 'none'}; make them {wanted}"
        problems.append(f"{notebook.name}: {said}")
    if (3, "Further reading") not in headings[-3:]:
        said = 'end the summary with a heading "### Further reading"'
        problems.append(f"{notebook.name}: {said}")
    return problems


def asks_a_question_first(notebook: Notebook) -> list[str]:
    """The first cell asks the question that the chapter answers."""
    first = notebook.content["cells"][0]
    if first["cell_type"] == "markdown" and "?" in "".join(first["source"]):
        return []
    return [notebook.at(1, "ask there the one question that the chapter answers")]


def moves_before_any_theory(notebook: Notebook) -> list[str]:
    """A figure that moves stands in the part "Try it first"."""
    part, found = "", False
    for _, cell, source in notebook.cells():
        if cell["cell_type"] == "markdown":
            parts = re.findall(r"^## +(.+?)\s*$", FENCED.sub("", source), re.MULTILINE)
            part = parts[-1] if parts else part
        elif part == PARTS[0]:
            found = found or "genai-live" in str(cell["outputs"])
    if found:
        return []
    return [f'{notebook.name}: put a live figure into the part "{PARTS[0]}"']


def explains_with_equation_and_table(notebook: Notebook) -> list[str]:
    """The part "The idea" has an equation and a table of its symbols."""
    idea = _part(notebook, PARTS[1])
    wanted = {"an equation ($$)": "$$", "a table of symbols": "\n|"}
    missing = [name for name, mark in wanted.items() if mark not in idea]
    return [f'{notebook.name}: "{PARTS[1]}" lacks {name}; add it' for name in missing]


def _part(notebook: Notebook, title: str) -> str:
    pieces = re.split(r"^## +(.+?)\s*$", notebook.markdown(), flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True)).get(title, "")


def claims(notebook: Notebook) -> list[tuple[int, dict]]:
    """Return number of the cell and record of each stored claim."""
    found = [
        (n, out.get("metadata", {}).get("genai_claim")) for n, out in notebook.outputs()
    ]
    return [(number, record) for number, record in found if record]


def claims_hold(notebook: Notebook) -> list[str]:
    """There is a claim, names are unique, and what is stored did hold."""
    records = claims(notebook)
    if not records:
        return [f"{notebook.name}: makes no claim; call `claim` and {notebook.remake}"]
    problems, names = [], set()
    for number, record in records:
        name = record["name"]
        if name in names:
            said = f"claim {name!r} has the name of another; rename one"
            problems.append(notebook.at(number, said))
        names.add(name)
        if not record["holds"] and record["verdict"] not in UNTESTED:
            said = f"claim {name!r} does not hold; change the claim or its verdict"
            problems.append(notebook.at(number, said))
    return problems


def has_exercises(notebook: Notebook) -> list[str]:
    """There are three to five exercises, well marked, each with a solution."""
    problems = [
        f"{notebook.name}: {heading!r} is not of the form "
        '"### Exercise 1 (predict, about 5 minutes)"'
        for heading in malformed_headings(notebook.content)
    ]
    found = exercises(notebook.content)
    if not FEWEST_EXERCISES <= len(found) <= MOST_EXERCISES:
        said = f"{len(found)} exercises; have {FEWEST_EXERCISES} to {MOST_EXERCISES}"
        problems.append(f"{notebook.name}: {said}")
    for number, exercise in enumerate(found, 1):
        where = f"{notebook.name}, exercise {exercise.number}"
        if exercise.number != number:
            problems.append(f"{where}: should have the number {number}")
        problems += [f"{where}: {problem}" for problem in _flaws(exercise)]
    return problems


def _flaws(exercise: Exercise) -> list[str]:
    if exercise.kind not in KINDS:
        return [f"kind {exercise.kind!r} is none of {', '.join(KINDS)}"]
    if exercise.details != 1:
        said = "<details><summary>Solution</summary>"
        return [f"{exercise.details} blocks {said}; have one"]
    if len(exercise.solutions) != 1:
        return [f"{len(exercise.solutions)} Python blocks in the solution; have one"]
    blocks = {"solution": exercise.solutions[0], "stub": exercise.stub}
    for name, code in blocks.items():
        if problem := _syntax_error(code):
            return [f"the {name} is not Python ({problem}); correct it"]
    if exercise.kind != "build":
        return []
    if not exercise.stub:
        return ["has nothing to fill in; show a stub in a ```python block"]
    if not exercise.check_calls():
        return ["calls no checker in its solution; end it with check_<name>(<name>)"]
    return []


def _syntax_error(code: str) -> str:
    try:
        ast.parse(code)
    except SyntaxError as error:
        return str(error)
    return ""


def names_its_checkers(notebook: Notebook) -> list[str]:
    """Checkers come from the module of exercises of the topic."""
    module = f"genai_lib.{notebook.part}.{notebook.topic}.exercises"
    builds = [e for e in exercises(notebook.content) if e.kind == "build"]
    sources = "\n".join(source for _, _, source in notebook.cells())
    if not builds or module in sources:
        return []
    return [f"{notebook.name}: import the checkers of its exercises from {module}"]


CHAPTER_RULES = (
    has_nine_parts_in_order,
    asks_a_question_first,
    moves_before_any_theory,
    explains_with_equation_and_table,
    claims_hold,
    has_exercises,
    names_its_checkers,
)
