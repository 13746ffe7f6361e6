"""The extension of the reference pages: citations, assets, the built pages."""

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from pybtex.database import parse_file, parse_string

from genai_lib.website import extension
from genai_lib.website.reference import methods, read_library
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
        "from genai_lib.website import ledger, reference; "
        "ledger.read_chapters(Path('.')); reference.read_library(Path('.'))"
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


def test_a_module_stands_on_the_page_of_its_part():
    parts = {"components", "classes"}
    found = {
        path: extension.page_of(SimpleNamespace(path=path), parts)
        for path in (
            *("genai_lib", "genai_lib.training", "genai_lib.genres.gato"),
            *("genai_lib.classes.diffusion", "genai_lib.live.figure"),
        )
    }
    assert list(found.values()) == ["shared", "shared", "shared", "classes", "website"]


def pages_of_the_reference():
    return sorted(path.stem for path in (READING / "api").glob("*.html"))


def test_the_reference_has_one_anchor_for_every_name(built):
    found = [
        node["id"]
        for page in pages_of_the_reference()
        for node in built(f"api/{page}").select("dt.sig[id]")
    ]
    wanted = [
        one.path
        for names in read_library(ROOT).values()
        for name in names
        for one in (name, *methods(name))
    ]
    assert sorted(found) == sorted(wanted)


def test_every_part_has_a_page_of_its_own(built):
    packages = (ROOT / "genai_lib").glob("*/*/__init__.py")
    # The figures of the front page stand with the website.
    parts = {path.parent.parent.name for path in packages} - {"reading"}

    assert {"components", "genres"} <= parts
    assert {*pages_of_the_reference()} == parts | {"shared", "website"}


def test_the_reference_begins_with_ten_names_and_leads_to_all_pages(built):
    article = built("api").find("article")
    links = [a["href"] for a in article.select("section a.reference.internal")]

    names = [link for link in links if "#genai_lib." in link]
    assert len(set(names)) == len(names) == 10
    assert {f"api/{page}.html" for page in pages_of_the_reference()} <= {*links}
    assert links.index(names[-1]) < links.index("api/components.html")


def test_the_reference_links_to_chapters(built):
    softmax = "genai_lib.components.softmax.softmax"
    entry = built("api/components").find(id=softmax).parent
    links = [a["href"] for a in entry.select(".genai-place a")]

    assert "../../components/softmax.html" in links
    assert re.search(
        r"genai_lib/components/softmax/normalizer\.py, line \d+", entry.get_text()
    )


def test_the_bibliography_shows_every_entry(built):
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text(), re.M)
    anchors = {node["id"] for node in built("bibliography").select(".citation[id]")}

    assert keys
    assert anchors == {f"cite-{key}" for key in keys}
