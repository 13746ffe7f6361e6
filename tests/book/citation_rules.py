"""Rules for citations: links and references.bib say the same.

Every rule takes the folder of the book and returns one line per breach, which names
the file and the remedy.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.book.chapter_rules import claims
from tests.book.notebook_rules import notebooks

ENTRY = re.compile(r"^@\w+\{([^,\s]+),(.*?)^\}", re.DOTALL | re.MULTILINE)
ARXIV = re.compile(
    r"arxiv\.org/(?:abs|pdf|html)/([\w.-]+/\d{7}|\d{4}\.\d{4,5})", re.IGNORECASE
)
DOI = re.compile(r"doi\.org/(10\.[^\s\"'<>`]+)", re.IGNORECASE)
IDENTIFIER = re.compile(
    r"^\s*(eprint|doi|url)\s*=\s*[{\"]+([^}\"]+)", re.IGNORECASE | re.MULTILINE
)
CITED = "chapters/reading/cited.json"
CITE = re.compile(r"\{cite[\w:]*\}`([^`]+)`")


def every_citation_has_an_entry(root: Path) -> list[str]:
    """Each link to arXiv or a doi and each source of a claim is in references.bib."""
    entries = _entries(root)
    known = {identifier for found in entries.values() for identifier in found}
    problems = [
        f"{name}: cites {identifier}, which references.bib lacks; add an entry"
        for name, text in _pages(root)
        for identifier in _linked(text)
        if identifier not in known
    ]
    return problems + [
        f"{name}: cites the key {key!r}, which references.bib lacks; add an entry"
        for name, key in _keys(root)
        if key not in entries
    ]


def every_entry_is_cited(root: Path) -> list[str]:
    """Each entry is linked in a page or the library, or a claim's source."""
    keys = {key for _, key in _keys(root)}
    text = "\n".join(text for _, text in [*_pages(root), *_modules(root)]).lower()
    linked = _linked(text)
    return [
        f"references.bib: {key} is cited nowhere; cite it or remove it"
        for key, identifiers in _entries(root).items()
        if key not in keys
        and not any(i in linked or (":/" in i and i in text) for i in identifiers)
    ]


def keys_are_unique(root: Path) -> list[str]:
    """No two entries have one key or one identifier."""
    seen, problems = {}, []
    for key, body in ENTRY.findall(_bibliography(root)):
        for name in {key.lower(), *_identifiers(body)}:
            if name in seen:
                said = f"{key} repeats {name} of {seen[name]}; keep one"
                problems.append(f"references.bib: {said}")
            seen[name] = key
    return problems


def _bibliography(root: Path) -> str:
    path = root / "references.bib"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _entries(root: Path) -> dict[str, set[str]]:
    found = ENTRY.findall(_bibliography(root))
    return {key: _identifiers(body) for key, body in found}


def _identifiers(body: str) -> set[str]:
    found = {value.strip().lower() for _, value in IDENTIFIER.findall(body)}
    return {name.rstrip("/") for name in found} | _linked(body)


def _linked(text: str) -> set[str]:
    found = ARXIV.findall(text) + [_balanced(doi) for doi in DOI.findall(text)]
    return {identifier.lower() for identifier in found}


def _balanced(doi: str) -> str:
    """Drop what belongs to the sentence or the Markdown link around a doi."""
    while doi and (doi[-1] in ".,;]}" or doi.count(")") > doi.count("(")):
        doi = doi[:-1]
    return doi


def _pages(root: Path) -> Iterator[tuple[str, str]]:
    for notebook in notebooks(root):
        yield notebook.name, notebook.markdown()
    for page in sorted((root / "chapters").rglob("*.md")):
        yield page.relative_to(root).as_posix(), page.read_text(encoding="utf-8")


def _modules(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "genai_lib").rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def _keys(root: Path) -> Iterator[tuple[str, str]]:
    for name, text in _pages(root):
        for keys in CITE.findall(text):
            yield from ((name, key.strip()) for key in keys.split(","))
    for notebook in notebooks(root):
        for _, record in claims(notebook):
            if record.get("source"):
                yield notebook.name, record["source"]
    if (root / CITED).is_file():
        for entry in json.loads((root / CITED).read_text(encoding="utf-8")):
            yield CITED, entry["source"]


CITATION_RULES = (every_citation_has_an_entry, every_entry_is_cited, keys_are_unique)
