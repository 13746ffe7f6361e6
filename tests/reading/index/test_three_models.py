"""The figure of the first page: stored texts, on the page as in the library."""

import subprocess
import sys
from contextlib import closing

import pytest

from genai_lib.reading.index.three_models import (
    continuations,
    described,
    introductions,
    stored,
    three_models,
)
from genai_lib.website.figures import load_figure
from tests.browser import ROOT
from tests.website.pages import PHONE, drag, visit

PAGE = "chapters/index.html"
FIGURE = 'figure.genai-live[data-name="three_models"]'
PLACE = f"{FIGURE} .genai-live-passages"
PARTS = ("name", "note", "words")
BEGINNINGS = list(stored()["samples"])


@pytest.fixture(scope="module")
def opened(desk, address):
    with visit(desk, address + PAGE, wait=PLACE) as seen:
        yield seen


@pytest.fixture
def seen(opened):
    """Return the page with the figure as at the start."""
    opened.page.locator(f"{FIGURE} button").click()
    return opened


def wanted(beginning, sample):
    return [
        [passage.title, passage.note, passage.given + passage.text]
        for passage in continuations(beginning, sample)
    ]


def found(page):
    """Read what the figure shows."""
    columns = [
        page.locator(f"{PLACE} .genai-live-{part}").all_text_contents()
        for part in PARTS
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def test_numbers_in_the_notes_are_the_stored_ones():
    grammar, counts, gpt = (note for _, note in introductions().values())
    models = stored()["models"]
    assert "∞ bits" in grammar and "none of the 647 sentences" in grammar
    assert models["grammar"]["possible"] == 0
    for note, name in ((counts, "counts"), (gpt, "GPT")):
        assert f"≈\u00a0{models[name]['bits']:.2f} bits per character" in note
        assert f"≈\u00a0{100 * models[name]['known']:.0f}\u00a0%" in note
    assert "4 characters, in 446,638" in counts
    assert "251,840 parameters" in gpt


def test_every_place_has_its_texts_and_says_them_in_full():
    for beginning in BEGINNINGS:
        for sample, written in enumerate(stored()["samples"][beginning], 1):
            passages = continuations(beginning, sample)
            assert [p.text for p in passages] == list(written.values())
            assert all(p.given == beginning for p in passages)
            for text in written.values():
                assert f"“{beginning}{text}”" in described(beginning, sample)


def test_the_directive_finds_it_without_torch_and_without_matplotlib():
    code = (
        "import sys; sys.modules.update(dict.fromkeys("
        "['torch', 'matplotlib', 'numpy', 'PIL', 'ipywidgets'])); "
        "from genai_lib.website.figures import load_figure; "
        "load_figure('genai_lib.reading.index.three_models:three_models').to_html()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert load_figure("genai_lib.reading.index.three_models:three_models")


def test_it_is_light():
    assert len(three_models().to_html()) < 120_000


def test_the_page_starts_with_the_first_texts(seen):
    assert found(seen.page) == wanted(BEGINNINGS[0], 1)
    image = seen.page.locator(f"{FIGURE} img")
    assert image.is_hidden()
    assert image.get_attribute("alt") == described(BEGINNINGS[0], 1)
    bold = seen.page.locator(f"{PLACE} strong").all_text_contents()
    assert bold == [BEGINNINGS[0]] * 3


def test_drags_and_choices_show_the_stored_texts(seen):
    slider = seen.page.query_selector(f"{FIGURE} input[type=range]")
    drag(seen.page, slider, 0, 0.5)
    assert slider.input_value() == "2"
    assert slider.get_attribute("aria-valuetext") == "3"
    assert found(seen.page) == wanted(BEGINNINGS[0], 3)
    for place, beginning in enumerate(BEGINNINGS):
        seen.page.locator(f"{FIGURE} select").select_option(str(place))
        assert found(seen.page) == wanted(beginning, 3)
    assert seen.complaints == []


def test_keys_reach_every_draw_and_reset_returns(seen):
    slider = seen.page.query_selector(f"{FIGURE} input[type=range]")
    slider.press("Home")
    for sample in range(1, 6):
        assert found(seen.page) == wanted(BEGINNINGS[0], sample)
        slider.press("ArrowRight")
    seen.page.locator(f"{FIGURE} button").click()
    assert found(seen.page) == wanted(BEGINNINGS[0], 1)


def test_a_pause_is_announced_and_the_start_is_not(desk, address):
    with visit(desk, address + PAGE, wait=PLACE) as seen:
        voice = seen.page.locator(f"{FIGURE} [aria-live=polite]")
        seen.page.wait_for_timeout(1000)
        assert voice.text_content() == ""
        seen.page.locator(f"{FIGURE} select").select_option("2")
        seen.page.wait_for_function(
            "voice => voice.textContent", arg=voice.element_handle()
        )
        assert voice.text_content() == described(BEGINNINGS[2], 1)


def test_without_scripts_the_start_is_one_picture(browser, address):
    context = browser.new_context(java_script_enabled=False)
    with closing(context), visit(context, address + PAGE, wait=None) as seen:
        figure = seen.page.query_selector(FIGURE)
        (image,) = figure.query_selector_all("img")
        assert image.is_visible()
        assert image.get_attribute("alt") == described(BEGINNINGS[0], 1)
        assert image.bounding_box()["width"] > 500
        assert figure.query_selector("input, select, button") is None


def test_on_a_phone_the_texts_stand_below_each_other(browser, address):
    context = browser.new_context(has_touch=True, is_mobile=True)
    url = address + PAGE
    with closing(context), visit(context, url, wait=PLACE, viewport=PHONE) as seen:
        for beginning in range(len(BEGINNINGS)):
            seen.page.locator(f"{FIGURE} select").select_option(str(beginning))
            for _ in range(5):
                seen.page.locator(f"{FIGURE} input").press("ArrowRight")
                figure = seen.page.query_selector(FIGURE)
                assert figure.evaluate("node => node.scrollWidth <= node.clientWidth")
            seen.page.locator(f"{FIGURE} input").press("Home")
        boxes = [p.bounding_box() for p in seen.page.query_selector_all(f"{PLACE} > *")]
        assert len({box["x"] for box in boxes}) == 1


def test_on_a_desktop_they_stand_side_by_side(seen):
    boxes = [p.bounding_box() for p in seen.page.query_selector_all(f"{PLACE} > *")]
    assert len({box["y"] for box in boxes}) == 1
    assert len(boxes) == 3
