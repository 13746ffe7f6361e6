"""Numbers in words: the words of num2words, cut losslessly, split once for all."""

import random

import pytest
import torch
from num2words import num2words

from genai_lib.genres.encoder_decoder import (
    LANGUAGES,
    NumberVocabulary,
    Pairs,
    draw_numbers,
    in_words,
    is_held_out,
    pieces,
)

VOCABULARY = NumberVocabulary.of(digits=6)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pieces_are_lossless_and_all_known(language):
    rng = random.Random(0)
    numbers = [*range(120), *(rng.randrange(10**d) for d in (3, 4, 5, 6) * 100)]
    for number in numbers:
        words = num2words(number, lang=language)
        assert in_words(number, language) == words
        assert "".join(pieces(words, language)) == " " + words
        tokens = VOCABULARY.target(number, language)
        assert tokens[-1] == 1 and 0 not in tokens
        assert VOCABULARY.decode(tokens) == words


def test_german_words_are_cut_at_their_joints():
    assert pieces(in_words(4321, "de"), "de") == [
        *(" vier", "tausend", "drei", "hundert"),
        *("ein", "und", "zwanzig"),
    ]
    assert pieces(in_words(97, "fr"), "fr") == [" quatre", "-vingt", "-dix", "-sept"]
    assert pieces("one thousand, two", "en") == [" one", " thousand", ",", " two"]


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 7, 9])
def test_every_vocabulary_holds_its_numbers_and_no_longer_ones(digits):
    vocabulary, rng = NumberVocabulary.of(digits), random.Random(1)
    for _ in range(60):
        number = rng.randrange(10**digits)
        for language in LANGUAGES:
            tokens = vocabulary.target(number, language)
            assert vocabulary.decode(tokens) == in_words(number, language)


def test_what_is_not_known_is_one_clear_error():
    with pytest.raises(ValueError, match="has unknown tokens .*million"):
        VOCABULARY.target(3_000_000, "en")
    with pytest.raises(ValueError, match="language='xx' must be one of en, de, fr, es"):
        in_words(3, "xx")


def test_a_source_is_language_digits_and_end():
    tokens = VOCABULARY.source(120, "fr")
    assert [VOCABULARY.tokens[t] for t in tokens] == ["fr", "1", "2", "0", "<end>"]
    assert VOCABULARY.tokens[:2] == ("<pad>", "<end>")
    assert len(set(VOCABULARY.tokens)) == len(VOCABULARY)


def test_pairs_are_filled_up_and_batches_are_cut():
    pairs = VOCABULARY.pairs([(7, "en"), (345678, "de"), (21, "es")])
    assert pairs.source.shape == (3, 8) and pairs.target.shape[0] == 3
    assert (pairs.source[0] == 0).sum() == 5
    short = VOCABULARY.pairs([(7, "en"), (8, "de"), (123456, "fr")])
    generator, seen = torch.Generator().manual_seed(0), set()
    batches = short.batches(2, generator)
    for _ in range(30):
        source, target = next(batches)
        assert (source[:, -1] != 0).any() and (target[:, -1] != 0).any()
        assert len(source) == len(target) == 2
        seen |= {VOCABULARY.decode(row) for row in source}
        for row, words in zip(source, target, strict=True):
            text = VOCABULARY.decode(row)
            number, language = int(text[2:]), text[:2]
            assert VOCABULARY.decode(words) == in_words(number, language)
    assert seen == {"en7", "de8", "fr123456"}


def test_a_cut_drops_no_token_wherever_the_pads_stand():
    rows = torch.tensor([[0, 0, 4, 5, 0], [0, 3, 0, 6, 0]])
    source, target = next(Pairs(rows, rows).batches(4, torch.Generator()))
    assert source.shape == target.shape == (4, 4)
    assert ((source == 5).any(dim=1) | (source == 6).any(dim=1)).all()
    with pytest.raises(ValueError, match="examples: at least one"):
        VOCABULARY.pairs([])


def test_batches_of_a_pool_are_sorted_by_length():
    numbers = [1, 20, 21, 300, 321, 4000, 4321, 54321]
    pairs = VOCABULARY.pairs([(number, "en") for number in numbers])
    drawn = torch.Generator().manual_seed(1)
    rows = torch.randint(8, (12,), generator=torch.Generator().manual_seed(1))
    batches = pairs.batches(3, drawn, pool=4)
    found = [next(batches) for _ in range(4)]
    assert all(batch.target[:, -1].any() for batch in found)
    lengths = sorted(
        (batch.target != 0).sum(1).sort().values.tolist() for batch in found
    )
    assert sum(lengths, []) == sorted((pairs.target[rows] != 0).sum(1).tolist())
    again = [VOCABULARY.decode(row) for batch in found for row in batch.source]
    assert sorted(again) == sorted(f"en{numbers[i]}" for i in rows)
    order = [(batch.target != 0).sum().item() for batch in found]
    assert order != sorted(order)
    assert len(next(batches).source) == 3


def test_no_number_is_drawn_for_training_and_for_the_test():
    for digits in (2, 3, 6):
        rng = random.Random(0)
        train = set(draw_numbers(digits, 300, rng, held_out=False))
        test = set(draw_numbers(digits, 300, rng, held_out=True))
        assert not train & test
        assert {len(str(n)) for n in train | test} == {digits}
    assert all(map(is_held_out, test)) and not any(map(is_held_out, train))
    share = sum(map(is_held_out, range(100_000))) / 100_000
    assert abs(share - 0.1) < 0.01
    ones = draw_numbers(1, 200, random.Random(0), held_out=True)
    assert set(ones) == set(range(10))
    again = draw_numbers(6, 300, random.Random(0), held_out=False)
    assert again == draw_numbers(6, 300, random.Random(0), held_out=False)
    with pytest.raises(ValueError, match="digits=0"):
        draw_numbers(0, 5, random.Random(0), held_out=True)
