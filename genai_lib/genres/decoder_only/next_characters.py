"""Make what the live figure of the decoder-only chapter shows.

`make stored TOPIC=decoder_only` writes them: for each place in held-out sentences what
the small GPT and a 5-gram expect there.

Tests    tests/genres/decoder_only
"""

import math
from pathlib import Path

import torch

from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import KneserNey
from genai_lib.genres.decoder_only.stored import load_small_gpt

PATH = Path(__file__).with_name("stored") / "next_characters.json"
BEGINNINGS = {
    "a method": "RANSAC is an iterative algorithm",
    "an estimator": "A voting regressor is an ensemble",
}
LENGTH, ORDER, SHOWN = 86, 5, 6
DIGITS = 6


def passages() -> dict[str, str]:
    """Cut the sentences out of the held-out text."""
    text = load_documentation().validation.replace("\n", " ")
    starts = {name: text.index(beginning) for name, beginning in BEGINNINGS.items()}
    return {name: text[start : start + LENGTH] for name, start in starts.items()}


@torch.no_grad()
def expectations(passage: str) -> list[dict]:
    """List for each place but the first what both models expect.

    Each entry has the characters that are most probable under either model, among
    them the one that comes, with both probabilities, and the bits that it costs both.
    """
    model, characters = load_small_gpt()
    counts = KneserNey(load_documentation().train, ORDER, characters.vocabulary)
    rows = model(characters.encode(passage)[None])[0].double().softmax(-1)
    places = []
    for place in range(1, len(passage)):
        by_gpt = rows[place - 1].tolist()
        by_counts = counts.probabilities(passage[:place])
        best = sorted(range(len(by_gpt)), key=lambda i: -max(by_gpt[i], by_counts[i]))[
            :SHOWN
        ]
        (came,) = characters.encode(passage[place]).tolist()
        shown = best if came in best else [*best[:-1], came]
        places.append(
            {
                "options": [
                    [characters.vocabulary[i], round(by_gpt[i], DIGITS)]
                    + [round(by_counts[i], DIGITS)]
                    for i in shown
                ],
                "bits": [
                    round(-math.log2(p[came]), DIGITS) for p in (by_gpt, by_counts)
                ],
            }
        )
    return places


def make() -> dict:
    """Compute everything."""
    return {
        name: {"text": text, "places": expectations(text)}
        for name, text in passages().items()
    }
