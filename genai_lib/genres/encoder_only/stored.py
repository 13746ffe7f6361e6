"""A small BERT trained on the documentation text, and a left-to-right control.

`make stored TOPIC=encoder_only` trains both again, in about four minutes each on one
core. Positions are rotary: they are learned in far fewer steps than a table.

The left-to-right control has the class, the sizes and the initial weights of the BERT,
and is trained on the same windows in the same order with the same optimizer. It differs
in two things: its mask is causal, and its loss is that of the next character, so no
token of its input is masked.

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
from genai_lib.genres.decoder_only.stored import load_small_gpt, passages
from genai_lib.genres.encoder_only import (
    IGNORED,
    Bert,
    BertConfig,
    masked_loss_fast,
    masked_windows,
)
from genai_lib.training import cosine, fit, load_weights, save_weights

FOLDER = Path(__file__).with_name("stored")
BERT = FOLDER / "bert.safetensors"
LEFT_TO_RIGHT = FOLDER / "left_to_right.safetensors"
MASKED_CHARACTERS = FOLDER / "masked_characters.json"
CONTEXT, WIDTH, HEADS, LAYERS = 88, 64, 4, 2
STEPS, BATCH, LEARNING_RATE = 2500, 12, 3e-3
# Mask 30 % instead of the paper's 15 %, so that each step has more tokens to predict.
RATE = 0.3
SHOWN, DIGITS = 6, 6


class BertTokens(NamedTuple):
    """The vocabulary of the small BERT: characters, then two special tokens.

    Attributes
    ----------
    characters : CharacterTokenizer
    """

    characters: CharacterTokenizer

    @property
    def mask(self) -> int:
        """The mask token, which replaces a masked character."""
        return len(self.characters)

    @property
    def first(self) -> int:
        """The token before each text, called [CLS] in the paper."""
        return len(self.characters) + 1

    @property
    def count(self) -> int:
        """The size of the vocabulary."""
        return len(self.characters) + 2

    def encode(self, text: str) -> Tensor:
        """Encode a text as a row of shape (1, length + 1) that begins with `first`."""
        return torch.tensor([[self.first, *self.characters.encode(text).tolist()]])


def load_small_bert() -> tuple[Bert, BertTokens]:
    """Load the model and its vocabulary."""
    model, tokens = new_small_bert()
    load_weights(model, BERT)
    return model.eval(), tokens


def load_left_to_right() -> tuple[Bert, BertTokens]:
    """Load the left-to-right control: call it with `mask=causal_mask(length)`.

    Its output at position t holds the logits of the token at t + 1.
    """
    model, tokens = new_small_bert()
    load_weights(model, LEFT_TO_RIGHT)
    return model.eval(), tokens


def new_small_bert() -> tuple[Bert, BertTokens]:
    """Make the untrained model; PyTorch's seed decides its weights."""
    tokens = BertTokens(CharacterTokenizer.of(load_documentation().characters))
    config = BertConfig(tokens.count, CONTEXT, WIDTH, HEADS, LAYERS, init_std=0.1)
    return Bert(config, positional_encoding=RotaryPositions(WIDTH // HEADS)), tokens


def train_small_bert(steps: int = STEPS) -> tuple[Bert, BertTokens]:
    """Train the BERT on the training part of the documentation."""
    return _train(masked_loss_fast, steps)


def train_left_to_right(steps: int = STEPS) -> tuple[Bert, BertTokens]:
    """Train the left-to-right control, which differs in the loss and its mask alone."""
    return _train(every_next_loss, steps)


def every_next_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Compute `next_token_loss` under a causal mask, on unmasked tokens.

    Parameters
    ----------
    model : nn.Module
        Maps (B, T) and `mask=` to logits (B, T, V).
    batch : inputs and targets, each an int64 Tensor of shape (B, T + 1)
        From `mask_tokens`. The original tokens are restored first.
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
    """Train the BERT and the left-to-right control, and write both into a folder."""
    runtime.threads()
    # Half precision halves the files; loading converts back to 32 bits.
    save_weights(train_small_bert()[0].half(), folder / BERT.name)
    save_weights(train_left_to_right()[0].half(), folder / LEFT_TO_RIGHT.name)


@torch.no_grad()
def expectations(passage: str) -> list[dict]:
    """List the predictions of the small BERT and GPT for each character but the first.

    BERT sees all other characters, GPT those before. Each entry has the characters that
    are most probable under either model and the true one, with both probabilities.
    """
    bert, tokens = load_small_bert()
    gpt, characters = load_small_gpt()
    # Row i masks character i; the token `first` stands before the characters.
    rows = tokens.encode(passage).repeat(len(passage), 1)
    rows[:, 1:].fill_diagonal_(tokens.mask)
    logits = bert(rows)[:, 1:, : len(characters)].double()
    by_bert = logits.diagonal(dim1=0, dim2=1).T.softmax(-1)  # (places, characters)
    by_gpt = gpt(characters.encode(passage)[None])[0].double().softmax(-1)
    places = []
    for place in range(1, len(passage)):
        chances = torch.stack([by_bert[place], by_gpt[place - 1]])
        best = chances.amax(0).argsort(descending=True).tolist()[:SHOWN]
        (true,) = characters.encode(passage[place]).tolist()
        shown = best if true in best else [*best[:-1], true]
        pairs = chances.T.tolist()
        places.append(
            [
                [characters.vocabulary[i], *(round(p, DIGITS) for p in pairs[i])]
                for i in shown
            ]
        )
    return places


def make_masked_characters(folder: Path) -> None:
    """Write the predictions of BERT and GPT for the passages of the figure."""
    made = {
        name: {"text": text, "places": expectations(text)}
        for name, text in passages().items()
    }
    target = folder / MASKED_CHARACTERS.name
    target.write_text(json.dumps(made) + "\n", encoding="utf-8")


MAKERS = {
    make_models: ("bert.safetensors", "left_to_right.safetensors"),
    make_masked_characters: ("masked_characters.json",),
}
