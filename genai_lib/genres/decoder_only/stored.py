"""A small GPT trained on the documentation text, and its predictions for the figure.

`make stored TOPIC=decoder_only` makes them again, in about five minutes on one core.
The model is stored in the format of GPT-2.

Tests    tests/genres/decoder_only
"""

import json
import math
from pathlib import Path

import torch

from genai_lib import runtime
from genai_lib.components.attention import next_token_loss
from genai_lib.data.characters import CharacterTokenizer, random_windows
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import GPT, GPTConfig, KneserNey
from genai_lib.training import cosine, fit

FOLDER = Path(__file__).with_name("stored")
CHARACTERS = FOLDER / "characters.json"
NEXT_CHARACTERS = FOLDER / "next_characters.json"
CONTEXT, WIDTH, HEADS, LAYERS = 128, 80, 4, 3
STEPS, BATCH, LEARNING_RATE = 5000, 8, 6e-3
# The passages of the figure, by how they begin, and what it shows of them.
BEGINNINGS = {
    "a method": "RANSAC is an iterative algorithm",
    "an estimator": "A voting regressor is an ensemble",
}
LENGTH, ORDER, SHOWN, DIGITS = 86, 5, 6, 6


def load_small_gpt() -> tuple[GPT, CharacterTokenizer]:
    """Load the model and its tokenizer."""
    characters = json.loads(CHARACTERS.read_text(encoding="utf-8"))
    return GPT.from_pretrained(FOLDER), CharacterTokenizer(tuple(characters))


def train_small_gpt(steps: int = STEPS) -> tuple[GPT, CharacterTokenizer]:
    """Train the model on the training part of the documentation."""
    documentation = load_documentation()
    characters = CharacterTokenizer.of(documentation.characters)
    torch.manual_seed(0)
    config = GPTConfig(len(characters), CONTEXT, WIDTH, HEADS, LAYERS, init_std=0.1)
    model = GPT(config).to(runtime.device())
    tokens = characters.encode(documentation.train).to(runtime.device())
    generator = torch.Generator().manual_seed(0)
    batches = random_windows(tokens, CONTEXT + 1, BATCH, generator)
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, weight_decay=0.1, fused=True
    )
    fit(
        model,
        batches,
        next_token_loss,
        steps=steps,
        optimizer=optimizer,
        schedule=cosine(),
    )
    return model.cpu(), characters


def make_model(folder: Path) -> None:
    """Train the model and write it into a folder."""
    runtime.threads()
    model, characters = train_small_gpt()
    # Half precision halves the file; loading converts back to 32 bits.
    model.half().save_pretrained(folder)
    names = json.dumps("".join(characters.vocabulary))
    (folder / CHARACTERS.name).write_text(names + "\n", encoding="utf-8")


def passages() -> dict[str, str]:
    """Return the passages of the figure, sentences of the held-out text, by name."""
    text = load_documentation().validation.replace("\n", " ")
    starts = {name: text.index(beginning) for name, beginning in BEGINNINGS.items()}
    return {name: text[start : start + LENGTH] for name, start in starts.items()}


@torch.no_grad()
def expectations(passage: str) -> list[dict]:
    """List the predictions of both models for each character but the first.

    Each entry has the "options", which are the characters that are most probable under
    either model and the true one with both probabilities, and the "bits" of the true
    one under both models.
    """
    model, characters = load_small_gpt()
    counts = KneserNey(load_documentation().train, ORDER, characters.vocabulary)
    rows = model(characters.encode(passage)[None])[0].double().softmax(-1)
    places = []
    for place in range(1, len(passage)):
        both = (rows[place - 1].tolist(), counts.probabilities(passage[:place]))
        best = sorted(range(len(characters)), key=lambda i: -max(p[i] for p in both))
        (true,) = characters.encode(passage[place]).tolist()
        shown = best[:SHOWN] if true in best[:SHOWN] else [*best[: SHOWN - 1], true]
        options = [
            [characters.vocabulary[i], *(round(p[i], DIGITS) for p in both)]
            for i in shown
        ]
        bits = [round(-math.log2(p[true]), DIGITS) for p in both]
        places.append({"options": options, "bits": bits})
    return places


def make_next_characters(folder: Path) -> None:
    """Write the predictions of the model and a 5-gram for the passages."""
    made = {
        name: {"text": text, "places": expectations(text)}
        for name, text in passages().items()
    }
    target = folder / NEXT_CHARACTERS.name
    target.write_text(json.dumps(made) + "\n", encoding="utf-8")


MAKERS = {
    make_model: ("config.json", "model.safetensors", "characters.json"),
    make_next_characters: ("next_characters.json",),
}
