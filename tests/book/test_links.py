"""The built website: links, anchors, ids, resources."""

from pathlib import Path

import pytest

from tests.book.reporting import report
from tests.book.site_rules import PAGE_RULES, SITE_RULES, Site

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
SITE = Site(HTML)
PAGES = SITE.names()


def test_website_is_built():
    there = (HTML / "index.html").is_file()
    report([] if there else ["_build/html: no website; run `make book SERVE=0`"])


@pytest.mark.parametrize("rule", PAGE_RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("page", PAGES)
def test_page_keeps_the_rule(page, rule):
    report(rule(SITE, page))


@pytest.mark.parametrize("rule", SITE_RULES, ids=lambda rule: rule.__name__)
def test_website_keeps_the_rule(rule):
    report(rule(SITE))


GOOD = """<html><head><link rel="stylesheet" href="_static/a.css?v=1"></head><body>
<h1 id="top">A</h1><a href="two.html#there">two</a><a href="#top">up</a>
<a href="https://example.org/">outside</a><img src="data:image/png;base64,AA"></body>
"""
OTHER = '<html><body><h1 id="there">B</h1><a href="index.html">back</a></body></html>'


@pytest.fixture
def site(tmp_path):
    """Write a small website without a flaw."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.css").write_text("h1 { color: black }")
    (tmp_path / "index.html").write_text(GOOD)
    (tmp_path / "two.html").write_text(OTHER)
    return Site(tmp_path)


def problems_of(site):
    found = [
        line for rule in PAGE_RULES for n in site.names() for line in rule(site, n)
    ]
    return found + [line for rule in SITE_RULES for line in rule(site)]


def test_website_without_a_flaw_has_no_problem(site):
    assert problems_of(site) == []


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ('<a href="three.html">', "index.html: three.html leads to no file"),
        ('<a href="two.html#here">', "index.html: two.html#here has no such anchor"),
        ('<a href="#bottom">', "index.html: #bottom has no such anchor"),
        ('<a href="../../x.html">', "leads to no file"),
        ('<p id="top">', "id 'top' stands 2 times"),
        ('<img src="a.png">', "a.png leads to no file"),
        ('<script src="https://cdn.example/a.js"></script>', "keep a local copy"),
        ('<script src="//cdn.example/a.js"></script>', "keep a local copy"),
        ('<link rel="preconnect" href="https://cdn.example">', "keep a local copy"),
        ("<style>@import 'https://cdn.example/a'</style>", "keep a local copy"),
        ('<img srcset="https://cdn.example/a.png 2x">', "keep a local copy"),
    ],
)
def test_flaw_of_a_page_is_found(site, added, message):
    (site.folder / "index.html").write_text(GOOD + added)

    assert any(message in problem for problem in problems_of(site))


def test_page_without_a_link_to_it_is_found(site):
    (site.folder / "lost.html").write_text("<html></html>")

    assert any("lost.html: no link leads" in problem for problem in problems_of(site))


def test_foreign_font_in_a_style_sheet_is_found(site):
    sheet = site.folder / "_static" / "a.css"
    sheet.write_text("@font-face { src: url(https://fonts.example/a.woff) }")

    assert any("a.css: loads https://fonts" in problem for problem in problems_of(site))


def test_page_that_redirects_counts_as_a_link(site):
    refresh = '<meta http-equiv="refresh" content="0; url=two.html" />'
    (site.folder / "index.html").write_text(f"<html><head>{refresh}</head></html>")

    assert problems_of(site) == []
