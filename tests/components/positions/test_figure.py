"""The figures of the positions chapter show what the library computes."""

import math

import pytest
import torch

from genai_lib.components.positions import (
    alibi_bias,
    interpolated_frequencies,
    ntk_frequencies,
    rotary_frequencies,
    rotate,
    sinusoidal,
    t5_bucket,
    yarn_frequencies,
)
from genai_lib.components.positions import figure as positions
from genai_lib.components.positions import figure_repairs as repairs
from genai_lib.components.positions.figure import (
    MARKED,
    POSITIONS,
    SCHEMES,
    similarity_of_positions,
)
from genai_lib.components.positions.figure_repairs import REPAIRS, repaired_pairs
from genai_lib.live.specification import draw_panel
from tests.live.states import check_states


def repaired_pairs_numbers(state):
    width, factor = 2 * repairs.PAIRS, state["factor"]
    plain = rotary_frequencies(width, repairs.BASE).double()
    limits = {"slow": state["slow"], "fast": state["fast"]}
    changed = {
        "none": lambda: plain,
        "interpolation": lambda: interpolated_frequencies(width, factor, repairs.BASE),
        "ntk": lambda: ntk_frequencies(width, factor, repairs.BASE),
        "yarn": lambda: yarn_frequencies(
            width, factor, repairs.LENGTH, repairs.BASE, **limits
        ),
    }[state["repair"]]()
    turns = changed.double() * repairs.LENGTH * factor / (2 * math.pi)
    kept = (changed.double() / plain).tolist()
    return {
        **{f"pair {i} keeps": share for i, share in enumerate(kept, 1)},
        **{f"pair {i} turns": number for i, number in enumerate(turns.tolist(), 1)},
    }


def similarity_of_positions_numbers(state):
    length, scheme = positions.FARTHEST + 1, state["scheme"]
    base = 10 ** (state["base_step"] / positions.STEPS_PER_DECADE)
    places = torch.arange(length)
    if scheme == "waves":
        width = int(state["entries"])
        waves = sinusoidal(length, width, base).double()
        numbers = waves @ waves.T / (width / 2)
    elif scheme == "buckets":
        offset = places - places[:, None]
        numbers = t5_bucket(offset, True, positions.BUCKETS, positions.MAX_DISTANCE)
    elif scheme == "alibi":
        bias = alibi_bias(positions.HEADS, length)[int(state["head"]) - 1]
        numbers = bias.double().exp()
    else:
        numbers = (
            torch.eye(length) if scheme == "learned" else torch.ones(length, length)
        )
    shown = range(positions.POSITIONS)
    return {
        **{f"{m} and {n}": numbers[m, n].item() for m in shown for n in shown},
        **{f"distance {d}": numbers[d, 0].item() for d in positions.MARKED},
    }


NUMBERS = {
    "repaired_pairs": repaired_pairs_numbers,
    "similarity_of_positions": similarity_of_positions_numbers,
}


SIMILARITY, REPAIRED = similarity_of_positions(), repaired_pairs()


@pytest.mark.parametrize("make", [similarity_of_positions, repaired_pairs])
def test_random_states_give_the_numbers_of_the_library(request, make):
    # Angles of single precision at position 256 are known to 1e-5.
    check_states(request, make, NUMBERS[make.__name__], tolerance=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_right_at_the_start(scheme):
    start = {control.param: control.value for control in SIMILARITY.controls}
    state = start | {"scheme": scheme}
    wanted = similarity_of_positions_numbers(state)
    assert len(wanted) == POSITIONS**2 + len(MARKED)
    assert SIMILARITY.evaluate(**state) == pytest.approx(wanted, rel=0, abs=1e-6)


def test_sinusoidal_and_rotary_waves_are_the_same_number():
    """What the label of the first scheme says."""
    table, ones = sinusoidal(30, 16), torch.ones(30, 16)
    turned = rotate(ones, torch.arange(30))
    torch.testing.assert_close(table @ table.T / 8, turned @ turned.T / 16)


def test_every_bucket_is_the_one_of_the_library():
    """Logarithms fall on whole numbers at powers of two, where rounding decides."""
    numbers = SIMILARITY.evaluate(scheme="buckets")
    for distance in MARKED:
        bucket = t5_bucket(torch.tensor(-distance)).item()
        assert numbers[f"distance {distance}"] == bucket


@pytest.mark.parametrize("repair", REPAIRS)
def test_pairs_that_meet_new_angles_are_red(repair):
    panel = draw_panel(REPAIRED.panels[0], {"repair": repair, "factor": 4}, 340)
    red = panel.count("#D55E00")
    assert red == {"none": 5, "interpolation": 0, "ntk": 4, "yarn": 0}[repair]
