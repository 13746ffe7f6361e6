"""The figure of the decoder-only chapter shows the stored expectations."""

import json

import pytest

from genai_lib.data import load_documentation
from genai_lib.genres.decoder_only.figure import next_character, stored, visible
from genai_lib.genres.decoder_only.figure_pieces import CELLS, cells, options, words
from genai_lib.genres.decoder_only.stored import NEXT_CHARACTERS
from genai_lib.live.specification import draw_panel, evaluate

STORED = json.loads(NEXT_CHARACTERS.read_text(encoding="utf-8"))


def next_character_numbers(state):
    entry = STORED[state["passage"]]
    numbers = {}
    for character, *chances in entry["places"][round(state["place"]) - 1]["options"]:
        sign = visible(character)
        for who, chance in zip(("GPT", "the 5-gram"), chances, strict=True):
            numbers[f"‘{sign}’ by {who}"] = chance
    for index, who in enumerate(("GPT", "5-gram")):
        costs = [p["bits"][index] for p in entry["places"][: round(state["place"])]]
        numbers[f"{who}, bits per character so far"] = sum(costs) / len(costs)
    return numbers


NUMBERS = {"next_character": next_character_numbers}


FIGURE = next_character()
PLACE, PASSAGE = FIGURE.controls


@pytest.mark.parametrize("passage", PASSAGE.options)
def test_states_give_the_stored_numbers(passage):
    # The panel of the text has no numbers and takes long to draw.
    numbered = FIGURE.specification() | {"panels": FIGURE.panels[1:]}
    for place in (*range(PLACE.minimum, PLACE.maximum, 7), PLACE.maximum):
        state = {"place": place, "passage": passage}
        wanted = next_character_numbers(state)
        assert evaluate(numbered, state) == pytest.approx(wanted, rel=0, abs=1e-6), (
            state
        )


def test_the_start_state_is_the_one_described():
    state = {"place": PLACE.value, "passage": PASSAGE.value}
    wanted = next_character_numbers(state)
    assert FIGURE.evaluate() == pytest.approx(wanted, rel=0, abs=1e-6)


def test_the_slider_reaches_the_ends_of_every_text():
    assert PLACE.minimum == 1
    for entry in stored().values():
        assert PLACE.maximum == len(entry["places"]) == len(entry["text"]) - 1


def test_texts_are_held_out():
    documentation = load_documentation()
    for entry in stored().values():
        assert entry["text"] in documentation.validation.replace("\n", " ")
        assert entry["text"] not in documentation.train.replace("\n", " ")


def test_what_came_is_among_the_options_and_marked():
    for name, entry in stored().items():
        for place, expected in enumerate(entry["places"], start=1):
            rows = [
                row
                for row in options(stored())
                if row["passage"] == name and row["place"] == place
            ]
            (came,) = [row["option"] for row in rows if row["came"]]
            assert came == visible(entry["text"][place])
            for index in (1, 2):
                assert sum(option[index] for option in expected["options"]) <= 1 + 1e-5


def test_the_cursor_stands_at_the_character_that_comes():
    """One box has a stroke, in the cell that the place says."""
    for place in (1, 24, 25, 50):
        state = {"place": place, "passage": PASSAGE.value}
        panel = draw_panel(FIGURE.panels[0], state, 480)
        assert panel.count('stroke="#0072B2"') == 1


def test_lines_break_between_words_of_characters_and_of_tokens():
    tokens = ["The", " capital", " of", " Fran", "ce", " is", " Paris", "."]
    text = "".join(tokens)
    assert [*map("".join, words(text))] == [
        "The ",
        "capital ",
        "of ",
        "France ",
        "is ",
        "Paris.",
    ]
    assert [len(word) for word in words(tokens)] == [1, 1, 1, 2, 1, 2]
    for pieces in (text, tokens):
        places = cells(pieces)
        ends = {}
        for piece, (x, line) in zip(pieces, places, strict=True):
            assert x == ends.get(line, 0)
            ends[line] = x + len(piece)
            assert x + len(piece.rstrip()) <= CELLS
        assert sum(ends.values()) == len(text) and sorted(ends) == [0, 1]


def test_signs_stand_for_what_cannot_be_seen():
    assert visible(" a\n\x00") == "␣a⏎<00>"
