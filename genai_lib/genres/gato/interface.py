"""Environments as gymnasium has them: a base class, and a name for what is seen.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_interface.py
"""

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Dict
from gymnasium.utils import RecordConstructorArgs

from genai_lib.checks import check_whole, describe


class SmallEnvironment(gymnasium.Env):
    """Base class of the grid and the corridor: an environment of gymnasium.

    An episode follows from its seed alone. Without a seed one is drawn, so that the
    episodes of an environment that was seeded once are the same each time, too.

    Parameters
    ----------
    observations, actions : gymnasium.Space
    limit : int
        After so many steps an episode ends anyway.
    options : dict
        Of the constructor, from which `spec.make()` makes such an environment.
    """

    metadata = {"render_modes": []}

    def __init__(self, observations, actions, limit: int, options: dict) -> None:
        self.observation_space = Dict({"way": observations})
        self.action_space = actions
        self.limit, self.steps = limit, None
        kind = type(self)
        place = f"{kind.__module__}:{kind.__name__}"
        self.spec = EnvSpec(f"{kind.__name__}-v0", place, kwargs=options)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict, dict]:
        """Begin an episode: draw where the agent and its goal are.

        Parameters
        ----------
        seed : int, default=None
            From 0 on; None goes on with what an earlier seed began.
        options : dict, default=None
            None are known.

        Returns
        -------
        observation, information : dict
        """
        if seed is not None:
            seed = whole_number("seed", seed)
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**63))
        self.generator = torch.Generator().manual_seed(seed % 2**63)
        self.steps = 0
        self._begin()
        return self._observe(), {}

    def step(self, action: int) -> tuple[dict, float, bool, bool, dict]:
        """Act once.

        Returns
        -------
        observation : dict
        reward : float
        ended, cut : bool
            Whether the goal is reached for good, and whether the time is over.
        information : dict

        Raises
        ------
        ValueError
            If there is no such action.
        gymnasium.error.ResetNeeded
            If no episode has begun.
        """
        options = int(self.action_space.n)
        action = whole_number("action", action, options)
        if self.steps is None:
            raise ResetNeeded("step was called before reset: no episode has begun")
        self.steps += 1
        reward, ended = self._act(action)
        cut = not ended and self.steps >= self.limit
        return self._observe(), reward, ended, cut, {}


class NamedObservation(gymnasium.ObservationWrapper, RecordConstructorArgs):
    """An environment whose one array gets the name that a task gives it.

    Parameters
    ----------
    env : gymnasium.Env
    name : str
    """

    def __init__(self, env: gymnasium.Env, name: str) -> None:
        if not isinstance(env, gymnasium.Env):
            raise ValueError(f"env={describe(env)} must be an environment of gymnasium")
        RecordConstructorArgs.__init__(self, name=name)
        super().__init__(env)
        self.name = name
        self.observation_space = Dict({name: env.observation_space})

    def observation(self, observation) -> dict:
        """Name what is seen."""
        return {self.name: observation}


def whole_number(name: str, value: object, count: int | None = None) -> int:
    """Return a value of Python, NumPy or PyTorch as an int; True counts as 1.

    Raises
    ------
    ValueError
        If it is not one whole number, below 0, or not below `count`.

    >>> whole_number("action", torch.tensor(3), 4)
    3
    """
    value = int(value) if isinstance(value, bool | np.bool_) else value
    return check_whole(0, None if count is None else count - 1, **{name: value})[0]
