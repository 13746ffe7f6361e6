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
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from genai_lib.checks import check_whole

BYTES = 256
Pair = tuple[int, int]


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace each occurrence of the pair by the new id, from left to right.

    Nothing is checked: whatever can be compared may stand for an id.

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


def apply_merges(ids: Iterable[int], ranks: Mapping[Pair, int]) -> list[int]:
    """Apply merges until none fits: always the one learned first, from left to right.

    The time is nearly in proportion to the length: a queue holds the pairs that can
    be joined, and a merge adds those with its two neighbours.

    Parameters
    ----------
    ids : iterable of int
        The bytes of a word.
    ranks : mapping of pairs to int
        The k-th merge has rank k and makes id 256 + k.

    >>> apply_merges(b"hihi!", {(104, 105): 0, (256, 256): 1})
    [257, 33]
    """
    ids = [*ids, None]  # the last place, which is also the one before the first
    before, behind = list(range(-1, len(ids) - 1)), list(range(1, len(ids) + 1))
    queue = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapq.heapify(queue)
    while queue:
        rank, place = heapq.heappop(queue)
        second = behind[place]
        if ranks.get((ids[place], ids[second])) != rank:
            continue  # one of the two has been joined with another
        first, third = before[place], behind[second]
        ids[place], ids[second] = BYTES + rank, None
        behind[place], before[third] = third, place
        for left, right in ((first, place), (place, third)):
            if (pair := (ids[left], ids[right])) in ranks:
                heapq.heappush(queue, (ranks[pair], left))
    return [id for id in ids if id is not None]


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
    (merges,) = check_whole(0, None, merges=merges)
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
    """Learn the merges of `learn_merges_loop`, recounting only where a pair occurred.

    The time grows with the letters of the words and not with the length of one.

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
    (merges,) = check_whole(0, None, merges=merges)
    pairs = _Pairs(words)
    learned = []
    while len(learned) < merges and (best := pairs.most_frequent()):
        pairs.merge(best, new=BYTES + len(learned))
        learned.append(best)
    return learned


class _Pairs:
    """The words as they are spelled now, and for each pair its count and its places.

    All words stand in one list, with None before and behind each. What a merge has
    joined stays at the place of its first part, and `before` and `behind` lead from
    there to the neighbours; so a merge touches only the places where its pair stands.
    """

    def __init__(self, words: Mapping[bytes, int]) -> None:
        self.ids: list[int | None] = [None]
        self.times = [0]
        for word, times in words.items():
            self.ids += [*word, None]
            self.times += [times] * (len(word) + 1)
        self.before = list(range(-1, len(self.ids) - 1))
        self.behind = list(range(1, len(self.ids) + 1))
        self.counts: Counter[Pair] = Counter()
        self.places: defaultdict[Pair, list[int]] = defaultdict(list)
        for place in range(len(self.ids) - 1):
            self._add(place)
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
        for place in self.places.pop(pair):
            # In "aaa" the first two are joined; then the last two are no longer a pair.
            if self._pair(place) == pair:
                changed |= self._merge_at(place, new)
        # Only pairs with the new id can have become more frequent.
        for near in changed:
            heapq.heappush(self.queue, (-self.counts[near], near))

    def _merge_at(self, place: int, new: int) -> set[Pair]:
        """Join a place with the one behind it; return which pairs that makes."""
        first, second = self.before[place], self.behind[place]
        for old in (first, place, second):
            if None not in (pair := self._pair(old)):
                self.counts[pair] -= self.times[old]
        third = self.behind[second]
        self.ids[place], self.ids[second] = new, None
        self.behind[place], self.before[third] = third, place
        return self._add(first) | self._add(place)

    def _pair(self, place: int) -> tuple[int | None, int | None]:
        return self.ids[place], self.ids[self.behind[place]]

    def _add(self, place: int) -> set[Pair]:
        if None in (pair := self._pair(place)):
            return set()
        self.counts[pair] += self.times[place]
        self.places[pair].append(place)
        return {pair}
