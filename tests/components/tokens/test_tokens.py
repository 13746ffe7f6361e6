"""Byte-pair tokenizer: laws, two forms, references, files, bad input, exercises."""

import json
import sys
from collections import Counter
from itertools import pairwise

import pytest
import regex
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from genai_lib.components.tokens import (
    BytePairTokenizer,
    learn_merges,
    learn_merges_loop,
    merge,
    split_words,
)
from genai_lib.components.tokens.exercises import (
    check_apply_merges,
    check_best_segmentation,
    check_tokens_of_run,
    longest_first,
)
from genai_lib.components.tokens.figure_layout import TRANSLATIONS
from genai_lib.components.tokens.merging import apply_merges
from genai_lib.components.tokens.stored import MERGES, load_tokenizer, train_tokenizer
from genai_lib.data import load_documentation

# Every character that Python's own Unicode table knows: what newer tables add is
# sorted differently by different libraries.
ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])
TEXT = st.one_of(
    st.text(ASSIGNED, max_size=30),
    st.text("aab bc.1'\n ", max_size=30),
    st.sampled_from(list(TRANSLATIONS.values())),
)
SMALL_WORDS = st.dictionaries(
    st.text("abc", min_size=1, max_size=9).map(str.encode),
    st.integers(1, 5),
    min_size=1,
    max_size=8,
)
BOOK = load_tokenizer(1024)


# Laws


@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_string_comes_back_even_with_halves_of_surrogate_pairs(text):
    assert BOOK.decode(BOOK.encode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x1c\x85\u2028",
        "\ud83d",
        "\ud83d\ude00",
        "\ude00\ud83d",
        "a\udcffb",
        "e\u0301 and \u00e9",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "\r\n \t\n\n   x  ",
        *TRANSLATIONS.values(),
    ],
)
def test_awkward_strings_come_back(text):
    for tokenizer in (BOOK, BytePairTokenizer([]), load_tokenizer(4096)):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(TEXT)
def test_words_together_are_the_text(text):
    assert "".join(split_words(text)) == text
    assert all(split_words(text))


@given(TEXT)
def test_tokens_never_cross_words(text):
    ids = [id for word in split_words(text) for id in BOOK.encode(word)]
    assert BOOK.encode(text) == ids


@given(TEXT, st.integers(256, 1024))
def test_a_larger_vocabulary_only_joins_tokens(text, size):
    """The cuts between tokens at 1,024 are among those at any smaller size."""

    def cuts(tokenizer):
        places, place = set(), 0
        for id in tokenizer.encode(text):
            place += len(tokenizer.tokens[id])
            places.add(place)
        return places

    assert cuts(BOOK) <= cuts(BOOK.truncated(size))


@given(TEXT)
def test_the_vocabulary_of_bytes_is_utf8(text):
    plain = BytePairTokenizer([])
    assert plain.encode(text) == list(text.encode())


@given(st.lists(st.integers(0, 1023), max_size=20))
def test_any_ids_can_be_decoded(ids):
    joined = b"".join(BOOK.tokens[id] for id in ids)
    assert BOOK.decode_bytes(ids) == joined
    assert isinstance(BOOK.decode(ids), str)


def test_a_cut_character_gives_the_replacement_character():
    ids = BOOK.encode("€")
    assert BOOK.decode(ids[:-1]) == "\ufffd"
    assert BOOK.pieces(ids) == ["⟨e2⟩", "⟨82⟩", "⟨ac⟩"]
    assert BOOK.decode(torch.tensor(ids)) == "€"


# Two forms agree


@given(SMALL_WORDS, st.integers(0, 12))
def test_incremental_training_equals_the_definition(words, merges):
    assert learn_merges(words, merges) == learn_merges_loop(words, merges)


def test_incremental_training_equals_the_definition_on_real_text():
    words = Counter(map(str.encode, split_words(load_documentation().train[:20_000])))
    assert learn_merges(words, 100) == learn_merges_loop(words, 100)


@given(st.lists(st.integers(0, 2), max_size=12))
def test_merging_equals_a_replacement_in_a_string(ids):
    written = "".join(map(str, ids)).replace("01", "9")
    assert merge(ids, (0, 1), 9) == [int(digit) for digit in written]


