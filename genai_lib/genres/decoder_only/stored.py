"""A small GPT that has read the documentation text, kept as a GPT-2 of Hugging Face.

`make stored TOPIC=decoder_only` trains it again, in about five minutes on one core.

Tests    tests/genres/decoder_only
"""

import json
from pathlib import Path

import torch

from genai_lib import runtime
from genai_lib.components.attention import next_token_loss
from genai_lib.data.characters import CharacterTokenizer, random_windows
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.training import cosine, fit

FOLDER = Path(__file__).with_name("stored")
CHARACTERS = FOLDER / "characters.json"
CONTEXT, WIDTH, HEADS, LAYERS = 128, 80, 4, 3
STEPS, BATCH, LEARNING_RATE = 5000, 8, 6e-3


def load_small_gpt() -> tuple[GPT, CharacterTokenizer]:
    """Load the model, and the characters that its tokens stand for."""
    characters = json.loads(CHARACTERS.read_text(encoding="utf-8"))
    return GPT.from_pretrained(FOLDER), CharacterTokenizer(tuple(characters))


def train_small_gpt(steps: int = STEPS) -> tuple[GPT, CharacterTokenizer]:
    """Train the model of the folder on the training part of the documentation."""
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
    # Half precision halves the file; what is read becomes 32 bits again.
    model.half().save_pretrained(folder)
    names = json.dumps("".join(characters.vocabulary))
    (folder / CHARACTERS.name).write_text(names + "\n", encoding="utf-8")


def make_next_characters(folder: Path) -> None:
    """Write what the model and a 5-gram expect in held-out sentences."""
    from genai_lib.genres.decoder_only.next_characters import PATH, make

    (folder / PATH.name).write_text(json.dumps(make()) + "\n", encoding="utf-8")


MAKERS = {
    make_model: ("config.json", "model.safetensors", "characters.json"),
    make_next_characters: ("next_characters.json",),
}
