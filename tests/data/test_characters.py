"""Characters as numbers, and windows of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genai_lib.data import CharacterTokenizer, even_windows, random_windows


@given(st.text(min_size=1))
def test_any_text_comes_back(text):
    letters = CharacterTokenizer.of(text)
    numbers = letters.encode(text)
    assert letters.decode(numbers) == text
    assert numbers.dtype == torch.int64
    assert len(letters) == len(set(text)) == numbers.max() + 1


def test_unknown_characters_are_named():
    with pytest.raises(ValueError, match="text .* not known: .*x"):
        CharacterTokenizer.of("abc").encode("abx")
    assert CharacterTokenizer.of("abc").encode("").shape == (0,)


def test_random_windows_are_parts_of_the_text():
    tokens = torch.arange(10)
    batches = random_windows(tokens, 4, 300, torch.Generator().manual_seed(0))
    batch = next(batches)
    assert batch.shape == (300, 4)
    assert (batch.diff(dim=1) == 1).all()
    assert set(batch[:, 0].tolist()) == set(range(7))
    again = random_windows(tokens, 4, 300, torch.Generator().manual_seed(0))
    assert next(again).equal(batch)
    assert not next(batches).equal(batch)


def test_even_windows_do_not_overlap_and_span_the_text():
    windows = even_windows(torch.arange(103), 10, 4)
    assert windows[:, 0].tolist() == [0, 30, 60, 90]
    assert (windows.diff(dim=1) == 1).all()
    assert even_windows(torch.arange(10), 10, 5).shape == (1, 10)


def test_windows_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="tokens=.* length=5"):
        even_windows(torch.arange(4), 5, 1)
    with pytest.raises(ValueError, match="most=0"):
        even_windows(torch.arange(4), 2, 0)
    with pytest.raises(ValueError, match="size=0"):
        next(random_windows(torch.arange(4), 2, 0, torch.Generator()))
