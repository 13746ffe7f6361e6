"""The figure of the tokens chapter shows what the tokenizer gives."""

import math
import re

import pytest

from genai_lib.components.tokens.figure import LINES, tokens_by_vocabulary
from genai_lib.components.tokens.figure_layout import (
    CELLS,
    LARGEST,
    byte_places,
    layout,
    nodes,
    samples,
)
from genai_lib.components.tokens.stored import load_tokenizer
from genai_lib.live.specification import draw_panel
from tests.live.states import check_states


def tokens_by_vocabulary_numbers(state):
    vocabulary = math.floor(256 * 2 ** (state["vocab_step"] / 48) + 0.5)
    tokenizer = load_tokenizer(vocabulary)
    text = samples()[state["sample"]]
    ids = tokenizer.encode(text)
    pieces = [piece.replace(" ", "·") for piece in tokenizer.pieces(ids)]
    return {
        "tokens": len(ids),
        "bytes per token": len(text.encode()) / len(ids),
        **{
            f"token {place} ‘{piece}’, id": id
            for place, (piece, id) in enumerate(zip(pieces, ids, strict=True), 1)
        },
    }


NUMBERS = {"tokens_by_vocabulary": tokens_by_vocabulary_numbers}


FIGURE = tokens_by_vocabulary()
STEP, SAMPLE = FIGURE.controls
START = {"vocab_step": STEP.value, "sample": SAMPLE.value}


def test_random_states_give_the_tokens_of_the_library(request):
    check_states(request, tokens_by_vocabulary, tokens_by_vocabulary_numbers)


@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("step", [0, 1, STEP.maximum])
def test_the_ends_of_the_slider_are_right_for_every_text(name, step):
    state = {"vocab_step": step, "sample": name}
    assert FIGURE.evaluate(**state) == pytest.approx(
        tokens_by_vocabulary_numbers(state), rel=0, abs=1e-12
    )


def test_the_start_state_is_the_one_described():
    assert FIGURE.evaluate() == pytest.approx(tokens_by_vocabulary_numbers(START))
    assert START == {"vocab_step": 96, "sample": "English"}


@pytest.mark.parametrize("text", samples().values())
def test_nodes_alive_at_a_size_are_the_tokens_at_that_size(text):
    forest = nodes(text, load_tokenizer(LARGEST))
    for size in (256, 300, 512, 777, 1500, LARGEST):
        alive = [n for n in forest if n["id"] < size <= n["parent"]]
        alive.sort(key=lambda node: node["start"])
        assert [n["id"] for n in alive] == load_tokenizer(size).encode(text)


@pytest.mark.parametrize("name", samples())
def test_boxes_cover_the_text_without_gap_or_overlap(name):
    """At each size the boxes of a line follow one another from cell 0 to its end."""
    for step in (0, 96, 192):
        panel = draw_panel(FIGURE.panels[0], {"vocab_step": step, "sample": name}, 480)
        numbers = r"M([\d.]+),([\d.]+)"
        boxes = re.findall(rf'aria-label="token[^>]*? d="{numbers}', panel)
        state = {"vocab_step": step, "sample": name}
        assert len(boxes) == tokens_by_vocabulary_numbers(state)["tokens"]
        # Read in the order of the text, boxes go right and then down.
        order = [(float(y), float(x)) for x, y in boxes]
        assert order == sorted(order)


@pytest.mark.parametrize("text", samples().values())
def test_every_text_fits_into_the_figure(text):
    from genai_lib.components.tokens import split_words

    words = split_words(text)
    places = byte_places(layout(words))
    assert len(places) == len(text.encode())
    for line, left, right in places:
        assert 0 <= left < right <= CELLS + 1e-9
        assert line < LINES
    ends = {}
    for line, left, right in places:
        assert left == pytest.approx(ends.get(line, 0))
        ends[line] = right
    start = 0
    for word in words:
        length = len(word.encode())
        assert len({line for line, *_ in places[start : start + length]}) == 1
        start += length


def test_a_digit_of_a_text_is_not_read_as_a_number_of_the_figure():
    state = {"vocab_step": 0, "sample": "numbers"}
    panel = draw_panel(FIGURE.panels[0], state, 480)
    assert "2\u200b<" in panel
    assert not re.search(r">\d<", panel)
