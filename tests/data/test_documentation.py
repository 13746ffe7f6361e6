"""The documentation text: real, de-duplicated, and split without a leak."""

import pytest

from genai_lib.data import load_documentation, load_sections
from genai_lib.data.documentation import WINDOW, clean_split, parts, windows


@pytest.fixture(scope="module")
def text():
    return load_documentation()


def test_no_window_of_the_validation_text_is_in_the_training_text(text):
    assert windows(text.validation).isdisjoint(windows(text.train))


def test_it_is_large_enough_and_english(text):
    assert len(text.train) > 400_000
    assert len(text.validation) > 45_000
    assert text.train.count(" the ") > 2_000
    assert len(text.characters) < 120


def test_no_paragraph_stands_twice(text):
    paragraphs = text.train.split("\n\n")
    assert len(set(paragraphs)) > 0.98 * len(paragraphs)


def test_a_leaking_paragraph_is_dropped_from_the_training_part():
    shared = "a sentence that both of the parts contain, word for word."
    split = clean_split(["First. " + shared, "Second, quite another one."], [shared])
    assert split.train == "Second, quite another one."
    assert split.validation == shared


def test_a_window_across_a_gap_is_found_too():
    held_out = ["x" * 20, "y" * 20]
    split = clean_split(["z" * 9 + "x" * 20, "y" * 20 + "w" * 9], held_out)
    assert windows(split.train).isdisjoint(windows("\n\n".join(held_out)))
    assert "x" * 20 in split.train


def test_parameters_and_examples_are_left_out():
    docstring = """Sum things.

    More words.

    Parameters
    ----------
    x : int

    Notes
    -----
    It is fast.

    Examples
    --------
    >>> 1
    """
    assert parts(docstring) == [
        ("Summary", "Sum things.\n\nMore words."),
        ("Notes", "It is fast."),
    ]


def test_sections_have_a_place_and_stand_once():
    sections = load_sections()
    assert len({section.text for section in sections}) == len(sections) > 1_000
    found = {(section.place, section.heading): section.text for section in sections}
    assert found["cluster.KMeans", "Summary"] == "K-Means clustering."
    assert "Lloyd's" in found["cluster.KMeans", "Notes"]
    assert not any("Read more in the" in text for text in found.values())


def test_windows_have_thirty_characters():
    assert windows("a" * (WINDOW - 1)) == set()
    assert len(windows("ab" * WINDOW)) == 2
