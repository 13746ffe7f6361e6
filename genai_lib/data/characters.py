"""A tokenizer with one token per character, and windows of a text to train on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genai_lib.checks import as_ids, check_positive, describe


@dataclass(frozen=True)
class CharacterTokenizer:
    """A vocabulary of characters.

    Attributes
    ----------
    vocabulary : tuple of str
        Each character once; its index is its id.

    >>> letters = CharacterTokenizer.of("banana")
    >>> letters.encode("nab").tolist(), letters.decode([1, 0])
    ([2, 0, 1], 'ba')
    """

    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, characters: Iterable[str]) -> "CharacterTokenizer":
        """Number the characters of a text in sorted order."""
        return cls(tuple(sorted(set(characters))))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> Tensor:
        """Turn a text into an int64 Tensor of shape (length,)."""
        numbers = {
            character: number for number, character in enumerate(self.vocabulary)
        }
        unknown = sorted(set(text) - numbers.keys())
        if unknown:
            raise ValueError(f"text holds characters that are not known: {unknown}")
        return torch.tensor([numbers[character] for character in text]).long()

    def decode(self, numbers: Iterable[int]) -> str:
        """Turn numbers of any integer form (see `as_ids`) back into a text."""
        found = as_ids("numbers", numbers, len(self.vocabulary))
        return "".join(self.vocabulary[number] for number in found)


def random_windows(
    tokens: Tensor, length: int, size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield batches of windows with random starts, without end.

    Parameters
    ----------
    tokens : Tensor of shape (N,)
    length : int
        Tokens in a window, at most N.
    size : int
        Windows in a batch.
    generator : torch.Generator

    Yields
    ------
    Tensor of shape (size, length)
    """
    length, (size,) = _check(tokens, length), check_positive(size=size)
    return _draw_windows(tokens, length, size, generator)


def _draw_windows(tokens, length, size, generator) -> Iterator[Tensor]:
    steps = torch.arange(length)
    while True:
        ends = len(tokens) - length + 1
        starts = torch.randint(ends, (size, 1), generator=generator)
        yield tokens[(starts + steps).to(tokens.device)]


def even_windows(tokens: Tensor, length: int, most: int) -> Tensor:
    """Return at most `most` windows, evenly spread and without overlap.

    Returns
    -------
    Tensor of shape (count, length)
    """
    length, (most,) = _check(tokens, length), check_positive(most=most)
    whole = tokens[: len(tokens) // length * length].view(-1, length)
    return whole[:: -(-len(whole) // most)]


def _check(tokens: Tensor, length: int) -> int:
    (length,) = check_positive(length=length)
    if not isinstance(tokens, Tensor) or tokens.ndim != 1 or len(tokens) < length:
        raise ValueError(
            f"tokens={describe(tokens)} must have one dimension and at least "
            f"length={length} entries"
        )
    return length
