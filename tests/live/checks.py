"""What the browser tests check about an open page and its figures."""

import pytest

from genai_lib.live.specification import evaluate
from tests.live.axe import AT_REST
from tests.live.library import LIBRARY
from tests.website.pages import (
    DESKTOP,
    PHONE,
    WIDTHS,
    data_of,
    numbers_in,
    settle,
    state_of,
    texts_in,
)

TOLERANCE = 1e-6
FOCUSED = """() => {
  const node = document.activeElement, style = getComputedStyle(node);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [node.outerHTML.slice(0, 120), outlined || style.boxShadow !== "none"];
}"""
TRANSITIONS = """() => Array.from(document.querySelectorAll("*")).filter(
  node => getComputedStyle(node).transitionDuration.split(",").some(
    time => parseFloat(time) > 0.02)).map(node => node.outerHTML.slice(0, 80))"""


def check_numbers(figure):
    """Compare marks and texts with the library, else with the specification."""
    data = data_of(figure)
    state = state_of(figure, data)
    found = numbers_in(figure)
    library = LIBRARY.get(data["name"])
    wanted = library(state) if library else evaluate(data, state)
    assert found == pytest.approx(wanted, rel=0, abs=TOLERANCE), (data["name"], state)
    values = list(found.values())
    for text in texts_in(figure):
        nearest = min(values, key=lambda value: abs(value - text))
        assert text == pytest.approx(nearest, rel=5.1e-3), (text, data["name"], state)
    return found


def check_frame(figure):
    """Compare what is shown with the frame of the controls' state; return it."""
    data = data_of(figure)
    state = [
        int(control.input_value())
        for control in figure.query_selector_all("input[type=range], select")
    ]
    [frame] = [frame for frame in data["frames"] if frame["state"] == state]
    image = figure.query_selector("img")
    assert image.get_attribute("alt") == frame["alt"], (data["name"], state)
    if "src" in frame:
        assert image.get_attribute("src") == frame["src"], (data["name"], state)
        assert image.is_visible()
        return frame["src"]
    text = figure.query_selector("pre.genai-live-text").text_content()
    words = figure.query_selector_all(".genai-live-words")
    shown = [word.text_content() for word in words] or text
    passages = [one["given"] + one["text"] for one in frame.get("passages", [])]
    assert shown == (passages or frame["text"]), (data["name"], state)
    return shown


def sliders_of(figure):
    return figure.query_selector_all("input[type=range]")


def move_to_an_end(slider):
    """Press the key that leads to the end where the slider is not."""
    at_end = slider.input_value() == slider.get_attribute("max")
    slider.press("Home" if at_end else "End")


def noise(seen, address):
    """List complaints of a page and what it asked of others than the website."""
    foreign = [
        f"asks {url}; keep a local copy"
        for url in seen.requests
        if not url.startswith((address, "data:", "blob:"))
    ]
    return [*seen.complaints, *foreign]


def too_wide(page):
    """List what needs a sideways scroll at the width of a phone."""
    page.set_viewport_size(PHONE)
    settle(page)
    page.wait_for_function(AT_REST, polling=100)
    needed, there = page.evaluate(WIDTHS)
    problems = [] if needed <= there == PHONE["width"] else [f"page: {needed} px wide"]
    for figure in page.query_selector_all("figure.genai-live"):
        needed, there = figure.evaluate("node => [node.scrollWidth, node.clientWidth]")
        if needed > there + 1:
            name = figure.get_attribute("data-name")
            problems.append(f"figure {name}: {needed} px in a place of {there}")
    page.set_viewport_size(DESKTOP)
    return problems
