"""Live figures: what they write, refuse and compute."""

import html
import json
import re
import struct

import altair as alt
import pytest
import vl_convert

from genai_lib.live.figure import LOADER, Choice, LiveFigure, Slider
from genai_lib.live.specification import compress_png, numbers_of
from tests.live.library import FIGURES


def panel(expression="level", title="Level", name="level"):
    return (
        alt.Chart(alt.Data(values=[{}]))
        .transform_calculate(y=expression, description=f"'{name}: ' + datum.y")
        .mark_bar()
        .encode(y="y:Q", description="description:N")
        .properties(title=title)
    )


def make(**changes):
    settings = {
        "panels": [panel()],
        "controls": [Slider("level", "level", 0, 10, 1, 3)],
        "caption": "Move it.",
        "alt": "One bar.",
        "name": "bar",
    } | changes
    panels, controls = settings.pop("panels"), settings.pop("controls")
    return LiveFigure(panels, controls, **settings)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_bundle_is_the_same_on_every_run(figure):
    assert figure._repr_mimebundle_() == figure._repr_mimebundle_()
    assert set(figure._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert re.search(r"\bat 0x|\bid=|data-[0-9a-f]{8}", figure.to_html()) is None


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_html_holds_one_picture_of_moderate_size(figure):
    text = figure.to_html()
    [address] = re.findall(r'<img src="data:image/png;base64,([^"]*)" alt="', text)
    assert 8_000 < len(address) * 3 / 4 < 45_000


def test_html_escapes_texts_and_data():
    sly = 'a </script><b title="x"> & co'
    text = make(caption=sly, alt=sly, panels=[panel(title=sly)]).to_html()
    data = re.search(r'<script type="application/json">(.*?)</script>', text)[1]
    assert json.loads(data)["caption"] == sly
    assert json.loads(data)["panels"][0]["title"] == sly
    assert f'alt="{html.escape(sly)}"' in text
    assert "<b" not in text
    assert text.count("</script>") == 2


def test_specification_is_a_copy():
    figure = make()
    figure.specification()["panels"][0]["params"].clear()
    assert figure.evaluate() == {"level": 3}


def test_panels_share_parameters_and_get_only_those_they_use():
    figure = make(
        panels=[panel(), panel("double", name="double")],
        derived={"double": "2 * level", "unused": "1"},
    )
    names = [[entry["name"] for entry in one["params"]] for one in figure.panels]
    assert names == [["level"], ["level", "double"]]
    assert figure.evaluate(level=4) == {"level": 4, "double": 8}


def test_shown_parameter_comes_with_its_control():
    slider = Slider("level", "level", 0, 10, 1, 3, shows="double")
    figure = make(controls=[slider], derived={"double": "2 * level"})
    assert [entry["name"] for entry in figure.panels[0]["params"]] == [
        "level",
        "double",
    ]


def test_choice_sets_a_text():
    choice = Choice("level", "level", ("1", "22"), "1", labels=("one", "two"))
    figure = make(panels=[panel("length(level)")], controls=[choice])
    assert figure.evaluate() == {"level": 1}
    assert figure.evaluate(level="22") == {"level": 2}


def test_numbers_of_a_description():
    text = "a b: -1.5e-7; c: 1e+21; d: Infinity; e: none; f: 3"
    assert numbers_of(text) == {"a b": -1.5e-7, "c": 1e21, "d": float("inf"), "f": 3}


def test_axis_labels_are_not_numbers_of_the_figure():
    numbers = make(panels=[panel(title="all: 3")]).evaluate()
    assert numbers == {"level": 3}


def test_two_values_of_one_label_are_an_error():
    figure = make(panels=[panel(), panel("level + 1")])
    with pytest.raises(ValueError, match=r"'level' has two values: 3.0 and 4.0"):
        figure.evaluate()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alt": " "}, "alt=' '"),
        ({"caption": ""}, "caption=''"),
        ({"name": "a b"}, "name='a b'"),
        ({"panels": []}, "panels="),
        ({"controls": []}, "controls="),
        ({"panels": [panel(title="")]}, "description=''"),
        ({"derived": {"level": "1"}}, "param='level' must not be used twice"),
        ({"controls": [Slider("depth", "d", 0, 1, 1, 0)]}, "param='depth'"),
        (
            {"controls": [Slider("level", "h", 0, 1, 1, 0, shows="nothing")]},
            "shows='nothing'",
        ),
    ],
)
def test_bad_figures_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a b", "x", 0, 1, 1, 0), "param='a b'"),
        (("width", "x", 0, 1, 1, 0), "param='width' must not be a name of Vega's"),
        (("a", "", 0, 1, 1, 0), "label=''"),
        (("a", "x", 1, 1, 1, 1), "minimum=1 must be below maximum=1"),
        (("a", "x", 0, 1, 0, 0), "step=0"),
        (("a", "x", 0, 1, 1, 2), "a=2 must lie between 0 and 1"),
        (("a", "x", 0, 1, 1, float("nan")), "a=nan"),
    ],
)
def test_bad_sliders_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Slider(*arguments)


@pytest.mark.parametrize(
    ("options", "value", "labels", "message"),
    [
        (("x", "x"), "x", None, "must not repeat"),
        (("x", "y"), "z", None, "a='z' must be one of"),
        (("x", "y"), "x", ("only one",), "labels="),
    ],
)
def test_bad_choices_are_refused(options, value, labels, message):
    with pytest.raises(ValueError, match=message):
        Choice("a", "x", options, value, labels)


def test_bad_states_are_refused():
    with pytest.raises(ValueError, match="state='depth'"):
        make().evaluate(depth=1)
    with pytest.raises(ValueError, match="level=11"):
        make().evaluate(level=11)


def test_compressed_png_shows_the_same_pixels():
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="9">'
        '<circle cx="9" cy="4" r="3" fill="red"/></svg>'
    )
    image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    plain = vl_convert.svg_to_png(drawing)
    small = compress_png(plain)
    assert struct.unpack(">II", small[16:24]) == (20, 9)
    pixels = [image.open(BytesIO(png)).tobytes() for png in (plain, small)]
    assert pixels[0] == pixels[1]


def test_loader_names_the_versions_of_the_bundle():
    text = LOADER.read_text(encoding="utf-8")
    pins = dict(re.findall(r'"(vega[a-z-]*)@([\d.]+)"', text))
    assert pins["vega"] == vl_convert.get_vega_version()
    assert pins["vega-embed"] == vl_convert.get_vega_embed_version()
    newest = vl_convert.get_vegalite_versions()[-1]
    assert pins["vega-lite"].rpartition(".")[0] == newest
