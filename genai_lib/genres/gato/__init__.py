"""Gato: one network for text, pictures and actions, and worlds to try it in.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/test_gato.py
"""

from genai_lib.genres.gato.demonstrations import (
    CAPTION,
    END,
    NAMES,
    caption_episodes,
    cart_pole_episodes,
    corridor_episodes,
    grid_episodes,
    windows,
)
from genai_lib.genres.gato.evaluate import bits_per_character, write_captions
from genai_lib.genres.gato.experts import balance, run_after, walk
from genai_lib.genres.gato.interface import Named
from genai_lib.genres.gato.model import Gato, PatchEmbedding, masked_loss
from genai_lib.genres.gato.playing import Player, Rollout, play
from genai_lib.genres.gato.sequences import PATCH, Tokens, join, plain_tokens, stack
from genai_lib.genres.gato.serialization import (
    Episode,
    normalise_patches,
    serialize_episode,
    serialize_text,
)
from genai_lib.genres.gato.specification import (
    Bounded,
    Continuous,
    Discrete,
    Picture,
    Task,
    Text,
    Vocabulary,
)
from genai_lib.genres.gato.tokens import (
    BINS,
    bin_edges,
    bounded_to_tokens,
    continuous_to_tokens,
    squeeze,
    tokens_to_bounded,
    tokens_to_continuous,
    unsqueeze,
)
from genai_lib.genres.gato.worlds import (
    CART_POLE,
    CORRIDOR,
    GRID,
    Corridor,
    GridWorld,
    make_cart_pole,
    moved,
)

__all__ = [
    "BINS",
    "CART_POLE",
    "CAPTION",
    "CORRIDOR",
    "Corridor",
    "END",
    "GRID",
    "NAMES",
    "PATCH",
    "Bounded",
    "Continuous",
    "Discrete",
    "Episode",
    "Gato",
    "GridWorld",
    "Named",
    "PatchEmbedding",
    "Picture",
    "Player",
    "Rollout",
    "Task",
    "Text",
    "Tokens",
    "Vocabulary",
    "balance",
    "bin_edges",
    "bits_per_character",
    "bounded_to_tokens",
    "caption_episodes",
    "cart_pole_episodes",
    "continuous_to_tokens",
    "corridor_episodes",
    "grid_episodes",
    "join",
    "make_cart_pole",
    "masked_loss",
    "moved",
    "normalise_patches",
    "plain_tokens",
    "play",
    "run_after",
    "serialize_episode",
    "serialize_text",
    "squeeze",
    "stack",
    "tokens_to_bounded",
    "tokens_to_continuous",
    "unsqueeze",
    "walk",
    "windows",
    "write_captions",
]
