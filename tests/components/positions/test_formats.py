"""Positions in models of other formats: angles and biases stay what they are."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from genai_lib.components.positions import (
    AlibiPositions,
    RotaryPositions,
    SinusoidalPositions,
    interpolated_frequencies,
    rotary_frequencies,
)

WIDTH = 16
FAR = torch.tensor([0, 1, 257, 1001])
SCHEMES = [SinusoidalPositions, RotaryPositions]


def applied(positional_encoding, x, positions=FAR):
    """Return what the scheme makes of vectors (1, T, D)."""
    if isinstance(positional_encoding, SinusoidalPositions):
        return positional_encoding.embed(x, positions)
    query, _ = positional_encoding.rotate(x[:, None], x[:, None], positions)
    return query[:, 0]


@pytest.mark.parametrize("format", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", SCHEMES)
def test_angles_are_computed_in_32_bits_whatever_the_format(kind, format):
    """Frequencies of 16 bits are off by .3 (rotary) and .9 (waves) at these places."""
    x = torch.rand(1, len(FAR), WIDTH)

    found = applied(kind(WIDTH).to(format), x.to(format))

    assert found.dtype == format
    assert_close(found.float(), applied(kind(WIDTH), x), atol=0.05, rtol=0)


CASTS = {
    "half": lambda model: model.half(),
    "bfloat16": lambda model: model.bfloat16(),
    "double": lambda model: model.double(),
    "through_16_bits_and_back": lambda model: model.half().float(),
    "deepcopy": lambda model: copy.deepcopy(model).half(),
    "meta": lambda model: model.to("meta").to_empty(device="cpu"),
    "to": lambda model: model.to("cpu", torch.float16),
}


@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS)
@pytest.mark.parametrize("kind", SCHEMES)
def test_frequencies_outlive_every_cast_of_a_model(kind, cast):
    model = nn.ModuleList([nn.Linear(2, 2), nn.Sequential(kind(WIDTH))])

    frequencies = cast(model)[1][0].frequencies

    assert frequencies.dtype == torch.float32
    assert frequencies.equal(rotary_frequencies(WIDTH))


@pytest.mark.parametrize("kind", SCHEMES)
def test_a_model_built_on_the_meta_device_has_its_frequencies(kind):
    with torch.device("meta"):
        model = nn.ModuleList([nn.Linear(2, 2), kind(WIDTH)])
    x = torch.rand(1, len(FAR), WIDTH)
    shape = applied(model[1], x.to("meta"), FAR.to("meta"))
    assert (shape.device.type, shape.shape) == ("meta", x.shape)

    model.load_state_dict(nn.ModuleList([nn.Linear(2, 2)]).state_dict(), assign=True)

    assert applied(model[1], x).equal(applied(kind(WIDTH), x))
    assert applied(model.to_empty(device="cpu")[1], x).equal(applied(kind(WIDTH), x))


def test_frequencies_of_one_s_own_are_kept_as_well():
    slow = interpolated_frequencies(WIDTH, 3.0)

    positional_encoding = RotaryPositions(WIDTH, frequencies=slow).bfloat16()

    assert positional_encoding.frequencies.equal(slow)
    assert not list(positional_encoding.state_dict())


@pytest.mark.parametrize("kind", SCHEMES)
def test_in_double_precision_angles_are_as_fine(kind):
    x = torch.zeros(1, 1, WIDTH).double()
    x[..., : WIDTH // 2] = 1
    places = torch.tensor([100_001])
    angles = places * rotary_frequencies(WIDTH).double()

    found = applied(kind(WIDTH).double(), x, places)[0, 0]

    if kind is SinusoidalPositions:
        found = (found - x[0, 0])[1::2]
    assert_close(found[: WIDTH // 2], angles.cos(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("heads", [3, 8, 12, 16])
def test_slopes_may_be_rounded_as_they_make_no_angles(heads):
    """A bias is as wrong as its format, relative to its size, and no more."""
    places = torch.arange(1002)
    wanted = AlibiPositions(heads).bias(places[-1:], places)

    found = AlibiPositions(heads).bfloat16().bias(places[-1:], places).float()

    assert_close(found, wanted, atol=0, rtol=2**-7)
    assert_close(found.softmax(-1), wanted.softmax(-1), atol=1e-3, rtol=0)
