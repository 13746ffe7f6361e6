"""Gato: one network for text, images and actions, with three environments.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato
"""

from genai_lib.genres.gato.demonstrations import (
    CAPTION,
    DIGIT_NAMES,
    END,
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
    cart_pole_expert,
    corridor_expert,
    grid_expert,
    make_cart_pole,
)
from genai_lib.genres.gato.evaluate import bits_per_character, generate_captions
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
    Image,
    Task,
    Text,
    Vocabulary,
)
from genai_lib.genres.gato.tokens import (
    BINS,
    bin_edges,
    bounded_to_tokens,
    continuous_to_tokens,
    mu_law_compress,
    mu_law_expand,
    tokens_to_bounded,
    tokens_to_continuous,
)

__all__ = [
    "BINS",
    "Bounded",
    "CAPTION",
    "CART_POLE",
    "CORRIDOR",
    "Continuous",
    "Corridor",
    "DIGIT_NAMES",
    "Discrete",
    "END",
    "Episode",
    "GRID",
    "Gato",
    "GridWorld",
    "Image",
    "NamedObservation",
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
    "generate_captions",
    "grid_episodes",
    "grid_expert",
    "make_cart_pole",
    "masked_loss",
    "mu_law_compress",
    "mu_law_expand",
    "normalise_patches",
    "rollout",
    "serialize_episode",
    "serialize_text",
    "stack",
    "tokens_to_bounded",
    "tokens_to_continuous",
]
