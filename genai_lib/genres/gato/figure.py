"""The replays of the chapter on Gato: CartPole and a corridor with a prompt.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato
"""

from functools import partial
from math import cos, sin
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from genai_lib.figures import BLUE, GREY, ORANGE, VERMILION
from genai_lib.live.explorer import MOST_FRAMES, Explorer
from genai_lib.live.replay import Scene, replay

if TYPE_CHECKING:
    from genai_lib.genres.gato import Episode, Rollout, Vocabulary

STATE = ("position", "speed", "angle", "turning")
CELLS = 4


def replay_cart_pole(
    episode: "Episode", vocabulary: "Vocabulary", steps: int = 20
) -> Explorer:
    """Replay the first steps of an episode of CartPole with its tokens."""
    # Imported here so that this module can be imported without torch.
    from genai_lib.genres.gato import CART_POLE, serialize_episode

    steps = min(steps, len(episode.actions["push"]), MOST_FRAMES)
    ids = serialize_episode(episode, CART_POLE, vocabulary).ids.view(-1, 6).tolist()
    states, pushes = episode.observations["state"], episode.actions["push"].tolist()
    scenes = []
    for step in range(steps):
        state, side = states[step].tolist(), ("left", "right")[pushes[step]]
        tokens = [
            ("seen", f"{name} {value:+.3f}", token)
            for name, value, token in zip(STATE, state, ids[step][:4], strict=True)
        ]
        tokens.append(("separator", "separator", ids[step][4]))
        tokens.append(("action", f"push {side}", ids[step][5]))
        paint = partial(
            _paint_cart, position=state[0], angle=state[2], push=pushes[step]
        )
        said = f"the pole leans by {state[2]:.3f} radians, the expert pushes {side}."
        scenes.append(Scene(paint, tokens, said))
    return replay(
        scenes,
        name="cart_pole_and_tokens",
        caption="CartPole, balanced by the scripted expert, and the six tokens of "
        "each time step.",
    )


def replay_corridor(
    prompt: "Episode", rollout: "Rollout", vocabulary: "Vocabulary", shown: int = 4
) -> Explorer:
    """Replay the network in a corridor, after the last steps of a demonstration."""
    from genai_lib.genres.gato import CORRIDOR

    scenes = _corridor_scenes(prompt, vocabulary, "prompt", "expert")[-shown:]
    scenes += _corridor_scenes(rollout.episode(CORRIDOR), vocabulary, "seen", "network")
    return replay(
        scenes,
        name="corridor_with_a_demonstration",
        caption=f"A corridor with swapped wires. First {shown} steps of an expert, "
        "the prompt; then the network.",
    )


def _corridor_scenes(episode, vocabulary, kind: str, who: str) -> list[Scene]:
    from genai_lib.genres.gato import CORRIDOR, serialize_episode

    ids = serialize_episode(episode, CORRIDOR, vocabulary).ids.view(-1, 3).tolist()
    offsets = episode.observations["goal_offset"].tolist()
    scenes = []
    for (observed, bar, action), offset in zip(ids, offsets, strict=True):
        offset = offset - CELLS + 1
        side = "right" if offset > 0 else "left"
        tokens = [
            (kind, f"goal {abs(offset)} to the {side}", observed),
            ("separator", "separator", bar),
            ("action", f"action {action}", action),
        ]
        paint = partial(_paint_corridor, offset=offset, who=who)
        cells = "1 cell" if abs(offset) == 1 else f"{abs(offset)} cells"
        said = f"the goal is {cells} to the {side}, "
        scenes.append(Scene(paint, tokens, f"{said}the {who} takes action {action}."))
    return scenes


def _paint_cart(axes: Axes, position: float, angle: float, push: int) -> None:
    axes.plot([-2.4, 2.4], [0, 0], color=GREY, linestyle="-", linewidth=1)
    cart = [position - 0.3, position + 0.3]
    axes.fill_between(cart, 0.02, 0.25, color=BLUE)
    tip = (position + sin(angle), 0.25 + cos(angle))
    axes.plot(
        [position, tip[0]], [0.25, tip[1]], color=ORANGE, linestyle="-", linewidth=5
    )
    arrow = 0.55 if push else -0.55
    axes.annotate(
        "",
        (position + arrow + 0.3 * (1 if push else -1), 0.13),
        (position + 0.3 * (1 if push else -1), 0.13),
        arrowprops={"arrowstyle": "->", "color": VERMILION, "linewidth": 2},
    )
    axes.set(xlim=(-1.4, 1.4), ylim=(-0.1, 1.4), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _paint_corridor(axes: Axes, offset: int, who: str) -> None:
    reach = range(1 - CELLS, CELLS)
    axes.plot(list(reach), [0] * len(reach), "s", color="#DDDDDD", markersize=17)
    axes.plot([0], [0], "o", color=BLUE, markersize=11)
    axes.plot([offset], [0], "*", color=ORANGE, markersize=14)
    axes.text(0, 0.7, who, ha="center", color=BLUE, size=11)
    axes.set(xlim=(-3.7, 3.7), ylim=(-1.5, 1.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
