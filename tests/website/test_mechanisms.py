"""What the scripts of the website do alike on all pages, on two of them.

One page has a chart that it computes, the other has frames made beforehand. What may
differ from page to page is in `tests/website/test_pages_browser.py`.
"""

from contextlib import closing

import pytest

from tests.browser import require_site
from tests.live.checks import (
    check_frame,
    check_numbers,
    move_to_an_end,
    noise,
    sliders_of,
    too_wide,
)
from tests.live.library import LIBRARY
from tests.website.pages import (
    ALIVE,
    DESKTOP,
    PHONE,
    WIDTHS,
    data_of,
    settle,
    visit,
    wait_for_all,
)

CHARTS = "chapters/components/softmax.html"
FRAMES = "chapters/genres/gato.html"
FIRST = "chapters/index.html"
PLAIN = "chapters/reading/bibliography.html"
REST_MS = 150
ANY = "figure.genai-live"
WATCH_FOR_A_SLIDER = """
new MutationObserver((changes, observer) => {
  if (!document.querySelector("figure.genai-live input")) { return; }
  window.alive = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
WAITED = "[alive, performance.getEntriesByType('navigation')[0].loadEventEnd]"

on_both_pages = pytest.mark.parametrize("name", [CHARTS, FRAMES])


@pytest.fixture(scope="module", params=[CHARTS, FRAMES])
def on_disk(request, desk):
    """Open the file of a page, which nobody has touched before its first test."""
    with visit(desk, (require_site() / request.param).as_uri(), wait=None) as seen:
        wait_for_all(seen.page)
        yield seen


@pytest.fixture(scope="module")
def charts(desk, address):
    with visit(desk, address + CHARTS) as seen:
        yield seen


def figures(seen):
    return seen.page.query_selector_all(ANY)


def check(figure):
    """Compare what a figure shows with what it should; return it."""
    chart = figure.get_attribute("data-kind") == "vega"
    return check_numbers(figure) if chart else check_frame(figure)


def values(figure):
    """Return where the controls of a figure stand: numbers, or places in a list."""
    controls = figure.query_selector_all("input[type=range], select")
    return [float(control.input_value()) for control in controls]


def starts(figure):
    """Return where the controls of a figure stand at the start."""
    data = data_of(figure)
    if figure.get_attribute("data-kind") == "frames":
        return data["frames"][0]["state"]
    return [
        entry["options"].index(entry["value"]) if "options" in entry else entry["value"]
        for entry in data["controls"]
    ]


def test_a_pause_is_announced_once(on_disk):
    figure = figures(on_disk)[0]
    voice = figure.query_selector("[aria-live=polite]")
    assert voice.inner_text() == ""
    move_to_an_end(sliders_of(figure)[0])
    assert voice.inner_text() == ""
    on_disk.page.wait_for_function("voice => voice.textContent", arg=voice)
    figure.query_selector("button.genai-live-reset").click()
    settle(on_disk.page)


def test_reset_returns_to_the_start(on_disk):
    for figure in figures(on_disk):
        start = values(figure), check(figure)
        assert start[0] == starts(figure)
        move_to_an_end(sliders_of(figure)[0])
        settle(on_disk.page)
        assert values(figure) != start[0]
        figure.query_selector("button.genai-live-reset").click()
        settle(on_disk.page)
        assert (values(figure), check(figure)) == start


def test_figures_live_on_a_disk_without_a_server(on_disk):
    for figure in figures(on_disk):
        move_to_an_end(sliders_of(figure)[0])
        settle(on_disk.page)
        check(figure)
    assert on_disk.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in on_disk.requests)


@on_both_pages
def test_without_scripts_each_figure_is_one_picture(browser, address, name):
    context = browser.new_context(java_script_enabled=False)
    with closing(context), visit(context, address + name, wait=None) as seen:
        assert figures(seen)
        for figure in figures(seen):
            [image] = figure.query_selector_all("img")
            assert image.is_visible()
            assert len(image.get_attribute("alt")) > 20
            assert figure.query_selector("figcaption").is_visible()
            assert figure.query_selector("input, select, button") is None
            assert image.bounding_box()["width"] > 300


@on_both_pages
def test_a_phone_with_a_finger_needs_no_sideways_scroll(browser, address, name):
    context = browser.new_context(has_touch=True, is_mobile=True)
    url = address + name
    with closing(context), visit(context, url, wait=None, viewport=PHONE) as seen:
        wait_for_all(seen.page)
        needed, there = seen.page.evaluate(WIDTHS)
        assert needed <= there == PHONE["width"]
        for figure in figures(seen):
            assert figure.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
            for slider in sliders_of(figure):
                assert slider.bounding_box()["height"] >= 24


@on_both_pages
def test_the_first_slider_after_load_is_measured(browser, address, name, measured):
    with closing(browser.new_context()) as context:
        context.add_init_script(WATCH_FOR_A_SLIDER)
        with visit(context, address + name, wait=f"{ANY} input") as seen:
            alive, loaded = seen.page.evaluate(WAITED)
    measured(f"{name}: first slider after {alive:.0f} ms, loaded after {loaded:.0f} ms")


def test_without_vega_the_picture_stays(browser, address):
    context = browser.new_context()
    context.route("**/genai/vega.js*", lambda route: route.abort())
    with closing(context), visit(context, address + CHARTS, wait=None) as seen:
        assert seen.figures()
        for figure in seen.figures():
            assert figure.query_selector("img").is_visible()
            assert figure.query_selector("input") is None


def test_theme_changes_colours_and_keeps_the_state(charts):
    colour = "figure => getComputedStyle(figure.querySelector('svg text')).fill"
    changed = f"before => ({colour})(before[0]) !== before[1]"
    theme = "name => { document.documentElement.dataset.theme = name; }"
    page = charts.page
    page.evaluate(theme, "light")
    figure = charts.figures()[0]
    move_to_an_end(sliders_of(figure)[0])
    settle(page)
    before = check_numbers(figure), page.evaluate(colour, figure)
    page.evaluate(theme, "dark")
    page.wait_for_function(changed, arg=[figure, before[1]])
    settle(page)
    assert check_numbers(figure) == before[0]
    background = "figure => getComputedStyle(figure.parentElement).backgroundColor"
    assert page.evaluate(background, figure) == "rgba(0, 0, 0, 0)"
    page.evaluate(theme, "light")
    assert charts.complaints == []


def test_figures_follow_the_width_of_their_place(charts):
    fits = (
        "selector => Array.from(document.querySelectorAll(selector)).every(svg =>"
        " Math.abs(Number(svg.getAttribute('width'))"
        " - svg.closest('.genai-live-panel').clientWidth) < 3)"
    )
    for width in ("300px", "500px", ""):
        for figure in charts.figures():
            figure.evaluate("(node, width) => { node.style.width = width; }", width)
        charts.page.wait_for_function(fits, arg=ALIVE, polling=100)
    for viewport in (PHONE, DESKTOP):
        charts.page.set_viewport_size(viewport)
        charts.page.wait_for_function(fits, arg=ALIVE, polling=100)


def test_a_number_off_by_one_percent_is_found(charts, monkeypatch):
    figure = charts.figures()[0]
    numbers = check_numbers(figure)
    name = data_of(figure)["name"]
    monkeypatch.setitem(LIBRARY, name, lambda state: changed)
    for label, number in numbers.items():
        changed = numbers | {label: 1.01 * number}
        with pytest.raises(AssertionError):
            check_numbers(figure)


@pytest.mark.parametrize(
    ("plant", "problem"),
    [
        ("new Image().src = 'https://example.org/a.png'", "asks https://example.org"),
        ("fetch('https://example.org/b').catch(() => 0)", "asks https://example.org"),
        ("console.error('broken')", "broken"),
        ("console.warn('old')", "old"),
        ("setTimeout(() => { throw Error('thrown'); })", "thrown"),
        ("fetch('missing.json')", "missing.json"),
        ("document.querySelector('article').style.minWidth = '400px'", "px wide"),
    ],
)
def test_a_planted_fault_is_found(desk, address, plant, problem):
    with visit(desk, address + PLAIN, wait=None) as seen:
        seen.page.route("https://example.org/**", lambda route: route.abort())
        assert [*noise(seen, address), *too_wide(seen.page)] == []
        seen.page.evaluate(f"() => {{ {plant}; }}")
        seen.page.wait_for_timeout(REST_MS)
        found = [*noise(seen, address), *too_wide(seen.page)]
    assert any(problem in line for line in found), found


def test_temperatures_are_shown_in_three_digits_with_exact_ends(desk, address):
    with visit(desk, address + FIRST) as seen:
        [figure] = seen.figures()
        [slider] = sliders_of(figure)
        output = figure.query_selector("output")
        keys = [("Home", "0"), ("End", "∞"), ("ArrowLeft", "100")]
        for key, wanted in [*keys, ("ArrowLeft", "95.5")]:
            slider.press(key)
            settle(seen.page)
            assert output.inner_text() == wanted
            assert slider.get_attribute("aria-valuetext") == wanted


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_first_slider_of_the_book_is_above_the_fold(desk, address, viewport):
    with visit(desk, address + FIRST, viewport=viewport) as seen:
        box = sliders_of(seen.figures()[0])[0].bounding_box()
        assert box["y"] + box["height"] <= viewport["height"]


def test_the_first_address_leads_to_the_first_page(desk, address):
    with visit(desk, address) as seen:
        seen.page.wait_for_url("**/" + FIRST)
        assert seen.complaints == []
