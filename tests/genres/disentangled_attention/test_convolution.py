"""The convolution beside the first block: by hand, as a loop, as in transformers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import FeedForward, PostNormBlock
from genai_lib.genres.disentangled_attention import (
    CONVOLVED,
    Convolution,
    ConvolvedBlock,
    Deberta,
    DebertaAttention,
    DebertaConfig,
    RelativePositions,
    enhanced_mask_decoder,
)
from genai_lib.genres.encoder_only import mask_tokens, masked_loss
from tests.genres.checkpoint_files import edit_config, edit_tensors
from tests.genres.disentangled_attention.test_checkpoint import REAL, reference_model
from tests.genres.disentangled_attention.test_model import ABSOLUTE, SIZES, lively

# The released models of version 2 name gelu; a file that names nothing means tanh.
RELEASED = REAL | {"conv_kernel_size": 3, "conv_act": "gelu"}
FILES = {
    "as released": RELEASED,
    "no activation named": REAL | {"conv_kernel_size": 3},
    "as in the paper": {"conv_kernel_size": 3, "position_biased_input": False},
    "absolute too": {"conv_kernel_size": 3, "position_biased_input": True},
    "wide window": RELEASED | {"conv_kernel_size": 5},
    "wider than the text": RELEASED | {"conv_kernel_size": 31},
    "no neighbours": RELEASED | {"conv_kernel_size": 1},
    "one block": RELEASED | {"num_hidden_layers": 1},
    "three blocks": REAL | {"conv_kernel_size": 5, "num_hidden_layers": 3},
    "large vocabulary": RELEASED | {"vocab_size": 97},
    "relu": RELEASED | {"conv_act": "relu", "hidden_act": "gelu_new"},
    "rough": RELEASED | {"layer_norm_eps": 0.1},
    "groups said": RELEASED | {"conv_groups": 1},
    "head of the released files": RELEASED | {"legacy": False},
    "own table for the scores": RELEASED | {"tie_word_embeddings": False},
}


def make(width=6, size=3, activation=torch.tanh, norm=nn.LayerNorm):
    """Make a convolution whose every weight shows in its output."""
    convolution = Convolution(width, size, activation, norm)
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.normal_(0.1, 0.4)
    return convolution


def padded(rows, length):
    """Return a mask in which rows end early, begin late and have a hole."""
    mask = torch.ones(rows, length, dtype=torch.bool)
    mask[1, length // 2 :] = False
    mask[2, :2] = False
    mask[2, length - 3] = False
    return mask


@torch.no_grad()
def test_an_example_by_hand():
    """Weights 1, 10 and 100 on -1, 2 and 3; one added; no norm, |x| as activation."""
    convolution = Convolution(1, 3, torch.abs, nn.Identity)
    convolution.window.weight.copy_(torch.tensor([[[1.0, 10.0, 100.0]]]))
    convolution.window.bias.fill_(1.0)
    x, made = torch.tensor([[[-1.0], [2.0], [3.0]]]), torch.full((1, 3, 1), 0.5)
    found = convolution(x, made)
    # |-10 + 200 + 1|, |-1 + 20 + 300 + 1| and |2 + 30 + 1|, each with 0.5.
    assert found.flatten().tolist() == [191.5, 320.5, 33.5]
    mask = torch.tensor([[True, True, False]])
    assert convolution(x, made, mask).flatten().tolist()[:2] == [191.5, 20.5]
    convolution.norm = nn.LayerNorm(1)
    assert convolution(x, made).flatten().tolist() == [0, 0, 0]


@given(st.integers(1, 7), st.integers(0, 3), st.integers(1, 4), st.integers(0, 99))
@torch.no_grad()
def test_it_is_a_loop_over_the_window(length, side, width, seed):
    torch.manual_seed(seed)
    convolution = make(width, 2 * side + 1)
    x, made = torch.randn(2, 2, length, width)
    mask = torch.rand(2, length) < 0.7
    weight, bias = convolution.window.weight, convolution.window.bias
    near = bias.repeat(2, length, 1)
    for row in range(2):
        for i in range(length):
            for j in range(max(i - side, 0), min(i + side + 1, length)):
                if mask[row, j]:
                    near[row, i] += weight[:, :, j - i + side] @ x[row, j]
    wanted = convolution.norm(made + near.tanh())
    assert_close(convolution(x, made, mask), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("activation", CONVOLVED)
@torch.no_grad()
def test_the_layer_alone_equals_that_of_transformers(activation):
    """Its layer reads zeros where the mask is 0, as its embeddings leave them."""
    module = pytest.importorskip("transformers.models.deberta_v2.modeling_deberta_v2")
    sizes = {"conv_kernel_size": 5, "conv_act": activation, "layer_norm_eps": 0.01}
    reference = module.ConvLayer(reference_model(**sizes).config).eval()
    ours = Convolution(12, 5, CONVOLVED[activation], lambda d: nn.LayerNorm(d, 0.01))
    ours.window.load_state_dict(reference.conv.state_dict())
    for norm in (reference.LayerNorm, ours.norm):
        norm.weight.copy_(torch.linspace(-1, 2, 12))
        norm.bias.copy_(torch.linspace(3, 1, 12))
    x, made = 3 * torch.randn(2, 3, 9, 12)
    mask = padded(3, 9)
    wanted = reference(x * mask[..., None], made.clone(), mask.long())
    assert_close(ours(x, made, mask)[mask], wanted[mask], atol=1e-6, rtol=1e-5)
    everything = torch.ones_like(mask)
    wanted = reference(x, made.clone(), everything.long())
    assert_close(ours(x, made), wanted, atol=1e-6, rtol=1e-5)
    assert_close(ours(x, made, everything), ours(x, made), atol=0, rtol=0)


@pytest.mark.parametrize("sizes", FILES.values(), ids=FILES)
@torch.no_grad()
def test_a_checkpoint_of_transformers_gives_its_numbers(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.save_pretrained(tmp_path)
    model = Deberta.from_pretrained(tmp_path)
    assert isinstance(model.blocks[0], ConvolvedBlock)
    assert all(type(block) is PostNormBlock for block in model.blocks[1:])
    tokens, mask = torch.randint(31, (3, 14)), padded(3, 14)
    for seen in (mask, torch.ones_like(mask)):
        wanted = reference(tokens, seen.long(), output_hidden_states=True)
        found = model.states(tokens, mask=seen)
        for ours, theirs in zip(found, wanted.hidden_states, strict=True):
            assert_close(ours[seen], theirs[seen], atol=1e-5, rtol=1e-5)
        logits = model(tokens, mask=seen)
        assert_close(logits[seen], wanted.logits[seen], atol=1e-4, rtol=1e-5)
    assert_close(model(tokens), logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_half_precision_in_several_files_without_head(tmp_path):
    reference = reference_model("DebertaV2Model", **RELEASED)
    reference.half().save_pretrained(tmp_path, max_shard_size=3000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    model, tokens = Deberta.from_pretrained(tmp_path), torch.randint(31, (2, 10))
    wanted = reference.float()(tokens).last_hidden_state
    assert_close(model.hidden_states(tokens), wanted, atol=1e-5, rtol=1e-5)
    assert model.blocks[0].convolution.window.weight.dtype == torch.float32


@pytest.mark.parametrize("value", [0, -1, None, "dropped"])
@torch.no_grad()
def test_a_file_without_convolution_is_read_as_before(tmp_path, value):
    """What it says of the activation or the groups of none has no say."""
    reference = reference_model(**REAL)
    reference.save_pretrained(tmp_path)
    plain = Deberta.from_pretrained(tmp_path)
    edit_config(tmp_path, conv_kernel_size=value, conv_act="swish", conv_groups=7)
    model, tokens = Deberta.from_pretrained(tmp_path), torch.randint(31, (2, 9))
    assert model.config == plain.config and model.config.convolution is None
    assert_close(model(tokens), plain(tokens), atol=0, rtol=0)


@torch.no_grad()
def test_without_the_convolution_nothing_changes():
    """Same names, same first weights, and bit by bit the same blocks behind it."""
    models = []
    for convolution in (None, 3):
        torch.manual_seed(5)
        models.append(Deberta(DebertaConfig(**SIZES, convolution=convolution)))
    plain, convolved = models
    assert all(type(block) is PostNormBlock for block in plain.blocks)
    own = {
        f"blocks.0.convolution.{part}.{kind}"
        for part in ("window", "norm")
        for kind in ("weight", "bias")
    }
    assert set(convolved.state_dict()) - set(plain.state_dict()) == own
    assert set(plain.state_dict()) < set(convolved.state_dict())
    convolved.load_state_dict(lively(convolution=3).state_dict())
    shared = {k: x for k, x in convolved.state_dict().items() if k not in own}
    plain.load_state_dict(shared)
    tokens, mask = torch.randint(11, (3, 8)), padded(3, 8)
    seen = {"mask": mask[:, None, None], "positions": torch.arange(8)}
    first, *states = convolved.states(tokens, mask=mask)
    assert first.equal(plain.states(tokens, mask=mask)[0])
    made = plain.blocks[0](first, **seen)
    x = convolved.blocks[0].convolution(first, made, mask)
    for block, found in zip([None, *plain.blocks[1:]], states, strict=True):
        x = x if block is None else block(x, **seen)
        assert found.equal(x)
    assert not torch.allclose(made, states[0], atol=1e-2)


@pytest.mark.parametrize("absolute", ABSOLUTE)
@torch.no_grad()
def test_what_fills_up_a_row_changes_nothing(absolute):
    model = lively(absolute=absolute, convolution=5)
    tokens, mask = torch.randint(11, (3, 9)), padded(3, 9)
    changed = torch.where(mask, tokens, (tokens + 1) % 11)
    before, after = (model(x, mask=mask) for x in (tokens, changed))
    assert_close(before[mask], after[mask], atol=0, rtol=0)
    short = model(tokens[1:2, :4])
    assert_close(before[1:2, :4], short, atol=1e-4, rtol=1e-5)
    assert torch.isfinite(before).all()


@torch.no_grad()
def test_the_mask_decoder_has_no_convolution():
    model = lively(absolute="decoder", convolution=3, layers=2)
    tokens, mask = torch.randint(11, (3, 9)), padded(3, 9)
    _, memory, found = model.states(tokens, mask=mask)
    query = memory + model.absolute.table.weight
    seen = {"mask": mask[:, None, None], "positions": torch.arange(9)}
    wanted = enhanced_mask_decoder(model.blocks[-1], query, memory, 2, **seen)
    assert_close(found, wanted, atol=0, rtol=0)
    plain = lively(absolute="none", convolution=3, layers=2)
    own = {k: x for k, x in model.state_dict().items() if "absolute" not in k}
    plain.load_state_dict(own)
    assert memory.equal(plain.states(tokens, mask=mask)[1])


def test_its_first_weights_are_small_and_the_loss_trains_all_of_them():
    model = Deberta(DebertaConfig(11, 9, width=64, convolution=3, init_std=0.1))
    window = model.blocks[0].convolution.window
    assert window.weight.std().item() == pytest.approx(0.1, rel=0.05)
    assert not window.bias.any()
    model = lively(absolute="decoder", convolution=3)
    batch = mask_tokens(torch.randint(10, (4, 9)), 10, 11, rate=0.5)
    masked_loss(model, batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_block_reads_its_input_twice():
    """Attention and convolution see the same vectors; the sum is normalised last."""
    attention = DebertaAttention(6, 2, RelativePositions(6, 4))
    block = ConvolvedBlock(attention, FeedForward(6), make())
    x = torch.randn(2, 5, 6)
    window, norm = block.convolution.window, block.convolution.norm
    plain = PostNormBlock(attention, block.feed_forward)
    near = window(x.transpose(1, 2)).transpose(1, 2)
    assert_close(block(x), norm(plain(x) + near.tanh()), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv_kernel_size": 4}, "conv_kernel_size=4: an odd number is needed"),
        ({"conv_kernel_size": 2.5}, "conv_kernel_size=2.5: a whole number above 0"),
        ({"conv_kernel_size": "3"}, "conv_kernel_size='3': a whole number above 0"),
        ({"conv_kernel_size": True}, "conv_kernel_size=True: a whole number above 0"),
        ({"conv_kernel_size": -3}, "conv_kernel_size=-3: a whole number above 0"),
        ({"conv_groups": 2}, "conv_groups=2: this is not supported, only 1"),
        ({"conv_groups": None}, "conv_groups=None: this is not supported, only 1"),
        ({"conv_act": "mish"}, "conv_act='mish': this is not supported, .*'tanh'"),
        ({"conv_act": None}, "conv_act=None: this is not supported"),
        ({"conv_dilation": 2}, "conv_dilation=2: this option is not known"),
        # What contradicts the tensors.
        ({"conv_kernel_size": 0}, "4 tensors that .* has not, such as 'encoder.conv"),
        ({"conv_kernel_size": 5}, r"'encoder.conv.conv.weight'.*12, 3\).*12, 5\)"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_error(tmp_path, changes, message):
    reference_model(**RELEASED).save_pretrained(tmp_path)
    edit_config(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        Deberta.from_pretrained(tmp_path)


CONV, NORM = "deberta.encoder.conv.conv", "deberta.encoder.conv.LayerNorm"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (f"{CONV}.weight", None, "no tensor 'encoder.conv.conv.weight'"),
        (f"{CONV}.bias", None, "no tensor 'encoder.conv.conv.bias'"),
        (f"{NORM}.weight", None, "no tensor 'encoder.conv.LayerNorm.weight'"),
        (f"{NORM}.bias", None, "no tensor 'encoder.conv.LayerNorm.bias'"),
        (f"{CONV}.weight", torch.ones(12, 3, 12), r"has shape \(12, 3, 12\)"),
        (f"{CONV}.weight", torch.ones(12, 6, 3), r"has shape \(12, 6, 3\)"),
        (f"{CONV}.weight", torch.ones(12, 12), r"has shape \(12, 12\)"),
        (f"{CONV}.bias", torch.ones(3), r"has shape \(3,\)"),
        (f"{NORM}.weight", torch.ones(12, 1), r"has shape \(12, 1\)"),
        (f"{CONV}.weight", torch.ones(12, 12, 3).int(), "int32, floats"),
        (f"{CONV}.scale", torch.ones(1), "such as 'encoder.conv.conv.scale'"),
    ],
)
def test_tensors_that_do_not_fit_are_one_clear_error(tmp_path, name, tensor, message):
    reference_model(**RELEASED).save_pretrained(tmp_path)

    def change(tensors):
        tensors.pop(name, None)
        tensors.update({} if tensor is None else {name: tensor})

    edit_tensors(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        Deberta.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"convolution": 4}, "convolution=4 must be odd"),
        ({"convolution": 0}, "convolution=0 .*a whole number above 0"),
        ({"convolution": 3.0}, "convolution=3.0 .*a whole number above 0"),
        ({"convolved": "sine"}, "convolved='sine' must be one of tanh, "),
        (
            {"convolution": 3, "layers": 1, "absolute": "decoder"},
            "convolution=3 stands beside the first block, .* layers must be above 1",
        ),
    ],
)
def test_impossible_sizes_are_one_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        Deberta(DebertaConfig(**SIZES | changes))


def test_wrong_input_is_one_clear_error():
    convolution, x = make(), torch.randn(2, 5, 6)
    for size in (2, 0, -1, 1.5):
        with pytest.raises(ValueError, match=f"convolution={size}"):
            Convolution(6, size)
    with pytest.raises(ValueError, match="width=0"):
        Convolution(0, 3)
    with pytest.raises(ValueError, match=r"output=.*\(2, 4, 6\) must have the same"):
        convolution(x, x[:, :4])
    for mask in (torch.ones(2, 4).bool(), torch.ones(2, 5, 6).bool(), torch.ones(2, 5)):
        with pytest.raises(ValueError, match=r"mask=.*boolean, of shape \(2, 5\)"):
            convolution(x, x, mask)
