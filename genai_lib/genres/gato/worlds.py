"""Worlds to act in, and the short programs that are the experts in them.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato

Nothing here learns. The experts are written by hand.

References
    [1] Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can Solve
        Difficult Learning Control Problems", 1983, doi:10.1109/TSMC.1983.6313077
"""

import torch

from genai_lib.checks import check_positive
from genai_lib.genres.gato.specification import Continuous, Discrete, Task

CART_POLE = Task(
    "CartPole",
    {"state": Continuous((4,))},
    {"push": Discrete(2)},
)
# Of the angle, its speed, the place and its speed: push to where they lean.
GAINS = {"angle": 1.0, "turning": 0.5, "place": 0.05, "speed": 0.1}

SIDE = 5
DIRECTIONS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
# The way to the goal, below and to the right, each from -4 to 4 and then plus 4.
GRID = Task("grid", {"way": Discrete(2 * SIDE - 1, (2,))}, {"move": Discrete(4)})

CELLS = 4
# The way to the goal, from -3 to 3 and then plus 3.
CORRIDOR = Task("corridor", {"way": Discrete(2 * CELLS - 1)}, {"move": Discrete(2)})


def make_cart_pole():
    """Make the CartPole of gymnasium [1], which balances for at most 500 steps."""
    import gymnasium

    return gymnasium.make("CartPole-v1")


def balance(state) -> int:
    """Push a cart so that its pole stays up: the scripted expert.

    Parameters
    ----------
    state : sequence of 4 numbers
        Place, speed, angle and turning speed.

    Returns
    -------
    int
        0 pushes to the left, 1 to the right.
    """
    place, speed, angle, turning = (float(x) for x in state)
    lean = GAINS["angle"] * angle + GAINS["turning"] * turning
    lean += GAINS["place"] * place + GAINS["speed"] * speed
    return int(lean > 0)


class GridWorld:
    """Walk to a goal on 5 by 5 cells; every step costs 1.

    The methods are those of gymnasium.

    Parameters
    ----------
    limit : int, default=20
        After so many steps an episode ends anyway.
    """

    def __init__(self, limit: int = 20) -> None:
        check_positive(limit=limit)
        self.limit = limit

    def reset(self, seed: int) -> tuple[dict, dict]:
        """Draw two different cells, for the agent and its goal."""
        generator = torch.Generator().manual_seed(seed)
        cells = torch.randperm(SIDE**2, generator=generator)[:2].tolist()
        self.agent, self.goal = (divmod(cell, SIDE) for cell in cells)
        self.steps = 0
        return self._view(), {}

    def step(self, action: int) -> tuple[dict, float, bool, bool, dict]:
        """Move one cell, or nowhere at the edge."""
        self.agent = moved(self.agent, int(action))
        self.steps += 1
        done = self.agent == self.goal
        return self._view(), -1.0, done, not done and self.steps >= self.limit, {}

    def _view(self) -> dict:
        way = [g - a + SIDE - 1 for a, g in zip(self.agent, self.goal, strict=True)]
        return {"way": torch.tensor(way)}


def moved(cell: tuple[int, int], action: int) -> tuple[int, int]:
    """Return where an action leads on the grid.

    >>> moved((0, 0), 1), moved((0, 1), 0)
    ((1, 0), (0, 1))
    """
    _check_action(action, len(DIRECTIONS))
    down, right = list(DIRECTIONS.values())[action]
    aim = (cell[0] + down, cell[1] + right)
    return aim if all(0 <= place < SIDE for place in aim) else cell


def walk(way) -> int:
    """Go up or down first, then left or right: the scripted expert of the grid.

    Parameters
    ----------
    way : sequence of 2 whole numbers
        As the world shows it.

    >>> walk([3, 8]), walk([4, 8])
    (0, 3)
    """
    down, right = (int(number) - (SIDE - 1) for number in way)
    if down:
        return 1 if down > 0 else 0
    return 3 if right > 0 else 2


class Corridor:
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
        check_positive(steps=steps)
        self.swapped, self.limit = swapped, steps

    def reset(self, seed: int) -> tuple[dict, dict]:
        """Draw the cells of the agent and of its first goal."""
        self.generator = torch.Generator().manual_seed(seed)
        self.agent = int(torch.randint(CELLS, (), generator=self.generator))
        self.goal, self.steps = self._other(), 0
        return self._view(), {}

    def step(self, action: int) -> tuple[dict, float, bool, bool, dict]:
        """Move one cell, or nowhere at an end."""
        _check_action(action, 2)
        right = bool(action) != self.swapped
        self.agent = min(max(self.agent + (1 if right else -1), 0), CELLS - 1)
        self.steps += 1
        reached = self.agent == self.goal
        if reached:
            self.goal = self._other()
        return self._view(), float(reached), False, self.steps >= self.limit, {}

    def _other(self) -> int:
        jump = int(torch.randint(1, CELLS, (), generator=self.generator))
        return (self.agent + jump) % CELLS

    def _view(self) -> dict:
        return {"way": torch.tensor(self.goal - self.agent + CELLS - 1)}


def run_after(way, swapped: bool) -> int:
    """Go towards the goal: the scripted expert of the corridor, who knows the wires.

    >>> run_after(5, swapped=False), run_after(5, swapped=True)
    (1, 0)
    """
    return int((int(way) > CELLS - 1) != swapped)


def _check_action(action: int, options: int) -> None:
    if not 0 <= action < options:
        raise ValueError(f"action={action} must be from 0 to {options - 1}")
