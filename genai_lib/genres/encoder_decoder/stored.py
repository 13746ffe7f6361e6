"""A GPT, a BERT, a DeBERTa and a T5 of one size, trained on the documentation text.

`make stored TOPIC=encoder_decoder` trains them again, in about a quarter of an hour on
one core. All four take equally many steps, on equally long windows of the same text,
and have parameters within one per cent of each other. Each is trained with the
objective of its own chapter. GPT and BERT have rotary positions, DeBERTa and T5 the
relative positions of their papers. The head of T5 is not tied, as in its version 1.1.

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
    Gap,
    LeftToRightInfiller,
    MaskedInfiller,
    RerankedInfiller,
    Seq2Seq,
    SpanInfiller,
    evaluate_infilling,
    parameter_groups,
    span_batches,
    span_config,
    translation_loss,
)
from genai_lib.genres.encoder_only import Bert, BertConfig, mask_tokens, masked_loss
from genai_lib.training import cosine, fit, load_weights, save_weights

FOLDER = Path(__file__).with_name("stored")
FIGURES = FOLDER / "figures.json"
# The gaps that the stored figures are measured with.
TEXTS, START, LENGTHS = 48, 13, (1, 3, 6)
LENGTH, WIDTH, HEADS = 32, 64, 4
STEPS, BATCH = 8000, 16
# 30 % instead of the papers' 15 %, so that each step has more tokens to predict.
RATE = 0.3
MEAN_SPAN_LENGTH, SENTINELS = 3.0, 8
LEARNING_RATES = {"GPT": 6e-3, "BERT": 3e-3, "DeBERTa": 6e-3, "T5": 1.5e-3}


def new_models(characters: int) -> dict[str, nn.Module]:
    """Make the four untrained models for a text of so many different characters.

    BERT and DeBERTa have one more token, the mask, after the characters.
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
        SENTINELS,
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
    """Load the trained models, by name, and their tokenizer."""
    characters = CharacterTokenizer.of(load_documentation().characters)
    models = new_models(len(characters))
    for name, model in models.items():
        load_weights(model, path_of(name))
        model.eval()
    return models, characters


def infillers(models: dict[str, nn.Module]) -> dict[str, object]:
    """Return an infiller for each model, and a second one, with reranking, for GPT."""
    characters = models["GPT"].config.vocab_size
    return {
        "GPT": LeftToRightInfiller(models["GPT"]),
        "GPT, rescored": RerankedInfiller(models["GPT"]),
        "BERT": MaskedInfiller(models["BERT"], characters),
        "DeBERTa": MaskedInfiller(models["DeBERTa"], characters),
        "T5": SpanInfiller(models["T5"], characters),
    }


def path_of(name: str) -> Path:
    """Return the path of the weights of a model."""
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
        loss, spans = translation_loss, (RATE, MEAN_SPAN_LENGTH, generator)
        batches = span_batches(windows, len(characters), model.config, *spans)
    rate, beta2, groups = LEARNING_RATES[name], 0.999, model.parameters()
    if name == "T5":
        beta2, groups = 0.98, parameter_groups(model, rate, faster=7.0)
    options = {"weight_decay": 0.01, "betas": (0.9, beta2), "fused": True}
    optimizer = torch.optim.AdamW(groups, rate, **options)
    fit(model, batches, loss, optimizer=optimizer, steps=steps, schedule=cosine())
    return model.cpu()


def figures() -> dict[str, dict[str, list[float]]]:
    """Measure the stored models on held-out gaps of each length.

    Returns
    -------
    dict
        For each infiller "right", the fractions of gaps filled exactly, and where it
        is defined "bits", the mean -log2 p of a missing character.
    """
    models, characters = load_four_genres()
    text = characters.encode(load_documentation().validation)
    rows, found = even_windows(text, LENGTH, TEXTS), {}
    for name, infiller in infillers(models).items():
        pairs = [evaluate_infilling(infiller, rows, Gap(START, n)) for n in LENGTHS]
        columns = dict(zip(("right", "bits"), zip(*pairs, strict=True), strict=True))
        if math.isnan(columns["bits"][0]):
            del columns["bits"]
        found[name] = {k: [round(x, 3) for x in v] for k, v in columns.items()}
    return found


def make_models(folder: Path) -> None:
    """Train the four models; write their weights and their figures into a folder."""
    runtime.threads()
    for name in LEARNING_RATES:
        # Half precision halves the file; loading converts to 32 bits again.
        save_weights(train(name).half(), folder / path_of(name).name)
    text = json.dumps(figures(), indent=1)
    (folder / FIGURES.name).write_text(text + "\n", encoding="utf-8")


def make_cross_attention(folder: Path) -> None:
    """Write the cross-attention of a small encoder-decoder into a folder."""
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