class Counted(dict):
    """A table that counts how often it is asked."""

    asked = 0

    def get(self, key, default=None):
        Counted.asked += 1
        return super().get(key, default)

    def __contains__(self, key):
        Counted.asked += 1
        return super().__contains__(key)


@pytest.mark.parametrize("letters_used", ["a", "acgt"])
def test_the_work_of_encoding_grows_with_the_letters_alone(letters_used):
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(len(letters_used), (4_000,), generator=generator)
    word = "".join(letters_used[place] for place in places).encode()
    merges = learn_merges({word: 1}, 60)
    ranks = Counted({pair: rank for rank, pair in enumerate(merges)})
    Counted.asked = 0
    apply_merges(word, ranks)
    assert Counted.asked <= 8 * len(word)


def calls_while(function):
    """Count the calls of Python functions that one call makes."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def test_the_work_of_learning_does_not_depend_on_where_the_words_end():
    generator = torch.Generator().manual_seed(0)
    letters_drawn = torch.randint(4, (4_000,), generator=generator)
    text = bytes((letters_drawn + 97).tolist())
    whole = calls_while(lambda: learn_merges({text: 1}, 100))
    parts = Counter(text[i : i + 40] for i in range(0, len(text), 40))
    assert whole <= 1.5 * calls_while(lambda: learn_merges(parts, 100))


@given(st.text("abcd", max_size=30), SMALL_WORDS)
def test_encoding_is_applying_the_merges_one_after_the_other(word, words):
    merges = learn_merges(words, 8)
    ids = list(word.encode())
    for new, pair in enumerate(merges, 256):
        ids = merge(ids, pair, new)
    assert BytePairTokenizer(merges, pattern="(?s:.+)").encode(word) == ids


def test_truncating_is_training_less():
    text = load_documentation().train[:20_000]
    large = BytePairTokenizer.train(text, 400, ["<end>"])
    small = BytePairTokenizer.train(text, 300, ["<end>"])
    assert large.truncated(300).merges == small.merges
    assert small.special_tokens == {"<end>": 299}


# The trusted reference: the library tokenizers


def letters():
    """Return the character by which byte-level tokenizers write each byte."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in kept]
    table = {byte: chr(byte) for byte in kept}
    table |= {byte: chr(256 + index) for index, byte in enumerate(moved)}
    ((written, _),) = split.pre_tokenize_str(" é")
    assert [table[byte] for byte in " é".encode()] == list(written)
    return table


def reference(tokenizer):
    """Give our merges to `tokenizers`."""
    table = letters()
    names = ["".join(table[byte] for byte in token) for token in tokenizer.tokens]
    merges = [(names[first], names[second]) for first, second in tokenizer.merges]
    model = models.BPE({name: id for id, name in enumerate(names)}, merges)
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


REFERENCE = reference(BOOK)


@given(TEXT)
def test_ids_are_those_of_tokenizers_given_the_same_merges(text):
    assert BOOK.encode(text) == REFERENCE.encode(text).ids


def test_ids_of_unbroken_text_are_those_of_tokenizers():
    generator = torch.Generator().manual_seed(0)
    for letters_used in ("a", "ab", "acgt", "กขค", "éß", "你好"):
        places = torch.randint(len(letters_used), (3_000,), generator=generator)
        word = "".join(letters_used[place] for place in places)
        tokenizer = BytePairTokenizer.train(word[:2_000], 256 + 8)
        assert tokenizer.encode(word) == reference(tokenizer).encode(word).ids
        assert list(tokenizer.merges) == learn_merges_loop(
            {word[:2_000].encode(): 1}, 8
        )


@given(st.text("aab", max_size=60), SMALL_WORDS)
def test_ids_of_long_runs_are_those_of_tokenizers(text, words):
    tokenizer = BytePairTokenizer(learn_merges(words, 10))
    assert tokenizer.encode(text) == reference(tokenizer).encode(text).ids


