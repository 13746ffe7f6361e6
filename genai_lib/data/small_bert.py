"""A small BERT that has read the documentation text, kept as a BERT of Hugging Face.

    python -m genai_lib.data.small_bert

trains it again, in about five minutes on one core, and writes the folder
documentation_bert beside this file.

Tests    tests/data/test_small_bert.py
"""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genai_lib import runtime
from genai_lib.components.positions import sinusoidal
from genai_lib.data.characters import Characters
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.encoder_only import (
    Bert,
    BertConfig,
    masked_loss,
    masked_windows,
)
from genai_lib.training import cosine, fit

FOLDER = Path(__file__).with_name("documentation_bert")
CHARACTERS = FOLDER / "characters.json"
CONTEXT, WIDTH, HEADS, LAYERS = 128, 80, 4, 3
STEPS, BATCH, LEARNING_RATE = 5000, 8, 2e-3


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
    characters = json.loads(CHARACTERS.read_text(encoding="utf-8"))
    return Bert.from_pretrained(FOLDER), BertTokens(Characters(tuple(characters)))


def train_small_bert(steps: int = STEPS) -> tuple[Bert, BertTokens]:
    """Train the model of the folder on the training part of the documentation."""
    documentation = load_documentation()
    tokens = BertTokens(Characters.of(documentation.characters))
    torch.manual_seed(0)
    config = BertConfig(tokens.count, CONTEXT, WIDTH, HEADS, LAYERS, deviation=0.1)
    model = Bert(config).to(runtime.device())
    text = tokens.characters.encode(documentation.train).to(runtime.device())
    generator = torch.Generator().manual_seed(0)
    batches = masked_windows(
        text, CONTEXT, BATCH, tokens.mask, tokens.count, generator, first=tokens.first
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True
    )
    fit(
        model,
        batches,
        masked_loss,
        steps=steps,
        optimizer=optimizer,
        schedule=cosine(),
    )
    return model.cpu(), tokens


if __name__ == "__main__":
    runtime.threads()
    model, tokens = train_small_bert()
    # Half precision halves the file; what is read becomes 32 bits again.
    model.half().save_pretrained(FOLDER)
    characters = "".join(tokens.characters.all)
    CHARACTERS.write_text(json.dumps(characters) + "\n", encoding="utf-8")
