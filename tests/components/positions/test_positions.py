"""Six schemes of positions: laws, references, hooks, repairs, bad input."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from genai_lib.components.attention import (
    FeedForward,
    GatedFeedForward,
    MultiHeadAttention,
    RMSNorm,
    TextModel,
    TransformerBlock,
    causal_mask,
)
from genai_lib.components.positions import (
    AlibiPositions,
    BucketPositions,
    LearnedPositions,
    NoPositions,
    RotaryPositions,
    SinusoidalPositions,
    alibi_bias,
    alibi_slopes,
    interpolated_frequencies,
    ntk_frequencies,
    rotary_frequencies,
    rotate,
    sinusoidal,
    t5_bucket,
    yarn_frequencies,
    yarn_frequencies_by_pair,
    yarn_sharpness,
)

WIDTH, HEADS, LENGTH = 16, 2, 12


def trained_buckets(heads, **settings):
    """Return the scheme with numbers in its table, which starts at zero."""
    positional_encoding = BucketPositions(heads, **settings)
    torch.nn.init.normal_(positional_encoding.table.weight)
    return positional_encoding


SCHEMES = {
    "none": NoPositions,
    "learned": lambda: LearnedPositions(40, WIDTH),
    "sinusoidal": lambda: SinusoidalPositions(WIDTH),
    "rotary": lambda: RotaryPositions(WIDTH // HEADS),
    "buckets": lambda: trained_buckets(HEADS, buckets=8, max_distance=10),
    "alibi": lambda: AlibiPositions(HEADS),
}
RELATIVE = ("none", "rotary", "buckets", "alibi")
SHIFT = st.integers(-50, 50)


def make(positional_encoding, layers=1):
    blocks = [
        TransformerBlock(
            MultiHeadAttention(WIDTH, HEADS, positional_encoding=positional_encoding),
            FeedForward(WIDTH),
        )
        for _ in range(layers)
    ]
    return TextModel(7, WIDTH, blocks, positional_encoding).double()


# Laws that all schemes share


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_accepts_any_length_and_gives_the_right_shapes(name):
    positional_encoding = SCHEMES[name]()
    for length in (1, 5, LENGTH):
        positions = torch.arange(length)
        x = torch.randn(2, length, WIDTH)
        heads = torch.randn(2, HEADS, length, WIDTH // HEADS)
        assert positional_encoding.embed(x, positions).shape == x.shape
        for turned in positional_encoding.rotate(heads, heads, positions):
            assert turned.shape == heads.shape
        bias = positional_encoding.bias(positions, positions)
        assert bias is None or bias.shape == (HEADS, length, length)


@pytest.mark.parametrize("name", SCHEMES)
def test_each_scheme_overrides_one_hook(name):
    hooks = ("embed", "rotate", "bias")
    kind = type(SCHEMES[name]())
    changed = [h for h in hooks if getattr(kind, h) is not getattr(NoPositions, h)]
    assert len(changed) == (name != "none")


@pytest.mark.parametrize("name", SCHEMES)
def test_only_relative_schemes_ignore_a_shift_of_all_positions(name):
    model = make(SCHEMES[name]())
    tokens = torch.randint(7, (2, LENGTH))
    at_start = model(tokens, torch.arange(LENGTH))
    later = model(tokens, torch.arange(LENGTH) + 9)
    same = torch.allclose(later, at_start, atol=1e-6)
    assert same == (name in RELATIVE)


@pytest.mark.parametrize("name", SCHEMES)
def test_order_matters_to_the_last_token_with_every_scheme_but_none(name):
    """One layer, no position: the last token sees a bag of those before it."""
    model = make(SCHEMES[name]())
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    swapped = torch.tensor([[2, 1, 3, 4, 5]])
    same = torch.allclose(model(tokens)[:, -1], model(swapped)[:, -1], atol=1e-9)
    assert same == (name == "none")


def test_with_two_layers_the_causal_mask_alone_tells_the_order():
    model = make(NoPositions(), layers=2)
    tokens, swapped = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[2, 1, 3, 4]])
    assert not torch.allclose(model(tokens)[:, -1], model(swapped)[:, -1], atol=1e-6)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_follows_the_dtype(name):
    model = make(SCHEMES[name]()).to(torch.bfloat16)
    assert model(torch.randint(7, (2, 5))).dtype == torch.bfloat16


# Sinusoidal and learned


def test_sinusoidal_is_the_papers_formula():
    table = sinusoidal(20, 6)
    for t in range(20):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[t, 2 * i + 1].item() == pytest.approx(
                math.cos(angle), abs=1e-6
            )


def test_sinusoidal_similarity_depends_on_the_distance_alone():
    table = sinusoidal(40, 16).double()
    similarity = table @ table.T
    for distance in range(39):
        diagonal = similarity.diagonal(distance)
        assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert_close(similarity.diagonal(), torch.full((40,), 8.0).double())


def test_the_table_is_right_to_the_last_digit_far_away():
    """Angles of single precision would be off by 3e-3 at position 100,000."""
    row = sinusoidal(100_001, 4)[-1]
    wanted = [f(100_000 * w) for w in (1, 0.01) for f in (math.sin, math.cos)]
    assert_close(row, torch.tensor(wanted), atol=1e-6, rtol=0)


def test_the_scheme_adds_the_table():
    positional_encoding, x = SinusoidalPositions(6), torch.randn(2, 9, 6)
    assert_close(positional_encoding.embed(x, torch.arange(9)), x + sinusoidal(9, 6))


def test_learned_positions_are_looked_up_and_end():
    positional_encoding = LearnedPositions(5, 4)
    x = torch.zeros(1, 2, 4)
    assert positional_encoding.embed(x, torch.tensor([4, 0]))[0].equal(
        positional_encoding.table.weight[[4, 0]]
    )
    with pytest.raises(ValueError, match="positions from 3 to 5: only 0 to 4"):
        positional_encoding.embed(torch.zeros(1, 3, 4), torch.arange(3, 6))


# Rotary


@given(SHIFT, SHIFT, SHIFT)
def test_rotated_products_depend_on_the_distance_alone(m, n, shift):
    query, key = torch.randn(2, 1, 8, dtype=torch.double)

    def product(query_at, key_at):
        turned = (
            rotate(query, torch.tensor([query_at])),
            rotate(key, torch.tensor([key_at])),
        )
        return (turned[0] * turned[1]).sum()

    assert_close(product(m, n), product(m + shift, n + shift), atol=1e-10, rtol=0)


def test_rotation_keeps_lengths_and_position_zero_turns_nothing():
    x = torch.randn(2, 3, 5, 8, dtype=torch.double)
    turned = rotate(x, torch.arange(5))
    assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert turned[..., 0, :].equal(x[..., 0, :])
    assert_close(rotate(turned, -torch.arange(5)), x)


def test_rotation_by_hand():
    """Width 2 at position 1: one radian."""
    turned = rotate(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert_close(turned, torch.tensor([[math.cos(1), math.sin(1)]]))


@pytest.mark.parametrize("base", [10000.0, 500.0])
def test_equals_the_rotary_embedding_of_llama(base):
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    config = llama.LlamaConfig(
        hidden_size=32,
        num_attention_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    query, key = torch.randn(2, 2, 4, 9, 8)
    positions = torch.arange(3, 12)
    cosine, sine = llama.LlamaRotaryEmbedding(config)(query, positions[None])
    wanted = llama.apply_rotary_pos_emb(query, key, cosine, sine)

    found = RotaryPositions(8, base).rotate(query, key, positions)

    # Theirs computes the frequencies in single precision, ours in double.
    assert_close(found, wanted, atol=2e-6, rtol=0)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_equals_a_whole_llama_layer(kv_heads):
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    config = llama.LlamaConfig(
        hidden_size=16, intermediate_size=24, num_attention_heads=4,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-6, attn_implementation="sdpa",
    )  # fmt: skip
    reference = llama.LlamaDecoderLayer(config, layer_idx=0)
    attention = MultiHeadAttention(
        16, 4, kv_heads=kv_heads, bias=False, positional_encoding=RotaryPositions(4)
    )
    ours = TransformerBlock(attention, GatedFeedForward(16, 24), norm=RMSNorm)
    weights = dict(reference.named_parameters())
    names = {
        "attention.to_query": "self_attn.q_proj",
        "attention.to_key": "self_attn.k_proj",
        "attention.to_value": "self_attn.v_proj",
        "attention.to_output": "self_attn.o_proj",
        "feed_forward.to_gate": "mlp.gate_proj",
        "feed_forward.to_hidden": "mlp.up_proj",
        "feed_forward.to_output": "mlp.down_proj",
    }
    ours.load_state_dict(
        {
            f"{mine}.weight": weights[f"{theirs}.weight"]
            for mine, theirs in names.items()
        }
        | {
            "attention_norm.scale": weights["input_layernorm.weight"],
            "feed_forward_norm.scale": weights["post_attention_layernorm.weight"],
        }
    )
    x, positions = torch.randn(2, 5, 16), torch.arange(5)
    turn = llama.LlamaRotaryEmbedding(config)(x, positions[None])
    mask = causal_mask(5)

    found = ours(x, mask=mask, positions=positions)

    wanted = reference(
        x, attention_mask=mask.expand(2, 1, 5, 5), position_embeddings=turn
    )
    assert_close(found, wanted, atol=1e-5, rtol=0)


def test_neighbours_and_halves_differ_by_the_order_of_the_entries():
    """The form of the paper, written out, on entries 0 4 1 5 2 6 3 7."""
    x, positions = torch.randn(5, 8, dtype=torch.double), torch.arange(5)
    order = torch.arange(8).view(2, 4).T.flatten()
    pairs = torch.view_as_complex(x[:, order].view(5, 4, 2))
    turn = torch.polar(torch.ones(5, 4).double(), positions[:, None] * FREQUENCIES)
    paper = torch.view_as_real(pairs * turn).flatten(1)
    assert_close(rotate(x, positions)[:, order], paper, atol=1e-6, rtol=0)


FREQUENCIES = rotary_frequencies(8).double()


# Buckets


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    ("buckets", "most"), [(32, 128), (8, 10), (16, 64), (7, 9), (6, 20)]
)
def test_equals_the_buckets_of_t5(bidirectional, buckets, most):
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    offset = torch.arange(-300, 301).view(1, -1)
    wanted = t5.T5Attention._relative_position_bucket(
        offset, bidirectional, buckets, most
    )
    assert t5_bucket(offset, bidirectional, buckets, most).equal(wanted)


def test_small_distances_have_buckets_of_their_own():
    assert t5_bucket(-torch.arange(16), bidirectional=False).tolist() == list(range(16))
    assert t5_bucket(torch.tensor([-16, 128])).tolist() == [10, 31]
    later = t5_bucket(torch.arange(1, 9), bidirectional=False)
    assert later.tolist() == [0] * 8


def test_the_sign_of_the_offset_is_key_minus_query():
    positional_encoding = trained_buckets(2)
    bias = positional_encoding.bias(torch.tensor([5]), torch.tensor([2, 5, 9]))
    assert bias[:, 0].equal(positional_encoding.table.weight[[3, 0, 0]].T)


def test_buckets_start_without_a_preference():
    positions = torch.arange(200)
    assert BucketPositions(2).bias(positions, positions).eq(0).all()


# ALiBi


@pytest.mark.parametrize("heads", [1, 2, 4, 6, 8, 12, 16])
def test_equals_the_slopes_of_bloom(heads):
    bloom = pytest.importorskip("transformers.models.bloom.modeling_bloom")
    wanted = bloom.build_alibi_tensor(torch.ones(1, 9), heads, torch.float32)
    slopes = alibi_slopes(heads)
    # Theirs takes powers of a rounded base, which is exact up to 8 heads alone.
    tolerance = 0 if heads <= 8 else 1e-6
    found = slopes[:, None] * torch.arange(9)
    assert_close(found, wanted[:, 0], atol=0, rtol=tolerance)
    # Bloom's numbers differ from ours by one constant per row, which softmax forgets.
    shifted = alibi_bias(heads, 9)[:, -1] + 8 * slopes[:, None]
    assert_close(shifted, wanted[:, 0])


def test_slopes_of_eight_heads_are_the_papers():
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(6).tolist() == [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]


def test_alibi_bias_by_hand():
    bias = alibi_bias(2, 3)
    assert bias[0].tolist() == [
        [0.0, -0.0625, -0.125], [-0.0625, 0.0, -0.0625], [-0.125, -0.0625, 0.0]
    ]  # fmt: skip
    assert bias[1, 2, 0].item() == -2 * 2**-8


# Repairs


def hugging_face(kind, width, base, length, factor, **options):
    """Return frequencies and the factor of the embedding as transformers has them."""
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    utilities = pytest.importorskip("transformers.modeling_rope_utils")
    config = llama.LlamaConfig(
        hidden_size=4 * width,
        num_attention_heads=4,
        max_position_embeddings=length,
        rope_parameters={
            "rope_type": kind,
            "rope_theta": base,
            "factor": factor,
            "original_max_position_embeddings": length,
            **options,
        },
    )
    seen = {"seq_len": round(length * factor)} if kind == "dynamic" else {}
    if kind == "dynamic":
        config.rope_parameters["factor"] = 1.0
    return utilities.ROPE_INIT_FUNCTIONS[kind](config, "cpu", **seen)


CONFIGURATIONS = pytest.mark.parametrize(
    ("width", "base", "length", "factor"),
    [
        (16, 10000.0, 64, 8.0),
        (64, 500000.0, 2048, 2.5),
        (128, 10000.0, 4096, 16.0),
        (8, 100.0, 512, 4.0),
    ],
)


@CONFIGURATIONS
def test_equals_linear_scaling_of_transformers(width, base, length, factor):
    wanted, one = hugging_face("linear", width, base, length, factor)
    assert_close(interpolated_frequencies(width, factor, base), wanted)
    assert one == 1


@CONFIGURATIONS
def test_equals_dynamic_scaling_of_transformers(width, base, length, factor):
    """Dynamic scaling is NTK for the length that is just read."""
    wanted, one = hugging_face("dynamic", width, base, length, factor)
    found = ntk_frequencies(width, factor, base)
    assert_close(found, wanted, rtol=1e-5, atol=0)
    assert one == 1


@CONFIGURATIONS
@pytest.mark.parametrize(("slow", "fast"), [(1, 32), (0.5, 4), (2, 3)])
def test_equals_yarn_of_transformers(width, base, length, factor, slow, fast):
    wanted, sharpness = hugging_face(
        "yarn", width, base, length, factor, beta_slow=slow, beta_fast=fast
    )
    found = yarn_frequencies_by_pair(width, factor, length, base, slow, fast)
    assert_close(found, wanted, rtol=1e-5, atol=0)
    # Theirs multiplies queries and keys, ours the scores.
    assert yarn_sharpness(factor) == pytest.approx(sharpness**2)


def test_the_two_forms_of_yarn_agree_at_the_ends_and_differ_between():
    turns = 4096 * rotary_frequencies(128) / (2 * math.pi)
    paper = yarn_frequencies(128, 16.0, 4096)
    code = yarn_frequencies_by_pair(128, 16.0, 4096)
    # The code rounds the ends of the ramp outwards, by up to a pair.
    ends = (turns > 32 * 1.2) | (turns < 1 / 1.2)
    assert_close(paper[ends], code[ends])
    assert (code - paper).div(paper).max() > 0.5


def test_interpolation_is_scaled_positions():
    x = torch.randn(6, 8, dtype=torch.double)
    slow = rotate(x, torch.arange(6), frequencies=interpolated_frequencies(8, 4.0))
    assert_close(slow, rotate(x, torch.arange(6) / 4))


def test_ntk_keeps_the_fastest_pair_and_interpolates_the_slowest():
    plain, changed = rotary_frequencies(16), ntk_frequencies(16, 4.0)
    assert changed[0] == plain[0]
    assert_close(changed[-1], plain[-1] / 4)
    assert ((changed < plain) & (changed > plain / 4))[1:-1].all()


def test_yarn_keeps_fast_pairs_and_interpolates_slow_ones():
    plain = rotary_frequencies(16)
    turns = 512 * plain / (2 * math.pi)
    changed = yarn_frequencies(16, 4.0, 512)
    assert changed[turns > 32].equal(plain[turns > 32])
    assert_close(changed[turns < 1], plain[turns < 1] / 4)
    between = (turns >= 1) & (turns <= 32)
    share = (turns[between] - 1) / 31
    wanted = plain[between] * (share + (1 - share) / 4)
    assert_close(changed[between], wanted)
    assert between.any() and (turns > 32).any() and (turns < 1).any()


def test_yarn_sharpens_the_scores():
    positional_encoding = RotaryPositions(8, sharpness=yarn_sharpness(4.0))
    query, key = torch.randn(2, 1, 2, 5, 8)
    plain = RotaryPositions(8).rotate(query, key, torch.arange(5))
    sharp = positional_encoding.rotate(query, key, torch.arange(5))
    ratio = (0.1 * math.log(4) + 1) ** 2
    assert_close(sharp[0] @ sharp[1].mT, ratio * (plain[0] @ plain[1].mT))


@pytest.mark.parametrize(
    "change",
    [
        interpolated_frequencies,
        ntk_frequencies,
        lambda *a: yarn_frequencies(*a, 64),
        lambda *a: yarn_frequencies_by_pair(*a, 64),
    ],
)
def test_a_factor_of_one_repairs_nothing(change):
    assert_close(change(16, 1.0), rotary_frequencies(16))
    assert yarn_sharpness(1.0) == 1


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sinusoidal(0, 4), "length=0"),
        (lambda: sinusoidal(4, 5), "width=5 must be even"),
        (lambda: rotary_frequencies(4, 0.0), "base=0.0"),
        (lambda: rotate(torch.zeros(3, 4), torch.arange(2)), "positions="),
        (lambda: rotate(torch.zeros(3, 4).long(), torch.arange(3)), "x="),
        (lambda: RotaryPositions(8, frequencies=torch.ones(3)), "frequencies="),
        (lambda: ntk_frequencies(8, 0.5), "factor=0.5"),
        (lambda: ntk_frequencies(2, 2.0), "width=2"),
        (lambda: yarn_frequencies(8, 2.0, 64, slow=4, fast=4), "slow=4 .* fast=4"),
        (lambda: yarn_frequencies_by_pair(8, 2.0, 64, slow=0), "slow=0 above 0"),
        (lambda: yarn_frequencies_by_pair(8, 2.0, 64, base=0.5), "base=0.5 must be"),
        (lambda: t5_bucket(torch.zeros(2)), "offset="),
        (lambda: t5_bucket(torch.arange(2), True, 3), "buckets=3 .* at least 4"),
        (lambda: t5_bucket(torch.arange(2), False, 1), "buckets=1 .* at least 2"),
        (lambda: BucketPositions(2, False, 8, 4), "max_distance=4 must be above 4"),
        (lambda: BucketPositions(0), "heads=0"),
        (lambda: alibi_slopes(0), "heads=0"),
        (lambda: alibi_bias(2, 0), "length=0"),
        (lambda: LearnedPositions(0, 4), "length=0"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Known-wrong implementations are caught by the laws


def rotate_by_minus_the_angle(x, positions):
    return rotate(x, -positions)


def rotate_neighbours(x, positions):
    order = torch.arange(x.shape[-1]).view(2, -1).T.flatten()
    return rotate(x[..., order.argsort()], positions)[..., order]


def rotate_with_half_precision_angles(x, positions):
    angles = positions.bfloat16()[:, None] * rotary_frequencies(8).bfloat16()
    first, second = x.chunk(2, dim=-1)
    cosine, sine = angles.cos().double(), angles.sin().double()
    return torch.cat(
        [first * cosine - second * sine, second * cosine + first * sine], dim=-1
    )


@pytest.mark.parametrize(
    "wrong",
    [rotate_by_minus_the_angle, rotate_neighbours, rotate_with_half_precision_angles],
)
def test_known_wrong_rotations_differ(wrong):
    x, positions = torch.randn(2, 300, 8, dtype=torch.double), torch.arange(300)
    assert not torch.allclose(wrong(x, positions), rotate(x, positions), atol=1e-2)
