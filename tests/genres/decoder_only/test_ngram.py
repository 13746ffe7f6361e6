"""Kneser-Ney: by hand, by its definition, and as a distribution."""

import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_lib.genres.decoder_only import KneserNey
from genai_lib.genres.decoder_only.ngram import discounts_of

TEXTS = st.text("abcd", min_size=6, max_size=60)


def test_a_text_of_five_letters_by_hand():
    """aabab has the pairs aa, ab, ba, ab, so a comes after two letters and b after one.

    Discounts: 2 pairs once, 1 twice, 2 / (2 + 2) = 1/2; letters 1 / (1 + 2) = 1/3.
    """
    model = KneserNey("aabab", 2, "abc")
    single = {"a": Fraction(17, 27), "b": Fraction(8, 27), "c": Fraction(2, 27)}
    after_a = {
        "a": Fraction(1, 6) + single["a"] / 3,
        "b": Fraction(1, 2) + single["b"] / 3,
        "c": single["c"] / 3,
    }
    after_b = {name: p / 2 for name, p in single.items()}
    after_b["a"] += Fraction(1, 2)
    for context, wanted in {
        "": single,
        "c": single,
        "a": after_a,
        "bba": after_a,
        "b": after_b,
    }.items():
        assert model.probabilities(context) == pytest.approx(
            [float(p) for p in wanted.values()], abs=1e-15
        )
    bits = model.text_bits("aba")
    wanted = [-math.log2(after_a["b"]), -math.log2(after_b["a"])]
    assert bits == pytest.approx(wanted)


def test_three_discounts_by_hand():
    """With 8, 4, 2 and 1 counts of one to four: Y = 1/2."""
    found = discounts_of(Counter({1: 8, 2: 4, 3: 2, 4: 1, 9: 5}))
    assert found == (0, 1 - 0.5, 2 - 3 * 0.25, 3 - 2 * 0.5)
    # Too many threes would make the second discount negative.
    assert discounts_of(Counter({1: 2, 2: 1, 3: 9, 4: 1})) == (0, 0.5, 0.5, 0.5)


@given(text=TEXTS, order=st.integers(1, 5), context=st.text("abcde", max_size=6))
def test_probabilities_are_positive_and_sum_to_one(text, order, context):
    found = KneserNey(text, order, "abcdef").probabilities(context)
    assert min(found) > 0
    assert sum(found) == pytest.approx(1, abs=1e-12)


@given(text=TEXTS, order=st.integers(1, 4))
def test_counts_are_those_of_the_definition(text, order):
    model = KneserNey(text, order, "abcd")
    for n, level in enumerate(model.levels, start=1):
        # Strings that end where a string of full length can end.
        ends = range(order, len(text) + 1)
        for gram, count in level.counts.items():
            if n == order:
                found = sum(text[end - n : end] == gram for end in ends)
            else:
                longer = {text[end - n - 1 : end] for end in ends}
                found = sum(other[1:] == gram for other in longer)
            assert count == found
        assert set(level.counts) == {text[end - n : end] for end in ends}


def test_a_letter_of_one_place_is_not_expected_in_others():
    """No letter is more frequent than z, but it only ever follows q."""
    text = "qz" * 20 + "aybycydyey" + "qz"
    model = KneserNey(text, 3, sorted(set(text)))
    assert text.count("z") == text.count("q") > 4 * text.count("y")
    assert model.probability("xx", "y") > 2 * model.probability("xx", "z")
    assert model.probability("zq", "z") > 0.8


def test_longer_contexts_help_where_the_text_repeats():
    text = "the cat sat on the mat, the rat sat on the cat. " * 4
    bits = [
        sum(KneserNey(text[:96], n, sorted(set(text))).text_bits(text[96:])) / 95
        for n in (1, 2, 3, 4)
    ]
    assert bits == sorted(bits, reverse=True)


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="order=0"):
        KneserNey("abc", 0, "abc")
    with pytest.raises(ValueError, match="text has 2 characters, fewer than order=3"):
        KneserNey("ab", 3, "abc")
    with pytest.raises(ValueError, match="not known: {'c'}"):
        KneserNey("abc", 2, "ab")
