"""The figure of the encoder-only chapter shows the stored expectations."""

import pytest

from genai_lib.data import load_documentation
from genai_lib.genres.encoder_only.figure import (
    masked_character,
    options,
    stored,
    visible,
)
from genai_lib.genres.encoder_only.figure import stored as masked_places
from genai_lib.live.specification import draw_panel


def masked_character_numbers(state):
    entry = masked_places()[state["passage"]]
    numbers = {}
    for character, *chances in entry["places"][round(state["place"]) - 1]:
        symbol = visible(character)
        for who, chance in zip(("BERT", "GPT"), chances, strict=True):
            numbers[f"‘{symbol}’ by {who}"] = chance
    return numbers


NUMBERS = {"masked_character": masked_character_numbers}


FIGURE = masked_character()
PLACE, PASSAGE = FIGURE.controls


@pytest.mark.parametrize("passage", PASSAGE.options)
def test_states_give_the_stored_numbers(passage):
    for place in (*range(PLACE.minimum, PLACE.maximum, 7), PLACE.maximum):
        state = {"place": place, "passage": passage}
        wanted = masked_character_numbers(state)
        assert FIGURE.evaluate(**state) == pytest.approx(wanted, rel=0, abs=1e-6), state


def test_the_slider_reaches_the_ends_of_every_text():
    assert PLACE.minimum == 1
    for entry in stored().values():
        assert PLACE.maximum == len(entry["places"]) == len(entry["text"]) - 1


def test_texts_are_held_out():
    documentation = load_documentation()
    for entry in stored().values():
        assert entry["text"] in documentation.validation.replace("\n", " ")
        assert entry["text"] not in documentation.train.replace("\n", " ")


def test_what_is_masked_is_among_the_options_and_marked():
    for name, entry in stored().items():
        for place, expected in enumerate(entry["places"], start=1):
            (right,) = [
                row["option"]
                for row in options()
                if (row["passage"], row["place"], row["right"]) == (name, place, True)
            ]
            assert right == visible(entry["text"][place])
            for index in (1, 2):
                assert sum(option[index] for option in expected) <= 1 + 1e-5


def test_a_question_mark_stands_in_the_box_of_the_masked_character():
    for place in (1, 24, 25, 50):
        state = {"place": place, "passage": PASSAGE.value}
        panel = draw_panel(FIGURE.panels[0], state, 480)
        assert panel.count('stroke="#0072B2"') == 1
        assert panel.count(">?<") == 1


def test_the_masked_character_cannot_be_read_elsewhere():
    """As many signs are drawn as the text has, one of them the question mark."""
    text = stored()[PASSAGE.value]["text"]
    state = {"place": 10, "passage": PASSAGE.value}
    panel = draw_panel(FIGURE.panels[0], state, 480)
    assert panel.count("\u200b<") == len(text) - 1
