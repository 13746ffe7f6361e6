"""Gato: one network for text, pictures and actions, and environments to try it in.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato
"""

from genai_lib.genres.gato.demonstrations import (
    CAPTION,
    END,
    NAMES,
    caption_episodes,
    cart_pole_episodes,
    corridor_episodes,
    grid_episodes,
)
from genai_lib.genres.gato.environments import (
    CART_POLE,
    CORRIDOR,
    GRID,
    Corridor,
    GridWorld,
    make_cart_pole,
)
from genai_lib.genres.gato.evaluate import bits_per_character, write_captions
from genai_lib.genres.gato.experts import cart_pole_expert, corridor_expert, grid_expert
from genai_lib.genres.gato.interface import NamedObservation
from genai_lib.genres.gato.model import Gato, masked_loss
from genai_lib.genres.gato.policy import Policy, Rollout, rollout
from genai_lib.genres.gato.sequences import TokenBatch, stack
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

__all__ = [
    "BINS",
    "Bounded",
    "CAPTION",
    "CART_POLE",
    "CORRIDOR",
    "Continuous",
    "Corridor",
    "Discrete",
    "END",
    "Episode",
    "GRID",
    "Gato",
    "GridWorld",
    "NAMES",
    "NamedObservation",
    "Picture",
    "Policy",
    "Rollout",
    "Task",
    "Text",
    "TokenBatch",
    "Vocabulary",
    "bin_edges",
    "bits_per_character",
    "bounded_to_tokens",
    "caption_episodes",
    "cart_pole_episodes",
    "cart_pole_expert",
    "continuous_to_tokens",
    "corridor_episodes",
    "corridor_expert",
    "grid_episodes",
    "grid_expert",
    "make_cart_pole",
    "masked_loss",
    "normalise_patches",
    "rollout",
    "serialize_episode",
    "serialize_text",
    "squeeze",
    "stack",
    "tokens_to_bounded",
    "tokens_to_continuous",
    "unsqueeze",
    "write_captions",
]
