"""Explorers: frames on a page, widgets in a kernel, one image everywhere else."""

import base64
import io
import json
import math
import re

import matplotlib

matplotlib.use("Agg")

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from genai_lib.figures import new_figure
from genai_lib.live.explorer import explore

TEXTS = {"name": "test", "caption": "Move it.", "alt": "What is seen."}


def picture(level):
    """Draw a square of one grey."""
    return np.full((4, 8), level)


def words(theta, noun="cat"):
    """Write a text."""
    return f"{noun} at {theta:g}"


def data_of(explorer):
    """Read the explorer's JSON from its HTML."""
    found = re.search(r'application/json">(.*?)</script>', explorer.to_html(), re.S)
    return json.loads(found[1])


def image_of(source):
    """Open an image from its data address."""
    return Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))


def test_one_frame_for_each_state_and_the_start_first():
    explorer = explore(words, theta=[0.5, 1.0, 2.0], noun=["cat", "dog"], **TEXTS)
    frames = data_of(explorer)["frames"]
    assert len(frames) == 6
    assert frames[0] == {"alt": "What is seen.", "state": [0, 0], "text": "cat at 0.5"}
    states = {tuple(frame["state"]): frame["text"] for frame in frames}
    assert states[2, 1] == "dog at 2"


def test_the_start_can_be_chosen():
    explorer = explore(words, theta=[0.5, 1.0], start={"theta": 1.0}, **TEXTS)
    assert data_of(explorer)["frames"][0]["text"] == "cat at 1"


def test_numbers_become_sliders_and_anything_else_a_choice():
    explorer = explore(words, theta=[0.5, math.inf], noun=["cat", "dog"], **TEXTS)
    slider, choice = data_of(explorer)["controls"]
    assert (slider["kind"], slider["display"]) == ("slider", ["0.5", "∞"])
    assert (choice["kind"], choice["labels"]) == ("choice", ["cat", "dog"])


def test_exactly_one_image_with_the_start_state_s_text():
    explorer = explore(picture, level=[0.0, 1.0], **(TEXTS | {"alt": 'a "b" & c'}))
    html = explorer.to_html()
    assert html.count("<img ") == 1
    assert 'alt="a &quot;b&quot; &amp; c"' in html
    assert "<figcaption>Move it.</figcaption>" in html
    assert "data-genai-loader" not in html


def test_arrays_become_small_pictures_of_the_right_grey():
    explorer = explore(picture, level=[0.0, 0.5, 1.0], **TEXTS)
    frames = data_of(explorer)["frames"]
    greys = [image_of(frame["src"]).convert("L").getpixel((5, 5)) for frame in frames]
    assert greys == [0, 128, 255]
    assert min(image_of(frames[0]["src"]).size) >= 200


def test_a_figure_is_drawn_and_closed():
    import matplotlib.pyplot as plt

    def draw(slope):
        figure, axes = new_figure()
        axes.plot([0, 1], [0, slope])
        return figure

    frames = data_of(explore(draw, slope=[1.0, 2.0], **TEXTS))["frames"]
    assert frames[0]["src"] != frames[1]["src"]
    assert all(len(frame["src"]) < 25_000 for frame in frames)
    assert not plt.get_fignums()


def test_the_bundle_is_the_same_on_every_run():
    bundles = [
        explore(words, theta=[0.5, 1.0], **TEXTS)._repr_mimebundle_() for _ in range(2)
    ]
    for kind in ("text/plain", "text/html"):
        assert bundles[0][kind] == bundles[1][kind]


def test_text_is_escaped():
    html = explore(lambda n: "</script><b>$x$", n=[1, 2], **TEXTS).to_html()
    assert html.count("</script>") == 1
    assert "<b>" not in html


def test_in_a_kernel_any_value_redraws():
    explorer = explore(words, theta=[0.5, 1.0, 2.0], noun=["cat", "dog"], **TEXTS)
    theta, noun, place, _ = explorer.widget().children
    assert "cat at 0.5" in place.value
    theta.value = 1.37  # not in the list
    assert "cat at 1.37" in place.value
    noun.value = "dog"
    assert "dog at 1.37" in place.value


def test_in_a_kernel_pictures_are_images_and_log_sliders_exist():
    widget = explore(picture, level=[0.01, 1.0], log=["level"], **TEXTS).widget()
    slider, place, _ = widget.children
    assert isinstance(slider, ipywidgets.FloatLogSlider)
    assert isinstance(place, ipywidgets.Image)
    before = place.value
    slider.value = 0.5
    assert place.value != before


def test_no_figure_stays_open():
    import matplotlib.pyplot as plt

    explorer = explore(lambda n: plt.figure(), n=[1, 2], **TEXTS)
    before = plt.get_fignums()
    slider, *_ = explorer.widget().children
    slider.value = 2
    explorer.to_html()
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"caption": " "}, "caption="),
        ({"alt": ""}, "alt="),
        ({"name": "two words"}, "name="),
        ({"theta": []}, "theta="),
        ({"theta": [1.0, 1.0]}, "without repeats"),
        ({"theta": [float(n) for n in range(25)]}, "25 frames"),
        ({"start": {"theta": 3.0}}, "start theta=3.0"),
        ({"start": {"beta": 1.0}}, "start names"),
        ({"labels": {"beta": "β"}}, "labels names"),
        ({"log": ["beta"]}, "log names"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        explore(words, **(TEXTS | {"theta": [1.0, 2.0]} | change)).to_html()


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (np.zeros((2, 2, 4)), "shape"),
        (np.full((2, 2), 2.0), "values from 2 to 2"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.zeros((0, 2)), "empty"),
    ],
)
def test_what_cannot_be_drawn_is_named(drawn, message):
    with pytest.raises(ValueError, match=message):
        explore(lambda n: drawn, n=[1, 2], **TEXTS).to_html()
