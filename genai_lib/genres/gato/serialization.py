"""Serialise an episode: observations, a separator and actions, step by step.

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
    INTERVALS,
    PATCH,
    TokenBatch,
    action_tokens,
    join,
    plain_tokens,
)
from genai_lib.genres.gato.specification import Image, Part, Task, Text, Vocabulary


@dataclass(frozen=True)
class Episode:
    """The observations and actions of S time steps.

    Attributes
    ----------
    observations, actions : dict from name to Tensor of shape (S, ...) or S texts
        Values of images are from 0 to 1.
    """

    observations: Mapping[str, Tensor | Sequence[str]]
    actions: Mapping[str, Tensor | Sequence[str]]


def serialize_text(
    text: str, vocabulary: Vocabulary, context: int | None = None
) -> TokenBatch:
    """Return plain text as a sequence: no time steps, all tokens in the loss mask."""
    if not isinstance(text, str):
        raise ValueError(f"text={describe(text)} must be a text")
    return _checked(plain_tokens(vocabulary.characters.encode(text)), context)


def serialize_episode(
    episode: Episode, task: Task, vocabulary: Vocabulary, context: int | None = None
) -> TokenBatch:
    """Return an episode as one sequence [1, section 2.2].

    A time step consists of the observations (text, images, tensors, each kind sorted
    by name and flattened row by row), the separator, and the actions sorted by name.

    Parameters
    ----------
    episode : Episode
    task : Task
        The specification of each part.
    vocabulary : Vocabulary
    context : int, default=None
        The maximal number of tokens.

    Returns
    -------
    TokenBatch

    Raises
    ------
    ValueError
        If a part is missing or unknown, is not a tensor or list, has a wrong size or a
        value outside its specification, the parts have different numbers of steps, or
        the sequence is longer than `context`.
    """
    if not isinstance(episode, Episode):
        raise ValueError(f"episode={describe(episode)} must be an Episode")
    steps = _steps(episode, task)
    parts = [*task.observations.values(), *task.actions.values()]
    if any(isinstance(part, Text) for part in parts) and steps > 1:
        # Texts differ in length, so the steps are serialised one by one.
        pieces = [
            serialize_steps(_one(episode, s), task, vocabulary) for s in range(steps)
        ]
        return _checked(join(*pieces), context)
    return _checked(serialize_steps(episode, task, vocabulary), context)


def serialize_steps(episode: Episode, task: Task, vocabulary: Vocabulary) -> TokenBatch:
    """Serialise time steps of equally many tokens, all at once."""
    observed = [
        _tokens(n, p, episode.observations[n], vocabulary)
        for n, p in task.ordered_observations()
    ]
    acted = [
        _tokens(n, p, episode.actions[n], vocabulary) for n, p in task.ordered_actions()
    ]
    steps = len((observed + acted)[0].ids)
    separator = plain_tokens(torch.full((steps, 1), vocabulary.separator))
    separator = replace(separator, loss_mask=separator.ids < 0)  # all False
    front = join(*observed, separator, dim=1)
    local = torch.arange(front.ids.shape[1]) + FIRST
    front = replace(front, local=local.expand_as(front.ids))
    actions = [action_tokens(part) for part in acted]
    return join(front, *actions, dim=1).map(lambda x: x.flatten(0, 1))


def _one(episode: Episode, step: int) -> Episode:
    """Return one time step as an episode."""
    parts = (episode.observations, episode.actions)
    return Episode(*({n: v[step : step + 1] for n, v in p.items()} for p in parts))


def normalise_patches(images: Tensor, patch: int) -> Tensor:
    """Cut images (S, C, H, W) into patches (S, n, P), scaled to ±1 / √patch.

    The patches of the paper have 16 rows and columns, so its pixels are divided by 4.

    >>> normalise_patches(torch.ones(1, 1, 4, 4), 4)[0, 0, 0].item()
    0.5
    """
    return (2 * patchify(images, patch) - 1) / math.sqrt(patch)


def _tokens(name: str, part: Part, values, vocabulary: Vocabulary) -> TokenBatch:
    """Return one part of all time steps as a batch of S sequences."""
    if isinstance(part, Image):
        patches = normalise_patches(part.check(name, values), part.patch).float()
        return _patches(patches, *part.grid)
    tokens = plain_tokens(part.tokens(name, values, vocabulary))
    if isinstance(part, Text):
        return tokens
    return replace(tokens, loss_mask=torch.zeros_like(tokens.loss_mask))


def _patches(pixels: Tensor, rows: int, columns: int) -> TokenBatch:
    """Return the patches of images (S, n, P) as a batch of S sequences."""
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    sides = ((row, rows), (column, columns))
    first = torch.stack([i * INTERVALS // n for i, n in sides], dim=-1)
    last = torch.stack([(i + 1) * INTERVALS // n - 1 for i, n in sides], dim=-1)
    empty = plain_tokens(torch.full(pixels.shape[:-1], PATCH))
    intervals = torch.stack([first, last], dim=-2)  # (n, first/last, row/column)
    return replace(
        empty,
        loss_mask=torch.zeros_like(empty.loss_mask),
        pixels=pixels,
        intervals=intervals.expand_as(empty.intervals),
    )


def _steps(episode: Episode, task: Task) -> int:
    """Return the number of time steps; check that the parts are those of the task."""
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
    """Return the number of time steps of one part."""
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
