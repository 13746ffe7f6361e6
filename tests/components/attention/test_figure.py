"""The figures of the attention chapter show what the library computes."""

import math

import pytest
import torch

from genai_lib.components.attention import (
    FeedForward,
    MultiHeadAttention,
    TransformerBlock,
    attend,
    causal_mask,
    record_attention,
)
from genai_lib.components.attention import figure as attention
from genai_lib.components.attention.figure import (
    POINTS,
    query_and_keys,
    trained_weights,
)
from tests.live.states import check_states


def query_and_keys_numbers(state):
    angle = math.radians(state["angle"])
    direction = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    points = torch.tensor(attention.POINTS, dtype=torch.float64)
    mask = torch.arange(len(points)) < state["visible"]
    query = state["query_length"] * direction
    output, weights = attend(query, points, points, mask[None])
    numbers = dict(zip(attention.NAMES, weights[0].tolist(), strict=True))
    return numbers | {"output x": output[0, 0].item(), "output y": output[0, 1].item()}


NUMBERS = {"query_and_keys": query_and_keys_numbers}


QUERY = query_and_keys()


def test_random_queries_give_the_numbers_of_the_library(request):
    check_states(request, query_and_keys, query_and_keys_numbers)


def test_the_start_state_is_the_one_described():
    start = {control.param: control.value for control in QUERY.controls}
    numbers = QUERY.evaluate()
    assert numbers == pytest.approx(query_and_keys_numbers(start), rel=0, abs=1e-12)
    weights = sorted("ABCDE", key=numbers.get)
    assert set(weights[-2:]) == {"A", "B"}


def test_a_query_of_length_zero_gives_the_mean():
    numbers = QUERY.evaluate(query_length=0)
    assert [numbers[name] for name in "ABCDE"] == [0.2] * 5
    assert numbers["output x"] == pytest.approx(sum(x for x, _ in POINTS) / 5)


def test_hidden_points_get_nothing():
    numbers = QUERY.evaluate(visible=1, query_length=4, angle=-150)
    assert [numbers[name] for name in "ABCDE"] == [1, 0, 0, 0, 0]
    assert (numbers["output x"], numbers["output y"]) == POINTS[0]


def model_weights(length, layers=2, heads=3):
    """Return the weights of an untrained model, [layer, head, query, key]."""
    blocks = torch.nn.ModuleList(
        TransformerBlock(MultiHeadAttention(12, heads), FeedForward(12))
        for _ in range(layers)
    )
    x = 3 * torch.randn(1, length, 12)
    with torch.no_grad(), record_attention(blocks) as seen:
        for block in blocks:
            x = block(x, mask=causal_mask(length))
    return torch.stack([calls[0][0] for calls in seen.values()])


def test_every_layer_and_head_shows_its_own_weights():
    weights = model_weights(9)
    figure = trained_weights(weights.tolist(), "a b;c: d")
    for layer in (1, 2):
        for head in (1, 2, 3):
            wanted = {
                f"{query + 1} to {key + 1}": weights[layer - 1, head - 1, query, key]
                for query in range(8)
                for key in range(query + 1)
            }
            found = figure.evaluate(layer=layer, head=head)
            wanted = {name: weight.item() for name, weight in wanted.items()}
            assert found == pytest.approx(wanted, rel=0, abs=1e-6)


def test_long_texts_keep_their_rows():
    """The row of a place in the triangle is computed by a square root."""
    figure = trained_weights(model_weights(40).tolist(), "x" * 40)
    assert len(figure.evaluate(layer=2, head=3)) == 40 * 41 // 2


def test_weights_that_do_not_fit_are_named():
    weights = model_weights(4).tolist()
    for bad in (weights[:1], [layer[:1] for layer in weights]):
        with pytest.raises(ValueError, match="weights need two layers, two heads"):
            trained_weights(bad, "abcd")
    for text in ("abcde", ""):
        with pytest.raises(ValueError, match="a row per character"):
            trained_weights(weights, text)
