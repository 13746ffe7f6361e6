"""The documentation text: real, de-duplicated, and split without a leak."""

import hashlib
import re
from pathlib import Path

import pytest

from genai_lib.data import documentation, load_documentation, load_sections
from genai_lib.data.alphabet import ALPHABET
from genai_lib.data.documentation import WINDOW, clean_split, parts, windows

# Of both parts: stored models and merges have learned from exactly this text.
TEXT = "95abc66b6a22161717a157041d9a42ce2ca7411d34d55048c8767c0e56a30e89"
ROOT = Path(__file__).parents[2]


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
    paragraphs = [part for text in found.values() for part in text.split("\n\n")]
    assert not any(part.startswith("Read more in the :ref:") for part in paragraphs)


def test_windows_have_thirty_characters():
    assert windows("a" * (WINDOW - 1)) == set()
    assert len(windows("ab" * WINDOW)) == 2


def test_the_pinned_text_is_the_one_that_the_models_have_read(text):
    whole = f"{text.train}\0{text.validation}"
    assert hashlib.sha256(whole.encode()).hexdigest() == TEXT
    assert "".join(text.characters) == ALPHABET
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"scikit-learn==(.+)", pins)[1] == documentation.PINNED


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a package of one module with this docstring as if it were scikit-learn."""

    def from_docstring(docstring):
        (tmp_path / "module.py").write_text(f'"""{docstring}"""\n', encoding="utf-8")
        monkeypatch.setattr(documentation, "_package_folder", lambda: tmp_path)
        forget()
        return load_documentation(), load_sections()

    yield from_docstring
    forget()


def forget():
    for cached in (load_documentation, load_sections, documentation._read):
        cached.cache_clear()


def test_text_of_another_version_has_the_characters_of_the_book(read, capsys):
    found, sections = read("Schr\u00f6dinger\u2019s\u00a0cat is \u2264 2 boxes.")
    words = "Schrodinger's cat is <= 2 boxes."
    assert words in (found.train, found.validation)
    assert [section.text for section in sections] == [words]
    assert "".join(found.characters) == ALPHABET
    assert capsys.readouterr().out.count("\n") == 1


def test_text_of_another_version_is_announced_in_one_line(read, capsys):
    read("A sentence that no version of scikit-learn holds.")
    printed = capsys.readouterr().out
    assert re.fullmatch(r".* scikit-learn .* numbers will differ\.\n", printed)
    assert documentation.PINNED in printed
    load_documentation()
    assert capsys.readouterr().out == ""


def test_the_pinned_text_announces_nothing(capsys):
    forget()
    load_documentation()
    assert capsys.readouterr().out == ""
