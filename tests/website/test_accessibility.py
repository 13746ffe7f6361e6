"""Every page of the website for every reader: axe, keys, phones, paper, dark."""

import io
from contextlib import closing

import pytest

from tests.book.site_rules import Site
from tests.browser import SITE, chromium, live_pages, require_site, served
from tests.website.pages import ALIVE, DESKTOP, PHONE, WIDTHS, settle, visit

# The redirect to the first page has no content of its own.
PAGES = [name for name in Site(SITE).names() if name != "index.html"]
CHAPTER = "chapters/components/softmax.html"
LEDGER = "chapters/reading/ledger.html"
# What axe finds in the theme's own parts, and why it is left so.
THEME_FINDINGS = {
    "region": "the theme's sidebar, with the book's title, is no landmark",
}
# Everything else that axe could list makes it slow on long pages.
ONLY_FINDINGS = {"resultTypes": ["violations"]}
# Only colours depend on the scheme.
OTHER_RULES = {"rules": {"color-contrast": {"enabled": False}}}
COLORS = {"runOnly": ["color-contrast"]}
# Of elements that are styled alike, as the words of code are, three are enough to
# look at: axe takes a minute for the colours of a long page, and seconds for these.
# A formula's glyphs have a class for each sign, and no colour of their own.
KEEP_THREE_OF_A_KIND = """() => {
  const counts = new Map();
  const kind = node => node.localName.startsWith("mjx") ? node.localName : [
    node.localName, node.className, node.getAttribute("style")].join(".");
  const walk = (node, path) => {
    const own = path + " " + kind(node), count = (counts.get(own) || 0) + 1;
    counts.set(own, count);
    for (const child of [...node.children]) walk(child, own);
    if (count > 3 && !node.children.length) node.remove();
  };
  walk(document.querySelector("article") || document.body, "");
}"""
# To all rules but those of colours a span of code is as good as its text.
UNWRAP_WHAT_ONLY_HAS_A_STYLE = """() => {
  for (const span of document.querySelectorAll("span")) {
    const names = span.getAttributeNames();
    if (names.every(name => name === "class")) span.replaceWith(...span.childNodes);
  }
  document.body.normalize();
}"""
THEME = "scheme => document.documentElement.dataset.theme === scheme"
FOCUSED = """() => {
  const node = document.activeElement, style = getComputedStyle(node);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [node.outerHTML.slice(0, 120), outlined || style.boxShadow !== "none"];
}"""
TRANSITIONS = """() => Array.from(document.querySelectorAll("*")).filter(
  node => getComputedStyle(node).transitionDuration.split(",").some(
    time => parseFloat(time) > 0.02)).map(node => node.outerHTML.slice(0, 80))"""
# Colours that are on their way from one scheme to the other belong to neither.
AT_REST = "document.getAnimations().every(one => one.playState !== 'running')"
CUT_OFF = """() => Array.from(document.querySelectorAll("article pre")).filter(
  node => node.scrollWidth > node.clientWidth + 1).map(node => node.textContent)"""

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def browser():
    require_site()
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(browser):
    with served(SITE) as base:
        yield base


@pytest.fixture(scope="module")
def desk(browser):
    with closing(browser.new_context()) as context:
        yield context


@pytest.fixture(scope="module", params=PAGES)
def opened(request, desk, address):
    """One page, loaded once for all that is asked of it; the last test prunes it."""
    name = request.param
    with visit(desk, address + name, wait=alive(name)) as seen:
        yield seen


def alive(name):
    """Return what to wait for: the figures of the page, where there are some."""
    soup = Site(SITE).page(name).soup
    return ALIVE if soup.select(".genai-live[data-kind=vega]") else None


