"""Passages: shown as text on a page and in a kernel, as one image elsewhere."""

import json
import re

import pytest

from genai_lib.live.controls import embedded_json
from genai_lib.live.explorer import explore
from genai_lib.live.passages import COLUMNS, Passage, plain_text, to_picture
from tests.live.test_explorer import image_of


def two(word):
    """Let two authors go on after a word."""
    return [
        Passage("Ape", "Types.", word, " <b>& \"x\" 'y'"),
        Passage("Clerk", "Copies a long line. " * 4, word, f" {word}"),
    ]


TEXTS = {"name": "test", "caption": "Move it.", "alt": lambda word: f"after {word}"}
EXPLORER = explore(two, word=["one", "two"], **TEXTS)


def test_frames_hold_the_parts_of_each_passage():
    html = EXPLORER.to_html()
    found = re.search(r'application/json">(.*?)</script>', html, re.S)
    frames = json.loads(found[1])["frames"]
    assert [frame["alt"] for frame in frames] == ["after one", "after two"]
    assert frames[1]["passages"][0] == {
        "title": "Ape",
        "note": "Types.",
        "given": "two",
        "text": " <b>& \"x\" 'y'",
    }
    assert "<b>" not in html


def test_the_start_state_is_the_one_picture():
    html = EXPLORER.to_html()
    (source,) = re.findall('<img src="(.*?)" alt="after one" />', html)
    assert image_of(source).size[0] > 500


def test_lines_are_short_and_nothing_is_lost():
    text = plain_text(two("word"))
    assert max(map(len, text.splitlines())) <= COLUMNS
    wanted = (
        "Ape word <b>& \"x\" 'y' Types. Clerk word word " + "Copies a long line. " * 4
    )
    assert text.split() == wanted.split()


def test_a_longer_text_makes_a_taller_picture_of_the_same_width():
    short, long = (
        image_of(f",{encoded(to_picture([Passage('A', 'b', 'c', ' d' * n)]))}").size
        for n in (1, 200)
    )
    assert short[0] == long[0]
    assert short[1] < long[1]


def encoded(png):
    import base64

    return base64.b64encode(png).decode()


def test_a_kernel_shows_them_as_text():
    _, place, _ = EXPLORER.widget().children
    assert "word" not in place.value
    assert "one &lt;b&gt;&amp;" in place.value
    assert plain_text(two("one")).count("\n") == place.value.count("\n")


@pytest.mark.parametrize("text", ["</script>", "<!--", "&amp;"])
def test_no_text_ends_the_script(text):
    assert text not in embedded_json({"text": text})
