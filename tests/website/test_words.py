"""Notation and glossary say what the library and the chapters say."""

import json
import re
from collections import Counter

import pytest

from genai_lib.website.reference import methods, parameters, read_library
from tests.book.library_rules import PARTS
from tests.browser import ROOT

READING = ROOT / "chapters" / "reading"
TABLE = "## Symbols and names"
TERM = re.compile(r"^(?=\S)(.+)$\n(?=    \S)", re.MULTILINE)


def table_names(page):
    """Return the names of the column "in code" of the first table."""
    rows = page.split(TABLE)[1].split("\n## ")[0].splitlines()
    cells = [row.split("|")[2] for row in rows if row.startswith("|")]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def parameter_names(modules):
    """Return for every public function and method the set of its parameters."""
    return [
        {parameter.name for parameter in parameters(one)}
        for names in modules.values()
        for name in names
        for one in (name, *methods(name))
        if one.is_function or (one.is_class and not inherits(one))
    ]


def inherits(one):
    """Say whether a class is made from what another class is made from."""
    return "__init__" not in one.members and "NamedTuple" not in map(str, one.bases)


def teaches(module):
    """Say whether a module belongs to a chapter, its figures and checkers aside."""
    parts = module.path.split(".")[1:]
    return parts[0] in PARTS and not re.match("figure|exercises|stored", parts[-1])


def unnamed(page, modules):
    """Return the parameters that two functions of the parts share and no row names."""
    of_parts = {m: found for m, found in modules.items() if teaches(m)}
    counts = Counter(name for names in parameter_names(of_parts) for name in names)
    shared = {name for name, count in counts.items() if count > 1}
    return sorted(shared - set(table_names(page)))


def unused(page, modules):
    """Return the names of the table that are a parameter nowhere."""
    used = set().union(*parameter_names(modules))
    return [name for name in table_names(page) if name not in used]


@pytest.fixture(scope="module")
def modules():
    return read_library(ROOT)


@pytest.fixture(scope="module")
def notation():
    return (READING / "notation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def glossary():
    return (READING / "glossary.md").read_text(encoding="utf-8")


def test_notation_has_every_shared_parameter(notation, modules):
    names = unnamed(notation, modules)
    assert not names, f"chapters/reading/notation.md: add rows for {names}"


def test_notation_has_no_name_that_nothing_uses(notation, modules):
    names = unused(notation, modules)
    assert not names, f"chapters/reading/notation.md: remove the rows of {names}"


def test_notation_has_no_name_twice(notation):
    names = table_names(notation)
    assert len(names) == len(set(names))


def test_flaws_of_the_notation_are_found(notation, modules):
    assert unnamed(notation.replace("`logits`", "scores"), modules) == ["logits"]
    wrong = notation.replace("| `dim` |", "| `axis` |")
    assert unnamed(wrong, modules) == ["dim"]
    assert unused(wrong, modules) == ["axis"]


def terms(page):
    return TERM.findall(page.split("```{glossary}\n")[1])


def order(term):
    return term.casefold().replace("-", " ")


def words_of_the_book():
    texts = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "chapters").rglob("*.md")
        if path.name != "glossary.md"
    ]
    for path in sorted((ROOT / "chapters").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts += ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    return "\n".join(texts)


def used(term, text):
    """Say whether a text uses a term, in the singular or the plural."""
    return re.search(rf"\b{re.escape(term)}(?:s|es)?\b", text, re.IGNORECASE)


def test_terms_of_the_glossary_are_sorted(glossary):
    found = terms(glossary)
    assert len(found) > 10
    assert found == sorted(found, key=order)
    assert len(found) == len(set(map(order, found)))


def test_terms_of_the_glossary_are_used(glossary):
    text = words_of_the_book()
    missing = [term for term in terms(glossary) if not used(term, text)]
    assert not missing, f"chapters/reading/glossary.md: no chapter uses {missing}"
