"""What readers need beyond a single rule for all pages, and that axe still sees.

Every page is checked by axe, by keys and at the width of a phone in
`tests/website/test_pages_browser.py`.
"""

import io
from contextlib import closing

import pytest

from tests.book.site_rules import Site
from tests.browser import SITE
from tests.live import axe
from tests.website.pages import DESKTOP, settle, visit

CHAPTER = "chapters/components/softmax.html"
LEDGER = "chapters/reading/ledger.html"
CUT_OFF = """() => Array.from(document.querySelectorAll("article pre")).filter(
  node => node.scrollWidth > node.clientWidth + 1).map(node => node.textContent)"""


@pytest.fixture(scope="module")
def chapter(desk, address):
    """Open a chapter once for all tests that leave it as it was."""
    with visit(desk, address + CHAPTER) as seen:
        yield seen


@pytest.mark.parametrize(
    ("flaw", "rule"),
    [
        ("article p a => node.replaceChildren()", "link-name"),
        ("article figure.genai-figure img => node.removeAttribute('alt')", "image-alt"),
        ("article figure input => node.labels[0].remove()", "label"),
    ],
)
def test_axe_still_sees_a_flaw_beside_unwrapped_words(chapter, flaw, rule):
    selector, change = flaw.split(" => ")
    plant = f"""() => {{
      const node = document.querySelector("{selector}");
      {change};
    }}"""
    assert rule in [name for name, _ in axe.flaws(chapter.page, plant)]


def test_axe_still_sees_one_pale_word_among_many_alike(chapter):
    plant = """() => {
      const words = [...document.querySelectorAll("div.highlight span.n")].filter(
        word => word.checkVisibility());
      words.at(-1).style.color = "#bbb";
    }"""
    ((scheme, rule, nodes),) = axe.pale_colours(chapter.page, plant)
    assert (scheme, rule) == ("light", "color-contrast")
    assert len(nodes) == 1


def test_a_page_is_shown_again_after_its_copy(chapter):
    page = chapter.page
    # Not the whole body: formulas may still be set while the copy is looked at.
    figures = page.locator(".genai-live").count()
    remove = "() => document.querySelector('article').remove()"
    with axe.copied(page, remove):
        assert page.locator("article").count() == 0
    assert page.locator("article").count() == 1
    assert page.locator(".genai-live").count() == figures > 0
    assert page.locator("script[src*=host]").count() == 1
    assert chapter.complaints == []


def test_tab_visits_the_controls_of_a_figure_in_order(chapter):
    controls = chapter.page.query_selector(".genai-live").query_selector_all(
        "input, select, button"
    )
    assert len(controls) > 3
    controls[0].focus()
    for before, control in zip(controls, controls[1:], strict=False):
        low, high = before.bounding_box(), control.bounding_box()
        assert (low["y"], low["x"]) < (high["y"] + 1, high["x"])
        chapter.page.keyboard.press("Tab")
        assert control.evaluate("node => node === document.activeElement")


def test_code_of_88_columns_fits_the_column_of_a_desktop(chapter):
    assert chapter.page.evaluate("() => innerWidth") == DESKTOP["width"]
    assert chapter.page.evaluate(CUT_OFF) == []


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
