"""The ledger: what is read from notebooks and evidence, and what the tables say."""

import json

import pytest
from bs4 import BeautifulSoup

from genai_lib.website import ledger, tables
from genai_lib.website.ledger import read_chapters, read_cited, spread
from tests.browser import ROOT

RECORD = {
    "name": "sharp",
    "text": "it is sharp, a < b",
    "value": 0.93,
    "bound": "at least 0.9",
    "at_least": 0.9,
    "at_most": None,
    "close_to": None,
    "within": None,
    "holds": True,
    "verdict": "reproduced in miniature",
    "source": "newton1704",
    "reported": "0.97",
}
EVIDENCE = {
    "cpu": {
        "versions": {"torch": "2.13.0"},
        "seeds": [0, 1, 2, 3, 4],
        "seconds": [50.0, 54.0, 51.0, 90.0, 52.0],
        "peak_mb": [600, 900, 601, 602, 603],
        "claims": {"sharp": [0.93, 0.9, 0.8, 0.95, float("nan")]},
    },
    "gpu": {"seconds": [9.0], "peak_mb": [1], "claims": {"sharp": [0.99, 0.97]}},
}


def write_chapter(root, topic="colour", records=(RECORD,), evidence=None):
    folder = root / "chapters" / "components"
    folder.mkdir(parents=True, exist_ok=True)
    words = {"cell_type": "markdown", "source": ["# Colour & light\n", "\nWhy?"]}
    outputs = [{"metadata": {"genai_claim": record}} for record in records]
    code = {"cell_type": "code", "source": "", "outputs": [{"text": "1"}, *outputs]}
    path = folder / f"{topic}.ipynb"
    path.write_text(json.dumps({"cells": [words, code]}), encoding="utf-8")
    if evidence is not None:
        path.with_suffix(".evidence.json").write_text(json.dumps(evidence))


def link(chapter):
    return f"<a>{chapter.title}</a>"


def cells(markup):
    """Return the rows of a table, heads first, as lists of texts."""
    rows = BeautifulSoup(markup, "html.parser").find_all("tr")
    return [[cell.get_text("|") for cell in row.find_all(["th", "td"])] for row in rows]


def test_a_chapter_is_read_with_its_claims_and_evidence(tmp_path):
    write_chapter(tmp_path, evidence=EVIDENCE)
    (chapter,) = read_chapters(tmp_path)

    assert chapter.path == "chapters/components/colour"
    assert chapter.title == "Colour & light"
    assert chapter.records == (RECORD,)
    assert spread(chapter, RECORD, "gpu").kept == 2


def test_the_seeds_are_compared_with_the_bound(tmp_path):
    evidence = {"cpu": {"claims": {"sharp": [0.93, 0.9, 0.8, 0.95, 0.89]}}}
    write_chapter(tmp_path, evidence=evidence)
    (chapter,) = read_chapters(tmp_path)
    found = spread(chapter, RECORD)

    assert found.kept == 3
    assert found.mean == pytest.approx(0.894)


def test_nan_keeps_no_bound(tmp_path):
    write_chapter(tmp_path, evidence=EVIDENCE)
    (chapter,) = read_chapters(tmp_path)

    assert spread(chapter, RECORD).kept == 3


def test_a_claim_without_numeric_bounds_asks_for_a_new_run(tmp_path):
    old = {key: RECORD[key] for key in RECORD if key not in ledger.LIMITS}
    write_chapter(tmp_path, records=[old], evidence=EVIDENCE)
    (chapter,) = read_chapters(tmp_path)

    with pytest.raises(ValueError, match="make notebooks TOPIC=colour ALL=1"):
        spread(chapter, old)


def test_the_table_of_claims(tmp_path):
    evidence = {"cpu": {"claims": {"sharp": [0.93, 0.9, 0.8, 0.95, 0.89]}}}
    write_chapter(tmp_path, evidence=evidence)
    markup = tables.claims_table(read_chapters(tmp_path), link, lambda key: f"<{key}>")

    assert "a &lt; b" in markup
    assert "0.97 (<newton1704>)" in markup
    head, row = cells(markup)
    assert head == list(tables.CLAIM_COLUMNS)
    assert row[2:7] == [
        "at least 0.9",
        "≈ 0.93",
        "≈ 0.894|0.8 to 0.95",
        "3 of 5 seeds",
        "✓ reproduced in miniature",
    ]
    assert 'data-value="0.6">3 of 5 seeds' in markup


def test_the_gpu_stands_below_the_cpu(tmp_path):
    evidence = {scale: {"claims": {"sharp": [1.0]}} for scale in ("cpu", "gpu")}
    write_chapter(tmp_path, evidence=evidence)
    markup = tables.claims_table(read_chapters(tmp_path), link, str)

    assert cells(markup)[1][4] == "≈ 1|1 to 1|gpu|≈ 1|1 to 1"


def test_what_was_not_measured_says_so(tmp_path):
    write_chapter(tmp_path)
    chapters = read_chapters(tmp_path)

    assert (
        cells(tables.claims_table(chapters, link, str))[1][4:6]
        == [tables.UNMEASURED] * 2
    )
    assert cells(tables.costs_table(chapters, link))[1][1] == tables.UNMEASURED


def test_the_table_of_costs(tmp_path):
    write_chapter(tmp_path, evidence=EVIDENCE)
    (row,) = cells(tables.costs_table(read_chapters(tmp_path), link))[1:]

    assert row[1:] == ["≈ 52 s", "≈ 90 s", "≈ 900 MB", "5", "torch 2.13.0"]


def test_every_verdict_has_a_mark():
    from genai_lib.claims import VERDICTS

    assert set(tables.MARKS) == set(VERDICTS)


def test_cited_entries_have_all_fields(tmp_path):
    path = tmp_path / ledger.CITED
    path.parent.mkdir(parents=True)
    path.write_text('[{"statement": "x"}]')

    with pytest.raises(ValueError, match="cited.json"):
        read_cited(tmp_path)


def test_cited_entries_name_chapters_that_exist():
    for entry in read_cited(ROOT):
        path = ROOT / f"{entry['chapter']}.ipynb"
        assert path.is_file(), entry


def test_the_page_shows_every_stored_claim():
    page = ROOT / "_build" / "html" / "chapters" / "reading" / "ledger.html"
    if not page.is_file():
        pytest.skip("no website in _build/html: run `make book SERVE=0` first")
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    table = soup.select("table.genai-sortable")[0]
    found = [
        [cell.get_text() for cell in row.find_all("td")][:3]
        for row in table.tbody.find_all("tr")
    ]
    stored = [
        [record["text"], record["bound"], f"≈ {record['value']:.3g}"]
        for chapter in read_chapters(ROOT)
        for record in chapter.records
    ]
    assert found == stored
