"""The host script alone: frames, choices, and notebooks outside the website."""

from contextlib import closing

import pytest

from genai_lib.live.figure import Choice, LiveFigure, Slider, embedded_json
from genai_lib.live.specification import evaluate
from genai_lib.website.assets import HERE, vega_script
from tests.live.library import FIGURES, LIBRARY
from tests.website.pages import data_of, numbers_in, settle, state_of, visit

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>Figures</title>{head}</head><body>{body}</body></html>"""
HOST = (HERE / "host.js").as_uri()
STYLE = (HERE / "host.css").as_uri()


@pytest.fixture(scope="module")
def context(browser):
    with closing(browser.new_context()) as opened:
        yield opened


def frames_page(data, alt="the first"):
    return PAGE.format(
        head=f'<script data-genai-live="host" defer src="{HOST}"></script>',
        body=(
            '<figure class="genai-live" data-kind="frames">'
            f'<img src="{PIXEL}" alt="{alt}"><figcaption>c</figcaption>'
            f'<script type="application/json">{embedded_json(data)}</script></figure>'
        ),
    )


def write(folder, text):
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


def test_frames_follow_slider_and_choice(context, tmp_path):
    frames = [
        {"state": [i, j], "src": f"{PIXEL}#{i}{j}", "alt": f"frame {i} {j}"}
        for i in range(3)
        for j in range(2)
    ]
    data = {
        "caption": "c",
        "controls": [
            {"label": "size", "values": [1, 10, 100], "display": ["1", "10", "10²"]},
            {"label": "kind", "kind": "choice", "values": ["a", "b"]},
        ],
        "frames": frames,
    }
    with visit(context, write(tmp_path, frames_page(data)), wait="input") as seen:
        image = seen.page.query_selector("img")
        slider = seen.page.get_by_label("size")
        assert image.get_attribute("alt") == "frame 0 0"
        slider.press("End")
        assert image.get_attribute("alt") == "frame 2 0"
        assert image.get_attribute("src") == f"{PIXEL}#20"
        assert slider.get_attribute("aria-valuetext") == "10²"
        seen.page.get_by_label("kind").select_option("1")
        assert image.get_attribute("alt") == "frame 2 1"
        seen.page.get_by_role("button", name="Reset").click()
        assert image.get_attribute("alt") == "frame 0 0"
        assert slider.get_attribute("aria-valuetext") == "1"
        assert seen.complaints == []


def test_text_frames_are_shown_as_text(context, tmp_path):
    data = {
        "caption": "c",
        "controls": [{"label": "θ", "values": [0, 1]}],
        "frames": [
            {"state": [0], "text": "the the <b>", "alt": "at 0"},
            {"state": [1], "text": "the\n  cat", "alt": "at 1"},
        ],
    }
    with visit(context, write(tmp_path, frames_page(data)), wait="input") as seen:
        assert seen.page.query_selector("pre").text_content() == "the the <b>"
        assert seen.page.query_selector("img").is_hidden()
        seen.page.get_by_label("θ").press("End")
        assert seen.page.query_selector("pre").text_content() == "the\n  cat"


def choice_figure():
    panel = {
        "title": "Level",
        "data": {"values": [{}]},
        "transform": [
            {"calculate": "power == 'square' ? level * level : level", "as": "y"},
            {"calculate": "'y: ' + datum.y", "as": "description"},
        ],
        "mark": "bar",
        "encoding": {
            "y": {"field": "y", "type": "quantitative"},
            "description": {"field": "description", "type": "nominal"},
        },
    }
    return LiveFigure(
        [panel],
        [
            Slider("level", "level", 0, 10, 0.5, 3),
            Choice("power", "power", ("none", "square"), "none", ("as is", "squared")),
        ],
        caption="Move it.",
        alt="One bar.",
        name="level",
    )


def test_a_choice_sets_its_parameter(context, tmp_path):
    (tmp_path / "vega.js").write_text(vega_script(), encoding="utf-8")
    head = (
        f'<link rel="stylesheet" href="{STYLE}">'
        '<script defer src="vega.js"></script>'
        f'<script data-genai-live="host" defer src="{HOST}"></script>'
    )
    text = PAGE.format(head=head, body=choice_figure().to_html())
    with visit(context, write(tmp_path, text)) as seen:
        [figure] = seen.figures()
        seen.page.get_by_role("combobox", name="power").select_option("1")
        seen.page.get_by_role("slider", name="level").press("ArrowRight")
        settle(seen.page)
        assert state_of(figure, data_of(figure)) == {"level": 3.5, "power": "square"}
        assert numbers_in(figure) == {"y": 12.25}
        # The loader kept still: the host script is on the page.
        assert all(url.startswith(("file:", "data:")) for url in seen.requests)


def picked_figure():
    panel = {
        "title": "Bars",
        "data": {"values": [{"level": level} for level in (1, 2, 3, 20)]},
        "transform": [
            {"calculate": "datum.level == level ? 2 : 1", "as": "y"},
            {"calculate": "'y' + datum.level + ': ' + datum.y", "as": "description"},
        ],
        "mark": "bar",
        "encoding": {
            "x": {"field": "level", "type": "nominal"},
            "y": {"field": "y", "type": "quantitative"},
            "description": {"field": "description", "type": "nominal"},
        },
    }
    return LiveFigure(
        [panel],
        [Slider("level", "level", 0, 10, 1, 1, picked=True)],
        caption="Click a bar.",
        alt="Four bars.",
        name="bars",
    )


def test_a_click_on_a_mark_moves_a_slider(context, tmp_path):
    (tmp_path / "vega.js").write_text(vega_script(), encoding="utf-8")
    head = (
        f'<link rel="stylesheet" href="{STYLE}">'
        '<script defer src="vega.js"></script>'
        f'<script data-genai-live="host" defer src="{HOST}"></script>'
    )
    text = PAGE.format(head=head, body=picked_figure().to_html())
    with visit(context, write(tmp_path, text)) as seen:
        [figure] = seen.figures()
        bars = figure.query_selector_all(".mark-rect path")
        bars[2].click()
        settle(seen.page)
        assert state_of(figure, data_of(figure)) == {"level": 3}
        assert numbers_in(figure) == {"y1": 1, "y2": 1, "y3": 2, "y20": 1}
        # What the slider cannot reach is left alone.
        bars[3].click()
        settle(seen.page)
        assert state_of(figure, data_of(figure)) == {"level": 3}
        # Keys go on from there.
        seen.page.get_by_role("slider", name="level").press("ArrowLeft")
        settle(seen.page)
        assert numbers_in(figure) == {"y1": 1, "y2": 2, "y3": 1, "y20": 1}
        assert seen.complaints == []


def notebook_page(figure):
    """Mimic a notebook outside the website, with an AMD loader on the page."""
    head = "<script>function define() { throw 'AMD'; } define.amd = {};</script>"
    return PAGE.format(head=head, body=figure.to_html())


def test_notebooks_load_vega_by_themselves(context, tmp_path):
    amd = "if (typeof define === 'function' && define.amd) { define(); }"
    script = amd + vega_script() + "window.vegaEmbed = window.genaiVega.embed;"
    asked = []

    def answer(route):
        asked.append(route.request.url)
        whole = "vega-embed@" in route.request.url
        route.fulfill(body=script if whole else "", content_type="text/javascript")

    figure = FIGURES["temperature"]
    context.route("https://cdn.jsdelivr.net/**", answer)
    address = write(tmp_path, notebook_page(figure))
    with visit(context, address, wait="figure svg") as seen:
        [shown] = seen.figures()
        slider = seen.page.get_by_label("temperature")
        slider.press("Home")
        settle(seen.page)
        assert numbers_in(shown) == pytest.approx(
            LIBRARY[figure.name]({"theta_step": 0})
        )
        slider.press("End")
        settle(seen.page)
        assert numbers_in(shown) == pytest.approx(
            evaluate(figure.specification(), {"theta_step": 202})
        )
        assert "∞" in seen.page.query_selector("output").inner_text()
        assert seen.page.query_selector("img").is_hidden()
        assert seen.page.evaluate("typeof define") == "function"
    context.unroute("https://cdn.jsdelivr.net/**")
    assert [url.split("@")[0].rpartition("/")[2] for url in asked] == [
        "vega",
        "vega-lite",
        "vega-embed",
    ]


def test_notebooks_without_a_network_keep_the_picture(context, tmp_path):
    context.route("https://cdn.jsdelivr.net/**", lambda route: route.abort())
    address = write(tmp_path, notebook_page(FIGURES["temperature"]))
    with visit(context, address, wait=None) as seen:
        seen.page.wait_for_timeout(200)
        assert seen.page.query_selector("img").is_visible()
        assert seen.page.query_selector("input") is None
    context.unroute("https://cdn.jsdelivr.net/**")
