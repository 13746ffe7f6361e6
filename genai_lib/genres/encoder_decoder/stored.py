"""A GPT, a BERT, a DeBERTa and a T5 of one size that have read the documentation text.

`make stored TOPIC=encoder_decoder` trains them again, in about a quarter of an hour on
one core. All four take equally many steps, on equally long
stretches of the same text, and have parameters within one per cent of each other. Each
learns by the lesson of its own chapter. GPT and BERT have rotary positions, DeBERTa and
T5 the distances of their papers. The head of T5 is not tied, as in its version 1.1.

Tests    tests/genres/encoder_decoder
"""

import json
import math
from pathlib import Path

import torch
from torch import nn

from genai_lib import runtime
from genai_lib.components.attention import next_token_loss
from genai_lib.components.positions import RotaryPositions
from genai_lib.data.characters import CharacterTokenizer, even_windows, random_windows
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.disentangled_attention import Deberta, DebertaConfig
from genai_lib.genres.encoder_decoder import (
    AllAtOnce,
    Blank,
    FromTheLeft,
    Rescored,
    Seq2Seq,
    Written,
    judge,
    parameter_groups,
    span_batches,
    span_config,
    translation_loss,
)
from genai_lib.genres.encoder_only import Bert, BertConfig, mask_tokens, masked_loss
from genai_lib.training import cosine, fit, load_weights, save_weights

FOLDER = Path(__file__).with_name("stored")
FIGURES = FOLDER / "figures.json"
# The blanks that the figures are measured with.
TEXTS, START, LENGTHS = 48, 13, (1, 3, 6)
LENGTH, WIDTH, HEADS = 32, 64, 4
STEPS, BATCH = 8000, 16
# Twice the papers': more lessons in each step.
RATE = 0.3
MEAN_SPAN, MARKS = 3.0, 8
LEARNING_RATES = {"GPT": 6e-3, "BERT": 3e-3, "DeBERTa": 6e-3, "T5": 1.5e-3}


def new_models(characters: int) -> dict[str, nn.Module]:
    """Make the four models for a text of so many different characters.

    Those that guess hidden characters have one more token, the mask, behind them.
    """
    sizes = {"width": WIDTH, "heads": HEADS}
    drawn = {"init_std": 0.1, **sizes}
    rotary = RotaryPositions(WIDTH // HEADS)
    bert = BertConfig(
        characters + 1, LENGTH, layers=3, ffn_width=242, pooler=False, **drawn
    )
    deberta = DebertaConfig(
        characters + 1, LENGTH, layers=3, ffn_width=168, normed=True, **drawn
    )
    t5 = span_config(
        characters,
        MARKS,
        ffn_width=196,
        encoder_layers=2,
        decoder_layers=1,
        tied=False,
        **sizes,
    )
    return {
        "GPT": GPT(
            GPTConfig(characters, LENGTH, layers=3, **drawn), positional_encoding=rotary
        ),
        "BERT": Bert(bert, positional_encoding=rotary),
        "DeBERTa": Deberta(deberta),
        "T5": Seq2Seq(t5),
    }


def load_four_genres() -> tuple[dict[str, nn.Module], CharacterTokenizer]:
    """Load the models by name, and what their tokens stand for."""
    characters = CharacterTokenizer.of(load_documentation().characters)
    models = new_models(len(characters))
    for name, model in models.items():
        load_weights(model, path_of(name))
        model.eval()
    return models, characters


def fillers(models: dict[str, nn.Module]) -> dict[str, object]:
    """Let each model fill blanks in its own way, and the GPT in a second one."""
    characters = models["GPT"].config.vocab_size
    return {
        "GPT": FromTheLeft(models["GPT"]),
        "GPT, rescored": Rescored(models["GPT"]),
        "BERT": AllAtOnce(models["BERT"], characters),
        "DeBERTa": AllAtOnce(models["DeBERTa"], characters),
        "T5": Written(models["T5"], characters),
    }


def path_of(name: str) -> Path:
    """Say where the weights of a model are."""
    return FOLDER / f"{name.lower()}.safetensors"


def train(name: str, steps: int = STEPS) -> nn.Module:
    """Train one of the four on the training part of the documentation."""
    documentation = load_documentation()
    characters = CharacterTokenizer.of(documentation.characters)
    torch.manual_seed(0)
    model = new_models(len(characters))[name].to(runtime.device())
    tokens = characters.encode(documentation.train).to(runtime.device())
    generator = torch.Generator().manual_seed(0)
    windows = random_windows(tokens, LENGTH, BATCH, generator)
    loss, batches = next_token_loss, windows
    if name in ("BERT", "DeBERTa"):
        mask, loss = len(characters), masked_loss
        batches = (mask_tokens(w, mask, mask + 1, RATE, generator) for w in windows)
    elif name == "T5":
        loss, spans = translation_loss, (RATE, MEAN_SPAN, generator)
        batches = span_batches(windows, len(characters), model.config, *spans)
    rate, memory, groups = LEARNING_RATES[name], 0.999, model.parameters()
    if name == "T5":
        memory, groups = 0.98, parameter_groups(model, rate, faster=7.0)
    plan = {"weight_decay": 0.01, "betas": (0.9, memory), "fused": True}
    optimizer = torch.optim.AdamW(groups, rate, **plan)
    fit(model, batches, loss, optimizer=optimizer, steps=steps, schedule=cosine())
    return model.cpu()


def figures() -> dict[str, dict[str, list[float]]]:
    """Measure the stored models on held-out blanks of each length.

    Returns
    -------
    dict
        For each way to fill, "right", shares of blanks filled exactly, and where it is
        defined "bits", what a hidden character costs.
    """
    models, characters = load_four_genres()
    text = characters.encode(load_documentation().validation)
    rows, found = even_windows(text, LENGTH, TEXTS), {}
    for name, filler in fillers(models).items():
        pairs = [judge(filler, rows, Blank(START, length)) for length in LENGTHS]
        columns = dict(zip(("right", "bits"), zip(*pairs, strict=True), strict=True))
        if math.isnan(columns["bits"][0]):
            del columns["bits"]
        found[name] = {k: [round(x, 3) for x in v] for k, v in columns.items()}
    return found


def make_models(folder: Path) -> None:
    """Train the four models and write them, and what they fill in, into a folder."""
    runtime.threads()
    for name in LEARNING_RATES:
        # Half precision halves the file; what is read becomes 32 bits again.
        save_weights(train(name).half(), folder / path_of(name).name)
    text = json.dumps(figures(), indent=1)
    (folder / FIGURES.name).write_text(text + "\n", encoding="utf-8")


def make_cross_attention(folder: Path) -> None:
    """Write where a small encoder-decoder looks in the source."""
    from genai_lib.genres.encoder_decoder.cross_attention import PATH, make

    runtime.threads()
    text = json.dumps(make(), ensure_ascii=False)
    (folder / PATH.name).write_text(text + "\n", encoding="utf-8")


MAKERS = {
    make_models: (
        "gpt.safetensors",
        "bert.safetensors",
        "deberta.safetensors",
        "t5.safetensors",
        "figures.json",
    ),
    make_cross_attention: ("cross_attention.json",),
}
