"""Act in environments: the loop, what it leaves behind, and the network as an agent.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_environments.py

Letters used in this file
    N  environments that are acted in at once    T  tokens
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import check_positive
from genai_lib.genres.gato.interface import whole_number
from genai_lib.genres.gato.model import Gato, likeliest
from genai_lib.genres.gato.sequences import (
    TokenBatch,
    action_tokens,
    join,
    plain_tokens,
)
from genai_lib.genres.gato.serialization import Episode, serialize_episode
from genai_lib.genres.gato.specification import Discrete, Task, Vocabulary


@dataclass
class Rollout:
    """One episode as it was played.

    Attributes
    ----------
    observations : list of dict
        What was seen before each action.
    actions : list of int
    rewards : list of float
    """

    observations: list[dict] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The return: the sum of the rewards."""
        return sum(self.rewards)

    def episode(self, task: Task) -> Episode:
        """Write down what was seen and done."""
        (action,) = task.actions
        return Episode(gather(self.observations), {action: torch.tensor(self.actions)})


def gather(observations: Sequence[Mapping]) -> dict[str, Tensor]:
    """Put observations under one another; a single number gets a name of its own."""
    if not len(observations):
        raise ValueError("observations: at least one is needed")
    return {
        name: torch.as_tensor(np.stack([np.asarray(o[name]) for o in observations]))
        for name in observations[0]
    }


def rollout(
    environments: Sequence, seeds: Sequence[int], choose: Callable
) -> list[Rollout]:
    """Play one episode in each environment, all of them side by side.

    Parameters
    ----------
    environments : sequence of N gymnasium.Env
        All different. What is seen is a dict; an environment that shows one array needs
        `NamedObservation`.
    seeds : sequence of N int
        One for each environment.
    choose : function of (observations, rows)
        Returns an action for each view; `rows` says which of the previous call's
        environments still play, and is None at first.

    Returns
    -------
    list of N Rollout

    Raises
    ------
    ValueError
        If environments, seeds or actions are not equally many, one environment stands
        twice, or an action is not a whole number.
    """
    _check_environments(environments, seeds)
    seeds = [whole_number("seed", seed) for seed in seeds]
    pairs = zip(environments, seeds, strict=True)
    observations = [environment.reset(seed=seed)[0] for environment, seed in pairs]
    rollouts = [Rollout() for _ in environments]
    alive, rows = list(range(len(environments))), None
    while alive:
        actions = list(choose([observations[i] for i in alive], rows))
        if len(actions) != len(alive):
            raise ValueError(f"choose gave {len(actions)} actions for {len(alive)}")
        actions, rows = [whole_number("action", action) for action in actions], []
        for place, (i, action) in enumerate(zip(alive, actions, strict=True)):
            rollouts[i].observations.append(observations[i])
            rollouts[i].actions.append(action)
            observations[i], reward, ended, cut, _ = environments[i].step(action)
            rollouts[i].rewards.append(float(reward))
            if not (ended or cut):
                rows.append(place)
        alive = [alive[place] for place in rows]
    return rollouts


def _check_environments(environments: Sequence, seeds: Sequence[int]) -> None:
    if len(environments) != len(seeds) or not len(environments):
        raise ValueError(
            f"{len(environments)} environments need as many seeds, not {len(seeds)}"
        )
    if len({id(environment) for environment in environments}) < len(environments):
        raise ValueError("environments: one of them stands twice, each needs its own")


class Policy:
    """The network as an agent: it remembers a few steps and takes the likeliest action.

    Each `rollout` with it begins anew, in any number of environments.

    Parameters
    ----------
    model : Gato
    task : Task
        With one action, a discrete number.
    words : Vocabulary
    history : int
        How many time steps it sees at once, the present one among them.
    prompt : TokenBatch, default=None
        A demonstration that stands before everything, of shape (T,) for all
        environments or (N, T), one for each.
    """

    def __init__(
        self,
        model: Gato,
        task: Task,
        words: Vocabulary,
        history: int,
        prompt: TokenBatch | None = None,
    ) -> None:
        check_positive(history=history)
        ((_, action),) = task.actions.items()
        if not isinstance(action, Discrete) or action.shape:
            raise ValueError(f"action {action} must be one discrete number")
        self.model, self.words, self.history = model, words, history
        self.sight = Task(task.name, task.observations)
        self.options = action.options
        self.prompt = prompt
        self.shown, self.past = [], []  # of the environments that still play

    @torch.no_grad()
    def __call__(
        self, observations: Sequence[Mapping], rows: Sequence[int] | None
    ) -> Tensor:
        """Return an action for each view (N,).

        Raises
        ------
        ValueError
            If prompts and environments are not equally many, or the logits are not
            finite.
        """
        count = len(observations)
        if rows is None:
            self.shown, self.past = self._prompts(count), []
        else:
            self.shown = [piece[rows] for piece in self.shown]
            self.past = [step[rows] for step in self.past]
        # The environments stand in for the time steps of one long episode.
        seen = serialize_episode(
            Episode(gather(observations), {}), self.sight, self.words
        )
        seen = seen.map(lambda x: x.unflatten(0, (count, -1)))
        device = self.model.local.weight.device
        pieces = join(*self.shown, *self.past, seen, dim=1)
        logits = self.model.after(pieces.to(device))
        actions = likeliest(logits, self.options).cpu()
        self._remember(seen, actions)
        return actions

    def _prompts(self, count: int) -> list[TokenBatch]:
        if self.prompt is None:
            return []
        if self.prompt.ids.ndim == 1:
            return [self.prompt.map(lambda x: x.expand(count, *x.shape))]
        if len(self.prompt) != count:
            raise ValueError(
                f"prompt has {len(self.prompt)} rows for {count} environments"
            )
        return [self.prompt]

    def _remember(self, seen: TokenBatch, actions: Tensor) -> None:
        done = action_tokens(plain_tokens(actions[:, None]))
        self.past.append(join(seen, done, dim=1))
        self.past = self.past[max(0, len(self.past) - self.history + 1) :]
