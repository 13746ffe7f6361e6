"""The interface of gymnasium: a base class and a wrapper that names observations.

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
    """Base class of the grid and the corridor, a gymnasium environment.

    An episode depends only on its seed and the actions. Without a seed, `reset` draws
    one, so that all episodes after a first seeded `reset` can be reproduced.

    Parameters
    ----------
    observations, actions : gymnasium.Space
    limit : int
        The number of steps after which an episode is cut off.
    options : dict
        Arguments of the constructor, for `spec.make()`.
    """

    metadata = {"render_modes": []}

    def __init__(self, observations, actions, limit: int, options: dict) -> None:
        self.observation_space = Dict({"goal_offset": observations})
        self.action_space = actions
        self.limit, self.steps = limit, None
        kind = type(self)
        entry_point = f"{kind.__module__}:{kind.__name__}"
        self.spec = EnvSpec(f"{kind.__name__}-v0", entry_point, kwargs=options)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict, dict]:
        """Begin an episode: draw the positions of the agent and the goal.

        Parameters
        ----------
        seed : int, default=None
            From 0 on; None draws one from the environment's own generator.
        options : dict, default=None
            Not used.

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
        """Execute one action.

        Returns
        -------
        observation : dict
        reward : float
        ended, cut : bool
            Whether the episode has ended, and whether the step limit cut it off.
        information : dict

        Raises
        ------
        ValueError
            If the action does not exist.
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
    """A wrapper that turns an array observation into a dict with one name.

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
        """Return the observation under its name."""
        return {self.name: observation}


def whole_number(name: str, value: object, count: int | None = None) -> int:
    """Return a value of Python, NumPy or PyTorch as an int; True counts as 1.

    Raises
    ------
    ValueError
        If it is not a whole number from 0 to `count` - 1.

    >>> whole_number("action", torch.tensor(3), 4)
    3
    """
    value = int(value) if isinstance(value, bool | np.bool_) else value
    return check_whole(0, None if count is None else count - 1, **{name: value})[0]
