"""The small text model: causal, measured right, able to learn."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import (
    FeedForward,
    MultiHeadAttention,
    PositionalEncoding,
    TextModel,
    TransformerBlock,
    bits_per_token,
    next_token_loss,
)


def make(positional_encoding=None, layers=2):
    blocks = [
        TransformerBlock(
            MultiHeadAttention(8, 2, positional_encoding=positional_encoding),
            FeedForward(8),
        )
        for _ in range(layers)
    ]
    return TextModel(11, 8, blocks, positional_encoding)


def test_later_tokens_change_no_earlier_logits():
    model, tokens = make(), torch.randint(11, (3, 6))
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % 11
    before, after = model(tokens), model(changed)
    assert before.shape == (3, 6, 11)
    assert_close(after[:, :4], before[:, :4])
    assert not torch.allclose(after[:, 4:], before[:, 4:])


def test_positions_reach_every_hook():
    class Recorder(PositionalEncoding):
        def __init__(self):
            super().__init__()
            self.seen = []

        def embed(self, x, positions):
            self.seen.append(("embed", positions.tolist()))
            return x + positions[:, None]

        def rotate(self, query, key, positions):
            self.seen.append(("rotate", positions.tolist()))
            return query, key

        def bias(self, query_positions, key_positions):
            self.seen.append(("bias", query_positions.tolist(), key_positions.tolist()))

    positional_encoding = Recorder()
    model = make(positional_encoding, layers=1)
    model(torch.zeros(1, 2).long(), torch.tensor([4, 8]))
    assert positional_encoding.seen == [
        ("embed", [4, 8]), ("rotate", [4, 8]), ("bias", [4, 8], [4, 8])
    ]  # fmt: skip


class Fixed(nn.Module):
    """Predict the next token as the last plus one, with odds of 3 to 1."""

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, 2)
        return logits.scatter(2, (1 - tokens)[..., None], math.log(3))


def test_bits_and_loss_by_hand():
    """Right guesses cost log2(4/3) bits, wrong ones 2."""
    tokens = torch.tensor([[0, 1, 0, 0], [1, 0, 1, 0]])
    right, wrong = math.log2(4 / 3), 2.0
    wanted = (5 * right + wrong) / 6
    assert bits_per_token(Fixed(), tokens) == pytest.approx(wanted)
    loss = next_token_loss(Fixed(), tokens).item()
    assert loss == pytest.approx(wanted * math.log(2))
    last = bits_per_token(Fixed(), tokens, last=1)
    assert last == pytest.approx((right + wrong) / 2)


def test_it_overfits_one_small_batch():
    model, tokens = make(), torch.randint(11, (4, 7))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = next_token_loss(model, tokens)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # The first token of each row tells nothing about the second.
    assert bits_per_token(model, tokens, last=5) < 0.5


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="tokens=.* shape"):
        make()(torch.zeros(3).long())
    with pytest.raises(ValueError, match="tokens=.* T > 0"):
        next_token_loss(make(), torch.zeros(3, 1).long())
    with pytest.raises(ValueError, match="last=4 .* 1 to 3"):
        bits_per_token(make(), torch.zeros(1, 4).long(), last=4)
    with pytest.raises(ValueError, match="vocabulary=0"):
        TextModel(0, 8, [])
