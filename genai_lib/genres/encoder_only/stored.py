"""A small BERT that has read the documentation text, and its left-to-right twin.

`make stored TOPIC=encoder_only` trains both again, in about four minutes each on one
core. Positions are rotations, which learn in far fewer steps than a table of positions.

The twin is the control for the mask. It has the same class and sizes, begins with the
same weights and is taught with the same stretches in the same order and with the same
optimizer. It differs in two things: no position looks at a later one, and nothing is
hidden, since it is asked for every next character.

Tests    tests/genres/encoder_only
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genai_lib import runtime
from genai_lib.components.attention import causal_mask, next_token_loss
from genai_lib.components.positions import RotaryPositions
from genai_lib.data.characters import CharacterTokenizer
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.encoder_only import (
    IGNORED,
    Bert,
    BertConfig,
    masked_loss_fast,
    masked_windows,
)
from genai_lib.training import cosine, fit, load_weights, save_weights

PATH = Path(__file__).with_name("stored") / "bert.safetensors"
LEFT_TO_RIGHT = Path(__file__).with_name("stored") / "left_to_right.safetensors"
CONTEXT, WIDTH, HEADS, LAYERS = 88, 64, 4, 2
STEPS, BATCH, LEARNING_RATE = 2500, 12, 3e-3
# Twice the paper's: more lessons in each step.
RATE = 0.3


class BertTokens(NamedTuple):
    """What the tokens of the small BERT stand for: characters, then two signs.

    Attributes
    ----------
    characters : CharacterTokenizer
    """

    characters: CharacterTokenizer

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


def load_left_to_right() -> tuple[Bert, BertTokens]:
    """Load the twin: call it with `mask=causal_mask(length)`, as it was trained.

    What it makes of position t are its scores for the token at t + 1.
    """
    model, tokens = new_small_bert()
    load_weights(model, LEFT_TO_RIGHT)
    return model.eval(), tokens


def new_small_bert() -> tuple[Bert, BertTokens]:
    """Make the model as it was before its training, up to the seed."""
    tokens = BertTokens(CharacterTokenizer.of(load_documentation().characters))
    config = BertConfig(tokens.count, CONTEXT, WIDTH, HEADS, LAYERS, init_std=0.1)
    return Bert(config, positional_encoding=RotaryPositions(WIDTH // HEADS)), tokens


def train_small_bert(steps: int = STEPS) -> tuple[Bert, BertTokens]:
    """Train it on the training part of the documentation."""
    return _train(masked_loss_fast, steps)


def train_left_to_right(steps: int = STEPS) -> tuple[Bert, BertTokens]:
    """Train the twin: another loss, and nothing else."""
    return _train(every_next_loss, steps)


def every_next_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Compute `next_token_loss` under a causal mask, with no token hidden.

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) and `mask=` to logits (B, T, V).
    batch : inputs and targets, each an int64 Tensor of shape (B, T + 1)
        From `mask_tokens`. The hidden tokens are put back first.
    """
    inputs, targets = batch
    rows = torch.where(targets == IGNORED, inputs, targets)
    mask = causal_mask(rows.shape[1] - 1, device=rows.device)
    return next_token_loss(partial(model, mask=mask), rows)


def _train(loss: Callable, steps: int) -> tuple[Bert, BertTokens]:
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
    fit(model, batches, loss, steps=steps, optimizer=optimizer, schedule=cosine())
    return model.cpu(), tokens


def make_models(folder: Path) -> None:
    """Train BERT and its twin and write both into a folder."""
    runtime.threads()
    # Half precision halves the files; what is read becomes 32 bits again.
    save_weights(train_small_bert()[0].half(), folder / PATH.name)
    save_weights(train_left_to_right()[0].half(), folder / LEFT_TO_RIGHT.name)


def make_masked_characters(folder: Path) -> None:
    """Write what BERT and GPT expect in held-out sentences."""
    from genai_lib.genres.encoder_only.masked_characters import PATH, make

    (folder / PATH.name).write_text(json.dumps(make()) + "\n", encoding="utf-8")


MAKERS = {
    make_models: ("bert.safetensors", "left_to_right.safetensors"),
    make_masked_characters: ("masked_characters.json",),
}
