"""The replays show the steps of an episode and the tokens the network reads."""

import json
import re

import pytest
import torch

from genai_lib.data import CharacterTokenizer
from genai_lib.genres.gato import (
    CART_POLE,
    CORRIDOR,
    Corridor,
    Vocabulary,
    cart_pole_episodes,
    corridor_episodes,
    corridor_expert,
    rollout,
    serialize_episode,
)
from genai_lib.genres.gato.figure import replay_cart_pole, replay_corridor
from genai_lib.live.replay import Scene, draw_scene, replay

VOCABULARY = Vocabulary(CharacterTokenizer.of("abcdefgh"))


def generator():
    return torch.Generator().manual_seed(0)


def data_of(explorer):
    found = re.search(r'application/json">(.*?)</script>', explorer.to_html(), re.S)
    return json.loads(found[1])


def drawn_words(figure):
    return [text.get_text() for text in figure.axes[1].texts]


def scene(count=2, kind="seen"):
    tokens = [(kind, f"part {i}", 40 + i) for i in range(count)]
    return Scene(lambda axes: axes.plot([0, 1]), tokens, "a line.")


def test_a_replay_has_one_slider_and_one_frame_for_each_step():
    explorer = replay([scene(1), scene(2), scene(3)], name="r", caption="Move.")
    data = data_of(explorer)
    (control,) = data["controls"]
    assert (control["kind"], control["label"]) == ("slider", "time step")
    assert control["display"] == ["1", "2", "3"]
    assert [frame["alt"] for frame in data["frames"]] == [
        f"Time step {n}: a line." for n in (1, 2, 3)
    ]
    assert len({frame["src"] for frame in data["frames"]}) == 3
    assert explorer.to_html().count("<img ") == 1


def test_tokens_stand_in_their_order_beside_what_they_mean():
    words = drawn_words(draw_scene(scene(3)))
    assert words == ["part", "token", "part 0", "40", "part 1", "41", "part 2", "42"]


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        ([], "0 given"),
        ([scene()] * 25, "25 given, from 1 to 24"),
        ([scene(), scene(15)], "scene 2 has 15 tokens"),
        ([scene(kind="heard")], "heard"),
    ],
)
def test_what_cannot_be_shown_is_named(scenes, message):
    with pytest.raises(ValueError, match=message):
        replay(scenes, name="r", caption="Move.")


def test_cart_pole_shows_the_tokens_of_the_sequence():
    (episode,) = cart_pole_episodes(1, generator(), steps=9)
    explorer = replay_cart_pole(episode, VOCABULARY, steps=7)
    ids = serialize_episode(episode, CART_POLE, VOCABULARY).ids.view(-1, 6).tolist()
    assert explorer.lists["step"] == list(range(1, 8))
    for step in (1, 7):
        words = drawn_words(explorer.draw(step=step))
        assert words[3::2] == [str(token) for token in ids[step - 1]]
        side = ("left", "right")[ids[step - 1][5]]
        assert words[-2] == f"push {side}" and side in explorer.alt(step=step)


def test_the_corridor_shows_the_prompt_and_then_the_network():
    (shown,) = corridor_episodes(1, generator(), True)
    rule = [lambda v, _: [corridor_expert(x["goal_offset"], True) for x in v]]
    (played,) = rollout([Corridor(True)], [3], *rule)
    explorer = replay_corridor(shown, played, VOCABULARY, shown=4)
    assert len(explorer.lists["step"]) == 4 + 10
    ids = serialize_episode(shown, CORRIDOR, VOCABULARY).ids.view(-1, 3).tolist()
    acts = [drawn_words(explorer.draw(step=n))[-1] for n in range(1, 15)]
    assert acts == [str(row[2]) for row in ids[-4:]] + [str(a) for a in played.actions]
    assert "the expert takes" in explorer.alt(step=4)
    assert "the network takes" in explorer.alt(step=5)
    # The wires are swapped, so action 1 goes to the left, where the goal is.
    for step in range(1, 15):
        assert ("to the left" in explorer.alt(step=step)) == (acts[step - 1] == "1")
    counted = [
        re.search(r"goal is (\d) (cells?) to", explorer.alt(step=n)).groups()
        for n in range(1, 15)
    ]
    assert all((count == "1") == (word == "cell") for count, word in counted)
