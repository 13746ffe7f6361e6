"""Environments, their experts, demonstrations of them, and the network as policy."""

from itertools import islice

import pytest
import torch

from genai_lib.components.positions import RotaryPositions
from genai_lib.data import CharacterTokenizer
from genai_lib.genres.decoder_only import GPTConfig, cross_entropy_bits
from genai_lib.genres.gato import (
    CAPTION,
    CART_POLE,
    CORRIDOR,
    END,
    GRID,
    Corridor,
    Gato,
    GridWorld,
    NamedObservation,
    Policy,
    Task,
    Vocabulary,
    bits_per_character,
    caption_episodes,
    cart_pole_episodes,
    cart_pole_expert,
    corridor_episodes,
    corridor_expert,
    generate_captions,
    grid_episodes,
    grid_expert,
    make_cart_pole,
    rollout,
    serialize_episode,
    stack,
)
from genai_lib.genres.gato.demonstrations import windows
from genai_lib.genres.gato.environments import moved
from genai_lib.genres.gato.sequences import plain_tokens

VOCABULARY = Vocabulary(CharacterTokenizer.of("\nabcdefghijklmnopqrstuvwxyz"))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network():
    torch.manual_seed(0)
    config = GPTConfig(VOCABULARY.size, width=16, heads=2, init_std=0.5)
    return Gato(config, pixels=16, positional_encoding=RotaryPositions(8)).eval()


def test_scripted_expert_balances_the_real_cart_pole():
    environments = [NamedObservation(make_cart_pole(), "state") for _ in range(3)]
    rollouts = rollout(
        environments, [7, 8, 9], lambda v, _: [cart_pole_expert(x["state"]) for x in v]
    )
    assert [r.total for r in rollouts] == [500.0] * 3
    assert environments[0].env.spec.id == "CartPole-v1"


def test_on_the_grid_the_expert_takes_a_shortest_way():
    for seed in range(40):
        environment = GridWorld()
        view, _ = environment.reset(seed=seed)
        distance = sum(abs(int(x) - 4) for x in view["goal_offset"])
        (played,) = rollout(
            [environment],
            [seed],
            lambda v, _: [grid_expert(x["goal_offset"]) for x in v],
        )
        assert played.total == -distance < 0
        assert environment.agent == environment.goal


def test_the_grid_ends_at_its_limit_and_has_edges():
    (played,) = rollout([GridWorld(limit=6)], [1], lambda v, _: [0])
    assert len(played.actions) == 6
    assert moved((0, 2), 0) == (0, 2) and moved((4, 4), 3) == (4, 4)
    assert moved((2, 2), 2) == (2, 1) and moved((2, 2), 1) == (3, 2)
    with pytest.raises(ValueError, match="action=4"):
        moved((0, 0), 4)


@pytest.mark.parametrize("swapped", [False, True])
def test_in_the_corridor_the_expert_comes_nearer_with_each_step(swapped):
    environment = Corridor(swapped)
    view, _ = environment.reset(seed=3)
    for _ in range(30):
        before = abs(int(view["goal_offset"]) - 3)
        view, reward, ended, _, _ = environment.step(
            corridor_expert(view["goal_offset"], swapped)
        )
        assert reward == (before == 1) and not ended
        assert 1 <= abs(int(view["goal_offset"]) - 3) <= 3
        if before > 1:
            assert abs(int(view["goal_offset"]) - 3) == before - 1


def test_swapped_wires_cannot_be_seen_and_reverse_every_action():
    plain, swapped = Corridor(False), Corridor(True)
    assert plain.reset(seed=5) == swapped.reset(seed=5)
    for action in (0, 1, 1, 0, 0, 0):
        assert plain.step(action)[:2] == swapped.step(1 - action)[:2]
    for offset in (0, 1, 2, 4, 5, 6):
        assert corridor_expert(offset, False) == 1 - corridor_expert(offset, True)


def test_without_a_demonstration_half_of_the_first_actions_are_right():
    right = 0
    for swapped in (False, True):
        policy = Policy(network(), CORRIDOR, VOCABULARY, 4)
        environments = [Corridor(swapped) for _ in range(15)]
        for r in rollout(environments, range(15), policy):
            right += r.actions[0] == corridor_expert(
                r.observations[0]["goal_offset"], swapped
            )
    assert right == 15


