"""The probability of the tokens that came: laws, two forms, bad input."""

import math

import pytest
import torch
from torch.testing import assert_close

from genai_lib.components.softmax import token_log_probabilities


@pytest.mark.parametrize("shape", [(), (4,), (2, 4), (2, 3, 4), (0,), (2, 0)])
def test_it_gathers_what_log_softmax_gives(shape):
    logits, tokens = torch.randn(*shape, 7), torch.randint(7, shape)
    wanted = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    assert_close(token_log_probabilities(logits, tokens), wanted)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_tokens_come_in_any_integer_type(dtype):
    logits, tokens = torch.randn(5, 7), torch.randint(7, (5,))
    found = token_log_probabilities(logits, tokens.to(dtype))
    assert found.equal(token_log_probabilities(logits, tokens))


def test_a_masked_token_has_no_chance_and_gradients_flow():
    logits = torch.tensor([[0.0, -math.inf, 0.0]], requires_grad=True)
    assert token_log_probabilities(logits, torch.tensor([1])).item() == -math.inf
    token_log_probabilities(logits, torch.tensor([0])).sum().backward()
    assert_close(logits.grad, torch.tensor([[0.5, 0.0, -0.5]]))


@pytest.mark.parametrize("token", [7, -1, -100])
def test_a_token_out_of_range_is_named(token):
    with pytest.raises(ValueError, match="tokens from"):
        token_log_probabilities(torch.zeros(1, 7), torch.tensor([token]))


@pytest.mark.parametrize(
    "tokens", [torch.tensor([1.0]), torch.tensor([True]), torch.tensor([1, 2]), [1], 1]
)
def test_wrong_kinds_and_shapes_are_named(tokens):
    with pytest.raises(ValueError, match="tokens="):
        token_log_probabilities(torch.zeros(1, 7), tokens)
    with pytest.raises(ValueError, match="logits="):
        token_log_probabilities(torch.zeros(1, 7).long(), torch.tensor([1]))
