"""The environments are environments of gymnasium, and what acts in them begins anew."""

import copy
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from genai_lib.components.positions import RotaryPositions
from genai_lib.data import CharacterTokenizer
from genai_lib.genres.decoder_only import GPTConfig
from genai_lib.genres.gato import (
    CAPTION,
    CORRIDOR,
    END,
    GRID,
    Corridor,
    Gato,
    GridWorld,
    NamedObservation,
    Policy,
    Vocabulary,
    caption_episodes,
    corridor_episodes,
    generate_captions,
    grid_episodes,
    make_cart_pole,
    rollout,
    serialize_episode,
    stack,
)
from genai_lib.genres.gato.environments import moved
from genai_lib.genres.gato.model import likeliest

VOCABULARY = Vocabulary(CharacterTokenizer.of("\nabcdefghijklmnopqrstuvwxyz"))
MAKERS = {
    "grid": GridWorld,
    "short grid": lambda: GridWorld(limit=3),
    "plain corridor": lambda: Corridor(False),
    "swapped corridor": lambda: Corridor(True, steps=4),
    "from its specification": lambda: Corridor(True).spec.make().unwrapped,
}
# Where the goal is, from its start on, with seeds 0 to 4.
GOALS = ("100000133", "000000100", "100000100", "111113333", "311110100")
environments = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network():
    torch.manual_seed(0)
    config = GPTConfig(VOCABULARY.size, width=16, heads=2, init_std=0.5)
    return Gato(config, pixels=16, positional_encoding=RotaryPositions(8)).eval()


@environments
def test_gymnasium_finds_nothing_to_complain_about(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make())
    assert isinstance(make(), gymnasium.Env) and make().render_mode is None


def test_a_named_environment_is_one_too():
    environment = NamedObservation(make_cart_pole(), "state")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of CartPole's infinite bounds
        check_env(environment, skip_render_check=True)
    seen, _ = environment.reset(seed=0, options={"low": -0.1, "high": 0.1})
    assert seen in environment.observation_space and list(seen) == ["state"]
    assert environment.step(np.int64(1))[0] in environment.observation_space
    assert environment.env.spec.id == "CartPole-v1"
    with pytest.raises(ValueError, match="env=3"):
        NamedObservation(3, "state")


@environments
def test_a_seed_says_all_and_without_one_the_episodes_differ(make):
    def starts(environment):
        firsts = [environment.reset(seed=4), *(environment.reset() for _ in range(30))]
        return [str(view["goal_offset"]) for view, _ in firsts]

    assert starts(make()) == starts(make())
    assert len(set(starts(make()))) > 3
    make().reset(seed=np.int64(2**40), options=None)
    for seed in (-1, 1.5, "3"):
        with pytest.raises(ValueError, match="seed="):
            make().reset(seed=seed)


def test_episodes_are_those_of_the_stored_results():
    environment = GridWorld()
    cells = [
        (environment.reset(seed=s), environment.agent, environment.goal)[1:]
        for s in range(3)
    ]
    assert cells == [((3, 4), (3, 1)), ((4, 0), (2, 2)), ((4, 3), (3, 1))]
    corridor = Corridor(False)
    for seed, wanted in enumerate(GOALS):
        corridor.reset(seed=seed)
        goals = str(corridor.goal)
        for action in (1, 1, 1, 0, 0, 0, 1, 1):
            corridor.step(action)
            goals += str(corridor.goal)
        assert goals == wanted


@environments
def test_a_step_before_the_first_reset_is_named(make):
    with pytest.raises(ResetNeeded, match="before reset"):
        make().step(0)


@environments
def test_actions_are_whole_numbers_of_any_library(make):
    environment, last = make(), int(make().action_space.n)
    environment.reset(seed=1)
    for action in (np.int64(0), np.uint8(1), np.array(1), torch.tensor(1), True):
        assert environment.step(action)[0] in environment.observation_space
    for action in (-1, last, np.int64(last), 0.5, None, "up", [0, 1], torch.ones(2)):
        with pytest.raises(ValueError, match="action="):
            environment.step(action)


def test_the_grid_knows_its_actions():
    assert moved((0, 0), np.int64(3)) == moved((0, 0), torch.tensor(3)) == (0, 1)
    for action in (-1, 4, 0.5, None, "up", [0, 1]):
        with pytest.raises(ValueError, match="action="):
            moved((0, 0), action)


@environments
def test_environments_can_be_copied_and_sent(make):
    environment = make()
    environment.reset(seed=3)
    others = copy.deepcopy(environment), pickle.loads(pickle.dumps(environment))
    for action in (0, 1, 1, 0, 0, 1):
        wanted = str(environment.step(action))
        assert [str(other.step(action)) for other in others] == [wanted] * 2


def test_one_environment_cannot_be_two():
    environment = GridWorld()
    with pytest.raises(ValueError, match="environments: one of them stands twice"):
        rollout(
            [environment, GridWorld(), environment],
            [0, 1, 2],
            lambda v, _: [0] * len(v),
        )


@pytest.mark.parametrize("actions", [[], [0], [0, 1, 0]])
def test_every_environment_needs_one_action(actions):
    with pytest.raises(ValueError, match=f"policy gave {len(actions)} actions for 2"):
        rollout([GridWorld(), GridWorld()], [0, 1], lambda v, _: actions)