def findings(page, rules):
    """List what axe finds in a page, but for the theme's own parts."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    results = axe.Axe().run(page, options=ONLY_FINDINGS | rules)
    return [
        (entry["id"], [node["html"][:120] for node in entry["nodes"]])
        for entry in results.response["violations"]
        if entry["id"] not in THEME_FINDINGS
    ]


def test_what_has_the_focus_shows_it(opened):
    visited = set()
    for _ in range(25):
        opened.page.keyboard.press("Tab")
        where, shows = opened.page.evaluate(FOCUSED)
        assert shows or where.startswith("<body"), where
        visited.add(where)
    assert len(visited) > 5


def test_readers_who_want_no_motion_get_none(opened):
    opened.page.emulate_media(reduced_motion="reduce")
    assert opened.page.evaluate(TRANSITIONS) == []
    opened.page.emulate_media(reduced_motion="no-preference")


@pytest.mark.parametrize("page_name", PAGES)
def test_axe_finds_nothing_of_ours(desk, address, page_name):
    with visit(desk, address + page_name, wait=alive(page_name)) as seen:
        seen.page.evaluate(UNWRAP_WHAT_ONLY_HAS_A_STYLE)
        assert findings(seen.page, OTHER_RULES) == []


def test_axe_finds_no_pale_colours(opened):
    page = opened.page
    page.evaluate(KEEP_THREE_OF_A_KIND)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(THEME, arg=scheme)
        settle(page)
        page.wait_for_function(AT_REST, polling=100)
        assert findings(page, COLORS) == [], scheme


@pytest.mark.parametrize(
    ("flaw", "rule"),
    [
        ("article p a => node.replaceChildren()", "link-name"),
        ("article figure.genai-figure img => node.removeAttribute('alt')", "image-alt"),
        ("article figure input => node.labels[0].remove()", "label"),
    ],
)
def test_axe_still_sees_a_flaw_beside_unwrapped_words(desk, address, flaw, rule):
    selector, change = flaw.split(" => ")
    with visit(desk, address + CHAPTER) as seen:
        seen.page.eval_on_selector(selector, f"node => {change}")
        seen.page.evaluate(UNWRAP_WHAT_ONLY_HAS_A_STYLE)
        assert rule in [name for name, _ in findings(seen.page, OTHER_RULES)]


def test_axe_still_sees_one_pale_word_among_many_alike(desk, address):
    pale = """() => {
      const words = [...document.querySelectorAll("div.highlight span.n")].filter(
        word => word.checkVisibility());
      const pale = words[words.length - 1];
      pale.style.color = "#bbb";
    }"""
    with visit(desk, address + CHAPTER, wait=None) as seen:
        seen.page.evaluate(pale)
        seen.page.evaluate(KEEP_THREE_OF_A_KIND)
        ((rule, nodes),) = findings(seen.page, COLORS)
    assert rule == "color-contrast"
    assert len(nodes) == 1


@pytest.mark.parametrize("page_name", sorted(set(PAGES) - set(live_pages(SITE))))
def test_a_phone_needs_no_sideways_scroll(browser, address, page_name):
    context = browser.new_context(has_touch=True, is_mobile=True)
    url = address + page_name
    with closing(context), visit(context, url, wait=None, viewport=PHONE) as seen:
        needed, there = seen.page.evaluate(WIDTHS)
        assert needed <= there == PHONE["width"]


def test_tab_visits_the_controls_of_a_figure_in_order(desk, address):
    with visit(desk, address + CHAPTER) as seen:
        page = seen.page
        controls = page.query_selector(".genai-live").query_selector_all(
            "input, select, button"
        )
        assert len(controls) > 3
        controls[0].focus()
        for before, control in zip(controls, controls[1:], strict=False):
            low, high = before.bounding_box(), control.bounding_box()
            assert (low["y"], low["x"]) < (high["y"] + 1, high["x"])
            page.keyboard.press("Tab")
            assert control.evaluate("node => node === document.activeElement")


def test_code_of_88_columns_fits_the_column_of_a_desktop(desk, address):
    with visit(desk, address + CHAPTER) as seen:
        assert seen.page.evaluate("() => innerWidth") == DESKTOP["width"]
        assert seen.page.evaluate(CUT_OFF) == []


def test_a_printed_chapter_keeps_its_text_code_and_pictures(desk, address):
    pypdf = pytest.importorskip("pypdf")
    with visit(desk, address + CHAPTER) as seen:
        seen.page.wait_for_selector("mjx-container")
        wanted = [
            line.strip()
            for code in seen.page.query_selector_all("div.cell_input pre")
            if code.is_visible()
            for line in code.inner_text().splitlines()
        ]
        printed = pypdf.PdfReader(io.BytesIO(seen.page.pdf(format="A4")))
        seen.page.emulate_media(media="print")
        seen.page.set_viewport_size({"width": 700, "height": 1000})
        settle(seen.page)
        assert seen.page.evaluate(CUT_OFF) == []
    text = squeezed("".join(page.extract_text() for page in printed.pages))
    pictures = sum(len(page.images) for page in printed.pages)
    assert [line for line in wanted if squeezed(line) not in text] == []
    assert "Softmaxanswersonequestion" in text
    assert "Claimsofthischapter" in text
    still = Site(SITE).page(CHAPTER).soup.select("figure.genai-figure > img")
    assert pictures >= len(still) > 0


def squeezed(text):
    return "".join(text.split())


def test_pictures_lie_on_white_cards_in_the_dark(desk, address):
    with visit(desk, address + CHAPTER, scheme="dark") as seen:
        for picture in seen.page.query_selector_all("figure.genai-figure > img"):
            style = picture.evaluate(
                "node => [getComputedStyle(node).backgroundColor,"
                " parseFloat(getComputedStyle(node).borderRadius) > 0]"
            )
            assert style == ["rgb(255, 255, 255)", True]
        paper = seen.page.query_selector_all(
            ".text_html:has(> .genai-claim, > table, > .genai-figure)"
        )
        assert len(paper) > 3
        for output in paper:
            clear = "node => getComputedStyle(node).backgroundColor"
            assert output.evaluate(clear) == "rgba(0, 0, 0, 0)"


def headings(page):
    return page.query_selector_all("table.genai-sortable >> nth=0 >> thead th")


def column(page, number):
    return page.eval_on_selector_all(
        f"table.genai-sortable >> nth=0 >> tbody tr > :nth-child({number})",
        "cells => cells.filter(cell => !cell.parentNode.hidden)"
        ".map(cell => cell.textContent)",
    )


def test_the_ledger_is_sorted_by_keys(desk, address):
    with visit(desk, address + LEDGER, wait=".genai-sort") as seen:
        names = [heading.inner_text().strip() for heading in headings(seen.page)]
        place = names.index("stored run") + 1
        values = [float(text.strip("≈ ")) for text in column(seen.page, place)]
        assert len(values) > 1
        heading = headings(seen.page)[place - 1]
        heading.query_selector("button").focus()
        for key, state, backwards in [
            ("Enter", "ascending", False),
            ("Space", "descending", True),
        ]:
            seen.page.keyboard.press(key)
            found = [float(text.strip("≈ ")) for text in column(seen.page, place)]
            assert found == sorted(values, reverse=backwards)
            assert heading.get_attribute("aria-sort") == state
            assert seen.page.locator("th[aria-sort]").count() == 1
            voice = seen.page.locator(".genai-table-state").first
            assert state in voice.inner_text()
        assert seen.complaints == []


def test_the_ledger_is_filtered_by_words_and_verdict(desk, address):
    with visit(desk, address + LEDGER, wait=".genai-sort") as seen:
        claims = column(seen.page, 2)
        words = seen.page.get_by_label("contains").first
        words.fill(claims[0].upper())
        assert column(seen.page, 2) == claims[:1]
        voice = seen.page.locator(".genai-table-state").first
        assert voice.inner_text() == f"1 of {len(claims)} rows"
        words.fill("")
        verdict = column(seen.page, 7)[0]
        seen.page.get_by_label("verdict").first.select_option(verdict)
        assert set(column(seen.page, 7)) == {verdict}


def test_the_ledger_without_scripts_is_a_plain_table(browser, address):
    context = browser.new_context(java_script_enabled=False)
    with closing(context), visit(context, address + LEDGER, wait=None) as seen:
        assert seen.page.locator("table.genai-sortable").count() == 3
        assert seen.page.locator("article button, article input").count() == 0
        assert seen.page.locator("table.genai-sortable td").first.is_visible()
