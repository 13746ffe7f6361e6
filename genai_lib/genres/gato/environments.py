"""Environments to act in: a pole, a grid and a corridor.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_environments.py

References
    [1] Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can Solve
        Difficult Learning Control Problems", 1983, doi:10.1109/TSMC.1983.6313077
"""

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from genai_lib.checks import check_flags, check_positive
from genai_lib.genres.gato.interface import SmallEnvironment, whole_number
from genai_lib.genres.gato.specification import Continuous, Discrete, Task

CART_POLE = Task(
    "CartPole",
    {"state": Continuous((4,))},
    {"push": Discrete(2)},
)

SIDE = 5
DIRECTIONS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
# The way to the goal, below and to the right, each from -4 to 4 and then plus 4.
GRID = Task("grid", {"way": Discrete(2 * SIDE - 1, (2,))}, {"move": Discrete(4)})

CELLS = 4
# The way to the goal, from -3 to 3 and then plus 3.
CORRIDOR = Task("corridor", {"way": Discrete(2 * CELLS - 1)}, {"move": Discrete(2)})


def make_cart_pole() -> gymnasium.Env:
    """Make the CartPole of gymnasium [1], which balances for at most 500 steps."""
    return gymnasium.make("CartPole-v1")


class GridWorld(SmallEnvironment):
    """Walk to a goal on 5 by 5 cells; every step costs 1.

    Parameters
    ----------
    limit : int, default=20
        After so many steps an episode ends anyway.
    """

    def __init__(self, limit: int = 20) -> None:
        check_positive(limit=limit)
        ways = spaces.MultiDiscrete([2 * SIDE - 1] * 2)
        moves = spaces.Discrete(len(DIRECTIONS))
        super().__init__(ways, moves, limit, {"limit": limit})

    def _begin(self) -> None:
        """Draw two different cells, for the agent and its goal."""
        cells = torch.randperm(SIDE**2, generator=self.generator)[:2].tolist()
        self.agent, self.goal = (divmod(cell, SIDE) for cell in cells)

    def _act(self, action: int) -> tuple[float, bool]:
        """Move one cell, or nowhere at the edge."""
        self.agent = moved(self.agent, action)
        return -1.0, self.agent == self.goal

    def _observe(self) -> dict:
        way = [g - a + SIDE - 1 for a, g in zip(self.agent, self.goal, strict=True)]
        return {"way": np.array(way)}


def moved(cell: tuple[int, int], action: int) -> tuple[int, int]:
    """Return where an action leads on the grid.

    >>> moved((0, 0), 1), moved((0, 1), 0)
    ((1, 0), (0, 1))
    """
    action = whole_number("action", action, len(DIRECTIONS))
    down, right = list(DIRECTIONS.values())[action]
    aim = (cell[0] + down, cell[1] + right)
    return aim if all(0 <= place < SIDE for place in aim) else cell


class Corridor(SmallEnvironment):
    """Run after goals on 4 cells in a row; each goal that is reached pays 1.

    A goal that is reached is put on another cell. With `swapped` wires action 0 moves
    to the right and action 1 to the left. Nothing that is seen at first tells so.

    Parameters
    ----------
    swapped : bool
    steps : int, default=10
        How long an episode is.
    """

    def __init__(self, swapped: bool, steps: int = 10) -> None:
        check_flags(swapped=swapped)
        check_positive(steps=steps)
        self.swapped = swapped
        ways, moves = (spaces.Discrete(n) for n in (2 * CELLS - 1, 2))
        super().__init__(ways, moves, steps, {"swapped": swapped, "steps": steps})

    def _begin(self) -> None:
        """Draw the cells of the agent and of its first goal."""
        self.agent = int(torch.randint(CELLS, (), generator=self.generator))
        self.goal = self._other()

    def _act(self, action: int) -> tuple[float, bool]:
        """Move one cell, or nowhere at an end."""
        right = bool(action) != self.swapped
        self.agent = min(max(self.agent + (1 if right else -1), 0), CELLS - 1)
        reached = self.agent == self.goal
        if reached:
            self.goal = self._other()
        return float(reached), False

    def _other(self) -> int:
        jump = int(torch.randint(1, CELLS, (), generator=self.generator))
        return (self.agent + jump) % CELLS

    def _observe(self) -> dict:
        return {"way": np.int64(self.goal - self.agent + CELLS - 1)}
