"""Replays: an episode step by step, the environment and its tokens side by side.

A replay is an explorer over the time steps, so it works in a kernel and on a page.

Tests    tests/genres/gato/test_figure.py
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from genai_lib.figures import BLUE, GREEN, GREY, VERMILION, new_figure
from genai_lib.live.explorer import MOST_FRAMES, Explorer, explore

COLOURS = {"prompt": GREEN, "seen": BLUE, "separator": GREY, "action": VERMILION}
MOST_LINES = 14


@dataclass(frozen=True)
class Scene:
    """One time step of an episode.

    Attributes
    ----------
    paint : function of matplotlib Axes
        Draws the environment.
    tokens : sequence of (kind, meaning, token)
        `kind` is one of `COLOURS`; the other two are shown as they are.
    words : str
        The same in words, for readers who cannot see it.
    """

    paint: Callable[[Axes], None]
    tokens: Sequence[tuple[str, str, int]]
    words: str


def replay(scenes: Sequence[Scene], *, name: str, caption: str) -> Explorer:
    """Make an explorer of the time steps of an episode.

    Parameters
    ----------
    scenes : sequence of Scene
        At most 24, one for each time step.
    name : str
        A name that no other figure of the book has.
    caption : str
        What to move and what to see.

    Raises
    ------
    ValueError
        If there are no scenes or too many, a scene has more tokens than fit beside
        it, or one of an unknown kind.
    """
    if not 1 <= len(scenes) <= MOST_FRAMES:
        raise ValueError(f"scenes: {len(scenes)} given, from 1 to {MOST_FRAMES} fit")
    for number, scene in enumerate(scenes, 1):
        kinds = {kind for kind, _, _ in scene.tokens} - COLOURS.keys()
        if kinds or len(scene.tokens) > MOST_LINES:
            raise ValueError(
                f"scene {number} has {len(scene.tokens)} tokens, at most {MOST_LINES} "
                f"fit, and unknown kinds {sorted(kinds)}"
            )

    def draw(step: int):
        return draw_scene(scenes[step - 1])

    return explore(
        draw,
        name=name,
        caption=caption,
        alt=lambda step: f"Time step {step}: {scenes[step - 1].words}",
        labels={"step": "time step"},
        step=list(range(1, len(scenes) + 1)),
    )


def draw_scene(scene: Scene):
    """Draw the environment on the left and its tokens, in their order, on the right."""
    figure, (world, text) = new_figure(
        columns=2, figsize=(5.4, 2.9), gridspec_kw={"width_ratios": [1, 1.15]}
    )
    scene.paint(world)
    world.grid(False)
    text.axis("off")
    text.set(xlim=(0, 1), ylim=(0, 1))
    height = 1 / max(len(scene.tokens) + 1, 8)
    text.text(0, 1, "part", va="top", size=11, color=GREY)
    text.text(1, 1, "token", va="top", ha="right", size=11, color=GREY)
    for line, (kind, meaning, token) in enumerate(scene.tokens, 1):
        style = {"va": "top", "size": 11, "color": COLOURS[kind]}
        text.text(0, 1 - line * height, meaning, **style)
        text.text(1, 1 - line * height, str(token), ha="right", **style)
    return figure
