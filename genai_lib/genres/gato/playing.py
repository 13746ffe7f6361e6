"""Act in worlds: the loop, what it leaves behind, and the network as an agent.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/test_gato_worlds.py

Letters used in this file
    N  worlds that are acted in at once    T  tokens
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import check_positive
from genai_lib.genres.gato.interface import whole_number
from genai_lib.genres.gato.model import Gato, likeliest
from genai_lib.genres.gato.sequences import Tokens, action_tokens, join, plain_tokens
from genai_lib.genres.gato.serialization import Episode, serialize_episode
from genai_lib.genres.gato.specification import Discrete, Task, Vocabulary


@dataclass
class Rollout:
    """One episode as it was played.

    Attributes
    ----------
    views : list of dict
        What was seen before each action.
    actions : list of int
    rewards : list of float
    """

    views: list[dict] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The return: the sum of the rewards."""
        return sum(self.rewards)

    def episode(self, task: Task) -> Episode:
        """Write down what was seen and done."""
        (action,) = task.actions
        return Episode(gather(self.views), {action: torch.tensor(self.actions)})


def gather(views: Sequence[Mapping]) -> dict[str, Tensor]:
    """Put views under one another; a single number gets a name of its own."""
    if not len(views):
        raise ValueError("views: at least one is needed")
    return {
        name: torch.as_tensor(np.stack([np.asarray(view[name]) for view in views]))
        for name in views[0]
    }


def play(worlds: Sequence, seeds: Sequence[int], choose: Callable) -> list[Rollout]:
    """Play one episode in each world, all of them side by side.

    Parameters
    ----------
    worlds : sequence of N gymnasium.Env
        All different. What is seen is a dict; a world that shows one array needs
        `Named`.
    seeds : sequence of N int
        One for each world.
    choose : function of (views, rows)
        Returns an action for each view; `rows` says which of the previous call's
        worlds still play, and is None at first.

    Returns
    -------
    list of N Rollout

    Raises
    ------
    ValueError
        If worlds, seeds or actions are not equally many, one world stands twice, or
        an action is not a whole number.
    """
    _check_worlds(worlds, seeds)
    seeds = [whole_number("seed", seed) for seed in seeds]
    views = [w.reset(seed=s)[0] for w, s in zip(worlds, seeds, strict=True)]
    rollouts = [Rollout() for _ in worlds]
    alive, rows = list(range(len(worlds))), None
    while alive:
        actions = list(choose([views[i] for i in alive], rows))
        if len(actions) != len(alive):
            raise ValueError(f"choose gave {len(actions)} actions for {len(alive)}")
        actions, rows = [whole_number("action", action) for action in actions], []
        for place, (i, action) in enumerate(zip(alive, actions, strict=True)):
            rollouts[i].views.append(views[i])
            rollouts[i].actions.append(action)
            views[i], reward, ended, cut, _ = worlds[i].step(action)
            rollouts[i].rewards.append(float(reward))
            if not (ended or cut):
                rows.append(place)
        alive = [alive[place] for place in rows]
    return rollouts


def _check_worlds(worlds: Sequence, seeds: Sequence[int]) -> None:
    if len(worlds) != len(seeds) or not len(worlds):
        raise ValueError(f"{len(worlds)} worlds need as many seeds, not {len(seeds)}")
    if len({id(world) for world in worlds}) < len(worlds):
        raise ValueError("worlds: one of them stands twice, each needs its own")


class Player:
    """The network as an agent: it remembers a few steps and takes the likeliest action.

    Each `play` begins anew, in any number of worlds.

    Parameters
    ----------
    model : Gato
    task : Task
        With one action, a discrete number.
    words : Vocabulary
    history : int
        How many time steps it sees at once, the present one among them.
    prompt : Tokens, default=None
        A demonstration that stands before everything, of shape (T,) for all worlds or
        (N, T), one for each.
    """

    def __init__(
        self,
        model: Gato,
        task: Task,
        words: Vocabulary,
        history: int,
        prompt: Tokens | None = None,
    ) -> None:
        check_positive(history=history)
        ((_, action),) = task.actions.items()
        if not isinstance(action, Discrete) or action.shape:
            raise ValueError(f"action {action} must be one discrete number")
        self.model, self.words, self.history = model, words, history
        self.sight = Task(task.name, task.observations)
        self.options = action.options
        self.prompt = prompt
        self.shown, self.past = [], []  # of the worlds that still play

    @torch.no_grad()
    def __call__(self, views: Sequence[Mapping], rows: Sequence[int] | None) -> Tensor:
        """Return an action for each view (N,).

        Raises
        ------
        ValueError
            If the prompts are not as many as the worlds, or the logits are not finite.
        """
        count = len(views)
        if rows is None:
            self.shown, self.past = self._prompts(count), []
        else:
            self.shown = [piece[rows] for piece in self.shown]
            self.past = [step[rows] for step in self.past]
        # The worlds stand in for the time steps of one long episode.
        seen = serialize_episode(Episode(gather(views), {}), self.sight, self.words)
        seen = seen.map(lambda x: x.unflatten(0, (count, -1)))
        device = self.model.local.weight.device
        pieces = join(*self.shown, *self.past, seen, dim=1)
        logits = self.model.after(pieces.to(device))
        actions = likeliest(logits, self.options).cpu()
        self._remember(seen, actions)
        return actions

    def _prompts(self, count: int) -> list[Tokens]:
        if self.prompt is None:
            return []
        if self.prompt.ids.ndim == 1:
            return [self.prompt.map(lambda x: x.expand(count, *x.shape))]
        if len(self.prompt) != count:
            raise ValueError(f"prompt has {len(self.prompt)} rows for {count} worlds")
        return [self.prompt]

    def _remember(self, seen: Tokens, actions: Tensor) -> None:
        done = action_tokens(plain_tokens(actions[:, None]))
        self.past.append(join(seen, done, dim=1))
        self.past = self.past[max(0, len(self.past) - self.history + 1) :]
