"""What the first page shows is what the three models write and cost."""

import json
from collections import Counter
from random import Random

import pytest

from genai_lib.data import load_documentation
from genai_lib.reading.index.grammar import (
    NAME,
    RULES,
    can_write,
    continue_sentence,
    write_sentence,
)
from genai_lib.reading.index.stored import (
    BEGINNINGS,
    LENGTH,
    PATH,
    SAMPLES,
    by_counts,
    by_gpt,
    by_grammar,
    held_out_sentences,
    known_share,
    measure,
    seed_of,
    shown,
)

STORED = json.loads(PATH.read_text(encoding="utf-8"))
PLACES = [(b, s) for b in BEGINNINGS for s in range(1, SAMPLES + 1)]
WRONG = (
    "The data is known.",
    "the data are known.",
    "The data are known",
    "The data are known. ",
    "If the data are known, the estimator are known.",
    "The number of the data is large.",
    "The data are too known.",
    "This function returns the mean of the output of the model.",
    "",
)


def test_file_is_small():
    assert PATH.stat().st_size < 20_000


def test_there_is_a_sample_for_every_place_and_no_seed_twice():
    assert {b: len(group) for b, group in STORED["samples"].items()} == dict.fromkeys(
        BEGINNINGS, SAMPLES
    )
    assert sorted(seed_of(*place) for place in PLACES) == list(range(1, 21))


def test_every_rule_is_used_and_every_name_is_a_rule():
    names = {
        n for group in RULES.values() for text in group for n in NAME.findall(text)
    }
    assert names | {"sentence"} == set(RULES)
    assert all(len(set(group)) == len(group) > 1 for group in RULES.values())


def test_what_the_grammar_writes_it_can_write():
    random = Random(0)
    sentences = [write_sentence(random) for _ in range(300)]
    assert all(map(can_write, sentences))
    assert all(s[0].isupper() and s.endswith(".") for s in sentences)
    assert len(set(sentences)) > 200


@pytest.mark.parametrize("sentence", WRONG)
def test_what_breaks_a_rule_cannot_be_written(sentence):
    assert not can_write(sentence)


def test_alternatives_are_equally_likely():
    random = Random(1)
    counts = Counter(write_sentence(random).startswith("If ") for _ in range(3000))
    assert counts[True] / 3000 == pytest.approx(1 / 3, abs=0.03)


def test_a_beginning_is_a_condition():
    """Continued sentences are distributed like all sentences with that beginning."""
    random, start = Random(2), "The number of "
    rest = [
        s for s in (write_sentence(random) for _ in range(20_000)) if start in s[:14]
    ]
    drawn = [continue_sentence(start, random) for _ in range(1000)]
    share = [sum("when" in s for s in group) / len(group) for group in (rest, drawn)]
    assert share[0] == pytest.approx(share[1], abs=0.06)


@pytest.mark.parametrize(("beginning", "sample"), PLACES)
def test_the_stored_sentences_are_those_of_the_grammar(beginning, sample):
    text = STORED["samples"][beginning][sample - 1]["grammar"]
    assert can_write(beginning + text)
    assert by_grammar(beginning, seed_of(beginning, sample)) == text


@pytest.mark.parametrize(("name", "writer"), [("counts", by_counts), ("GPT", by_gpt)])
def test_one_continuation_of_each_model_can_be_made_again(name, writer):
    stored = STORED["samples"][BEGINNINGS[1]][2][name]
    assert writer(BEGINNINGS[1], seed_of(BEGINNINGS[1], 3)) == stored
    assert writer(BEGINNINGS[1], seed_of(BEGINNINGS[1], 4)) != stored


def test_texts_are_as_long_as_was_said():
    for beginning, sample in PLACES:
        for name in ("counts", "GPT"):
            text = STORED["samples"][beginning][sample - 1][name]
            assert 1 < len(text) <= LENGTH + 2
            assert "\n" not in text
            assert set(text) - {"…"} <= set(load_documentation().characters)


def test_the_stored_measures_can_be_made_again():
    found = measure()
    for name, stored in STORED["models"].items():
        exact = {key for key in stored if key not in ("bits", "known")}
        assert {key: found[name][key] for key in exact} == {k: stored[k] for k in exact}
        if "bits" in stored:
            assert found[name]["bits"] == pytest.approx(stored["bits"], abs=2e-3)


def test_the_grammar_excludes_held_out_text():
    """So its probability is zero, and its bits are infinite."""
    sentences = held_out_sentences()
    assert sum(map(can_write, sentences)) == 0
    assert len(sentences) == STORED["models"]["grammar"]["held out"]
    whole = " ".join(load_documentation().validation.split())
    assert " ".join(sentences) == whole


@pytest.mark.parametrize("name", ["counts", "GPT"])
def test_the_stored_shares_of_known_words(name):
    texts = [one[name] for group in STORED["samples"].values() for one in group]
    assert known_share(texts) == STORED["models"][name]["known"]


def test_known_words_by_hand():
    assert known_share([" the estimator zzqx", " an estim…"]) == 0.75


def test_a_text_in_one_line():
    assert shown(" one\ntwo\n\n") == " one two"
    assert shown("s are\n  one") == "s are one…"
