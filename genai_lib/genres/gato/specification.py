"""Specifications of tasks: the kind and the size of each observation and action.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato

Letters used in this file
    S  time steps of an episode    n  tokens of one part in one time step

The kind of a part determines how it becomes tokens, never its values. Otherwise the
tokens could not be decoded.

References
    [1] Reed et al., "A Generalist Agent", 2022, arXiv:2205.06175, section 2.1
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genai_lib.checks import (
    check_each,
    check_finite,
    check_positive,
    check_whole,
    describe,
)
from genai_lib.data import CharacterTokenizer
from genai_lib.genres.gato.tokens import (
    BINS,
    LARGEST,
    bounded_to_tokens,
    continuous_to_tokens,
)


@dataclass(frozen=True)
class Vocabulary:
    """All tokens: text from 0 on, then the bins of numbers, then the separator.

    A discrete value is its own token, so discrete values share tokens with the text,
    as in the paper.
    """

    characters: CharacterTokenizer

    @property
    def text_size(self) -> int:
        """V, the number of text tokens."""
        return len(self.characters)

    @property
    def separator(self) -> int:
        """The token between observations and actions."""
        return self.text_size + BINS

    @property
    def size(self) -> int:
        """The number of all tokens."""
        return self.text_size + BINS + 1


@dataclass(frozen=True)
class Text:
    """A text, one token for each character."""

    order = 0  # texts come first in a time step

    def tokens(self, name: str, values: list[str], vocabulary: Vocabulary) -> Tensor:
        """Return the tokens of the text of one time step (1, n)."""
        (value,) = values
        if not isinstance(value, str):
            raise ValueError(f"{name}={describe(value)} must be a text")
        try:
            return vocabulary.characters.encode(value)[None]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


@dataclass(frozen=True)
class Image:
    """An image with values from 0 to 1, cut into square patches.

    Attributes
    ----------
    shape : tuple of int
        (channels, rows, columns), the last two multiples of `patch`.
    patch : int
        Rows and columns of a patch.
    """

    shape: tuple[int, int, int]
    patch: int
    order = 1

    def __post_init__(self) -> None:
        check_positive(patch=self.patch)
        check_each(check_positive, shape=self.shape)
        if len(self.shape) != 3 or any(side % self.patch for side in self.shape[1:]):
            raise ValueError(
                f"shape={self.shape} must be (channels, rows, columns), the last two "
                f"multiples of patch={self.patch}"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """The numbers of rows and columns of patches."""
        return self.shape[1] // self.patch, self.shape[2] // self.patch

    def check(self, name: str, values: Tensor) -> Tensor:
        """Return values (S, C, H, W); ValueError if they do not fit."""
        return _within(name, _shaped(name, values, self.shape), 0.0, 1.0)


@dataclass(frozen=True)
class Discrete:
    """Whole numbers from 0 to `options` - 1, in an array of this shape."""

    options: int
    shape: tuple[int, ...] = ()
    order = 2

    def __post_init__(self) -> None:
        check_whole(1, BINS, options=self.options)
        check_each(check_positive, shape=self.shape)

    def tokens(self, name: str, values: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Return the numbers themselves as tokens, row by row (S, n)."""
        if self.options > vocabulary.text_size:
            raise ValueError(
                f"{name}: options={self.options} are more than the "
                f"{vocabulary.text_size} tokens of text, so they would collide with "
                "the bins of numbers"
            )
        values = _shaped(name, values, self.shape)
        if values.is_floating_point():
            raise ValueError(f"{name}={describe(values)}: integers are needed")
        values = _within(name, values, 0, self.options - 1)
        return values.long().reshape(len(values), -1)


@dataclass(frozen=True)
class Continuous:
    """Real numbers from `low` to `high`, within -256 to 256, compressed by a μ-law."""

    shape: tuple[int, ...] = ()
    low: float = -LARGEST
    high: float = LARGEST
    order = 2

    def __post_init__(self) -> None:
        check_each(check_positive, shape=self.shape)
        check_finite(low=self.low, high=self.high)
        if not -self.limit <= self.low < self.high <= self.limit:
            raise ValueError(
                f"low={self.low} must be below high={self.high}, both within "
                f"-{self.limit} to {self.limit}"
            )

    @property
    def limit(self) -> float:
        """The largest number that has a bin."""
        return LARGEST

    def tokens(self, name: str, values: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Return the tokens of the numbers, row by row (S, n)."""
        return continuous_to_tokens(self._checked(name, values), vocabulary.text_size)

    def _checked(self, name: str, values: Tensor) -> Tensor:
        values = _shaped(name, values, self.shape)
        if not values.is_floating_point():
            raise ValueError(f"{name}={describe(values)}: real numbers are needed")
        values = _within(name, values, self.low, self.high)
        return values.reshape(len(values), -1)


@dataclass(frozen=True)
class Bounded(Continuous):
    """Real numbers from `low` to `high`, within -1 to 1, without compression."""

    low: float = -1
    high: float = 1

    @property
    def limit(self) -> float:
        """The largest number that has a bin."""
        return 1

    def tokens(self, name: str, values: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Return the tokens of the numbers, row by row (S, n)."""
        return bounded_to_tokens(self._checked(name, values), vocabulary.text_size)


Part = Text | Image | Discrete | Continuous


@dataclass(frozen=True)
class Task:
    """The specification of the observations and actions in a time step.

    Attributes
    ----------
    name : str
    observations, actions : dict from name to Text, Image, Discrete or Continuous
    """

    name: str
    observations: Mapping[str, Part] = field(default_factory=dict)
    actions: Mapping[str, Part] = field(default_factory=dict)

    def ordered_observations(self) -> list[tuple[str, Part]]:
        """Return the observations in the order of [1]: text, images, tensors; by name.

        >>> parts = {"b": Discrete(2), "a": Discrete(2), "z": Text()}
        >>> [name for name, _ in Task("t", parts).ordered_observations()]
        ['z', 'a', 'b']
        """
        return sorted(self.observations.items(), key=lambda i: (i[1].order, i[0]))

    def ordered_actions(self) -> list[tuple[str, Part]]:
        """Return the actions sorted by name."""
        return sorted(self.actions.items())


def _shaped(name: str, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        values = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name}={describe(values)} cannot become a tensor: {error}"
        ) from error
    if values.is_complex():
        raise ValueError(f"{name}={describe(values)} must be real")
    if values.ndim < 1 or values.shape[1:] != torch.Size(shape):
        found, size = tuple(values.shape[1:]), math.prod(values.shape[1:])
        raise ValueError(
            f"{name} has {size} numbers of shape {found} in a time step: "
            f"{math.prod(shape)} of shape {tuple(shape)} are specified"
        )
    return values


def _within(name: str, values: Tensor, low: float, high: float) -> Tensor:
    outside = ~((values >= low) & (values <= high))  # true for NaN too
    if outside.any():
        value = values[outside][0].item()
        raise ValueError(f"{name} holds {value:g}, specified are {low:g} to {high:g}")
    return values
