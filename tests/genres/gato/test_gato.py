"""Gato: numbers come back, episodes have their order, the network learns its part."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torch.testing import assert_close

from genai_lib.components.positions import RotaryPositions
from genai_lib.data import CharacterTokenizer
from genai_lib.genres.decoder_only import GPTConfig
from genai_lib.genres.gato import (
    BINS,
    Bounded,
    Continuous,
    Discrete,
    Episode,
    Gato,
    Image,
    Task,
    Text,
    Vocabulary,
    bin_edges,
    bounded_to_tokens,
    continuous_to_tokens,
    masked_loss,
    mu_law_compress,
    mu_law_expand,
    normalise_patches,
    serialize_episode,
    serialize_text,
    stack,
    tokens_to_bounded,
    tokens_to_continuous,
)
from genai_lib.genres.gato.sequences import PATCH, join, plain_tokens

VOCABULARY = Vocabulary(CharacterTokenizer.of("abcdefghij"))
V, BAR = 10, 10 + 1024
MIXED = Task(
    "mixed",
    {
        "b": Continuous((2,)),
        "a": Discrete(5, (2,)),
        "z": Text(),
        "eye": Image((2, 4, 6), patch=2),
    },
    {"push": Discrete(3), "grip": Bounded((2,))},
)


def mixed(steps=3):
    generator = torch.Generator().manual_seed(1)
    return Episode(
        {
            "b": torch.randn(steps, 2, generator=generator),
            "a": torch.arange(2 * steps).view(steps, 2) % 5,
            "z": ["abc", "d", "ej"][:steps],
            "eye": torch.rand(steps, 2, 4, 6, generator=generator),
        },
        {
            "push": torch.arange(steps) % 3,
            "grip": torch.rand(steps, 2, generator=generator) * 2 - 1,
        },
    )


def by_hand(x):
    """The token of one number as the paper has it, in plain Python."""
    squeezed = math.copysign(math.log(100 * abs(x) + 1) / math.log(25601), x)
    return 32_000 + min(math.floor((squeezed + 1) / 2 * 1024), 1023)


@given(st.floats(-256, 256, allow_nan=False))
def test_a_number_comes_back_within_its_bin(x):
    values = torch.tensor([x], dtype=torch.float64)
    tokens = continuous_to_tokens(values)
    back, (low, high) = tokens_to_continuous(tokens), bin_edges(tokens)
    assert tokens.item() == by_hand(x)
    assert low - 1e-9 <= values <= high + 1e-9 and low < back < high
    assert (back - values).abs() <= high - low
    assert (mu_law_compress(back) - mu_law_compress(values)).abs() <= 1 / BINS + 1e-12


@given(st.floats(-1, 1, allow_nan=False))
def test_a_bounded_number_comes_back_within_half_a_bin(x):
    values = torch.tensor([x], dtype=torch.float64)
    back = tokens_to_bounded(bounded_to_tokens(values, 99), 99)
    assert (back - values).abs() <= 1 / BINS + 1e-12


def test_every_token_comes_back():
    tokens = torch.arange(BINS) + 77
    for dtype in (torch.float32, torch.float64):
        numbers = tokens_to_continuous(tokens, 77)
        assert torch.equal(continuous_to_tokens(numbers.to(dtype), 77), tokens)
    assert torch.equal(bounded_to_tokens(tokens_to_bounded(tokens, 77), 77), tokens)
    assert (numbers.diff() > 0).all()


def test_the_example_by_hand():
    assert continuous_to_tokens(torch.tensor([2.55, 0.0, 256.0, -256.0])).tolist() == [
        32_791,
        32_512,
        33_023,
        32_000,
    ]
    assert_close(
        mu_law_compress(torch.tensor(2.55)).item(), math.log(256) / math.log(25601)
    )


def test_the_law_is_odd_and_inverted():
    x = torch.linspace(-256, 256, 1001, dtype=torch.float64)
    assert_close(mu_law_compress(-x), -mu_law_compress(x))
    assert_close(mu_law_expand(mu_law_compress(x)), x)


def test_a_law_chosen_by_the_values_could_not_be_read_back():
    inside, outside = torch.tensor([0.546]), torch.tensor([2.55])
    assert bounded_to_tokens(inside) == continuous_to_tokens(outside)
    assert continuous_to_tokens(inside) != continuous_to_tokens(outside)


@pytest.mark.parametrize("x", [256.1, -300.0, math.nan, math.inf])
def test_numbers_without_a_bin_are_named(x):
    with pytest.raises(ValueError, match="values hold .* outside -256 to 256"):
        continuous_to_tokens(torch.tensor([0.0, x]))
    with pytest.raises(ValueError, match="outside -1 to 1"):
        bounded_to_tokens(torch.tensor([x]))


def test_tokens_that_are_no_numbers_are_named():
    for tokens in (torch.tensor([31_999]), torch.tensor([33_024])):
        with pytest.raises(ValueError, match="must be from 32000 to 33023"):
            tokens_to_continuous(tokens)
    with pytest.raises(ValueError, match="integers"):
        tokens_to_continuous(torch.tensor([32_000.0]))
    with pytest.raises(ValueError, match="floating"):
        continuous_to_tokens(torch.tensor([1]))


def test_the_vocabulary_has_text_then_bins_then_the_separator():
    assert (VOCABULARY.text_size, VOCABULARY.separator, VOCABULARY.size) == (
        V,
        BAR,
        BAR + 1,
    )


def test_a_time_step_has_the_order_of_the_paper():
    episode = mixed()
    tokens = serialize_episode(episode, MIXED, VOCABULARY)
    step = [*[0, 1, 2], *[PATCH] * 6, *[0, 1]]
    step += continuous_to_tokens(episode.observations["b"][0], V).tolist() + [BAR]
    step += bounded_to_tokens(episode.actions["grip"][0], V).tolist() + [0]
    assert tokens.ids[: len(step)].tolist() == step
    assert tokens.local[: len(step)].tolist() == [*range(2, 16), 1, 1, 1]
    marks = [True] * 3 + [False] * 11 + [True] * 3
    assert tokens.loss_mask[: len(step)].tolist() == marks
    assert len(tokens) == 3 * 14 + 3 + 1 + 2


def test_steps_written_at_once_are_those_written_one_by_one():
    seen = {"b": Continuous((2, 2)), "eye": Image((1, 2, 2), 1)}
    task = Task("t", seen, {"push": Discrete(4)})
    episode = Episode(
        {"b": torch.randn(5, 2, 2), "eye": torch.rand(5, 1, 2, 2)},
        {"push": torch.tensor([3, 1, 0, 2, 2])},
    )
    whole = serialize_episode(episode, task, VOCABULARY)
    parts = [
        serialize_episode(
            Episode(
                {n: v[s : s + 1] for n, v in episode.observations.items()},
                {n: v[s : s + 1] for n, v in episode.actions.items()},
            ),
            task,
            VOCABULARY,
        )
        for s in range(5)
    ]
    together = join(*parts)
    for name in ("ids", "local", "loss_mask", "pixels", "intervals"):
        assert torch.equal(getattr(whole, name), getattr(together, name)), name
    rows = continuous_to_tokens(episode.observations["b"][0].flatten(), V)
    assert torch.equal(whole.ids[4:8], rows)


def test_patches_are_pixels_over_the_root_of_the_patch_size():
    image = torch.rand(1, 3, 32, 48)
    patches = normalise_patches(image, 16)
    assert patches.shape == (1, 6, 768)
    corner = image[0, :, :16, 16:32].reshape(-1)
    assert_close(patches[0, 1], (2 * corner - 1) / 4)


def test_intervals_of_patches_cover_the_image():
    tokens = serialize_episode(mixed(1), MIXED, VOCABULARY)
    intervals = tokens.intervals[tokens.ids == PATCH]  # 2 rows of 3 patches
    assert intervals[:, :, 0].tolist() == [[0, 63]] * 3 + [[64, 127]] * 3
    assert intervals[:3, :, 1].tolist() == [[0, 41], [42, 84], [85, 127]]


def test_text_is_learned_and_has_no_time_step():
    tokens = serialize_text("abca", VOCABULARY)
    assert tokens.ids.tolist() == [0, 1, 2, 0]
    assert tokens.loss_mask.all() and not tokens.local.any()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "b",
            torch.zeros(3, 3),
            r"b has 3 numbers .* 2 of shape \(2,\) are",
        ),
        ("b", torch.full((3, 2), 257.0), "b holds 257, specified are -256 to 256"),
        ("b", torch.full((3, 2), math.nan), "b holds nan"),
        ("b", torch.zeros(3, 2).long(), "real numbers"),
        ("a", torch.full((3, 2), 5), "a holds 5, specified are 0 to 4"),
        ("a", torch.full((3, 2), -1), "a holds -1"),
        ("a", torch.zeros(3, 2), "integers are needed"),
        ("a", torch.zeros(2, 2).long(), "equally many time steps"),
        ("eye", torch.zeros(3, 2, 4, 4), "eye has 32 numbers"),
        ("eye", torch.full((3, 2, 4, 6), 255.0), "eye holds 255, specified are 0 to 1"),
        ("z", ["a", 3, "b"], "must be a text"),
        ("z", ["a", "?", "b"], "not known"),
    ],
)
def test_what_is_not_specified_is_named(name, value, message):
    episode = mixed()
    seen = {**episode.observations, name: value}
    with pytest.raises(ValueError, match=message):
        serialize_episode(Episode(seen, episode.actions), MIXED, VOCABULARY)


def test_other_parts_and_long_episodes_are_named():
    episode = mixed()
    with pytest.raises(ValueError, match="observations=.*'mixed'"):
        serialize_episode(Episode({}, episode.actions), MIXED, VOCABULARY)
    with pytest.raises(ValueError, match="48 tokens, more than context=47"):
        serialize_episode(episode, MIXED, VOCABULARY, context=47)
    assert len(serialize_episode(episode, MIXED, VOCABULARY, context=48)) == 48
    with pytest.raises(ValueError, match="more than context=3"):
        serialize_text("abcd", VOCABULARY, context=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discrete(1025), "options=1025"),
        (lambda: Continuous((), -300, 1), "low=-300"),
        (lambda: Continuous((), 2, 1), "low=2"),
        (lambda: Bounded((), -1, 2), "within -1 to 1"),
        (lambda: Image((1, 5, 4), 2), "multiples of patch=2"),
    ],
)
def test_impossible_specifications_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_discrete_values_must_not_be_taken_for_numbers():
    task = Task("t", {"a": Discrete(11)})
    with pytest.raises(ValueError, match="options=11 are more than the 10"):
        serialize_episode(Episode({"a": torch.tensor([3])}, {}), task, VOCABULARY)


def network(positional_encoding=None, pixels=8, **sizes):
    torch.manual_seed(0)
    sizes = {"context": 64, "width": 16, "heads": 2, "init_std": 0.3} | sizes
    return Gato(
        GPTConfig(VOCABULARY.size, **sizes),
        pixels=pixels,
        positional_encoding=positional_encoding,
    ).eval()


def test_backbone_is_gpt2_with_input_embeddings(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = network()
    model.backbone.save_pretrained(tmp_path)
    reference = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    batch = stack([serialize_episode(mixed(n), MIXED, VOCABULARY) for n in (3, 2)])
    with torch.no_grad():
        vectors = model.embed(batch)
        wanted = reference(inputs_embeds=vectors).logits
        assert_close(model(batch), wanted, atol=1e-4, rtol=1e-4)


def test_embedding_is_token_or_patch_plus_local_place():
    model = network()
    tokens = serialize_episode(mixed(1), MIXED, VOCABULARY)
    found = model.embed(stack([tokens]))[0]
    local = model.local.weight[tokens.local]
    is_patch = tokens.ids == PATCH
    table = model.backbone.embedding.weight
    assert_close(found[~is_patch], (table[tokens.ids.clamp(min=0)] + local)[~is_patch])
    patch, (first, last) = model.patches, tokens.intervals[is_patch].unbind(1)
    middle = (first + last) // 2
    x = patch.to_width(tokens.pixels[is_patch])
    x = x + patch.to_change(functional.gelu(x))
    x = x + patch.rows.weight[middle[:, 0]] + patch.columns.weight[middle[:, 1]]
    assert_close(found[is_patch], x + local[is_patch])


def test_positions_are_drawn_within_the_patch_in_training_only():
    model = network().train()
    tokens = stack([serialize_episode(mixed(1), MIXED, VOCABULARY)])
    first, second = (
        model.embed(tokens, torch.Generator().manual_seed(s)) for s in (1, 2)
    )
    same = (first == second).all(-1)[0]
    assert torch.equal(same, tokens.ids[0] != PATCH)
    again = model.embed(tokens, torch.Generator().manual_seed(1))
    assert torch.equal(first, again)
    with torch.no_grad():  # a place outside the patch would bring a large number
        model.patches.rows.weight[:] = torch.arange(128.0)[:, None] * 1e4
    top = model.embed(tokens)[0, 3:6, 0]
    assert (top < 64.5e4).all() and (top > -1e3).all()


def test_each_interval_that_a_patch_covers_is_drawn_equally_often():
    patches, n = network().train().patches, 4000
    with torch.no_grad():
        patches.rows.weight[:] = torch.arange(128.0)[:, None]
        for other in (patches.columns, patches.to_width, patches.to_change):
            for weights in other.parameters():
                weights.zero_()
    places = torch.tensor([[5, 0], [8, 0]]).expand(n, 2, 2)  # rows 5 to 8, column 0
    drawn = patches(torch.zeros(n, 8), places, torch.Generator().manual_seed(0))[:, 0]
    counts = drawn.long().bincount(minlength=128)
    assert counts[5:9].sum() == n
    assert (counts[5:9] - n / 4).abs().max() < 5 * (n * 3 / 16) ** 0.5


def test_all_actions_share_one_place_and_text_has_none():
    model = network()
    assert not model.local.weight[0].any()
    loss = masked_loss(model, stack([serialize_text("abcd", VOCABULARY)]))
    loss.backward()
    assert not model.local.weight.grad.any()


def test_loss_counts_text_and_actions_alone():
    model = network()
    tokens = stack([serialize_episode(mixed(n), MIXED, VOCABULARY) for n in (3, 1)])
    log_p = model(tokens)[:, :-1].log_softmax(-1)
    total = count = 0
    for b, t in torch.nonzero(tokens.loss_mask[:, 1:]).tolist():
        total, count = total - log_p[b, t, tokens.ids[b, t + 1]], count + 1
    assert_close(masked_loss(model, tokens), total / count)
    assert count == 3 * 3 + 6 - 1 + 3 + 3 - 1  # the first token is given


def test_what_is_seen_and_what_is_padded_changes_no_target():
    model = network()
    short = stack([serialize_episode(mixed(1), MIXED, VOCABULARY)])
    pair = stack([serialize_episode(mixed(n), MIXED, VOCABULARY) for n in (1, 3)])
    alone = masked_loss(model, short)
    padded = masked_loss(model, pair[:1])
    assert_close(alone, padded)


def test_in_a_batch_of_several_sources_every_token_weighs_alike():
    model = network()
    a = serialize_text("abcdef", VOCABULARY)
    b = serialize_episode(mixed(2), MIXED, VOCABULARY)
    counts = [x.loss_mask[1:].sum() for x in (a, b)]
    losses = [masked_loss(model, stack([x])) for x in (a, b)]
    wanted = sum(n * x for n, x in zip(counts, losses, strict=True)) / sum(counts)
    assert_close(masked_loss(model, stack([a, b])), wanted)


def test_what_comes_after_is_the_last_row_of_all_scores():
    model, batch = network(), stack([serialize_episode(mixed(2), MIXED, VOCABULARY)])
    assert_close(model.next_logits(batch), model(batch)[:, -1])


def test_text_is_no_padding_but_what_fills_up_is():
    model = network()
    texts = [serialize_text(text, VOCABULARY) for text in ("abcd", "ab")]
    found = model.next_logits(stack(texts))
    for row, text in zip(found, texts, strict=True):
        assert_close(row, model(stack([text]))[0, -1])


def test_changing_what_comes_later_changes_nothing_before():
    model = network(RotaryPositions(8))
    tokens = stack([serialize_episode(mixed(2), MIXED, VOCABULARY)])
    changed = tokens.map(torch.clone)
    changed.ids[0, 20:] = 1
    same = torch.isclose(model(tokens), model(changed), atol=1e-5).all(-1)[0]
    assert same[:20].all() and not same[20:].any()


def test_it_learns_one_batch_by_heart():
    model = network(RotaryPositions(8)).train()
    batch = stack([serialize_episode(mixed(3), MIXED, VOCABULARY)])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(80):
        loss = masked_loss(model, batch, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[0], "must have shape"),
        (lambda t: plain_tokens(t.ids - 5), "ids from -5"),
        (lambda t: plain_tokens(torch.full((1, 3), BAR + 1)), "from 0 to 1034"),
    ],
)
def test_sequences_that_cannot_be_read_are_named(change, message):
    tokens = stack([serialize_text("abcd", VOCABULARY)])
    with pytest.raises(ValueError, match=message):
        network()(change(tokens))


def test_other_patches_and_long_time_steps_are_named():
    tokens = stack([serialize_episode(mixed(1), MIXED, VOCABULARY)])
    with pytest.raises(ValueError, match="must have 16 numbers in a patch"):
        network(pixels=16)(tokens)
    model = network()
    model.local = torch.nn.Embedding(10, 16)
    with pytest.raises(ValueError, match="local=10 are known"):
        model(tokens)
    with pytest.raises(ValueError, match="context=16"):
        network(context=16)(tokens)
    with pytest.raises(ValueError, match="no text and no action"):
        masked_loss(network(), tokens.map(lambda x: x[:, 6:9]))


PARTS = {
    "text": Text(),
    "image": Image((1, 4, 4), 2),
    "one whole number": Discrete(5),
    "two whole numbers": Discrete(5, (2,)),
    "real": Continuous(),
    "bounded": Bounded((3,)),
}
NOTHING_OF_THESE = [
    *(None, 3, 2.5, True, "abc", "", b"ab", object(), torch.tensor(1.0), np.float64(2)),
    *({"a": 1}, {1}, iter([1]), range(2), [None], [object()], [["a"]], [[1], [2, 3]]),
    *(np.array([None]), torch.ones(1, dtype=torch.complex64), ["a\u2603"], [math.nan]),
]


@pytest.mark.parametrize("kind", ["observations", "actions"])
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_values_of_any_wrong_kind_are_named(part, kind):
    for value in NOTHING_OF_THESE:
        parts = {"observations": {}, "actions": {}} | {kind: {"field": value}}
        task = Task("t", **{kind: {"field": part}})
        with pytest.raises(ValueError, match="field"):
            serialize_episode(Episode(**parts), task, VOCABULARY)


def test_wrong_values_beside_a_text_are_named():
    for name, part in PARTS.items():
        for value in (["a\u2603"] * 2, [object()] * 2, [math.nan] * 2):
            seen = {"field": value, "words": ["a", "b"]}
            task = Task(name, {"field": part, "words": Text()})
            with pytest.raises(ValueError, match="field"):
                serialize_episode(Episode(seen, {}), task, VOCABULARY)


def test_what_is_not_an_episode_is_named():
    for wrong in (None, {"a": 1}, 3):
        with pytest.raises(ValueError, match="episode="):
            serialize_episode(wrong, Task("t", {"a": Text()}), VOCABULARY)
        with pytest.raises(ValueError, match="observations="):
            serialize_episode(Episode(wrong, {}), Task("t", {"b": Text()}), VOCABULARY)
        with pytest.raises(ValueError, match="text="):
            serialize_text(wrong, VOCABULARY)
    for context in (0, -1, 1.5, "9"):
        with pytest.raises(ValueError, match="context="):
            serialize_text("a", VOCABULARY, context)


def image_of(side, patch):
    task = Task("t", {"image": Image((1, side, side), patch)})
    episode = Episode({"image": torch.rand(1, 1, side, side)}, {})
    return serialize_episode(episode, task, VOCABULARY)


@pytest.mark.parametrize("sizes", [(2, 4), (4, 2), (1, 2, 4)])
@pytest.mark.parametrize("put", [stack, lambda pieces: join(*pieces)])
def test_patches_of_different_sizes_do_not_stand_together(put, sizes):
    pieces = [image_of(4, size) for size in sizes]
    with pytest.raises(ValueError, match="pixels: patches of .* numbers cannot"):
        put([pieces[0], serialize_text("a", VOCABULARY), *pieces[1:]])
    together = put([pieces[0], serialize_text("a", VOCABULARY), image_of(8, sizes[0])])
    assert together.pixels.shape[-1] == sizes[0] ** 2


def test_nothing_makes_no_batch():
    for put in (lambda: stack([]), join):
        with pytest.raises(ValueError, match="sequences: at least one"):
            put()
    text = serialize_text("ab", VOCABULARY)
    with pytest.raises(ValueError, match=r"ids=.*shape \(1, 2\).*\(T,\)"):
        stack([text, text[None]])
