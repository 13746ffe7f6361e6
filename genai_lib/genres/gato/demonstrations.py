"""Demonstrations of the experts, and stretches of them with a prompt in front.

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
    make_cart_pole,
)
from genai_lib.genres.gato.experts import cart_pole_expert, corridor_expert, grid_expert
from genai_lib.genres.gato.policy import rollout
from genai_lib.genres.gato.sequences import TokenBatch, join
from genai_lib.genres.gato.serialization import Episode
from genai_lib.genres.gato.specification import Picture, Task, Text

NAMES = ("zero", "one", "two", "three", "four")
NAMES += ("five", "six", "seven", "eight", "nine")
END = "\n"
CAPTION = Task(
    "caption",
    {"digit": Picture((1, 8, 8), patch=4)},
    {"name": Text()},
)


def cart_pole_episodes(
    count: int, generator: torch.Generator, steps: int = 150, mistakes: float = 0.1
) -> list[Episode]:
    """Let the scripted expert balance the pole.

    Some of its pushes are replaced by the opposite, so that the demonstrations also
    show how to come back. What was done is what is written down.

    Parameters
    ----------
    count : int
        How many episodes.
    generator : torch.Generator
    steps : int, default=150
        The most time steps of an episode.
    mistakes : float, default=0.1
        The share of pushes that are replaced.
    """
    count, steps = check_positive(count=count, steps=steps)
    (mistakes,) = check_share(mistakes=mistakes)
    environment, episodes = make_cart_pole(), []
    for _ in range(count):
        seed = int(torch.randint(2**31, (), generator=generator))
        # Wider than the start of the task, from which hardly anything goes wrong.
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
    """Let the scripted expert walk `count` times, each with a new start and goal."""
    (count,) = check_positive(count=count)
    return _shown([GridWorld() for _ in range(count)], GRID, grid_expert, generator)


def corridor_episodes(
    count: int, generator: torch.Generator, swapped: bool
) -> list[Episode]:
    """Let the scripted expert, who knows the wires, run after goals `count` times."""
    (count,) = check_positive(count=count)
    environments = [Corridor(swapped) for _ in range(count)]
    return _shown(
        environments, CORRIDOR, partial(corridor_expert, swapped=swapped), generator
    )


def _shown(environments, task, expert, generator) -> list[Episode]:
    seeds = torch.randint(2**31, (len(environments),), generator=generator).tolist()
    rollouts = rollout(environments, seeds, lambda o, _: [expert(x["way"]) for x in o])
    return [played.episode(task) for played in rollouts]


def caption_episodes(images: Tensor, labels: Tensor) -> list[Episode]:
    """Make an episode of one time step from each digit: a picture and its name."""
    return [
        Episode({"digit": image[None, None]}, {"name": [NAMES[label] + END]})
        for image, label in zip(images, labels.tolist(), strict=True)
    ]


def windows(
    episodes: Sequence[TokenBatch],
    per_step: int,
    steps: int,
    generator: torch.Generator,
    prompt_steps: int = 0,
    prompt_share: float = 0.0,
) -> Iterator[TokenBatch]:
    """Yield stretches of episodes, some with a demonstration in front [1].

    Parameters
    ----------
    episodes : sequence of TokenBatch
        All of one task and of one way in which its environment works.
    per_step : int
        How many tokens a time step has.
    steps : int
        The most time steps of a sequence, a prompt counted in.
    generator : torch.Generator
    prompt_steps : int, default=0
        How many time steps of another episode a prompt has.
    prompt_share : float, default=0
        How many of the sequences have a prompt. Half of the prompts are the end of
        an episode, half start anywhere.
    """
    per_step, steps = check_positive(per_step=per_step, steps=steps)
    (prompt_steps,) = check_whole(0, steps - 1, prompt_steps=prompt_steps)
    (prompt_share,) = check_share(prompt_share=prompt_share)
    long = [e for e in episodes if len(e) >= prompt_steps * per_step]
    if not long and (prompt_share or not episodes):
        raise ValueError(f"episodes: none has prompt_steps={prompt_steps} time steps")

    def below(number: int) -> int:
        return int(torch.randint(number, (), generator=generator))

    def stretch(episode: TokenBatch, most: int, end: bool = False) -> TokenBatch:
        count = len(episode) // per_step
        last = max(count - most, 0)
        start = last if end else below(last + 1)
        return episode[start * per_step : (start + most) * per_step]

    def sequence() -> TokenBatch:
        episode = episodes[below(len(episodes))]
        if float(torch.rand((), generator=generator)) >= prompt_share:
            return stretch(episode, steps)
        prompt = stretch(long[below(len(long))], prompt_steps, end=below(2) == 0)
        return join(prompt, stretch(episode, steps - prompt_steps))

    return (sequence() for _ in repeat(None))