@pytest.mark.parametrize("size", [256, 512, 1024, 4096])
def test_ids_of_a_whole_text_are_those_of_tokenizers(size):
    text = load_documentation().validation + "\n".join(TRANSLATIONS.values())
    tokenizer = load_tokenizer(size)
    assert tokenizer.encode(text) == reference(tokenizer).encode(text).ids


def train_reference(words, merges):
    """Let `tokenizers` learn from words whose letters keep the order of the bytes."""
    made = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        show_progress=False,
        initial_alphabet=[chr(0x4E00 + byte) for byte in range(256)],
    )
    written = ["".join(chr(0x4E00 + b) for b in word) for word in words]
    many = [w for w, n in zip(written, words.values(), strict=True) for _ in range(n)]
    made.train_from_iterator(many, trainer)
    ids = made.get_vocab()
    learned = json.loads(made.to_str())["model"]["merges"]
    return [(ids[first], ids[second]) for first, second in learned]


@given(SMALL_WORDS)
def test_merges_and_their_ties_are_those_of_tokenizers(words):
    assert learn_merges(words, 6) == train_reference(words, 6)


def test_merges_of_a_real_text_are_those_of_tokenizers():
    words = Counter(map(str.encode, split_words(load_documentation().train[:60_000])))
    assert learn_merges(words, 600) == train_reference(words, 600)


def test_words_are_those_of_tokenizers_for_every_assigned_character():
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole = "".join(
        f"a{c}1{c}!{c} {c}x" for c in map(chr, range(0x3000)) if c.isprintable()
    )
    theirs = [whole[a:b] for _, (a, b) in split.pre_tokenize_str(whole)]
    assert split_words(whole) == theirs


# Worked examples


def test_the_example_of_the_paper():
    """Sennrich et al. 2016, Algorithm 1: low, lower, newest, widest.

    With 5, 2, 6 and 3 occurrences (and without the paper's end-of-word symbol) es is
    merged first, 9 times, then est. Then lo and low, 7 times.
    """
    words = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}
    made = BytePairTokenizer(learn_merges(words, 4))
    assert made.pieces([256, 257, 258, 259]) == ["es", "est", "lo", "low"]
    assert made.pieces(made.encode("lowest")) == ["low", "est"]


def test_the_example_of_gage():
    """aaabdaaabac becomes XdXac by the merges Z=aa, Y=ab, X=ZY."""
    made = BytePairTokenizer.train("aaabdaaabac", 259)
    assert made.pieces([256, 257, 258]) == ["aa", "ab", "aaab"]
    assert made.pieces(made.encode("aaabdaaabac")) == ["aaab", "d", "aaab", "a", "c"]


def test_ties_go_to_the_smallest_ids():
    assert learn_merges({b"ba": 1, b"ab": 1}, 1) == [(97, 98)]
    assert learn_merges({b"cd": 2, b"ab": 1, b"ef": 2}, 2) == [(99, 100), (101, 102)]


def test_words_keep_contractions_numbers_and_one_space_together():
    assert split_words("They're 20 km away!?  Yes") == [
        *("They", "'re", " 20", " km", " away", "!?", " ", " Yes")
    ]


# Special tokens are ids, never text


def test_text_never_gives_a_special_token():
    tokenizer = BytePairTokenizer(BOOK.merges, ["<end>", "<image>"])
    ids = tokenizer.encode("stop <end> here <image>")
    assert max(ids) < tokenizer.special_tokens["<end>"] == 1024
    assert tokenizer.decode(ids) == "stop <end> here <image>"


def test_special_tokens_decode_to_their_names():
    tokenizer = BytePairTokenizer([], ["<end>"])
    end = tokenizer.special_tokens["<end>"]
    assert tokenizer.decode([*tokenizer.encode("a"), end]) == "a<end>"
    assert tokenizer.vocab_size == 257


# Files


