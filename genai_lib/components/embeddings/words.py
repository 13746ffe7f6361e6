"""Words as vectors: counting neighbours, and learning to predict them.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

Letters used in this file
    V  words of the vocabulary      d  width of a vector
    B  pairs in a batch             k  noise words for each pair
    w  word      c  word beside it (its context)

References
    [1] Mikolov et al., "Distributed Representations of Words and Phrases and their
        Compositionality", 2013, arXiv:1310.4546
    [2] Levy and Goldberg, "Neural Word Embedding as Implicit Matrix Factorization",
        2014, https://papers.nips.cc/paper_files/paper/2014/hash/
        feab05aa91085b7a8012516bc3533958-Abstract.html
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from genai_lib.checks import (
    as_whole,
    check_above_zero,
    check_finite,
    check_floating,
    check_positive,
    check_tokens,
    describe,
    is_whole_dtype,
)

SMALL = 200  # words up to which the full decomposition is as fast
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def split_words(text: str) -> list[str]:
    """Split a text into words: runs of letters, in lower case.

    >>> split_words("The 2 K-means' centres don't move.")
    ['the', 'k', 'means', 'centres', "don't", 'move']
    """
    return WORD.findall(text.lower())


@dataclass(frozen=True)
class Vocabulary:
    """The words that get a vector, the most frequent first.

    Attributes
    ----------
    words : tuple of str
    counts : tuple of int
        How often each occurred.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def from_texts(cls, texts: Iterable[str], at_least: int = 1) -> "Vocabulary":
        """Collect the words that occur `at_least` times; ties in alphabetical order."""
        check_positive(at_least=at_least)
        if isinstance(texts, str):
            raise ValueError(f"texts={texts[:20]!r} is one text; a list is needed")
        counts = Counter(word for text in texts for word in split_words(text))
        kept = [(-n, word) for word, n in counts.items() if n >= at_least]
        if not kept:
            raise ValueError(f"no word of the texts occurs at_least={at_least} times")
        numbers, words = zip(*sorted(kept), strict=True)
        return cls(words, tuple(-n for n in numbers))

    @cached_property
    def ids(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> Tensor:
        """Return the ids of a text's words as int64; unknown words are left out."""
        found = (self.ids.get(word) for word in split_words(text))
        return torch.tensor([i for i in found if i is not None], dtype=torch.long)


def skip_gram_pairs(texts: Sequence[Tensor], window: int) -> tuple[Tensor, Tensor]:
    """List every word with every word at most `window` places away in the same text.

    Parameters
    ----------
    texts : sequence of int64 Tensors of shape (length,)
    window : int

    Returns
    -------
    words, contexts : int64 Tensors of shape (pairs,)

    >>> words, contexts = skip_gram_pairs([torch.tensor([7, 8, 9])], window=1)
    >>> sorted(zip(words.tolist(), contexts.tolist()))
    [(7, 8), (8, 7), (8, 9), (9, 8)]
    """
    check_positive(window=window)
    for text in texts:
        check_ids("texts", text)
    left, right = [torch.empty(0, dtype=torch.long)], [torch.empty(0, dtype=torch.long)]
    for text in texts:
        for step in range(1, min(window, len(text) - 1) + 1):
            left.append(text[:-step])
            right.append(text[step:])
    earlier, later = torch.cat(left), torch.cat(right)
    return torch.cat([earlier, later]), torch.cat([later, earlier])


def check_ids(name: str, ids: object) -> None:
    """Raise ValueError unless `ids` is a tensor of integers in one dimension."""
    whole = isinstance(ids, Tensor) and is_whole_dtype(ids.dtype)
    if not whole or ids.ndim != 1:
        raise ValueError(f"{name}={describe(ids)} must be integers in one dimension")


def count_pairs(words: Tensor, contexts: Tensor, vocab_size: int) -> Tensor:
    """Count how often each word stands beside each other: (V, V), float64."""
    check_positive(vocab_size=vocab_size)
    check_ids("words", words)
    check_ids("contexts", contexts)
    if len(words) != len(contexts):
        raise ValueError(
            f"words={describe(words)}, contexts={describe(contexts)}: both (pairs,)"
        )
    if len(words) and max(words.max(), contexts.max()) >= vocab_size:
        largest = int(max(words.max(), contexts.max()))
        raise ValueError(f"vocab_size={vocab_size} has no row for the id {largest}")
    words = check_tokens("words", words, vocab_size)
    contexts = check_tokens("contexts", contexts, vocab_size)
    flat = torch.bincount(words * vocab_size + contexts, minlength=vocab_size**2)
    return flat.view(vocab_size, vocab_size).double()


def pmi(counts: Tensor) -> Tensor:
    """Measure how much oftener a pair occurs than by chance, log p(w,c)/(p(w) p(c)).

    Parameters
    ----------
    counts : floating-point Tensor of shape (V, V)
        `counts[w, c]` pairs; rows and columns may be empty.

    Returns
    -------
    Tensor of shape (V, V)
        In nats; -∞ for a pair that never occurred.

    >>> pmi(torch.tensor([[2.0, 0.0], [0.0, 2.0]])).exp()
    tensor([[2., 0.],
            [0., 2.]])
    """
    check_floating("counts", counts)
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1]
    if not square or (counts < 0).any() or not 0 < counts.sum() < torch.inf:
        raise ValueError(
            f"counts={describe(counts)} must be (V, V), finite, not negative, not all 0"
        )
    rows, columns = counts.sum(1, keepdim=True), counts.sum(0, keepdim=True)
    expected = rows * columns / counts.sum()
    return torch.where(counts > 0, counts / expected, 0.0).log()


