"""Demonstrations by the experts, and training sequences cut from them.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_environments.py

References
    [1] Reed et al., "A Generalist Agent", 2022, arXiv:2205.06175, sections 2.2 and 2.3
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat

import torch
from torch import Tensor

from genai_lib.checks import check_positive, check_share, check_whole
from genai_lib.genres.gato.environments import (
    CORRIDOR,
    GRID,
    Corridor,
    GridWorld,
    cart_pole_expert,
    corridor_expert,
    grid_expert,
    make_cart_pole,
)
from genai_lib.genres.gato.policy import rollout
from genai_lib.genres.gato.sequences import TokenBatch, join
from genai_lib.genres.gato.serialization import Episode
from genai_lib.genres.gato.specification import Image, Task, Text

DIGIT_NAMES = ("zero", "one", "two", "three", "four")
DIGIT_NAMES += ("five", "six", "seven", "eight", "nine")
END = "\n"
CAPTION = Task(
    "caption",
    {"digit": Image((1, 8, 8), patch=4)},
    {"name": Text()},
)


def cart_pole_episodes(
    count: int, generator: torch.Generator, steps: int = 150, mistakes: float = 0.1
) -> list[Episode]:
    """Record episodes in which the scripted expert balances the pole.

    Some of its pushes are replaced by the opposite, so that the demonstrations also
    show how to recover. The episode records the push that was executed.

    Parameters
    ----------
    count : int
        The number of episodes.
    generator : torch.Generator
    steps : int, default=150
        The maximal number of time steps of an episode.
    mistakes : float, default=0.1
        The fraction of pushes that are replaced.
    """
    count, steps = check_positive(count=count, steps=steps)
    (mistakes,) = check_share(mistakes=mistakes)
    environment, episodes = make_cart_pole(), []
    for _ in range(count):
        seed = int(torch.randint(2**31, (), generator=generator))
        # A wider range than the default, from which the pole hardly ever falls.
        state, _ = environment.reset(seed=seed, options={"low": -0.15, "high": 0.15})
        states, pushes, done = [], [], False
        flips = torch.rand(steps, generator=generator) < mistakes
        for flip in flips.tolist():
            push = cart_pole_expert(state) ^ flip
            states.append(torch.from_numpy(state.copy()))
            pushes.append(push)
            state, _, done, _, _ = environment.step(push)
            if done:
                break
        episodes.append(
            Episode({"state": torch.stack(states)}, {"push": torch.tensor(pushes)})
        )
    environment.close()
    return episodes


def grid_episodes(count: int, generator: torch.Generator) -> list[Episode]:
    """Record `count` episodes of the expert on the grid, each from another seed."""
    (count,) = check_positive(count=count)
    environments = [GridWorld() for _ in range(count)]
    return _demonstrate(environments, GRID, grid_expert, generator)


def corridor_episodes(
    count: int, generator: torch.Generator, swapped: bool
) -> list[Episode]:
    """Record `count` episodes of the expert in the corridor, each from another seed."""
    (count,) = check_positive(count=count)
    environments = [Corridor(swapped) for _ in range(count)]
    return _demonstrate(
        environments, CORRIDOR, partial(corridor_expert, swapped=swapped), generator
    )


def _demonstrate(environments, task, expert, generator) -> list[Episode]:
    seeds = torch.randint(2**31, (len(environments),), generator=generator).tolist()
    rollouts = rollout(
        environments, seeds, lambda o, _: [expert(x["goal_offset"]) for x in o]
    )
    return [one.episode(task) for one in rollouts]


def caption_episodes(images: Tensor, labels: Tensor) -> list[Episode]:
    """Make an episode of one time step from each image: the digit and its name."""
    return [
        Episode({"digit": image[None, None]}, {"name": [DIGIT_NAMES[label] + END]})
        for image, label in zip(images, labels.tolist(), strict=True)
    ]


def windows(
    episodes: Sequence[TokenBatch],
    tokens_per_step: int,
    steps: int,
    generator: torch.Generator,
    prompt_steps: int = 0,
    prompt_rate: float = 0.0,
) -> Iterator[TokenBatch]:
    """Yield random windows of episodes, some with a demonstration as a prompt [1].

    Parameters
    ----------
    episodes : sequence of TokenBatch
        All of one task, and of one kind of its environment.
    tokens_per_step : int
        The number of tokens in a time step.
    steps : int
        The maximal number of time steps of a sequence, including the prompt.
    generator : torch.Generator
    prompt_steps : int, default=0
        The number of time steps of a prompt, which comes from another episode.
    prompt_rate : float, default=0
        The fraction of sequences with a prompt. Half of the prompts are the end of
        an episode, half start at a random step.
    """
    tokens_per_step, steps = check_positive(
        tokens_per_step=tokens_per_step, steps=steps
    )
    (prompt_steps,) = check_whole(0, steps - 1, prompt_steps=prompt_steps)
    (prompt_rate,) = check_share(prompt_rate=prompt_rate)
    long = [e for e in episodes if len(e) >= prompt_steps * tokens_per_step]
    if not long and (prompt_rate or not episodes):
        raise ValueError(f"episodes: none has prompt_steps={prompt_steps} time steps")

    def below(number: int) -> int:
        return int(torch.randint(number, (), generator=generator))

    def window(episode: TokenBatch, length: int, end: bool = False) -> TokenBatch:
        count = len(episode) // tokens_per_step
        last = max(count - length, 0)
        start = last if end else below(last + 1)
        return episode[start * tokens_per_step : (start + length) * tokens_per_step]

    def sequence() -> TokenBatch:
        episode = episodes[below(len(episodes))]
        if float(torch.rand((), generator=generator)) >= prompt_rate:
            return window(episode, steps)
        prompt = window(long[below(len(long))], prompt_steps, end=below(2) == 0)
        return join(prompt, window(episode, steps - prompt_steps))

    return (sequence() for _ in repeat(None))
