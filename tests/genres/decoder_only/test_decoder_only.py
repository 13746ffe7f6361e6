"""GPT: causal, counted, measured by hand, open to other parts, able to learn."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import next_token_loss, record_attention
from genai_lib.components.positions import AlibiPositions, RotaryPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.decoder_only import GPT, GPTConfig, cross_entropy_bits, text_bits
from genai_lib.training import fit

SMALL = GPTConfig(vocab_size=11, context=9, width=12, heads=3, layers=2, ffn_width=20)
SHARP = partial(softmax, temperature=0.5)
VARIANTS = {
    "as published": dict,
    "another normaliser": lambda: {"normalize": SHARP},
    "slopes": lambda: {"positional_encoding": AlibiPositions(3)},
    "both": lambda: {"normalize": SHARP, "positional_encoding": AlibiPositions(3)},
    "rotations": lambda: {"positional_encoding": RotaryPositions(4)},
}


def lively(config=SMALL, **options):
    """Make a GPT whose weights are so large that every part of it shows."""
    model = GPT(config, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.4)
    return model.eval()


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
class TestEveryVariant:
    def test_later_tokens_change_no_earlier_logits(self, options):
        model, tokens = lively(**options()), torch.randint(11, (3, 7))
        changed = tokens.clone()
        changed[:, 4:] = (changed[:, 4:] + 1) % 11
        before, after = model(tokens), model(changed)
        assert before.shape == (3, 7, 11)
        assert_close(after[:, :4], before[:, :4])
        assert not torch.isclose(after[:, 4:], before[:, 4:]).all()

    @pytest.mark.parametrize("pieces", [(7,), (1,) * 7, (3, 1, 3)])
    def test_a_cache_changes_no_logit(self, options, pieces):
        model, tokens = lively(**options()), torch.randint(11, (2, 7))
        cache = model.new_cache()
        parts = [model(part, cache=cache) for part in tokens.split(pieces, dim=1)]
        assert cache.length == 7
        assert_close(torch.cat(parts, dim=1), model(tokens), atol=1e-5, rtol=1e-5)

    def test_a_cache_can_be_cropped_and_reordered(self, options):
        model, tokens = lively(**options()), torch.randint(11, (3, 7))
        cache = model.new_cache()
        model(tokens, cache=cache)
        cache.crop(5)
        cache.select(torch.tensor([2, 2, 0]))
        other = torch.cat([tokens[[2, 2, 0], :5], torch.tensor([[1], [2], [3]])], dim=1)
        assert_close(
            model(other[:, 5:], cache=cache), model(other)[:, 5:], atol=1e-5, rtol=1e-5
        )

    def test_order_matters(self, options):
        model, tokens = lively(**options()), torch.tensor([[1, 2, 3, 4]])
        swapped = tokens[:, [1, 0, 2, 3]]
        assert not torch.isclose(model(tokens)[0, -1], model(swapped)[0, -1]).all()


def test_each_argument_reaches_every_attention():
    tokens = torch.randint(11, (1, 5))
    model = GPT(SMALL, SHARP, AlibiPositions(3))
    assert {b.attention.normalize for b in model.blocks} == {SHARP}
    with record_attention(model) as seen:
        model(tokens)
    assert len(seen) == 2
    # Untrained scores are about equal, so the slopes alone favour what is near.
    for weights in seen.values():
        assert (weights[0][0, 0, -1].diff() > 0).all()


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        GPTConfig(vocab_size=7, context=5, width=6, heads=1, layers=3, tied=False),
        GPTConfig(vocab_size=100),
    ],
)
def test_parameters_are_counted(config):
    model = GPT(config)
    assert config.parameters == sum(p.numel() for p in model.parameters())


def test_the_smallest_gpt2_has_124_million_parameters():
    with torch.device("meta"):
        model = GPT(GPTConfig.gpt2())
    assert sum(p.numel() for p in model.parameters()) == 124_439_808
    assert GPTConfig.gpt2().parameters == 124_439_808


def test_initial_weights_are_small_and_smaller_where_they_add_up():
    model = GPT(GPTConfig(vocab_size=500, width=128, layers=8, context=200))
    block = model.blocks[3]
    wanted = {
        model.embedding: 0.02,
        model.positional_encoding.table: 0.02,
        block.attention.to_query: 0.02,
        block.feed_forward.to_hidden: 0.02,
        block.attention.to_output: 0.02 / 4,
        block.feed_forward.to_output: 0.02 / 4,
    }
    for module, deviation in wanted.items():
        assert module.weight.std().item() == pytest.approx(deviation, rel=0.03)
        if isinstance(module, nn.Linear):
            assert not module.bias.any()
    bits = cross_entropy_bits(
        model(torch.randint(500, (4, 200))), torch.randint(500, (4, 200))
    )
    assert bits.mean().item() == pytest.approx(math.log2(500), rel=0.02)


def test_a_tied_head_is_the_embedding():
    tied, free = GPT(SMALL), GPT(GPTConfig(vocab_size=11, tied=False))
    assert tied.to_logits.weight is tied.embedding.weight
    assert free.to_logits.weight is not free.embedding.weight
    tokens = torch.randint(11, (2, 4))
    wanted = tied.hidden_states(tokens) @ tied.embedding.weight.T
    assert_close(tied(tokens), wanted)


def test_embeddings_stand_in_for_tokens():
    model, tokens = lively(), torch.randint(11, (2, 5))
    given = model.embedding(tokens)
    assert_close(model(embeddings=given), model(tokens))
    cache = model.new_cache()
    parts = [model(embeddings=x, cache=cache) for x in given.split([2, 3], dim=1)]
    assert_close(torch.cat(parts, dim=1), model(tokens), atol=1e-5, rtol=1e-5)


def test_only_learned_positions_limit_the_length():
    long = torch.randint(11, (1, 10))
    with pytest.raises(ValueError, match="10 after 0 in the cache .* context=9"):
        GPT(SMALL)(long)
    assert GPT(SMALL, positional_encoding=AlibiPositions(3))(long).shape == (1, 10, 11)
    model = GPT(SMALL)
    cache = model.new_cache()
    model(long[:, :6], cache=cache)
    with pytest.raises(ValueError, match="4 after 6 in the cache"):
        model(long[:, 6:], cache=cache)
    # The refused tokens leave no trace.
    assert [block.length for block in cache.blocks] == [6, 6]


def test_it_overfits_one_small_batch():
    model, tokens = GPT(SMALL), torch.randint(11, (4, 8))
    fit(model, iter([tokens] * 200), next_token_loss, steps=200, learning_rate=1e-2)
    bits = cross_entropy_bits(model(tokens[:, :-1]), tokens[:, 1:])
    # The first token of each row tells little about the second.
    assert bits[:, 2:].mean() < 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"width": 10}, "width=10 must be a multiple of heads=4"),
        ({"width": 6.0}, "width=6.0"),
        ({"ffn_width": 0}, "ffn_width=0"),
        ({"activation": "tanh"}, "activation='tanh' must be one of gelu_new"),
        ({"epsilon": 0.0}, "epsilon=0.0"),
        ({"init_std": -1.0}, "init_std=-1.0"),
    ],
)
def test_sizes_that_cannot_be_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig(**({"vocab_size": 5} | change))


def test_inputs_that_cannot_be_are_named():
    model = GPT(SMALL)
    for tokens in (torch.zeros(3).long(), torch.zeros(1, 3), [[1, 2]]):
        with pytest.raises(ValueError, match=r"tokens=.* integers of shape \(B, T\)"):
            model(tokens)
    with pytest.raises(ValueError, match="tokens from 3 to 11 must be from 0 to 10"):
        model(torch.tensor([[3, 11]]))
    with pytest.raises(ValueError, match="either tokens or embeddings"):
        model()
    with pytest.raises(ValueError, match=r"embeddings=.* \(B, T, 12\)"):
        model(embeddings=torch.zeros(1, 3, 8))


class Same(nn.Module):
    """Say with odds of 7 to 1 that the next token is the one just read."""

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, 2)
        return logits.scatter(2, tokens[..., None], math.log(7))


def test_bits_by_hand():
    """A repetition costs log2(8/7) bits, a change 3."""
    tokens = torch.tensor([0, 0, 1, 1, 1, 0])
    cheap = math.log2(8 / 7)
    wanted = torch.tensor([cheap, 3.0, cheap, cheap, 3.0])
    assert_close(text_bits(Same(), tokens, context=3, stride=2), wanted)


class Far(nn.Module):
    """Encode in the logits how many tokens the model could see."""

    def forward(self, tokens):
        seen = torch.arange(1, tokens.shape[1] + 1)
        return (torch.arange(2) * seen[:, None]).float().expand(*tokens.shape, 2)


@given(
    length=st.integers(2, 40),
    context=st.integers(1, 9),
    size=st.integers(1, 5),
    data=st.data(),
)
def test_every_token_is_measured_once_with_enough_before_it(
    length, context, size, data
):
    stride = data.draw(st.integers(1, context))
    bits = text_bits(Far(), torch.zeros(length).long(), context, stride, size)
    # Invert log2(1 + e^seen).
    seen = (2 ** bits.double() - 1).log().round()
    index = torch.arange(1, length)
    assert len(bits) == length - 1
    assert (seen <= index.clamp(max=context)).all()
    assert (seen > torch.minimum(index, torch.tensor(context - stride + 1)) - 1).all()


def test_text_bits_agree_with_the_model_on_each_window():
    model, tokens = lively(), torch.randint(11, (30,))
    found = text_bits(model, tokens, context=6, stride=1, size=4)
    for end in range(6, 30):
        logits = model(tokens[None, end - 6 : end])[0, -1]
        assert_close(found[end - 1], cross_entropy_bits(logits, tokens[end]))


def test_measurements_that_cannot_be_are_named():
    tokens = torch.zeros(5).long()
    with pytest.raises(ValueError, match="stride=4 must be at most context=3"):
        text_bits(Same(), tokens, context=3, stride=4)
    with pytest.raises(ValueError, match=r"tokens=.* \(N,\)"):
        text_bits(Same(), tokens[None], context=3, stride=1)
    with pytest.raises(ValueError, match="tokens=.* must have the shape of logits"):
        cross_entropy_bits(torch.zeros(4, 7), torch.zeros(3).long())
