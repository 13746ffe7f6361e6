"""A small GPT that has read the documentation text, kept as a GPT-2 of Hugging Face.

    python -m genai_lib.genres.decoder_only.stored

trains it again, in about five minutes on one core, and writes the folder
documentation_gpt beside this file.

Tests    tests/genres/decoder_only
"""

import json
from pathlib import Path

import torch

from genai_lib import runtime
from genai_lib.components.attention import next_token_loss
from genai_lib.data.characters import Characters, random_windows
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.training import cosine, fit

FOLDER = Path(__file__).with_name("stored")
CHARACTERS = FOLDER / "characters.json"
CONTEXT, WIDTH, HEADS, LAYERS = 128, 80, 4, 3
STEPS, BATCH, LEARNING_RATE = 5000, 8, 6e-3


def load_small_gpt() -> tuple[GPT, Characters]:
    """Load the model, and the characters that its tokens stand for."""
    characters = json.loads(CHARACTERS.read_text(encoding="utf-8"))
    return GPT.from_pretrained(FOLDER), Characters(tuple(characters))


def train_small_gpt(steps: int = STEPS) -> tuple[GPT, Characters]:
    """Train the model of the folder on the training part of the documentation."""
    documentation = load_documentation()
    characters = Characters.of(documentation.characters)
    torch.manual_seed(0)
    config = GPTConfig(len(characters), CONTEXT, WIDTH, HEADS, LAYERS, deviation=0.1)
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


if __name__ == "__main__":
    runtime.threads()
    model, characters = train_small_gpt()
    # Half precision halves the file; what is read becomes 32 bits again.
    model.half().save_pretrained(FOLDER)
    CHARACTERS.write_text(json.dumps("".join(characters.all)) + "\n", encoding="utf-8")
