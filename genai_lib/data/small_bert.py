"""A small BERT that has read the documentation text.

    python -m genai_lib.data.small_bert

trains it again, in about four minutes on one core, and writes
documentation_bert.safetensors beside this file. Positions are rotations, which learn in
far fewer steps than a table of positions.

Tests    tests/data/test_small_bert.py
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genai_lib import runtime
from genai_lib.components.positions import RotaryPositions
from genai_lib.data.characters import Characters
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.encoder_only import (
    Bert,
    BertConfig,
    masked_loss_fast,
    masked_windows,
)
from genai_lib.training import cosine, fit, load_weights, save_weights

PATH = Path(__file__).with_name("documentation_bert.safetensors")
CONTEXT, WIDTH, HEADS, LAYERS = 88, 64, 4, 2
STEPS, BATCH, LEARNING_RATE = 2500, 12, 3e-3
# Twice the paper's: more lessons in each step.
RATE = 0.3


class BertTokens(NamedTuple):
    """What the tokens of the small BERT stand for: characters, then two signs.

    Attributes
    ----------
    characters : Characters
    """

    characters: Characters

    @property
    def mask(self) -> int:
        """The token of a hidden character."""
        return len(self.characters)

    @property
    def first(self) -> int:
        """The token that stands before each text, called [CLS] in the paper."""
        return len(self.characters) + 1

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return len(self.characters) + 2

    def encode(self, text: str) -> Tensor:
        """Turn a text into a row of shape (1, length + 1), with the first token."""
        return torch.tensor([[self.first, *self.characters.encode(text).tolist()]])


def load_small_bert() -> tuple[Bert, BertTokens]:
    """Load the model, and what its tokens stand for."""
    model, tokens = new_small_bert()
    load_weights(model, PATH)
    return model.eval(), tokens


def new_small_bert() -> tuple[Bert, BertTokens]:
    """Make the model as it was before its training, up to the seed."""
    tokens = BertTokens(Characters.of(load_documentation().characters))
    config = BertConfig(tokens.count, CONTEXT, WIDTH, HEADS, LAYERS, deviation=0.1)
    return Bert(config, scheme=RotaryPositions(WIDTH // HEADS)), tokens


def train_small_bert(steps: int = STEPS) -> tuple[Bert, BertTokens]:
    """Train it on the training part of the documentation."""
    torch.manual_seed(0)
    model, tokens = new_small_bert()
    model = model.to(runtime.device())
    text = tokens.characters.encode(load_documentation().train).to(runtime.device())
    generator = torch.Generator().manual_seed(0)
    batches = masked_windows(
        text,
        CONTEXT,
        BATCH,
        tokens.mask,
        tokens.count,
        generator,
        rate=RATE,
        first=tokens.first,
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True
    )
    fit(
        model,
        batches,
        masked_loss_fast,
        steps=steps,
        optimizer=optimizer,
        schedule=cosine(),
    )
    return model.cpu(), tokens


if __name__ == "__main__":
    runtime.threads()
    # Half precision halves the file; what is read becomes 32 bits again.
    save_weights(train_small_bert()[0].half(), PATH)