def test_a_saved_tokenizer_comes_back(tmp_path):
    path = tmp_path / "tokenizer.json"
    saved = BytePairTokenizer(BOOK.merges, ["<end>"], r"(?s:.{1,5})")
    saved.save(path)
    loaded = BytePairTokenizer.load(path)
    assert loaded.merges == saved.merges
    assert loaded.special_tokens == saved.special_tokens
    assert loaded.pattern == saved.pattern
    again = tmp_path / "again.json"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_building_the_merges_of_the_book_gives_the_same_file(tmp_path):
    train_tokenizer().save(tmp_path / "merges.json")
    assert (tmp_path / "merges.json").read_bytes() == MERGES.read_bytes()
    assert MERGES.stat().st_size < 1e6


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not JSON"),
        ('{"kind":', "is not JSON"),
        ("[]", "is not a genai_lib byte-pair tokenizer"),
        ('{"kind": "other"}', "is not a genai_lib byte-pair tokenizer"),
        ('{"kind": "genai_lib byte-pair tokenizer"}', "wrong parts"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, content, reason):
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=f"path=.*odd.json.*{reason}"):
        BytePairTokenizer.load(path)


@pytest.mark.parametrize(
    "damage",
    [{"merges": [[97, 300]]}, {"merges": "ab"}, {"pattern": "("}, {"pattern": 3}],
)
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "damaged.json"
    BOOK.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | damage), encoding="utf-8")
    with pytest.raises(ValueError, match=f"damaged.json.*{next(iter(damage))}"):
        BytePairTokenizer.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        BytePairTokenizer.load(tmp_path / "missing.json")


# Bad input


@pytest.mark.parametrize(
    "merges",
    [
        [(97, 256)],
        [(-1, 97)],
        [(97, 98, 99)],
        [("a", "b")],
        [(97, 98), (97, 98)],
        [97],
        "ab",
        None,
        [(True, 97)],
    ],
)
def test_bad_merges_are_named(merges):
    with pytest.raises(ValueError, match="merges"):
        BytePairTokenizer(merges)


@pytest.mark.parametrize("names", ["<end>", [""], ["a", "a"], [3]])
def test_bad_special_tokens_are_named(names):
    with pytest.raises(ValueError, match="special_tokens="):
        BytePairTokenizer([], names)


@pytest.mark.parametrize("text", [None, b"bytes", 3, ["a"]])
def test_text_must_be_a_string(text):
    with pytest.raises(ValueError, match="text="):
        BOOK.encode(text)


@pytest.mark.parametrize("ids", [[1024], [-1], ["a"], [1.0], "ab", [[1]]])
def test_bad_ids_are_named(ids):
    for read in (BOOK.decode, BOOK.decode_bytes, BOOK.pieces):
        with pytest.raises(ValueError, match="ids has"):
            read(ids)


@pytest.mark.parametrize("pattern", ["(", r"\w+", "(a)|.", ""])
def test_patterns_that_lose_text_are_named(pattern):
    with pytest.raises(ValueError, match="pattern="):
        split_words("one, two", pattern)


@pytest.mark.parametrize("size", [255, 300])
def test_vocabulary_sizes_out_of_reach_are_named(size):
    with pytest.raises(ValueError, match=f"vocab_size={size}"):
        BytePairTokenizer.train("abc", size)
    with pytest.raises(ValueError, match=f"vocab_size={size}"):
        BytePairTokenizer([]).truncated(size)


@pytest.mark.parametrize("size", [255, 4097])
def test_the_book_has_tokenizers_of_some_sizes_only(size):
    with pytest.raises(ValueError, match=f"vocab_size={size}"):
        load_tokenizer(size)


def test_special_tokens_count_among_the_size_of_the_book_tokenizer():
    tokenizer = load_tokenizer(512, ["<end>"])
    assert tokenizer.vocab_size == 512
    assert tokenizer.special_tokens == {"<end>": 511}
    assert tokenizer.merges == load_tokenizer(511).merges


# Known-wrong implementations are caught by the laws


def longest_match(tokenizer, text):
    """Take the longest token that fits: what WordPiece does, not BPE."""
    known = {token: id for id, token in enumerate(tokenizer.tokens)}
    ids = []
    for word in split_words(text):
        rest = word.encode()
        while rest:
            end = max(e for e in range(1, len(rest) + 1) if rest[:e] in known)
            ids.append(known[rest[:end]])
            rest = rest[end:]
    return ids


