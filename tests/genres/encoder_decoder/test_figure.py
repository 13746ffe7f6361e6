"""The figure of the encoder-decoder chapter shows the stored weights."""

import pytest
import torch

from genai_lib.genres.encoder_decoder import (
    LANGUAGES,
    NumberVocabulary,
    Seq2Seq,
    Seq2SeqConfig,
    in_words,
)
from genai_lib.genres.encoder_decoder import figure as encoder_decoder
from genai_lib.genres.encoder_decoder.cross_attention import NUMBERS as TRANSLATED
from genai_lib.genres.encoder_decoder.cross_attention import alignment
from genai_lib.genres.encoder_decoder.figure import (
    attention_map,
    stored,
    translated_number,
)
from genai_lib.live.specification import draw_panel


def translated_number_numbers(state):
    entry = encoder_decoder.stored()[state["language"]][state["number"]]
    step = min(int(state["step"]), len(entry["pieces"]))
    return {
        f"piece {step} to token {place}": weight
        for place, weight in enumerate(entry["weights"][step - 1], 1)
    }


NUMBERS = {"translated_number": translated_number_numbers}


FIGURE = translated_number()
STEP, NUMBER, LANGUAGE = FIGURE.controls


@pytest.mark.parametrize("language", LANGUAGE.options)
def test_every_state_gives_the_stored_numbers(language):
    for number in NUMBER.options:
        for step in range(STEP.minimum, STEP.maximum + 1):
            state = {"step": step, "number": number, "language": language}
            wanted = translated_number_numbers(state)
            found = FIGURE.evaluate(**state)
            assert found == pytest.approx(wanted, rel=0, abs=1e-6), state


def test_the_stored_translations_are_right():
    assert list(stored()) == list(LANGUAGES.values())
    for language, name in LANGUAGES.items():
        assert list(stored()[name]) == [str(number) for number in TRANSLATED]
        for number, entry in stored()[name].items():
            *pieces, end = entry["pieces"]
            assert end == "<end>"
            assert "".join(pieces).strip() == in_words(int(number), language)
            assert entry["source"] == [language, *number, "<end>"]
            for row in entry["weights"]:
                assert sum(row) == pytest.approx(1, abs=0.01)


def test_the_description_says_what_is_seen():
    entry = stored()["German"]["58361"]
    assert (NUMBER.value, LANGUAGE.value, STEP.value) == ("58361", "German", 3)
    assert "the language, five digits, the end" in FIGURE.alt
    language, *digits, end = entry["source"]
    assert (language, len(digits), end) == ("de", 5, "<end>")
    assert "Each digit is brightest in the row of the piece" in FIGURE.alt
    names = {"5": "fünfzig", "8": "acht", "3": "drei", "6": "sechzig", "1": "ein"}
    for place, digit in enumerate(digits, start=1):
        looks = [row[place] for row in entry["weights"]]
        brightest = entry["pieces"][looks.index(max(looks))]
        assert brightest.strip() == names[digit]


def test_the_slider_reaches_the_ends_of_every_translation():
    most = max(len(e["pieces"]) for group in stored().values() for e in group.values())
    assert (STEP.minimum, STEP.maximum) == (1, most)


def test_the_frame_is_around_the_row_of_the_step():
    state = {"step": 2, "number": "21", "language": "English"}
    panel = draw_panel(FIGURE.panels[0], state, 480)
    tokens = len(stored()["English"]["21"]["source"])
    assert panel.count('stroke="#D55E00"') == tokens


def test_looks_are_weights_averaged_over_blocks_and_heads():
    vocabulary = NumberVocabulary.of(digits=2)
    model = Seq2Seq(Seq2SeqConfig(len(vocabulary), width=8, heads=2)).eval()
    found = alignment(model, vocabulary, 42, "fr")
    assert found["source"] == ["fr", "4", "2", "<end>"]
    weights = torch.tensor(found["weights"])
    assert weights.shape == (len(found["pieces"]), 4)
    for block in model.decoder:  # now they look everywhere alike
        block.cross_attention.to_query.weight.data.zero_()
    weights = torch.tensor(alignment(model, vocabulary, 42, "fr")["weights"])
    assert torch.equal(weights, torch.full_like(weights, 0.25))


def test_a_still_map_names_pieces_and_tokens():
    figure = attention_map(stored()["German"]["21"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()][1:3] == ["2", "1"]
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "␣ein"
