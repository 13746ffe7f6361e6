"""Any text can be written in the alphabet of the stored models."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_lib.data.alphabet import ALPHABET, in_alphabet
from genai_lib.genres.decoder_only.stored import CHARACTERS

ANY = st.characters(exclude_categories=[])  # surrogates and unassigned ones too


@given(st.text(ANY, max_size=60))
def test_any_text_is_written_in_the_alphabet(text):
    written = in_alphabet(text)
    assert set(written) <= set(ALPHABET)
    assert in_alphabet(written) == written


def test_every_single_character_is_replaced():
    whole = in_alphabet("".join(map(chr, range(sys.maxunicode + 1))))
    assert set(whole) == set(ALPHABET)


@given(st.text(ALPHABET, max_size=60))
def test_a_text_in_the_alphabet_stays_as_it_is(text):
    assert in_alphabet(text) == text


def test_the_stored_model_has_this_alphabet():
    assert json.loads(CHARACTERS.read_text(encoding="utf-8")) == ALPHABET
    assert sorted(ALPHABET) == list(ALPHABET)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\u00a0b\u2009c\u3000d", "a b c d"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("Nystr\u00f6m, nystro\u0308m, cafe\u0301", "Nystrom, nystrom, caf\u00e9"),
        ("\u0141ukasz \u00f8re \u00c6on gro\u00df", "Lukasz ore Aeon gross"),
        ("1\u20132 \u2212 3 \u2014 4", "1-2 - 3 \u2014 4"),
        ("\u201cquoted\u201d isn\u2019t \u2026", '"quoted" isn\'t ...'),
        ("\u03b1\u2081 \u2264 \u0394\u00b2 \u00d7 \u221e", "alpha1 <= Delta2 x \u221e"),
        ("in\u200bvi\u00adsible\ufeff", "invisible"),
        ("\u4e16 \u2603 \ue000", "? ? ?"),
    ],
)
def test_characters_become_what_they_look_like(text, written):
    assert in_alphabet(text) == written