def test_demonstrations_are_what_was_done():
    episodes = cart_pole_episodes(2, generator(), steps=60, mistakes=0.1)
    for episode in episodes:
        states, pushes = episode.observations["state"], episode.actions["push"]
        meant = torch.tensor([cart_pole_expert(s) for s in states])
        assert 0 < (meant != pushes).float().mean() < 0.3
        environment = make_cart_pole()
        environment.reset(seed=0)
        environment.unwrapped.state = states[0].double().numpy()
        for push, after in zip(pushes[:-1], states[1:], strict=True):
            seen, *_ = environment.step(int(push))
            torch.testing.assert_close(torch.from_numpy(seen), after, atol=1e-4, rtol=0)


def test_the_same_generator_gives_the_same_demonstrations():
    for make, name in (
        (lambda g: cart_pole_episodes(1, g, steps=5), "state"),
        (lambda g: grid_episodes(2, g), "goal_offset"),
        (lambda g: corridor_episodes(2, g, True), "goal_offset"),
    ):
        first, second = (make(generator(4))[-1].observations[name] for _ in range(2))
        assert torch.equal(first, second)


def test_a_caption_is_a_picture_then_its_name():
    images, labels = torch.rand(2, 8, 8), torch.tensor([3, 0])
    first, second = caption_episodes(images, labels)
    tokens = serialize_episode(first, CAPTION, VOCABULARY)
    assert tokens.ids.tolist()[:5] == [-1] * 4 + [VOCABULARY.separator]
    assert VOCABULARY.characters.decode(tokens.ids[5:]) == "three" + END
    assert tokens.loss_mask.tolist() == [False] * 5 + [True] * 6
    assert second.actions["name"] == ["zero\n"]


def grids(count=30):
    return [
        serialize_episode(e, GRID, VOCABULARY)
        for e in grid_episodes(count, generator())
    ]


def test_windows_begin_at_a_time_step():
    batch = stack(list(islice(windows(grids(), 4, 3, generator(1)), 16)))
    assert batch.ids.shape[1] <= 12
    for row in batch.ids[:, ::4]:
        assert (row <= 8).all()
    assert set(batch.ids[:, 2::4].unique().tolist()) <= {VOCABULARY.separator, 0}
    assert (batch.ids[:, 2] == VOCABULARY.separator).all()


def test_prompts_stand_before_a_stretch_and_have_their_share():
    episodes = grids()
    options = {"prompt_steps": 2, "prompt_rate": 1.0}
    rows = windows(episodes, 4, 4, generator(2), **options)
    batch = stack(list(islice(rows, 32)))
    rows = {tuple(e.ids.tolist()[i : i + 8]) for e in episodes for i in range(len(e))}
    assert all(tuple(row[:8].tolist()) in rows for row in batch.ids)
    ends = {tuple(e.ids.tolist()[-8:]) for e in episodes if len(e) >= 8}
    share = sum(tuple(row[:8].tolist()) in ends for row in batch.ids) / 32
    assert 0.4 < share  # half are ends by choice, some of the others by chance
    plain = windows(episodes, 4, 4, generator(2), prompt_steps=2)
    without = stack(list(islice(plain, 32)))
    whole = {tuple(e.ids.tolist()[:16]) for e in episodes}
    assert any(tuple(row.tolist()) in whole for row in without.ids)


def test_half_of_the_prompts_are_the_end_of_an_episode():
    """Of 10 steps and prompts of 2, another 1/18 ends there by chance."""
    options = {"prompt_steps": 2, "prompt_rate": 1.0}
    rows = windows([plain_tokens(torch.arange(40))], 4, 4, generator(3), **options)
    starts = [int(row.ids[0]) // 4 for row in islice(rows, 300)]
    assert set(starts) == set(range(9))
    assert abs(starts.count(8) / 300 - 5 / 9) < 0.1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"prompt_steps": 4}, "prompt_steps="),
        ({"prompt_steps": -1}, "prompt_steps="),
        ({"prompt_rate": 1.5}, "prompt_rate="),
        ({"prompt_rate": float("nan")}, "prompt_rate="),
        ({"prompt_steps": 3, "prompt_rate": 0.5}, "episodes: none has prompt_steps=3"),
    ],
)
def test_windows_that_cannot_be_are_named_at_the_call(options, named):
    with pytest.raises(ValueError, match=named):
        windows([plain_tokens(torch.arange(8))], 4, 4, generator(), **options)


