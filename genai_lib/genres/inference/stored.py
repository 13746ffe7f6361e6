"""Make the data of the live figure of the inference chapter.

`make stored TOPIC=inference` writes next_tokens.json: the logits of the small GPT for
the next character after two beginnings, the largest first.

Tests    tests/genres/inference
"""

import json
from pathlib import Path

import torch

from genai_lib.genres.decoder_only.stored import load_small_gpt

PATH = Path(__file__).with_name("stored") / "next_tokens.json"
BEGINNINGS = {
    "… are: ↵↵- |": "The parameters are: \n\n- ",
    "… number of sampl|": "The estimator needs a larger number of sampl",
}
DIGITS = 5


@torch.no_grad()
def make() -> dict[str, dict[str, float]]:
    """Return logits by beginning and character, relative to the largest."""
    model, characters = load_small_gpt()
    found = {}
    for name, beginning in BEGINNINGS.items():
        logits = model(characters.encode(beginning)[None])[0, -1].double()
        best = (logits - logits.max()).sort(descending=True)
        found[name] = {
            characters.vocabulary[place]: round(logit, DIGITS)
            for logit, place in zip(
                best.values.tolist(), best.indices.tolist(), strict=True
            )
        }
    return found


def make_next_tokens(folder: Path) -> None:
    """Write the data of the figure into a folder."""
    (folder / PATH.name).write_text(json.dumps(make()) + "\n", encoding="utf-8")


MAKERS = {make_next_tokens: ("next_tokens.json",)}
