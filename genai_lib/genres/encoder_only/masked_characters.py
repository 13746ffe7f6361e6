"""Make what the live figure of the encoder-only chapter shows.

`make stored TOPIC=encoder_only` writes it: for each place in held-out sentences what
the small BERT expects there when it is hidden, and what the small GPT expects after all
that stands before it.

Tests    tests/genres/encoder_only
"""

from pathlib import Path

import torch

from genai_lib.genres.decoder_only.next_characters import passages
from genai_lib.genres.decoder_only.stored import load_small_gpt
from genai_lib.genres.encoder_only.stored import load_small_bert

PATH = Path(__file__).with_name("stored") / "masked_characters.json"
SHOWN, DIGITS = 6, 6


@torch.no_grad()
def expectations(passage: str) -> list[dict]:
    """List for each place but the first what both models expect.

    Each entry has the characters that are most probable under either model, among
    them the one that is hidden, with both probabilities.
    """
    bert, tokens = load_small_bert()
    gpt, characters = load_small_gpt()
    row = tokens.encode(passage)
    # Row i hides character i; the first token stands before them.
    hidden = row.repeat(len(passage), 1)
    hidden[:, 1:].fill_diagonal_(tokens.mask)
    scores = bert(hidden)[:, 1:, : len(characters)].double()
    by_bert = scores.diagonal(dim1=0, dim2=1).T.softmax(-1)  # (places, characters)
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


def make() -> dict:
    """Compute everything."""
    return {
        name: {"text": text, "places": expectations(text)}
        for name, text in passages().items()
    }
