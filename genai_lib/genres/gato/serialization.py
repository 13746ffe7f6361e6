"""An episode as one sequence: what is seen, a separator, what is done, step by step.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato

Letters used in this file
    S  time steps    T  tokens of a sequence    P  numbers in a patch    B  sequences

References
    [1] Reed et al., "A Generalist Agent", 2022, arXiv:2205.06175, sections 2.1 to 2.3
        and appendix C
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import check_positive, describe
from genai_lib.components.tokens import patchify
from genai_lib.genres.gato.sequences import (
    FIRST,
    PATCH,
    PLACES,
    TokenBatch,
    action_tokens,
    join,
    plain_tokens,
)
from genai_lib.genres.gato.specification import Part, Picture, Task, Text, Vocabulary


@dataclass(frozen=True)
class Episode:
    """What was seen and done in S time steps.

    Attributes
    ----------
    observations, actions : dict from name to Tensor of shape (S, ...) or S texts
        Of pictures the values are from 0 to 1.
    """

    observations: Mapping[str, Tensor | Sequence[str]]
    actions: Mapping[str, Tensor | Sequence[str]]


def serialize_text(
    text: str, words: Vocabulary, context: int | None = None
) -> TokenBatch:
    """Write plain text: it has no time steps, and all of it is to be predicted."""
    if not isinstance(text, str):
        raise ValueError(f"text={describe(text)} must be a text")
    return _checked(plain_tokens(words.characters.encode(text)), context)


def serialize_episode(
    episode: Episode, task: Task, words: Vocabulary, context: int | None = None
) -> TokenBatch:
    """Write an episode as one sequence [1, section 2.2].

    A time step is what is seen (text, pictures, tensors, each sorted by name and
    written row by row), the separator, and what is done, sorted by name.

    Parameters
    ----------
    episode : Episode
    task : Task
        What each part has to be.
    words : Vocabulary
    context : int, default=None
        The most tokens that are allowed.

    Returns
    -------
    TokenBatch

    Raises
    ------
    ValueError
        If a part is missing or unknown, is no tensor or list, has a wrong size or a
        value outside its specification, the parts have different numbers of steps, or
        the sequence is longer than `context`.
    """
    if not isinstance(episode, Episode):
        raise ValueError(f"episode={describe(episode)} must be an Episode")
    steps = _steps(episode, task)
    whole = [*task.observations.values(), *task.actions.values()]
    if any(isinstance(part, Text) for part in whole) and steps > 1:
        # Texts differ in length, so the steps are written one by one.
        pieces = [serialize_steps(_one(episode, s), task, words) for s in range(steps)]
        return _checked(join(*pieces), context)
    return _checked(serialize_steps(episode, task, words), context)


def serialize_steps(episode: Episode, task: Task, words: Vocabulary) -> TokenBatch:
    """Write time steps that have equally many tokens, all at once."""
    seen = [_written(n, p, episode.observations[n], words) for n, p in task.seen()]
    done = [_written(n, p, episode.actions[n], words) for n, p in task.done()]
    steps = len((seen + done)[0].ids)
    bar = plain_tokens(torch.full((steps, 1), words.separator))
    view = join(*seen, replace(bar, learned=bar.ids < 0), dim=1)
    places = torch.arange(view.ids.shape[1]) + FIRST
    view = replace(view, local=places.expand_as(view.ids))
    acts = [action_tokens(part) for part in done]
    return join(view, *acts, dim=1).map(lambda x: x.flatten(0, 1))


def _one(episode: Episode, step: int) -> Episode:
    """Cut out one time step."""
    parts = (episode.observations, episode.actions)
    return Episode(*({n: v[step : step + 1] for n, v in p.items()} for p in parts))


def normalise_patches(pictures: Tensor, patch: int) -> Tensor:
    """Cut pictures (S, C, H, W) into patches (S, n, P), pixels in -1 to 1 over √patch.

    The paper's patches have 16 rows and columns: its pixels are divided by 4.

    >>> normalise_patches(torch.ones(1, 1, 4, 4), 4)[0, 0, 0].item()
    0.5
    """
    return (2 * patchify(pictures, patch) - 1) / math.sqrt(patch)


def _written(name: str, part: Part, values, words: Vocabulary) -> TokenBatch:
    """Write one part of all time steps, as a batch of S sequences."""
    if isinstance(part, Picture):
        patches = normalise_patches(part.check(name, values), part.patch).float()
        return _patches(patches, *part.grid)
    tokens = plain_tokens(part.tokens(name, values, words))
    if isinstance(part, Text):
        return tokens
    return replace(tokens, learned=torch.zeros_like(tokens.learned))


def _patches(pixels: Tensor, rows: int, columns: int) -> TokenBatch:
    """Make sequences of the patches of pictures, of shape (S, n, P)."""
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    sides = ((row, rows), (column, columns))
    first = torch.stack([place * PLACES // n for place, n in sides], dim=-1)
    last = torch.stack([(place + 1) * PLACES // n - 1 for place, n in sides], dim=-1)
    blank = plain_tokens(torch.full(pixels.shape[:-1], PATCH))
    places = torch.stack([first, last], dim=-2)  # (n, first and last, row and column)
    return replace(
        blank,
        learned=torch.zeros_like(blank.learned),
        pixels=pixels,
        places=places.expand_as(blank.places),
    )


def _steps(episode: Episode, task: Task) -> int:
    """Count the time steps and compare the parts with those of the task."""
    lengths = {}
    for kind in ("observations", "actions"):
        given, wanted = getattr(episode, kind), getattr(task, kind)
        if not isinstance(given, Mapping):
            raise ValueError(f"{kind}={describe(given)} must be a dict of the parts")
        if given.keys() != wanted.keys():
            raise ValueError(
                f"{kind}={sorted(map(str, given))} must be those of task "
                f"{task.name!r}: {sorted(wanted)}"
            )
        lengths |= {name: _length(name, values) for name, values in given.items()}
    steps = set(lengths.values())
    if len(steps) != 1 or 0 in steps:
        raise ValueError(f"all parts must have equally many time steps, got {lengths}")
    return steps.pop()


def _length(name: str, values: object) -> int:
    """Count the time steps of one part."""
    if isinstance(values, Tensor | np.ndarray):
        shaped = values.ndim > 0
    else:
        shaped = isinstance(values, list | tuple)
    if not shaped:
        raise ValueError(
            f"{name}={describe(values)} must have one entry for each time step: a "
            "tensor, or a list"
        )
    return len(values)


def _checked(tokens: TokenBatch, context: int | None) -> TokenBatch:
    if context is not None:
        check_positive(context=context)
    if context is not None and len(tokens) > context:
        raise ValueError(
            f"the sequence has {len(tokens)} tokens, more than context={context}: "
            "cut a window of its time steps"
        )
    return tokens
