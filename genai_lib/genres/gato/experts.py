"""The experts of the environments: short programs, written by hand. Nothing learns.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_environments.py
"""

from genai_lib.genres.gato.environments import CELLS, SIDE

# Of the angle, its speed, the place and its speed: push to where they lean.
GAINS = {"angle": 1.0, "turning": 0.5, "place": 0.05, "speed": 0.1}


def cart_pole_expert(state) -> int:
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


def grid_expert(way) -> int:
    """Go up or down first, then left or right: the scripted expert of the grid.

    Parameters
    ----------
    way : sequence of 2 whole numbers
        As the environment shows it.

    >>> grid_expert([3, 8]), grid_expert([4, 8])
    (0, 3)
    """
    down, right = (int(number) - (SIDE - 1) for number in way)
    if down:
        return 1 if down > 0 else 0
    return 3 if right > 0 else 2


def corridor_expert(way, swapped: bool) -> int:
    """Go towards the goal: the scripted expert of the corridor, who knows the wires.

    >>> corridor_expert(5, swapped=False), corridor_expert(5, swapped=True)
    (1, 0)
    """
    return int((int(way) > CELLS - 1) != swapped)
