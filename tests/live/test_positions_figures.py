"""The figures of the positions chapter show what the library computes."""

import pytest
import torch

from genai_lib.components.positions import rotate, sinusoidal, t5_bucket
from genai_lib.live.positions import MARKED, POSITIONS, SCHEMES, similarity_of_positions
from genai_lib.live.repairs import REPAIRS, repaired_pairs
from genai_lib.live.specification import draw_panel
from tests.live.reference import LIBRARY, similarity_of_positions_numbers
from tests.live.states import check_states

SIMILARITY, REPAIRED = similarity_of_positions(), repaired_pairs()


@pytest.mark.parametrize("make", [similarity_of_positions, repaired_pairs])
def test_random_states_give_the_numbers_of_the_library(request, make):
    # Angles of single precision at position 256 are known to 1e-5.
    check_states(request, make, LIBRARY[make.__name__], tolerance=1e-5)


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
