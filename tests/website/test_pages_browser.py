"""The built website in Chromium: every live figure of every page, moved by hand."""

import math
from contextlib import closing

import pytest

from genai_lib.live.specification import evaluate
from tests.browser import SITE, chromium, live_pages, require_site, served
from tests.live.reference import LIBRARY
from tests.website.pages import (
    ALIVE,
    DESKTOP,
    PHONE,
    WIDTHS,
    data_of,
    drag,
    numbers_in,
    settle,
    state_of,
    texts_in,
    visit,
)

PAGES = live_pages() if SITE.exists() else ["(the website is not built)"]
TOLERANCE = 1e-6
FIRST_SLIDER_MS = 1000
REST_MS = 150
WATCH_FOR_A_SLIDER = """
new MutationObserver((changes, observer) => {
  if (!document.querySelector(".genai-live-panel svg")) { return; }
  window.alive = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""

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
    """Share one context, so that scripts are read from its cache."""
    with closing(browser.new_context()) as context:
        yield context


@pytest.fixture(scope="module", params=PAGES)
def page_name(request):
    return request.param


@pytest.fixture(scope="module")
def shared(desk, address, page_name):
    """Open a page once for all tests that leave it usable."""
    with visit(desk, address + page_name) as seen:
        yield seen


@pytest.fixture(scope="module")
def on_disk(desk, page_name):
    """Open the file of a page, which nobody has touched before its first test."""
    with visit(desk, (SITE / page_name).as_uri()) as seen:
        yield seen


@pytest.fixture
def seen(shared):
    """Return the shared page with its figures as at the start."""
    for figure in shared.figures():
        figure.query_selector("button.genai-live-reset").click()
    settle(shared.page)
    return shared


def check_numbers(figure):
    """Compare marks and texts with the library, else with the specification."""
    data = data_of(figure)
    state = state_of(figure, data)
    found = numbers_in(figure)
    library = LIBRARY.get(data["name"])
    wanted = library(state) if library else evaluate(data, state)
    assert found == pytest.approx(wanted, rel=0, abs=TOLERANCE), state
    values = list(found.values())
    for text in texts_in(figure):
        nearest = min(values, key=lambda value: abs(value - text))
        assert text == pytest.approx(nearest, rel=5.1e-3), (text, state)
    return found


def sliders_of(figure):
    return figure.query_selector_all("input[type=range]")


def move_to_an_end(slider):
    """Press the key that leads to the end where the slider is not."""
    at_end = slider.input_value() == slider.get_attribute("max")
    slider.press("Home" if at_end else "End")


def test_the_site_has_live_figures(browser):
    assert PAGES


def test_drags_show_the_numbers_of_the_library(seen):
    for figure in seen.figures():
        moved = False
        for index, slider in enumerate(sliders_of(figure)):
            before = numbers_in(figure), slider.input_value()
            shown = slider.get_attribute("aria-valuetext")
            drag(seen.page, slider, 0.5, (0.83, 0.21, 0.68)[index % 3])
            assert slider.input_value() != before[1]
            assert slider.get_attribute("aria-valuetext") != shown
            moved |= check_numbers(figure) != before[0]
        assert moved
    assert seen.complaints == []


def test_keys_reach_the_ends_and_the_next_position(seen):
    for figure in seen.figures():
        controls = data_of(figure)["controls"]
        sliders = [entry for entry in controls if entry["kind"] == "slider"]
        for slider, entry in zip(sliders_of(figure), sliders, strict=True):
            slider.focus()
            for key, value in [
                ("End", entry["max"]),
                ("Home", entry["min"]),
                ("ArrowRight", entry["min"] + entry["step"]),
            ]:
                slider.press(key)
                settle(seen.page)
                assert math.isclose(float(slider.input_value()), value)
                check_numbers(figure)


def test_temperatures_are_shown_in_three_digits_with_exact_ends(desk, address):
    with visit(desk, address + "chapters/index.html") as seen:
        [figure] = seen.figures()
        [slider] = sliders_of(figure)
        output = figure.query_selector("output")
        keys = [("Home", "0"), ("End", "∞"), ("ArrowLeft", "100")]
        for key, wanted in [*keys, ("ArrowLeft", "95.5")]:
            slider.press(key)
            settle(seen.page)
            assert output.inner_text() == wanted
            assert slider.get_attribute("aria-valuetext") == wanted


def test_reset_returns_to_the_start(seen):
    figure = seen.figures()[0]
    data = data_of(figure)
    start = state_of(figure, data), numbers_in(figure)
    assert start[0] == {entry["param"]: entry["value"] for entry in data["controls"]}
    move_to_an_end(sliders_of(figure)[0])
    settle(seen.page)
    assert state_of(figure, data) != start[0]
    figure.query_selector("button.genai-live-reset").click()
    settle(seen.page)
    assert (state_of(figure, data), numbers_in(figure)) == start


def test_theme_changes_colours_and_keeps_the_state(seen):
    colour = "figure => getComputedStyle(figure.querySelector('svg text')).fill"
    changed = f"before => ({colour})(before[0]) !== before[1]"
    theme = "name => { document.documentElement.dataset.theme = name; }"
    seen.page.evaluate(theme, "light")
    figure = seen.figures()[0]
    sliders_of(figure)[0].press("End")
    settle(seen.page)
    before = numbers_in(figure), seen.page.evaluate(colour, figure)
    seen.page.evaluate(theme, "dark")
    seen.page.wait_for_function(changed, arg=[figure, before[1]])
    settle(seen.page)
    assert numbers_in(figure) == before[0]
    check_numbers(figure)
    paper = seen.page.evaluate(
        "figure => getComputedStyle(figure.parentElement).backgroundColor", figure
    )
    assert paper == "rgba(0, 0, 0, 0)"
    seen.page.evaluate(theme, "light")
    assert seen.complaints == []


def test_without_scripts_each_figure_is_one_picture(browser, address, page_name):
    context = browser.new_context(java_script_enabled=False)
    with closing(context), visit(context, address + page_name, wait=None) as seen:
        assert seen.figures()
        for figure in seen.figures():
            [image] = figure.query_selector_all("img")
            assert image.is_visible()
            assert len(image.get_attribute("alt")) > 20
            assert figure.query_selector("figcaption").is_visible()
            assert figure.query_selector("input, select, button") is None
            assert image.bounding_box()["width"] > 300


def test_without_vega_the_picture_stays(browser, address, page_name):
    context = browser.new_context()
    context.route("**/genai/vega.js*", lambda route: route.abort())
    with closing(context), visit(context, address + page_name, wait=None) as seen:
        for figure in seen.figures():
            assert figure.query_selector("img").is_visible()
            assert figure.query_selector("input") is None


def test_a_pause_is_announced_once(on_disk):
    figure = on_disk.figures()[0]
    voice = figure.query_selector("[aria-live=polite]")
    assert voice.inner_text() == ""
    move_to_an_end(sliders_of(figure)[0])
    assert voice.inner_text() == ""
    on_disk.page.wait_for_function("voice => voice.textContent", arg=voice)


def test_figures_live_on_a_disk_without_a_server(on_disk):
    figure = on_disk.figures()[0]
    sliders_of(figure)[0].press("Home")
    settle(on_disk.page)
    check_numbers(figure)
    assert figure.query_selector("img").is_hidden()
    assert on_disk.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in on_disk.requests)


def test_a_phone_needs_no_sideways_scroll(browser, address, page_name):
    context = browser.new_context(has_touch=True, is_mobile=True)
    url = address + page_name
    with closing(context), visit(context, url, viewport=PHONE) as seen:
        needed, there = seen.page.evaluate(WIDTHS)
        assert needed <= there == PHONE["width"]
        for figure in seen.figures():
            assert figure.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
            for slider in sliders_of(figure):
                assert slider.bounding_box()["height"] >= 24


def test_figures_follow_the_width_of_their_place(seen):
    fits = (
        "selector => Array.from(document.querySelectorAll(selector)).every(svg =>"
        " Math.abs(Number(svg.getAttribute('width'))"
        " - svg.closest('.genai-live-panel').clientWidth) < 3)"
    )
    for width in ("300px", "500px", ""):
        for figure in seen.figures():
            figure.evaluate("(node, width) => { node.style.width = width; }", width)
        seen.page.wait_for_function(fits, arg=ALIVE, polling=100)
    for viewport in (PHONE, DESKTOP):
        seen.page.set_viewport_size(viewport)
        seen.page.wait_for_function(fits, arg=ALIVE, polling=100)


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE])
def test_the_first_slider_of_the_book_is_above_the_fold(desk, address, viewport):
    url = address + "chapters/index.html"
    with visit(desk, url, viewport=viewport) as seen:
        box = sliders_of(seen.figures()[0])[0].bounding_box()
        assert box["y"] + box["height"] <= viewport["height"]


def test_the_first_slider_is_usable_soon_after_load(browser, address, page_name):
    with closing(browser.new_context()) as context:
        context.add_init_script(WATCH_FOR_A_SLIDER)
        with visit(context, address + page_name) as seen:
            wait = seen.page.evaluate(
                "alive - performance.getEntriesByType('navigation')[0].loadEventEnd"
            )
    assert wait <= FIRST_SLIDER_MS


def test_every_page_is_quiet_and_asks_nobody_else(desk, address):
    for path in sorted(SITE.rglob("*.html")):
        name = path.relative_to(SITE).as_posix()
        if name.startswith("_static/"):
            continue
        with visit(desk, address + name, wait=None) as seen:
            seen.page.wait_for_timeout(REST_MS)
            assert seen.complaints == [], name
            foreign = [
                url
                for url in seen.requests
                if not url.startswith((address, "data:", "blob:"))
            ]
            assert foreign == [], name
