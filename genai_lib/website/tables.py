"""Tables of the ledger as HTML: plain without scripts, sortable with `tables.js`.

Tests    tests/website/test_ledger.py
"""

import html
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from genai_lib.website.ledger import Chapter, Spread, spread

UNMEASURED = "not yet measured"
MARKS = {
    "proved": "✓",
    "reproduced": "✓",
    "reproduced in miniature": "✓",
    "measured here": "✓",
    "did not reproduce at this scale": "✗",
    "not tested": "–",
}
CLAIM_COLUMNS = {
    "chapter": "choose",
    "claim": "",
    "bound": "",
    "stored run": "number",
    "over the seeds": "number",
    "holds on": "number",
    "verdict": "choose",
    "the paper reports": "",
}
COST_COLUMNS = {
    "chapter": "",
    "seconds": "number",
    "slowest": "number",
    "memory": "number",
    "runs": "number",
    "measured with": "",
}
CITED_COLUMNS = {"chapter": "choose", "statement": "", "source": "", "note": "choose"}


class Cell(NamedTuple):
    """The HTML of a cell and, where the text would not sort, the number behind it."""

    markup: str
    number: float | None = None


def text(words: str) -> Cell:
    """Make a cell of plain words."""
    return Cell(html.escape(words, quote=False))


def table(
    caption: str, columns: Mapping[str, str], rows: Iterable[Sequence[Cell]]
) -> str:
    """Write a table whose columns can be sorted and filtered where scripts run.

    Parameters
    ----------
    caption : str
    columns : dict of str to str
        Name and kind of each column: "number" is aligned right, "choose" offers its
        values as a filter, "" is text.
    rows : iterable of sequences of Cell
        The first cell of each is its heading.
    """
    kinds = list(columns.values())
    head = "".join(
        f'<th scope="col" data-kind="{kind}">{html.escape(name)}</th>'
        for name, kind in columns.items()
    )
    body = "\n".join(f"<tr>{_row(row, kinds)}</tr>" for row in rows)
    label = html.escape(caption)
    return (
        f'<div class="genai-scroll" role="region" aria-label="{label}" tabindex="0">\n'
        f'<table class="genai-table genai-sortable"><caption>{label}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n"
    )


def _row(cells: Sequence[Cell], kinds: Sequence[str]) -> str:
    found = []
    for place, (cell, kind) in enumerate(zip(cells, kinds, strict=True)):
        name, scope = ("td", "") if place else ("th", ' scope="row"')
        value = "" if cell.number is None else f' data-value="{cell.number!r}"'
        style = ' class="genai-number"' if kind == "number" else ""
        found.append(f"<{name}{scope}{style}{value}>{cell.markup}</{name}>")
    return "".join(found)


Link = Callable[[Chapter], str]
Cite = Callable[[str], str]


def claims_table(chapters: Sequence[Chapter], link: Link, cite: Cite) -> str:
    """Write every claim of the book with its evidence.

    Parameters
    ----------
    chapters : sequence of Chapter
    link : function of a Chapter
        Returns the HTML of a link to it.
    cite : function of a key of references.bib
        Returns the HTML of a citation.
    """
    rows = [
        (Cell(link(chapter)), *_claim_cells(chapter, record, cite))
        for chapter in chapters
        for record in chapter.records
    ]
    return table("Claims and what was measured", CLAIM_COLUMNS, rows)


def _claim_cells(chapter: Chapter, record: dict, cite: Cite) -> list[Cell]:
    found = spread(chapter, record)
    kept = Cell(UNMEASURED)
    if found is not None:
        count = f"{found.kept} of {len(found.values)} seeds"
        kept = Cell(count, found.kept / len(found.values))
    return [
        text(record["text"]),
        text(record["bound"]),
        Cell(f"≈ {record['value']:.3g}", record["value"]),
        _spread_cell(found, spread(chapter, record, "gpu")),
        kept,
        text(f"{MARKS[record['verdict']]} {record['verdict']}"),
        _reported(record, cite),
    ]


def _spread_cell(cpu: Spread | None, gpu: Spread | None) -> Cell:
    if cpu is None:
        return Cell(UNMEASURED)
    lines = _in_words(cpu) + (["gpu", *_in_words(gpu)] if gpu else [])
    return Cell("<br>".join(lines), cpu.mean)


def _in_words(found: Spread) -> list[str]:
    low, high = min(found.values), max(found.values)
    return [f"≈ {found.mean:.3g}", f"{low:.3g} to {high:.3g}"]


def _reported(record: dict, cite: Cite) -> Cell:
    words = html.escape(record["reported"] or "", quote=False)
    key = cite(record["source"]) if record["source"] else ""
    return Cell(f"{words} ({key})" if words and key else words or key)


def costs_table(chapters: Sequence[Chapter], link: Link) -> str:
    """Write the time and the memory that each chapter takes on a CPU."""
    rows = [(Cell(link(chapter)), *_cost_cells(chapter)) for chapter in chapters]
    return table("Time and memory of the chapters", COST_COLUMNS, rows)


def _cost_cells(chapter: Chapter) -> list[Cell]:
    measured = chapter.evidence.get("cpu")
    if not measured:
        return [Cell(UNMEASURED), *[Cell("")] * 4]
    seconds, memory = measured["seconds"], max(measured["peak_mb"])
    versions = [f"{name} {number}" for name, number in measured["versions"].items()]
    return [
        Cell(f"≈ {statistics.median(seconds):.0f} s", statistics.median(seconds)),
        Cell(f"≈ {max(seconds):.0f} s", max(seconds)),
        Cell(f"≈ {memory:.0f} MB", memory),
        Cell(str(len(seconds)), len(seconds)),
        text(", ".join(versions)),
    ]


def cited_table(entries: Sequence[dict], link: Callable[[str], str], cite: Cite) -> str:
    """Write what the book quotes without a test of its own."""
    rows = [
        (
            Cell(link(entry["chapter"])),
            text(entry["statement"]),
            Cell(cite(entry["source"])),
            text(entry["note"]),
        )
        for entry in entries
    ]
    return table("Cited only", CITED_COLUMNS, rows)
