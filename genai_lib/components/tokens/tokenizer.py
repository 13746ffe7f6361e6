"""Byte-pair tokenizer: any string to ids and back, without loss.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

Words used in this file
    word   a piece of text that no token crosses
    rank   the place of a merge in the order in which the merges were learned

What this file leaves out: normalisation. Every difference between two strings is
kept, even an invisible one, such as é written as one or as two characters.

References
    [1] Radford et al., "Language Models are Unsupervised Multitask Learners", 2019,
        section 2.2: bytes as the smallest units
    [2] Sennrich et al., "Neural Machine Translation of Rare Words with Subword
        Units", 2016, arXiv:1508.07909
"""

import functools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from genai_lib.checks import as_ids, as_whole, check_whole
from genai_lib.components.tokens.merging import (
    BYTES,
    Pair,
    apply_merges,
    learn_merges,
)
from genai_lib.components.tokens.words import (
    WORDS,
    compile_pattern,
    split_words,
    to_bytes,
    to_piece,
    to_text,
)

KIND = "genai_lib byte-pair tokenizer"
CACHED_WORDS = 2**16


class BytePairTokenizer:
    """Byte-level byte-pair encoding: turns any string into ids and back.

    Parameters
    ----------
    merges : sequence of pairs of int
        In the order in which they were learned; the k-th makes id 256 + k.
    special_tokens : sequence of str, default=()
        Names of ids after all others. `encode` never gives one of these ids, whatever
        the text says: put `tokenizer.special_tokens[name]` where it is wanted.
    pattern : str, default=WORDS
        How `split_words` cuts the text.

    Attributes
    ----------
    merges : tuple of pairs of int
    special_tokens : dict of str to int
    pattern : str
    tokens : tuple of bytes
        What each id stands for; for a special token, its name.

    Raises
    ------
    ValueError
        If a merge is not a pair of ids that exist before it or occurs twice, a special
        token has an empty name or one that is taken, or `pattern` is not a pattern.

    >>> tokenizer = BytePairTokenizer([(104, 105), (33, 33)])
    >>> tokenizer.encode("hi!!"), tokenizer.decode([256, 33])
    ([256, 257], 'hi!')
    """

    def __init__(
        self,
        merges: Sequence[Pair],
        special_tokens: Sequence[str] = (),
        pattern: str = WORDS,
    ) -> None:
        self.merges = _check_merges(merges)
        self.pattern = compile_pattern(pattern).pattern
        tokens = [bytes([byte]) for byte in range(BYTES)]
        for first, second in self.merges:
            tokens.append(tokens[first] + tokens[second])
        names = _check_special_tokens(special_tokens)
        self.special_tokens = {name: len(tokens) + i for i, name in enumerate(names)}
        self.tokens = (*tokens, *map(to_bytes, names))
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._encode_cached = functools.lru_cache(CACHED_WORDS)(self._encode_word)

    @classmethod
    def train(
        cls,
        text: str,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        pattern: str = WORDS,
    ) -> "BytePairTokenizer":
        """Learn the merges from a text [2, Algorithm 1].

        Parameters
        ----------
        text : str
        vocab_size : int
            How many ids there shall be: 256 bytes, the merges, the special tokens.
        special_tokens, pattern : as for the class

        Raises
        ------
        ValueError
            If `vocab_size` is too small for the bytes and the special tokens, or the
            text has too few pairs to reach it.
        """
        fewest = BYTES + len(special_tokens)
        (vocab_size,) = check_whole(fewest, None, vocab_size=vocab_size)
        times = Counter(split_words(text, pattern))
        words = {to_bytes(word): count for word, count in times.items()}
        merges = learn_merges(words, vocab_size - fewest)
        if fewest + len(merges) < vocab_size:
            raise ValueError(
                f"vocab_size={vocab_size} is too large: this text has no pair left to "
                f"merge at {fewest + len(merges)}"
            )
        return cls(merges, special_tokens, pattern)

    @property
    def vocab_size(self) -> int:
        """The number of ids: bytes, merges and special tokens."""
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Turn a string into ids; every string has some, and `decode` gives it back."""
        words = split_words(text, self.pattern)
        return [id for word in words for id in self._encode_cached(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into a string.

        Parameters
        ----------
        ids : one id, or an iterable of ids
            Whole numbers of Python or NumPy, tensors without dimensions as `generate`
            yields them for one prompt, or a tensor or an array of shape (N,).

        A list that was cut in the middle of a character, or put together by a model,
        may stand for bytes that are not text; these give the character �.
        """
        return to_text(self.decode_bytes(ids))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Turn ids into the bytes that they stand for, which need not be text."""
        return b"".join(self._tokens_of(ids))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Show what each id stands for; bytes that are not text show as ⟨e2 82⟩."""
        return [to_piece(token) for token in self._tokens_of(ids)]

    def truncated(self, vocab_size: int) -> "BytePairTokenizer":
        """Keep the first merges, as if training had stopped at `vocab_size`."""
        fewest = BYTES + len(self.special_tokens)
        (vocab_size,) = check_whole(fewest, self.vocab_size, vocab_size=vocab_size)
        kept = self.merges[: vocab_size - fewest]
        return BytePairTokenizer(kept, tuple(self.special_tokens), self.pattern)

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as JSON: the same bytes for the same tokenizer."""
        content = {
            "kind": KIND,
            "pattern": self.pattern,
            "special_tokens": list(self.special_tokens),
            "merges": self.merges,
        }
        text = json.dumps(content, separators=(",", ":")) + "\n"
        Path(path).write_text(text, encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: str | Path) -> "BytePairTokenizer":
        """Read what `save` wrote; a ValueError says what is wrong with another file."""
        place = f"path={str(path)!r}"
        if not Path(path).is_file():
            raise ValueError(f"{place}: there is no such file")
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as reason:
            raise ValueError(f"{place} is not JSON: {reason}") from None
        if not isinstance(content, dict) or content.pop("kind", None) != KIND:
            raise ValueError(f"{place} is not a {KIND}")
        if content.keys() != {"pattern", "special_tokens", "merges"}:
            raise ValueError(f"{place} has the wrong parts: {sorted(content)}")
        try:
            return cls(**content)
        except ValueError as reason:
            raise ValueError(f"{place}: {reason}") from None

    def __repr__(self) -> str:
        return f"BytePairTokenizer(vocab_size={self.vocab_size})"

    def __reduce__(self) -> tuple:
        """Pickle and copy the arguments alone, without the cache."""
        return type(self), (self.merges, tuple(self.special_tokens), self.pattern)

    def _encode_word(self, word: str) -> tuple[int, ...]:
        return tuple(apply_merges(to_bytes(word), self._ranks))

    def _tokens_of(self, ids: Iterable[int]) -> list[bytes]:
        return [self.tokens[id] for id in as_ids("ids", ids, self.vocab_size)]


def _check_merges(merges: Sequence[Pair]) -> tuple[Pair, ...]:
    if not isinstance(merges, list | tuple):
        raise ValueError(f"merges={merges!r} must be a list of pairs")
    checked = {}
    for new, pair in enumerate(merges, BYTES):
        ids = [as_whole(id) for id in pair] if isinstance(pair, list | tuple) else []
        if len(ids) != 2 or None in ids or not all(0 <= id < new for id in ids):
            raise ValueError(
                f"merges makes {new} of {pair!r}: two ids below {new} are wanted"
            )
        if checked.setdefault(tuple(ids), new) != new:
            raise ValueError(f"merges has {pair!r} twice")
    return tuple(checked)


def _check_special_tokens(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"special_tokens={names!r} must be names that are not empty")
    if len(set(names)) != len(names):
        raise ValueError(f"special_tokens={names!r} has a name twice")
    return tuple(names)
