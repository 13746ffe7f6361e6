"""Training of the chapter's networks: demonstrations, batches, and the loop.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_training.py, tests/genres/gato/test_stored.py

References
    [1] Reed et al., "A Generalist Agent", 2022, arXiv:2205.06175, sections 2.2 and 2.3
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from genai_lib.components.positions import RotaryPositions
from genai_lib.data.characters import CharacterTokenizer, random_windows
from genai_lib.data.digits import load_digits
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import GPTConfig
from genai_lib.genres.gato.demonstrations import (
    CAPTION,
    caption_episodes,
    cart_pole_episodes,
    corridor_episodes,
    grid_episodes,
    windows,
)
from genai_lib.genres.gato.environments import CART_POLE, CORRIDOR, GRID
from genai_lib.genres.gato.model import Gato, masked_loss
from genai_lib.genres.gato.sequences import TokenBatch, plain_tokens, stack
from genai_lib.genres.gato.serialization import Episode, serialize_episode
from genai_lib.genres.gato.specification import Task, Vocabulary
from genai_lib.training import History, cosine, fit

LENGTH = 32  # maximal number of tokens in a sequence
PROMPT = 4  # time steps of a prompt
# The number of sequences of each source in a batch.
SEQUENCES_PER_BATCH = {
    "CartPole": 14,
    "grid": 2,
    "corridor": 5,
    "captions": 5,
    "text": 10,
}
PIXELS, LEARNING_RATE = 16, 4e-3


def documentation_vocabulary() -> Vocabulary:
    """Return the vocabulary: characters of the documentation, numbers, separator."""
    return Vocabulary(CharacterTokenizer.of(load_documentation().characters))


def serialize(
    episodes: Sequence[Episode], task: Task, vocabulary: Vocabulary
) -> list[TokenBatch]:
    """Return each episode as a sequence."""
    return [serialize_episode(episode, task, vocabulary) for episode in episodes]


def demonstrations(
    vocabulary: Vocabulary, generator: torch.Generator
) -> dict[str, list]:
    """Return the demonstrations of the experts and the captions, as sequences.

    Returns
    -------
    dict from name of a source to list of TokenBatch; for the corridor there are two
    lists, the second with swapped wires.
    """
    poles = cart_pole_episodes(80, generator)
    grids = grid_episodes(500, generator)
    corridors = [corridor_episodes(300, generator, s) for s in (False, True)]
    digits = load_digits("train")
    captions = caption_episodes(digits.images, digits.labels)
    return {
        "CartPole": serialize(poles, CART_POLE, vocabulary),
        "grid": serialize(grids, GRID, vocabulary),
        "corridor": [serialize(half, CORRIDOR, vocabulary) for half in corridors],
        "captions": serialize(captions, CAPTION, vocabulary),
    }


def streams(
    taught: Mapping[str, list], text: Tensor, generator: torch.Generator
) -> dict[str, Iterator[TokenBatch]]:
    """Return endless iterators over training sequences, one for each source.

    Three in four corridor sequences have a prompt: a demonstration in a corridor with
    the same wires.

    Parameters
    ----------
    taught : dict
        From `demonstrations`.
    text : int64 Tensor of shape (n,)
        Ids of characters.
    generator : torch.Generator
    """
    cut = partial(windows, generator=generator)
    prompt = {"prompt_steps": PROMPT, "prompt_rate": 0.75}
    wires = [cut(half, 3, 2 * PROMPT, **prompt) for half in taught["corridor"]]
    texts = chain.from_iterable(random_windows(text, LENGTH, 100, generator))
    return {
        "CartPole": cut(taught["CartPole"], 6, 5),
        "grid": cut(taught["grid"], 4, 5),
        "corridor": chain.from_iterable(zip(*wires, strict=True)),
        "captions": draw_sequences(taught["captions"], generator),
        "text": map(plain_tokens, texts),
    }


def draw_sequences(
    sequences: Sequence[TokenBatch], generator: torch.Generator
) -> Iterator[TokenBatch]:
    """Yield random sequences without end."""
    while True:
        yield sequences[torch.randint(len(sequences), (), generator=generator)]


def batches(
    sources: Mapping[str, Iterator[TokenBatch]], names: Sequence[str]
) -> Iterator[TokenBatch]:
    """Yield batches with sequences of the named sources."""
    while True:
        yield stack(
            [next(sources[n]) for n in names for _ in range(SEQUENCES_PER_BATCH[n])]
        )


def new_network(vocabulary: Vocabulary, width: int) -> Gato:
    """Return an untrained network, of the size used for all sources."""
    config = GPTConfig(vocabulary.size, width=width, activation="relu", init_std=0.1)
    positional_encoding = RotaryPositions(width // config.heads)
    return Gato(config, pixels=PIXELS, positional_encoding=positional_encoding)


def train(
    model: Gato, batches: Iterator[TokenBatch], steps: int, generator: torch.Generator
) -> History:
    """Train a network on batches; all networks of the chapter are trained this way."""
    device = model.local.weight.device
    weights = model.parameters()
    return fit(
        model,
        (batch.to(device) for batch in batches),
        lambda m, batch: masked_loss(m, batch, generator),
        steps=steps,
        optimizer=torch.optim.AdamW(
            weights, LEARNING_RATE, betas=(0.9, 0.95), fused=True
        ),
        schedule=cosine(),
    )