def test_policy_sees_prompt_history_and_present():
    model, seen = network(), []
    embed = model.embed
    model.embed = lambda tokens, *rest: seen.append(tokens) or embed(tokens, *rest)
    prompt = serialize_episode(
        corridor_episodes(1, generator(), True)[0], CORRIDOR, VOCABULARY
    )
    policy = Policy(model, CORRIDOR, VOCABULARY, history=3, prompt=prompt[-6:])
    (played,) = rollout([Corridor(True)], [0], policy)
    lengths = [tokens.ids.shape[1] for tokens in seen]
    assert lengths == [8, 11, *[14] * 8]
    whole = serialize_episode(played.episode(CORRIDOR), CORRIDOR, VOCABULARY)
    for name in ("ids", "local"):
        last = getattr(seen[-1], name)[0]
        assert torch.equal(last[:6], getattr(prompt, name)[-6:])
        assert torch.equal(last[6:], getattr(whole, name)[-9:-1])


def test_playing_side_by_side_is_playing_alone():
    model = network()
    prompts = stack([g[-8:] for g in grids() if len(g) >= 8][:6])
    policy = Policy(model, GRID, VOCABULARY, 2, prompts)
    together = rollout([GridWorld(limit=i + 2) for i in range(6)], range(6), policy)
    for i, played in enumerate(together):
        policy = Policy(model, GRID, VOCABULARY, 2, prompts[i])
        (alone,) = rollout([GridWorld(limit=i + 2)], [i], policy)
        assert alone.actions == played.actions and alone.total == played.total


def test_actions_are_those_of_the_task():
    rollouts = rollout(
        [NamedObservation(make_cart_pole(), "state") for _ in range(2)],
        [1, 2],
        Policy(network(), CART_POLE, VOCABULARY, 2),
    )
    assert {a for r in rollouts for a in r.actions} <= {0, 1}
    assert all(r.total == len(r.actions) for r in rollouts)


def test_what_cannot_be_played_is_named():
    with pytest.raises(ValueError, match="2 environments"):
        rollout([GridWorld(), GridWorld()], [1], lambda v, _: [0])
    with pytest.raises(ValueError, match="history=0"):
        Policy(network(), GRID, VOCABULARY, 0)
    with pytest.raises(ValueError, match="one discrete number"):
        Policy(network(), CAPTION, VOCABULARY, 1)
    with pytest.raises(ValueError, match="action=2"):
        Corridor(False).step(2)
    with pytest.raises(ValueError, match="limit=0"):
        GridWorld(0)


def test_captions_are_read_up_to_their_end():
    model = network()
    episodes = caption_episodes(torch.rand(3, 8, 8), torch.tensor([1, 2, 3]))
    seen = stack([serialize_episode(e, CAPTION, VOCABULARY)[:5] for e in episodes])
    with torch.no_grad():
        said = generate_captions(model, seen, VOCABULARY, END, max_new_tokens=4)
        logits = model(seen)[:, -1, : VOCABULARY.text_size]
    first = [VOCABULARY.characters.decode([i]) for i in logits.argmax(-1).tolist()]
    for word, character in zip(said, first, strict=True):
        assert END not in word and len(word) <= 4
        assert (word or END)[0] == character


def test_bits_are_those_of_the_later_half():
    model, rows = network(), torch.randint(26, (5, 8), generator=generator(3))
    logits = model(plain_tokens(rows))
    wanted = cross_entropy_bits(logits[:, 3:7], rows[:, 4:]).mean().item()
    assert bits_per_character(model, rows) == pytest.approx(wanted, abs=1e-5)


def test_a_task_lists_its_parts_in_order():
    assert [
        name for name, _ in Task("t", CART_POLE.observations).ordered_observations()
    ] == ["state"]
    assert [name for name, _ in GRID.ordered_actions()] == ["move"]
