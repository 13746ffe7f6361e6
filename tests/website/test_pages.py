"""The extension of the reference pages: citations, assets, the built pages."""

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from pybtex.database import parse_file, parse_string

from genai_lib.website import extension
from genai_lib.website.library import read_library
from tests.browser import ROOT, SITE

READING = SITE / "chapters" / "reading"


@pytest.fixture(scope="module")
def built():
    if not (READING / "api.html").is_file():
        pytest.skip("no website in _build/html: run `make book SERVE=0` first")

    def read(name):
        text = (READING / f"{name}.html").read_text(encoding="utf-8")
        return BeautifulSoup(text, "html.parser")

    return read


@pytest.mark.parametrize(
    ("authors", "wanted"),
    [
        ("Guo, Chuan and Pleiss, Geoff and Sun, Yu", "Guo et al. 2017"),
        ("Loshchilov, Ilya and Hutter, Frank", "Loshchilov and Hutter 2017"),
        ("van den Oord, Aaron", "van den Oord 2017"),
        (r"Veli{\v{c}}kovi{\'c}, Petar and Dao, Tri", "Veličković and Dao 2017"),
        (r"van Merri{\"e}nboer, Bart", "van Merriënboer 2017"),
    ],
)
def test_citations_name_authors_and_year(authors, wanted):
    text = f"@misc{{key, author = {{{authors}}}, year = {{2017}}}}"
    entry = parse_string(text, "bibtex").entries["key"]

    assert extension.short_citation(entry) == wanted


def test_no_citation_of_the_book_shows_latex():
    for key, entry in parse_file(ROOT / "references.bib").entries.items():
        assert not set(extension.short_citation(entry)) & set("\\{}"), key


def test_the_reference_pages_need_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None; "
        "import genai_lib.website.extension; "
        "from pathlib import Path; "
        "from genai_lib.pages import ledger, library; "
        "ledger.read_chapters(Path('.')); library.read_library(Path('.'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def finish(body):
    added = []
    app = SimpleNamespace(
        add_css_file=lambda name, **_: added.append(name),
        add_js_file=lambda name, **_: added.append(name),
    )
    context = {"body": body}
    extension.finish_page(app, "page", "page.html", context, None)
    return added, context["body"]


def test_every_page_has_the_style_and_tables_their_script():
    assert finish("<p>Text.</p>")[0] == ["genai/page.css"]
    table = '<table class="genai-table genai-sortable">'
    assert finish(table)[0] == ["genai/page.css", "genai/tables.js"]


def test_roles_that_exist_no_more_are_removed():
    body = '<div role="list" class="citation-list"><div id="a" role="doc-biblioentry">'

    assert finish(body)[1] == '<div class="citation-list"><div id="a">'
    assert finish('<div role="list">')[1] == '<div role="list">'


def test_the_sign_of_a_measured_number_stays_beside_it():
    output = '<div class="cell_output"><pre>{0}12.1, {0}-3, ≈ x</pre></div>'
    assert finish(output.format("≈ "))[1] == output.format("≈\u00a0")
    assert finish("<p>'≈ 12.1'</p>")[1] == "<p>'≈ 12.1'</p>"


def test_style_and_script_are_written_anew(tmp_path):
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    folder = tmp_path / "_static" / "genai"
    folder.mkdir(parents=True)
    (folder / "page.css").write_text("old")
    extension.write_assets(app)

    for name in ("page.css", "tables.js"):
        assert (folder / name).read_bytes() == (extension.HERE / name).read_bytes()


def test_the_reference_has_an_anchor_for_every_name(built):
    anchors = {node["id"] for node in built("api").select("dt.sig[id]")}
    wanted = {
        f"{module.name}.{one.name}"
        for module in read_library(ROOT)
        for name in module.names
        for one in (name, *name.methods)
    }
    assert anchors == wanted


def test_the_reference_links_to_chapters(built):
    entry = built("api").find(id="genai_lib.components.softmax.softmax").parent
    links = [a["href"] for a in entry.select(".genai-place a")]

    assert "../components/softmax.html" in links
    assert re.search(
        r"genai_lib/components/softmax/normalizer\.py, line \d+", entry.get_text()
    )


def test_the_bibliography_shows_every_entry(built):
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text(), re.M)
    anchors = {node["id"] for node in built("bibliography").select(".citation[id]")}

    assert keys
    assert anchors == {f"cite-{key}" for key in keys}
