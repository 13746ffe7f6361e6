"""Every page of the built website in Chromium, opened once for all that is asked.

What the scripts of the website do alike on all pages is tested on two of them:
`tests/live/test_mechanisms.py`.
"""

import math

import pytest

from tests.book.reporting import report
from tests.book.site_rules import Site
from tests.browser import SITE, live_pages
from tests.live import axe
from tests.live.checks import (
    FOCUSED,
    TRANSITIONS,
    check_frame,
    check_numbers,
    noise,
    sliders_of,
    too_wide,
)
from tests.website.pages import data_of, drag, numbers_in, settle, visit, wait_for_all

REST_MS = 150
# The redirect to the first page has no content of its own.
NAMES = [name for name in Site(SITE).names() if name != "index.html"]
WITH_CHARTS, WITH_FRAMES = live_pages("vega"), live_pages("frames")


def on(names):
    """Run a test on these pages; those that it shares with another are opened once."""
    # pytest compares by identity, so the same strings must be given everywhere.
    pages = [name for name in NAMES if name in names]
    return pytest.mark.parametrize("opened", pages, indirect=True)


@pytest.fixture(scope="module")
def opened(request, desk, address):
    """Open a page; tests leave it as a reader would find it, except for the focus."""
    with visit(desk, address + request.param, wait=None) as seen:
        wait_for_all(seen.page)
        seen.page.wait_for_timeout(REST_MS)
        yield seen


def test_the_website_has_figures_of_both_kinds():
    assert len(NAMES) > 1 and WITH_CHARTS and WITH_FRAMES


@on(NAMES)
def test_what_has_the_focus_shows_it(opened):
    visited = set()
    for _ in range(25):
        opened.page.keyboard.press("Tab")
        where, shows = opened.page.evaluate(FOCUSED)
        assert shows or where.startswith("<body"), where
        visited.add(where)
    assert len(visited) > 5


@on(WITH_CHARTS)
def test_keys_and_a_drag_show_the_numbers_of_the_library(opened):
    for figure in opened.figures():
        start = numbers_in(figure)
        seen = [*pressed(opened.page, figure), *dragged(opened.page, figure)]
        assert any(numbers != start for numbers in seen), "nothing moved"
        figure.query_selector("button.genai-live-reset").click()
    settle(opened.page)


def pressed(page, figure):
    """Yield the numbers at both ends and the second position of every slider."""
    controls = data_of(figure)["controls"]
    entries = [entry for entry in controls if entry["kind"] == "slider"]
    for slider, entry in zip(sliders_of(figure), entries, strict=True):
        for key, value in [
            ("End", entry["max"]),
            ("Home", entry["min"]),
            ("ArrowRight", entry["min"] + entry["step"]),
        ]:
            slider.press(key)
            settle(page)
            assert math.isclose(float(slider.input_value()), value), key
            yield check_numbers(figure)


def dragged(page, figure):
    """Yield the numbers where the mouse has left the first slider, from the start."""
    figure.query_selector("button.genai-live-reset").click()
    settle(page)
    for slider in sliders_of(figure)[:1]:
        before = slider.input_value(), slider.get_attribute("aria-valuetext")
        drag(page, slider, 0.5, 0.83)
        assert slider.input_value() != before[0]
        assert slider.get_attribute("aria-valuetext") != before[1]
        yield check_numbers(figure)


@on(WITH_FRAMES)
def test_keys_show_the_frame_of_their_state(opened):
    for figure in opened.figures("frames"):
        shown = [check_frame(figure)]
        for slider in sliders_of(figure):
            for key in ("End", "Home", "ArrowRight"):
                slider.press(key)
                shown.append(check_frame(figure))
        assert any(frame != shown[0] for frame in shown), "nothing moved"
        figure.query_selector("button.genai-live-reset").click()


@on(NAMES)
def test_readers_who_want_no_motion_get_none(opened):
    opened.page.emulate_media(reduced_motion="reduce")
    report(opened.page.evaluate(TRANSITIONS))
    opened.page.emulate_media(reduced_motion="no-preference")


@on(NAMES)
def test_axe_finds_nothing_of_ours(opened):
    assert axe.flaws(opened.page) == []


@on(NAMES)
def test_axe_finds_no_pale_colours(opened):
    assert axe.pale_colours(opened.page) == []


@on(NAMES)
def test_a_phone_needs_no_sideways_scroll(opened):
    report(too_wide(opened.page))


@on(NAMES)
def test_the_page_is_quiet_and_asks_nobody_else(opened, address):
    """Neither when it was loaded nor by what the tests above did to it."""
    report(noise(opened, address))
