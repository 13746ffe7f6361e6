"""The configuration of a stack of blocks, and that of a GPT.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Letters used in this file
    V  tokens in the vocabulary    C  longest context    D  width    L  layers
    F  width of the hidden layer in a feed-forward network
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genai_lib.checks import (
    check_above_zero,
    check_flags,
    check_option,
    check_positive,
    store_plain_numbers,
)
from genai_lib.components.attention import ACTIVATIONS
from genai_lib.config_fields import Fields

SIZES = ("vocab_size", "context", "width", "heads", "layers", "ffn_width")


@dataclass(frozen=True)
class StackConfig:
    """The configuration of a model that is one stack of transformer blocks.

    A model with the default sizes trains on one core within a minute.

    Attributes
    ----------
    vocab_size : int
        V.
    context : int, default=64
        C, the number of learned positions, if positions are learned.
    width : int, default=64
        D, a multiple of `heads`.
    heads : int, default=4
    layers : int, default=2
        L, the number of blocks.
    ffn_width : int, default=4 * width
        F. None is replaced by the default.
    activation : str
        One of `ACTIVATIONS`.
    epsilon : float
        Added to the variance in each LayerNorm.
    tied : bool, default=True
        Whether the output head uses the weights of the embedding.
    init_std : float, default=0.02
        Standard deviation of the initial weights.

    Raises
    ------
    ValueError
        If a size is not a whole number above 0, `width` not a multiple of `heads`, or
        another value is not allowed.
    """

    vocab_size: int
    context: int = 64
    width: int = 64
    heads: int = 4
    layers: int = 2
    ffn_width: int | None = None
    activation: str = "gelu"
    epsilon: float = 1e-5
    tied: bool = True
    init_std: float = 0.02

    def __post_init__(self) -> None:
        store_plain_numbers(self)
        check_positive(width=self.width)
        if self.ffn_width is None:
            object.__setattr__(self, "ffn_width", 4 * self.width)
        check_positive(**{name: getattr(self, name) for name in SIZES})
        if self.width % self.heads:
            raise ValueError(
                f"width={self.width} must be a multiple of heads={self.heads}"
            )
        check_option("activation", self.activation, ACTIVATIONS)
        check_above_zero(epsilon=self.epsilon, init_std=self.init_std)
        check_flags(tied=self.tied)

    @classmethod
    def read(cls, fields: Fields, names: Mapping[str, str]) -> dict[str, Any]:
        """Read the attributes that all stacks share from a config.json.

        Parameters
        ----------
        fields : Fields
        names : mapping from attribute names to field names
            The file must have the sizes. For other attributes it may lack, the
            defaults of this class are those of the format.
        """
        fields.called |= names
        sizes = {
            name: fields.number(names[name]) for name in SIZES if name != "ffn_width"
        }
        return sizes | {
            "activation": fields.choice(
                names["activation"], ACTIVATIONS, cls.activation
            ),
            "epsilon": fields.fraction(names["epsilon"], cls.epsilon),
            "tied": fields.choice(names["tied"], [True, False], cls.tied),
            "init_std": fields.fraction(names["init_std"], cls.init_std),
        }

    def write(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields of a config.json; `names` are those that `read` takes."""
        return {theirs: getattr(self, ours) for ours, theirs in names.items()}


@dataclass(frozen=True)
class GPTConfig(StackConfig):
    """The configuration of a GPT: a `StackConfig` with other defaults.

    Attributes
    ----------
    activation : str, default="gelu_new"
    epsilon : float, default=1e-5

    >>> GPTConfig.gpt2().parameters
    124439808
    """

    activation: str = "gelu_new"

    @classmethod
    def gpt2(cls) -> "GPTConfig":
        """Return the configuration of the smallest GPT-2."""
        return cls(vocab_size=50257, context=1024, width=768, heads=12, layers=12)

    @property
    def parameters(self) -> int:
        """The number of parameters: V D + C D + L (4 D² + 2 D F + 9 D + F) + 2 D."""
        attention = 4 * self.width**2 + 4 * self.width
        feed_forward = 2 * self.width * self.ffn_width + self.width + self.ffn_width
        norms = 2 * 2 * self.width
        tables = (self.vocab_size * (1 if self.tied else 2) + self.context) * self.width
        blocks = self.layers * (attention + feed_forward + norms)
        return tables + blocks + 2 * self.width
