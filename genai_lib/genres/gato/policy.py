"""Rollouts in environments, and Gato as a policy.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_environments.py

Letters used in this file
    N  environments at once    T  tokens
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
    """The record of one episode: observations, actions and rewards.

    Attributes
    ----------
    observations : list of dict
        One before each action.
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
        """Return observations and actions as an `Episode` of a task."""
        (action,) = task.actions
        return Episode(gather(self.observations), {action: torch.tensor(self.actions)})


def gather(observations: Sequence[Mapping]) -> dict[str, Tensor]:
    """Stack observations of equal names into tensors, the first dimension for them."""
    if not len(observations):
        raise ValueError("observations: at least one is needed")
    return {
        name: torch.as_tensor(np.stack([np.asarray(o[name]) for o in observations]))
        for name in observations[0]
    }


def rollout(
    environments: Sequence, seeds: Sequence[int], policy: Callable
) -> list[Rollout]:
    """Run one episode in each environment, all of them in parallel.

    Parameters
    ----------
    environments : sequence of N gymnasium.Env
        All different objects. Observations are dicts; an environment with array
        observations needs `NamedObservation`.
    seeds : sequence of N int
        One for each environment.
    policy : function of (observations, rows)
        Returns an action for each observation. `rows` are the indices of the previous
        call's environments that still run; None in the first call.

    Returns
    -------
    list of N Rollout

    Raises
    ------
    ValueError
        If there are not as many seeds or actions as environments, an environment
        stands twice, or an action is not a whole number.
    """
    _check_environments(environments, seeds)
    seeds = [whole_number("seed", seed) for seed in seeds]
    pairs = zip(environments, seeds, strict=True)
    observations = [environment.reset(seed=seed)[0] for environment, seed in pairs]
    rollouts = [Rollout() for _ in environments]
    alive, rows = list(range(len(environments))), None
    while alive:
        actions = list(policy([observations[i] for i in alive], rows))
        if len(actions) != len(alive):
            raise ValueError(f"policy gave {len(actions)} actions for {len(alive)}")
        actions, rows = [whole_number("action", action) for action in actions], []
        for row, (i, action) in enumerate(zip(alive, actions, strict=True)):
            rollouts[i].observations.append(observations[i])
            rollouts[i].actions.append(action)
            observations[i], reward, ended, cut, _ = environments[i].step(action)
            rollouts[i].rewards.append(float(reward))
            if not (ended or cut):
                rows.append(row)
        alive = [alive[row] for row in rows]
    return rollouts


def _check_environments(environments: Sequence, seeds: Sequence[int]) -> None:
    if len(environments) != len(seeds) or not len(environments):
        raise ValueError(
            f"{len(environments)} environments need as many seeds, not {len(seeds)}"
        )
    if len({id(environment) for environment in environments}) < len(environments):
        raise ValueError("environments: one of them stands twice; all must differ")


class Policy:
    """Gato as a policy: the most probable action, given the last few time steps.

    It can be passed to `rollout` repeatedly, with any number of environments.

    Parameters
    ----------
    model : Gato
    task : Task
        Its only action is one discrete number.
    vocabulary : Vocabulary
    history : int
        The number of time steps in the context, including the present one.
    prompt : TokenBatch, default=None
        A demonstration in front of the context, of shape (T,) for all environments
        or (N, T) with one for each.
    """

    def __init__(
        self,
        model: Gato,
        task: Task,
        vocabulary: Vocabulary,
        history: int,
        prompt: TokenBatch | None = None,
    ) -> None:
        check_positive(history=history)
        ((_, action),) = task.actions.items()
        if not isinstance(action, Discrete) or action.shape:
            raise ValueError(f"action {action} must be one discrete number")
        self.model, self.vocabulary, self.history = model, vocabulary, history
        self.observation_task = Task(task.name, task.observations)
        self.options = action.options
        self.prompt = prompt
        self.prompts, self.steps = [], []  # of the environments that still run

    @torch.no_grad()
    def __call__(
        self, observations: Sequence[Mapping], rows: Sequence[int] | None
    ) -> Tensor:
        """Return an action for each observation (N,).

        Raises
        ------
        ValueError
            If prompts and environments are not equally many, or the logits are not
            finite.
        """
        count = len(observations)
        if rows is None:
            self.prompts, self.steps = self._prompts(count), []
        else:
            self.prompts = [piece[rows] for piece in self.prompts]
            self.steps = [step[rows] for step in self.steps]
        # Serialise all environments at once, as if they were time steps of one episode.
        present = serialize_episode(
            Episode(gather(observations), {}), self.observation_task, self.vocabulary
        )
        present = present.map(lambda x: x.unflatten(0, (count, -1)))
        device = self.model.local.weight.device
        context = join(*self.prompts, *self.steps, present, dim=1)
        logits = self.model.next_logits(context.to(device))
        actions = likeliest(logits, self.options).cpu()
        self._append(present, actions)
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

    def _append(self, present: TokenBatch, actions: Tensor) -> None:
        acted = action_tokens(plain_tokens(actions[:, None]))
        self.steps.append(join(present, acted, dim=1))
        self.steps = self.steps[max(0, len(self.steps) - self.history + 1) :]
