"""Byte-pair encoding: which pairs of tokens to join, learned from a text.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

Words used in this file
    word   a piece of text that no token crosses, as bytes
    token  an id: 0 to 255 are the bytes, 256 + k is what the k-th merge made
    merge  a pair of ids that becomes one new id
    count  how often a word, or a pair inside words, occurs in the text

What this file leaves out: cutting a text into words, and using the merges to encode
another text (`tokenizer.py`).

References
    [1] Sennrich et al., "Neural Machine Translation of Rare Words with Subword
        Units", 2016, arXiv:1508.07909, Algorithm 1
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

BYTES = 256
Pair = tuple[int, int]


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace each occurrence of the pair by the new id, from left to right.

    >>> merge([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    merged, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def count_pairs(words: Mapping[Sequence[int], int]) -> Counter[Pair]:
    """Count neighbouring ids, each word as often as it occurs.

    >>> count_pairs({(1, 2, 1): 3})
    Counter({(1, 2): 3, (2, 1): 3})
    """
    counts = Counter()
    for ids, times in words.items():
        for pair in pairwise(ids):
            counts[pair] += times
    return counts


def learn_merges_loop(words: Mapping[bytes, int], merges: int) -> list[Pair]:
    """Merge the most frequent pair, again and again [1, Algorithm 1].

    The definition, written to be read: all pairs are counted anew for each merge.
    Parameters and result are those of `learn_merges`.

    >>> learn_merges_loop({b"low": 5, b"lower": 2, b"newest": 6}, 2)
    [(119, 101), (108, 111)]
    """
    spelled = {tuple(word): times for word, times in words.items()}
    learned = []
    for new in range(BYTES, BYTES + merges):
        counts = count_pairs(spelled)
        if not counts:
            break
        # Of pairs that are equally frequent, the one with the smallest ids.
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        learned.append(best)
        spelled = {tuple(merge(ids, best, new)): n for ids, n in spelled.items()}
    return learned


def learn_merges(words: Mapping[bytes, int], merges: int) -> list[Pair]:
    """Learn the merges of `learn_merges_loop`, recounting only the words that change.

    Parameters
    ----------
    words : mapping of bytes to int
        Each word and how often it occurs.
    merges : int
        How many merges are wanted.

    Returns
    -------
    list of pairs of int
        In the order in which they are to be applied: the k-th makes id 256 + k. Of
        pairs that are equally frequent the one with the smallest ids comes first, as
        in the library `tokenizers`. Fewer than wanted if no pair is left.
    """
    pairs = _Pairs(words)
    learned = []
    while len(learned) < merges and (best := pairs.most_frequent()):
        pairs.merge(best, new=BYTES + len(learned))
        learned.append(best)
    return learned


class _Pairs:
    """The words as they are spelled now, and for each pair its count and its words."""

    def __init__(self, words: Mapping[bytes, int]) -> None:
        self.spelled = [list(word) for word in words]
        self.times = list(words.values())
        self.counts: Counter[Pair] = Counter()
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        for index in range(len(self.spelled)):
            self._add(index)
        # Smallest first: the largest count, then the smallest ids.
        self.queue = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.queue)

    def most_frequent(self) -> Pair | None:
        while self.queue:
            count, pair = heapq.heappop(self.queue)
            now = self.counts[pair]
            if now == -count and now > 0:
                return pair
            # The count has fallen since it was queued: back with the present one.
            if now > 0:
                heapq.heappush(self.queue, (-now, pair))
        return None

    def merge(self, pair: Pair, new: int) -> None:
        changed = set()
        for index in self.places.pop(pair):
            for old in pairwise(self.spelled[index]):
                self.counts[old] -= self.times[index]
            self.spelled[index] = merge(self.spelled[index], pair, new)
            changed |= self._add(index)
        # Only pairs with the new id can have become more frequent.
        for near in changed:
            if new in near:
                heapq.heappush(self.queue, (-self.counts[near], near))

    def _add(self, index: int) -> set[Pair]:
        found = set()
        for pair in pairwise(self.spelled[index]):
            self.counts[pair] += self.times[index]
            self.places[pair].add(index)
            found.add(pair)
        return found