def first_pair_found(tokenizer, text):
    """Merge the first pair that has a merge, whatever its rank."""
    ranks = {pair: 256 + k for k, pair in enumerate(tokenizer.merges)}
    ids = []
    for word in split_words(text):
        part = list(word.encode())
        while found := [p for p in pairwise(part) if p in ranks]:
            part = merge(part, found[0], ranks[found[0]])
        ids += part
    return ids


@pytest.mark.parametrize("wrong", [longest_match, first_pair_found])
def test_other_orders_of_merging_differ(wrong):
    text = load_documentation().validation[:5000]
    assert wrong(BOOK, text) != BOOK.encode(text)
    assert BOOK.decode(wrong(BOOK, text)) == text


def test_merges_learned_without_words_cross_them():
    text = load_documentation().train[:5000]
    crossing = BytePairTokenizer.train(text, 400, pattern="(?s:.+)")
    pieces = crossing.pieces(range(256, 400))
    assert any(regex.search(r"\S\s+\S", piece) for piece in pieces)
    inside = BytePairTokenizer.train(text, 400).pieces(range(256, 400))
    assert not any(regex.search(r"\S\s+\S", piece) for piece in inside)


def test_counting_each_word_once_learns_other_merges():
    words = Counter(map(str.encode, split_words(load_documentation().train[:20_000])))
    once = dict.fromkeys(words, 1)
    assert learn_merges(once, 50) != learn_merges(words, 50)


# The checkers of the exercises


def right_apply(ids, merges):
    return BytePairTokenizer(merges, pattern="(?s:.+)").encode(bytes(ids).decode())


def apply_first_found(ids, merges):
    ranks = {pair: 256 + k for k, pair in enumerate(merges)}
    ids = list(ids)
    while found := [p for p in pairwise(ids) if p in ranks]:
        ids = merge(ids, found[0], ranks[found[0]])
    return ids


def apply_from_the_right(ids, merges):
    ids = list(ids)[::-1]
    for new, (first, second) in enumerate(merges, 256):
        ids = merge(ids, (second, first), new)
    return ids[::-1]


def apply_in_place(ids, merges):
    ids[:] = right_apply(ids, merges)
    return ids


def viterbi(text, scores):
    best = [(0.0, [])]
    for end in range(1, len(text) + 1):
        best.append(
            max(
                (best[start][0] + scores[text[start:end]], [*best[start][1], start])
                for start in range(end)
                if text[start:end] in scores
            )
        )
    cuts = [*best[-1][1], len(text)]
    return [text[a:b] for a, b in pairwise(cuts)]


def stub(first, second):
    """Stand for an exercise that is not filled in."""


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            check_tokens_of_run,
            lambda n, k: (n >> k) + (n % 2**k).bit_count(),
            {
                lambda n, k: n >> k: "make 1 tokens, not 0",
                lambda n, k: -(-n // 2**k): "make",
                lambda n, k: "many": "not 'many'",
            },
        ),
        (
            check_apply_merges,
            right_apply,
            {
                apply_first_found: "learned first comes first",
                apply_from_the_right: "from left to right",
                apply_in_place: "changes the list",
                lambda ids, merges: merge(ids, merges[0], 256): "",
                lambda ids, merges: ids: "a pair is one token",
                lambda ids, merges: 7: "could not be checked",
            },
        ),
        (
            check_best_segmentation,
            viterbi,
            {
                longest_first: "greedy",
                lambda text, scores: list(text): "scores",
                lambda text, scores: ["", text]: "is not a piece of the vocab",
                lambda text, scores: ["hug"]: "do not make",
            },
        ),
    ],
    ids=["tokens_of_run", "apply_merges", "best_segmentation"],
)
def test_checkers_accept_the_right_and_explain_the_wrong(check, right, wrong):
    assert check(right).passed, check(right)
    assert "not filled in" in check(stub).message
    assert not check(stub).passed
    for answer, reason in wrong.items():
        verdict = check(answer)
        assert not verdict.passed
        assert reason in verdict.message


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "apply_merges": right_apply,
    "best_segmentation": viterbi,
    "tokens_of_run": lambda n, k: (n >> k) + (n % 2**k).bit_count(),
}
