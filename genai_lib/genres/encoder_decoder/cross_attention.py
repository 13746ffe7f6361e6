"""Make the data of the live figure of the encoder-decoder chapter.

`make stored TOPIC=encoder_decoder` trains a small encoder-decoder on numbers in words,
in about two minutes on one core, and writes cross_attention.json: for a few numbers in
every language the pieces that it writes and their cross-attention to the source.

Tests    tests/genres/encoder_decoder
"""

import random
from pathlib import Path

import torch

from genai_lib.components.attention import record_attention
from genai_lib.genres.encoder_decoder import (
    LANGUAGES,
    NumberVocabulary,
    Seq2Seq,
    Seq2SeqConfig,
    draw_numbers,
    greedy_decode,
    parameter_groups,
    shift_right,
    translation_loss,
)
from genai_lib.training import cosine, fit

PATH = Path(__file__).with_name("stored") / "cross_attention.json"
NUMBERS = (21, 99, 4072, 58_361)
MOST_DIGITS, STEPS, BATCH, LEARNING_RATE = 5, 800, 48, 4e-3
DIGITS = 3


def train() -> tuple[Seq2Seq, NumberVocabulary]:
    """Train the model of the figure, without the numbers that the figure shows."""
    vocabulary, rng = NumberVocabulary.of(MOST_DIGITS), random.Random(0)
    examples = [
        (number, language)
        for digits in range(1, MOST_DIGITS + 1)
        for number in draw_numbers(digits, 600, rng, held_out=False)
        for language in LANGUAGES
        if number not in NUMBERS
    ]
    torch.manual_seed(0)
    model = Seq2Seq(Seq2SeqConfig(len(vocabulary), ffn_width=128))
    groups = parameter_groups(model, LEARNING_RATE)
    optimizer = torch.optim.AdamW(groups, fused=True)
    batches = vocabulary.pairs(examples).batches(
        BATCH, torch.Generator().manual_seed(0), pool=8
    )
    fit(
        model,
        batches,
        translation_loss,
        steps=STEPS,
        optimizer=optimizer,
        schedule=cosine(),
    )
    return model, vocabulary


@torch.no_grad()
def alignment(
    model: Seq2Seq, vocabulary: NumberVocabulary, number: int, language: str
) -> dict[str, list]:
    """Translate a number and return the cross-attention of each piece.

    Returns
    -------
    dict
        "source", the S tokens of the source; "pieces", the T pieces that were
        written; "weights", T rows of S numbers: for each piece the weights of the
        cross-attention, averaged over blocks and heads.
    """
    source = torch.tensor([vocabulary.source(number, language)])
    source = source.to(model.embedding.weight.device)
    written = greedy_decode(model, source, max_new_tokens=30)
    with record_attention(model.decoder) as seen:
        model(source, shift_right(written, model.config.start_token))
    blocks = [seen[f"{i}.cross_attention"][0][0] for i in range(len(model.decoder))]
    weights = torch.cat(blocks).mean(dim=0)  # (T, S)
    return {
        "source": [vocabulary.tokens[token] for token in source[0].tolist()],
        "pieces": [vocabulary.tokens[token] for token in written[0].tolist()],
        "weights": [[round(w, DIGITS) for w in row] for row in weights.tolist()],
    }


def make() -> dict:
    """Return the data of the figure, by language and number."""
    model, vocabulary = train()
    return {
        LANGUAGES[language]: {
            str(number): alignment(model, vocabulary, number, language)
            for number in NUMBERS
        }
        for language in LANGUAGES
    }
