"""What the browser tests do with a page: open it, read its figures, move controls."""

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field

from genai_lib.live.specification import numbers_of

MARKS = (
    'svg [role="graphics-symbol"][aria-label]'
    ':not([aria-roledescription="axis"], [aria-roledescription="legend"])'
)
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 800}
LEFT_THE_PAGE = "net::ERR_ABORTED"
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
ALIVE = "figure.genai-live[data-kind='vega'] .genai-live-panel svg"
DRAWN = """() => [...document.querySelectorAll("figure.genai-live")].every(
  figure => figure.querySelector("input, select") && (
    figure.dataset.kind !== "vega" || figure.querySelector(".genai-live-panel svg")))"""
FORMULAS = "() => window.MathJax?.startup?.promise?.then(() => true)"


@dataclass
class Visit:
    """An open page, what it asked for and what it complained about."""

    page: object
    requests: list = field(default_factory=list)
    complaints: list = field(default_factory=list)

    def figures(self, kind="vega"):
        return self.page.query_selector_all(f'figure.genai-live[data-kind="{kind}"]')


def listen(page):
    """Note what a page asks for and complains about."""
    seen = Visit(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on(
        "requestfailed",
        lambda request: (
            seen.complaints.append(request.url)
            if request.failure != LEFT_THE_PAGE
            else None
        ),
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            seen.complaints.append(f"{message.text} {message.location['url']}")
            if message.type in ("error", "warning")
            else None
        ),
    )
    return seen


@contextmanager
def visit(context, address, *, wait=ALIVE, viewport=DESKTOP, scheme="light"):
    """Open a page in a window of its own and wait until its figures live."""
    page = context.new_page()
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    seen = listen(page)
    page.goto(address, wait_until="load")
    if wait:
        page.wait_for_selector(wait)
    yield seen
    page.close()


def wait_for_all(page):
    """Wait until all figures of a page live and all formulas are set."""
    page.wait_for_function(DRAWN, polling=100)
    page.evaluate(FORMULAS)


def settle(page):
    """Wait until the figures have drawn what the controls say."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() =>"
        " requestAnimationFrame(() => setTimeout(done, 30))))"
    )


def data_of(figure):
    source = figure.query_selector('script[type="application/json"]')
    return json.loads(source.inner_text() or source.text_content())


def state_of(figure, data):
    """Read the controls: the number of a slider, the option of a choice."""
    state = {}
    for control in data["controls"]:
        value = figure.query_selector(
            f'[data-param="{control["param"]}"]'
        ).input_value()
        options = control.get("options")
        state[control["param"]] = options[int(value)] if options else float(value)
    return state


def numbers_in(figure):
    """Read the full numbers from the marks' accessible descriptions."""
    numbers = {}
    labels = figure.eval_on_selector_all(
        MARKS, "marks => marks.map(mark => mark.getAttribute('aria-label'))"
    )
    for label in labels:
        numbers |= numbers_of(label)
    return numbers


def texts_in(figure):
    """Read the numbers among the texts that marks show."""
    texts = figure.eval_on_selector_all(
        "svg .mark-text.role-mark text", "all => all.map(one => one.textContent)"
    )
    return [
        float(text.replace("−", "-"))
        for text in texts
        if re.fullmatch(r"[-−]?\d[\d.e+−-]*", text)
    ]


def drag(page, slider, start, end):
    """Drag a slider's handle with the mouse; positions are shares of its length."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    handle = 16
    places = [
        box["x"] + handle / 2 + share * (box["width"] - handle)
        for share in (start, end)
    ]
    height = box["y"] + box["height"] / 2
    page.mouse.move(places[0], height)
    page.mouse.down()
    page.mouse.move(sum(places) / 2, height, steps=3)
    page.mouse.move(places[1], height, steps=3)
    page.mouse.up()
    settle(page)