def ppmi_vectors(counts: Tensor, width: int, shift: float = 0.0) -> Tensor:
    """Compress the positive part of PMI - shift to `width` numbers a word [2, §4].

    Returns
    -------
    Tensor of shape (V, d)
        U √S of the singular value decomposition U S Vᵀ, largest values first.
    """
    check_finite(shift=shift)
    check_floating("counts", counts)
    if as_whole(width) is None or not 1 <= width <= len(counts):
        raise ValueError(f"width={width!r} must be from 1 to V={len(counts)}")
    width = as_whole(width)
    positive = (pmi(counts) - shift).clamp(min=0).double().numpy()
    if len(positive) <= SMALL or 2 * width > len(positive):
        left, sizes, _ = np.linalg.svd(positive)
    else:
        # Nearly all entries are 0, and Lanczos' method needs only products with them.
        start = np.random.default_rng(0).standard_normal(len(positive))
        left, sizes, _ = svds(csr_array(positive), width, v0=start)
        left, sizes = left[:, ::-1], sizes[::-1]
    vectors = left[:, :width] * np.sqrt(sizes[:width])
    return torch.from_numpy(vectors).to(counts.dtype)


def noise_distribution(counts: Tensor, power: float = 0.75) -> Tensor:
    """Return the probability of each noise word, ∝ count^power; [1, §2.2] chose 3/4.

    A word that never occurs has the probability 0.
    """
    check_finite(power=power)
    counts = _as_counts(counts)
    weights = torch.where(counts > 0, counts**power, 0.0)
    return weights / weights.sum()


def keep_probability(counts: Tensor, threshold: float) -> Tensor:
    """Return the probability of keeping each word, √(t/f), at most 1 [1, eq. 5].

    f is the frequency of the word among all words and t the `threshold`.
    """
    check_above_zero(threshold=threshold)
    counts = _as_counts(counts)
    return (threshold * counts.sum() / counts).sqrt().clamp(max=1)


def _as_counts(counts: Tensor | Sequence[int]) -> Tensor:
    found = torch.as_tensor(counts, dtype=torch.double)
    if found.ndim != 1 or (found < 0).any() or not 0 < found.sum() < torch.inf:
        raise ValueError(
            f"counts={describe(counts)} must be (V,), finite, not negative, not all 0"
        )
    return found


class SkipGram(nn.Module):
    """Two tables of vectors, one for words and one for the words beside them [1].

    Parameters
    ----------
    vocab_size : int
        Words of the vocabulary, V.
    width : int
        Numbers in a vector, d.
    """

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        check_positive(vocab_size=vocab_size, width=width)
        self.words = nn.Embedding(vocab_size, width)
        self.contexts = nn.Embedding(vocab_size, width)
        nn.init.uniform_(self.words.weight, -0.5 / width, 0.5 / width)
        nn.init.zeros_(self.contexts.weight)

    def forward(self, words: Tensor, contexts: Tensor) -> Tensor:
        """Return the logit v_w · v'_c of each pair, (B, n).

        Parameters
        ----------
        words : int64 Tensor of shape (B,)
        contexts : int64 Tensor of shape (B, n)
        """
        vectors = self.words(words)  # (B, d)
        others = self.contexts(contexts)  # (B, n, d)
        return (others @ vectors[..., None]).squeeze(-1)  # (B, n)


def negative_sampling_loss(
    model: SkipGram, words: Tensor, contexts: Tensor, noise: Tensor
) -> Tensor:
    """Return the loss of telling neighbours from noise words [1, eq. 4].

    For each pair it is -log σ(v'_c·v_w) - Σ_k log σ(-v'_k·v_w).

    Parameters
    ----------
    model : SkipGram
    words, contexts : int64 Tensors of shape (B,)
    noise : int64 Tensor of shape (B, k)

    Returns
    -------
    scalar Tensor
        The mean over the batch.
    """
    check_ids("words", words)
    check_ids("contexts", contexts)
    whole = isinstance(noise, Tensor) and is_whole_dtype(noise.dtype)
    if not whole or noise.ndim != 2 or not len(noise) == len(words) == len(contexts):
        raise ValueError(
            f"noise={describe(noise)} must be (B, k) for {len(words)} words and "
            f"{len(contexts)} contexts"
        )
    logits = model(words, torch.cat([contexts[:, None], noise], dim=1))  # (B, 1 + k)
    signs = torch.ones_like(logits)
    signs[:, 1:] = -1
    return -nn.functional.logsigmoid(signs * logits).sum(dim=1).mean()
