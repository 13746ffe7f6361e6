"""Three environments and their scripted experts: CartPole, a grid, a corridor.

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
# Rows and columns from the agent to the goal, -4 to 4, stored plus 4.
GRID = Task(
    "grid", {"goal_offset": Discrete(2 * SIDE - 1, (2,))}, {"move": Discrete(4)}
)

CELLS = 4
# Cells from the agent to the goal, -3 to 3, stored plus 3.
CORRIDOR = Task(
    "corridor", {"goal_offset": Discrete(2 * CELLS - 1)}, {"move": Discrete(2)}
)

# Weights of the linear policy that balances the pole.
GAINS = {"angle": 1.0, "turning": 0.5, "position": 0.05, "speed": 0.1}


def make_cart_pole() -> gymnasium.Env:
    """Make the CartPole of gymnasium [1], whose episodes have at most 500 steps."""
    return gymnasium.make("CartPole-v1")


class GridWorld(SmallEnvironment):
    """A grid of 5 by 5 cells with a goal; every step has the reward -1.

    Parameters
    ----------
    limit : int, default=20
        The number of steps after which an episode is cut off.
    """

    def __init__(self, limit: int = 20) -> None:
        check_positive(limit=limit)
        offsets = spaces.MultiDiscrete([2 * SIDE - 1] * 2)
        moves = spaces.Discrete(len(DIRECTIONS))
        super().__init__(offsets, moves, limit, {"limit": limit})

    def _begin(self) -> None:
        """Draw two different cells, for the agent and the goal."""
        cells = torch.randperm(SIDE**2, generator=self.generator)[:2].tolist()
        self.agent, self.goal = (divmod(cell, SIDE) for cell in cells)

    def _act(self, action: int) -> tuple[float, bool]:
        """Move one cell, or nowhere at the edge."""
        self.agent = moved(self.agent, action)
        return -1.0, self.agent == self.goal

    def _observe(self) -> dict:
        offset = [g - a + SIDE - 1 for a, g in zip(self.agent, self.goal, strict=True)]
        return {"goal_offset": np.array(offset)}


def moved(cell: tuple[int, int], action: int) -> tuple[int, int]:
    """Return the cell that an action leads to on the grid.

    >>> moved((0, 0), 1), moved((0, 1), 0)
    ((1, 0), (0, 1))
    """
    action = whole_number("action", action, len(DIRECTIONS))
    down, right = list(DIRECTIONS.values())[action]
    aim = (cell[0] + down, cell[1] + right)
    return aim if all(0 <= i < SIDE for i in aim) else cell


class Corridor(SmallEnvironment):
    """A row of 4 cells with a goal; each goal that is reached gives the reward 1.

    A reached goal moves to another cell. With `swapped` wires action 0 moves right
    and action 1 left. The first observation does not tell whether they are swapped.

    Parameters
    ----------
    swapped : bool
    steps : int, default=10
        The number of steps of an episode.
    """

    def __init__(self, swapped: bool, steps: int = 10) -> None:
        check_flags(swapped=swapped)
        check_positive(steps=steps)
        self.swapped = swapped
        offsets, moves = (spaces.Discrete(n) for n in (2 * CELLS - 1, 2))
        super().__init__(offsets, moves, steps, {"swapped": swapped, "steps": steps})

    def _begin(self) -> None:
        """Draw the cells of the agent and of the first goal."""
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
        return {"goal_offset": np.int64(self.goal - self.agent + CELLS - 1)}


def cart_pole_expert(state) -> int:
    """Choose the push that balances the pole: the sign of a weighted sum.

    Parameters
    ----------
    state : sequence of 4 numbers
        Position, speed, angle and turning speed.

    Returns
    -------
    int
        0 pushes to the left, 1 to the right.
    """
    position, speed, angle, turning = (float(x) for x in state)
    lean = GAINS["angle"] * angle + GAINS["turning"] * turning
    lean += GAINS["position"] * position + GAINS["speed"] * speed
    return int(lean > 0)


def grid_expert(goal_offset) -> int:
    """Choose the next move on a shortest path: first vertical, then horizontal.

    Parameters
    ----------
    goal_offset : sequence of 2 whole numbers
        As the environment returns it.

    >>> grid_expert([3, 8]), grid_expert([4, 8])
    (0, 3)
    """
    down, right = (int(number) - (SIDE - 1) for number in goal_offset)
    if down:
        return 1 if down > 0 else 0
    return 3 if right > 0 else 2


def corridor_expert(goal_offset, swapped: bool) -> int:
    """Choose the move towards the goal, given whether the wires are swapped.

    >>> corridor_expert(5, swapped=False), corridor_expert(5, swapped=True)
    (1, 0)
    """
    return int((int(goal_offset) > CELLS - 1) != swapped)