def test_half_an_action_is_not_an_action():
    with pytest.raises(ValueError, match="action=0.5"):
        rollout([GridWorld()], [0], lambda v, _: [0.5])


def prompts(count):
    episodes = grid_episodes(60, generator())
    written = [serialize_episode(e, GRID, VOCABULARY) for e in episodes]
    return [tokens[-8:] for tokens in written if len(tokens) >= 8][:count]


@pytest.mark.parametrize("counts", [(3, 5), (5, 3), (4, 4), (2, 1, 6)])
@pytest.mark.parametrize("prompted", [False, True])
def test_a_policy_begins_each_play_anew(counts, prompted):
    model, prompt = network(), prompts(1)[0] if prompted else None
    policy = Policy(model, GRID, VOCABULARY, 3, prompt)
    for count in counts:
        seeds = range(count)
        fresh = Policy(model, GRID, VOCABULARY, 3, prompt)
        found, wanted = (
            [
                r.actions
                for r in rollout([GridWorld(limit=s + 2) for s in seeds], seeds, p)
            ]
            for p in (policy, fresh)
        )
        assert found == wanted


def test_prompts_of_a_policy_are_whole_again():
    model, rows = network(), stack(prompts(4))
    policy = Policy(model, GRID, VOCABULARY, 2, rows)

    def actions(who):
        grids = [GridWorld(limit=2 + 3 * (s % 2)) for s in range(4)]
        return [r.actions for r in rollout(grids, range(4), who)]

    assert actions(policy) == actions(policy)
    assert actions(policy) == actions(Policy(model, GRID, VOCABULARY, 2, rows))
    assert len(policy.prompt) == 4
    with pytest.raises(ValueError, match="prompt has 4 rows for 3 environments"):
        rollout([GridWorld() for _ in range(3)], range(3), policy)


def test_a_policy_can_stop_in_the_middle():
    policy = Policy(network(), CORRIDOR, VOCABULARY, 4)
    (wanted,) = rollout([Corridor(True)], [1], policy)
    policy([{"goal_offset": np.int64(2)}] * 7, None)
    (found,) = rollout([Corridor(True)], [1], policy)
    assert found.actions == wanted.actions


def test_prompts_of_different_lengths_are_refused():
    """Their padding would stand in the middle, where it reads like a token."""
    rows = prompts(2)
    policy = Policy(network(), GRID, VOCABULARY, 2, stack([rows[0], rows[1][:4]]))
    with pytest.raises(ValueError, match="padding stands before tokens"):
        rollout([GridWorld(), GridWorld()], [0, 1], policy)


def test_what_comes_after_a_row_is_asked_behind_its_last_token():
    model, rows = network(), prompts(3)
    rows = [rows[0], rows[1][:5], rows[2][:1]]
    with torch.no_grad():
        found = model.next_logits(stack(rows))
        for row, logits in zip(rows, found, strict=True):
            torch.testing.assert_close(model(row[None])[0, -1], logits)
        padded = stack(rows)
        with pytest.raises(ValueError, match="sequences: one of them is empty"):
            model.next_logits(stack([rows[0], rows[1][:0]]))
        for order in ([7, 0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 7, 3, 4, 5, 6]):
            with pytest.raises(ValueError, match="padding stands before tokens"):
                model(padded[:, order])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_network_neither_acts_nor_names(value):
    model = network()
    model.backbone.embedding.weight.data[3] = value
    policy = Policy(model, CORRIDOR, VOCABULARY, 2)
    with pytest.raises(ValueError, match="logits hold NaN or infinity"):
        rollout([Corridor(True) for _ in range(4)], range(4), policy)
    episodes = caption_episodes(torch.rand(2, 8, 8), torch.tensor([1, 2]))
    seen = stack([serialize_episode(e, CAPTION, VOCABULARY)[:5] for e in episodes])
    with pytest.raises(ValueError, match="logits hold NaN or infinity"):
        generate_captions(model, seen, VOCABULARY, END)


def test_the_likeliest_may_stand_beside_what_is_ruled_out():
    low = -torch.inf
    logits = torch.tensor([[0.0, low, 2.0], [low, 1.0, low]])
    assert likeliest(logits, 3).tolist() == [2, 1]
    assert likeliest(logits, 2).tolist() == [0, 1]
    for wrong in ([low, low, 1.0], [0.0, torch.inf, 0.0], [5.0, 1.0, torch.nan]):
        with pytest.raises(ValueError, match="logits hold NaN or infinity"):
            likeliest(torch.tensor([[0.0, 1.0, 2.0], wrong]), 2)


def test_a_prompt_of_one_row_serves_all():
    model = network()
    episode = corridor_episodes(1, generator(), True)[0]
    prompt = serialize_episode(episode, CORRIDOR, VOCABULARY)[-6:]
    together = rollout(
        [Corridor(True) for _ in range(3)],
        range(3),
        Policy(model, CORRIDOR, VOCABULARY, 2, prompt),
    )
    for seed, played in enumerate(together):
        policy = Policy(model, CORRIDOR, VOCABULARY, 2, prompt)
        (alone,) = rollout([Corridor(True)], [seed], policy)
        assert alone.actions == played.actions


@pytest.mark.parametrize("swapped", ["yes", None, 1])
def test_wires_are_swapped_or_not(swapped):
    with pytest.raises(ValueError, match="swapped="):
        Corridor(swapped)
