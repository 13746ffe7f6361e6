"""The figure of disentangled attention shows what the library computes."""

import math

import pytest
import torch

from genai_lib.components.softmax import softmax
from genai_lib.genres.disentangled_attention import (
    content_to_position,
    position_to_content,
    relative_rows,
)
from genai_lib.genres.disentangled_attention import figure as disentangled_attention
from genai_lib.genres.disentangled_attention.figure import TERMS, WORDS, three_terms
from tests.live.states import check_states


def three_terms_numbers(state):
    words, most = disentangled_attention.WORDS, disentangled_attention.MOST
    query, key = (
        torch.tensor([[[vectors[word] for word in words]]], dtype=torch.float64)
        for vectors in (disentangled_attention.QUERIES, disentangled_attention.KEYS)
    )
    k, places = round(state["k"]), torch.arange(len(words))
    table = torch.tensor([disentangled_attention.table()], dtype=torch.float64)
    table = table[:, most - k : most + k]  # one row for each of -k to k - 1
    rows = relative_rows(places, places, k)
    terms = {
        "c2c": query @ key.mT,
        "c2p": content_to_position(query, table, rows),
        "p2c": position_to_content(key, table, rows),
    }
    on = sum(state[f"on_{term}"] for term in terms)
    share = math.sqrt(query.shape[-1] * max(1, on))
    maps = {name: x[0, 0] * state[f"on_{name}"] / share for name, x in terms.items()}
    maps["weight"] = softmax(sum(maps.values()), dim=-1)
    return {
        f"{name}, {i} {left} to {j} {right}": scores[i - 1, j - 1].item()
        for name, scores in maps.items()
        for i, left in enumerate(words, 1)
        for j, right in enumerate(words, 1)
    }


NUMBERS = {"three_terms": three_terms_numbers}


FIGURE = three_terms()
PLACES = list(enumerate(WORDS, 1))


def weights(numbers, query):
    """Return the weights of a row by its number, counted from 1."""
    start = f"weight, {query} {WORDS[query - 1]} to "
    return {key: numbers[f"{start}{key} {word}"] for key, word in PLACES}


def test_random_states_give_the_numbers_of_the_library(request):
    check_states(request, three_terms, three_terms_numbers, tolerance=1e-9)


def test_the_start_state_is_the_one_described():
    numbers = FIGURE.evaluate()
    assert len(numbers) == 4 * len(WORDS) ** 2
    for query, noun in ((2, 3), (7, 8)):
        row = weights(numbers, query)
        assert max(row, key=row.get) == noun and row[noun] > 0.8
    for key, word in PLACES:
        first, second = (numbers[f"c2c, {q} new to {key} {word}"] for q in (2, 7))
        assert first == second


def test_content_alone_cannot_tell_the_two_nouns_apart():
    row = weights(FIGURE.evaluate(on_c2p=0, on_p2c=0), 2)
    assert row[3] == pytest.approx(row[8]) and row[3] > 0.4


def test_with_every_term_off_all_words_get_the_same():
    numbers = FIGURE.evaluate(**{f"on_{term}": 0 for term in TERMS})
    assert all(w == pytest.approx(1 / 8) for w in weights(numbers, 4).values())


def test_at_maximum_distance_one_all_words_ahead_look_alike():
    numbers = FIGURE.evaluate(k=1)
    ahead = {numbers[f"c2p, 2 new to {key} {word}"] for key, word in PLACES[2:]}
    assert len(ahead) == 1
