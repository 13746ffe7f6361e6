"""A translation task: numbers in digits to numbers in words, in four languages.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  pairs in a batch    S  positions of the source    T  those of the target
"""

import functools
import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from num2words import num2words
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from genai_lib.checks import as_ids, check_option, check_positive, check_whole

LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}
# German writes most numbers as one word; it is split before and after these.
JOINTS = "tausend|hundert|und"
WORD = re.compile(r",|[ -]?[^ ,-]+")
GERMAN = re.compile(rf" ?(?:{JOINTS})|[ -]?.+?(?={JOINTS}| |$)")
PAD, END = "<pad>", "<end>"
HELD_OUT = 10  # one number in ten


def in_words(number: int, language: str) -> str:
    """Return a number in words.

    >>> in_words(42, "en"), in_words(42, "de")
    ('forty-two', 'zweiundvierzig')
    """
    check_option("language", language, LANGUAGES)
    return _spelled(*check_whole(None, None, number=number), language)


@functools.lru_cache(maxsize=1 << 18)
def _spelled(number: int, language: str) -> str:
    try:
        return num2words(number, lang=language)
    except OverflowError as reason:  # languages differ in how far they count
        raise ValueError(f"number={number} is too large: {reason}") from None


def pieces(words: str, language: str) -> list[str]:
    """Split a number in words into pieces, the tokens of the target.

    Joined, the pieces are the words with one space in front.

    >>> pieces("einundvierzig", "de")
    [' ein', 'und', 'vierzig']
    """
    return (GERMAN if language == "de" else WORD).findall(" " + words)


def is_held_out(number: int) -> bool:
    """Return whether a number belongs to the test set, in every language."""
    (number,) = check_whole(None, None, number=number)
    return hashlib.md5(str(number).encode()).digest()[0] % HELD_OUT == 0


def draw_numbers(
    digits: int, count: int, rng: random.Random, *, held_out: bool
) -> list[int]:
    """Draw numbers with so many digits from the test or the training set.

    Numbers may be drawn several times. Those with one digit belong to both sets.
    """
    digits, count = check_positive(digits=digits, count=count)
    low, high = (0 if digits == 1 else 10 ** (digits - 1)), 10**digits
    found = []
    while len(found) < count:
        number = rng.randrange(low, high)
        if digits == 1 or is_held_out(number) == held_out:
            found.append(number)
    return found


class Pairs(NamedTuple):
    """Sources and targets, padded to equal length.

    Attributes
    ----------
    source : int64 Tensor of shape (B, S)
    target : int64 Tensor of shape (B, T)
    """

    source: Tensor
    target: Tensor

    def batches(
        self, size: int, generator: torch.Generator, pool: int = 1
    ) -> Iterator["Pairs"]:
        """Yield random batches without end, each cut to its longest pair.

        Parameters
        ----------
        size : int
            How many pairs a batch has.
        generator : torch.Generator
        pool : int, default=1
            How many batches are drawn at once and sorted by the length of the target,
            so that the pairs of a batch are about equally long and need little padding.
        """
        size, pool = check_positive(size=size, pool=pool)
        return self._draw(size, generator, pool)

    def _draw(self, size, generator, pool) -> Iterator["Pairs"]:
        while True:
            rows = torch.randint(len(self.source), (size * pool,), generator=generator)
            rows = rows.to(self.source.device)
            lengths = (self.target[rows] != 0).sum(dim=1)
            parts = rows[lengths.argsort(stable=True)].split(size)
            for i in torch.randperm(pool, generator=generator).tolist():
                yield Pairs(*(_cut(part[parts[i]]) for part in self))


def _cut(tokens: Tensor) -> Tensor:
    """Drop the last columns that hold only padding."""
    used = (tokens != 0).any(dim=0).nonzero()
    return tokens[:, : int(used.max()) + 1 if len(used) else 0]


@dataclass(frozen=True)
class NumberVocabulary:
    """All tokens of sources and targets; pad and end have the ids 0 and 1, as in T5.

    Attributes
    ----------
    tokens : tuple of str
        Each token once; its index is its id.

    >>> vocabulary = NumberVocabulary.of(digits=3)
    >>> source = vocabulary.source(42, "de")
    >>> vocabulary.decode(source), vocabulary.decode(vocabulary.target(42, "de"))
    ('de42', 'zweiundvierzig')
    """

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, digits: int) -> "NumberVocabulary":
        """Collect the tokens for numbers with up to so many digits."""
        (digits,) = check_positive(digits=digits)
        hundreds = range(100, 1000, 100)
        groups = [*range(200), *hundreds, *(n + 1 for n in hundreds)]
        places = [1000**i for i in range(5)]
        # Each group of three digits occurs alone and with 101 in all other groups,
        # since words may change between thousands and millions.
        others = [sum(places) * 101 - place * 101 for place in places]
        numbers = {
            number % 10**digits
            for group in groups
            for place, rest in zip(places, others, strict=True)
            for number in (group * place, group * place + rest)
        }
        found = {
            piece
            for number in numbers
            for language in LANGUAGES
            for piece in pieces(in_words(number, language), language)
        }
        return cls((PAD, END, *LANGUAGES, *"0123456789", *sorted(found)))

    def __len__(self) -> int:
        return len(self.tokens)

    def source(self, number: int, language: str) -> list[int]:
        """Return the ids of a source: the language, the digits, the end."""
        (number,) = check_whole(0, None, number=number)
        return self._ids([language, *str(number), END])

    def target(self, number: int, language: str) -> list[int]:
        """Return the ids of a target: the pieces, the end."""
        (number,) = check_whole(0, None, number=number)
        return self._ids([*pieces(in_words(number, language), language), END])

    def pairs(self, examples: Iterable[tuple[int, str]]) -> Pairs:
        """Return tensors for a list of (number, language), which must not be empty."""
        examples = list(examples)
        if not examples:
            raise ValueError("examples: at least one is needed")
        columns = ([part(*e) for e in examples] for part in (self.source, self.target))
        return Pairs(
            *(
                pad_sequence([torch.tensor(row) for row in column], batch_first=True)
                for column in columns
            )
        )

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of ids up to the end token."""
        found = []
        for token in as_ids("tokens", tokens, len(self.tokens)):
            if self.tokens[token] == END:
                break
            found.append(self.tokens[token])
        return "".join(found).strip()

    def _ids(self, tokens: list[str]) -> list[int]:
        unknown = [token for token in tokens if token not in self._id_of]
        if unknown:
            raise ValueError(f"{''.join(tokens)!r} has unknown tokens {unknown}")
        return [self._id_of[token] for token in tokens]

    @functools.cached_property
    def _id_of(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}
