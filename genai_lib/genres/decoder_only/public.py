"""Load a published GPT-2 with its tokenizer, and show its predictions on a text.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only
"""

from collections import Counter
from pathlib import Path

import torch
from tokenizers import Tokenizer

from genai_lib.genres.decoder_only import GPT, cross_entropy_bits
from genai_lib.pretrained import TOKENIZER, find_folder

SHOWN, DIGITS = 6, 6


def load_public_gpt(name: str) -> tuple[GPT, Tokenizer]:
    """Load a GPT-2 and its tokenizer from a folder, or by a hub name such as "gpt2".

    Raises
    ------
    ValueError
        If the folder has no tokenizer.json that fits, or `GPT.from_pretrained` refuses.
    """
    folder = find_folder(name)
    model = GPT.from_pretrained(folder)
    return model, read_tokenizer(folder, model.config.vocab_size)


def read_tokenizer(folder: Path, most: int) -> Tokenizer:
    """Read the tokenizer.json of a folder; `most` is how many tokens its model has.

    Raises
    ------
    ValueError
        If it is missing or broken, or has more tokens than the model.
    """
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the package raises nothing more specific
        raise ValueError(f"{folder / TOKENIZER} cannot be read: {error}") from error
    known = tokenizer.get_vocab_size()
    if known > most:
        raise ValueError(f"{folder / TOKENIZER} has {known} tokens, the model {most}")
    return tokenizer


@torch.no_grad()
def expectations(
    model: GPT, tokenizer: Tokenizer, text: str, shown: int = SHOWN
) -> dict:
    """List the predictions of a model for each token of a text but the first.

    Parameters
    ----------
    model : GPT
    tokenizer : Tokenizer
    text : str
        At least two tokens, and at most as many as the context of the model.
    shown : int, default=6
        How many tokens are listed at each position.

    Returns
    -------
    dict
        "text": the tokens as strings. "places": for each of them but the first the
        "options", which are the most probable tokens and the true one with their
        probabilities, and "bits", -log₂ of the probability of the true one.
    """
    ids = tokenizer.encode(text).ids
    if len(ids) < 2:
        raise ValueError(f"text={text!r} has {len(ids)} tokens, 2 are needed")
    tokens = torch.tensor(ids, device=model.embedding.weight.device)
    logits = model(tokens[None])[0, :-1].double()  # (T - 1, V)
    bits = cross_entropy_bits(logits, tokens[1:]).tolist()
    places = []
    for row, came, cost in zip(logits.softmax(-1), ids[1:], bits, strict=True):
        best = row.topk(min(shown, len(row))).indices.tolist()
        listed = best if came in best else [*best[:-1], came]
        chances = Counter()
        for i in listed:
            # Tokens that are parts of a character decode to the same string: sum them.
            chances[tokenizer.decode([i])] += row[i].item()
        options = [[piece, round(p, DIGITS)] for piece, p in chances.items()]
        places.append({"options": options, "bits": [round(cost, DIGITS)]})
    return {"text": [tokenizer.decode([i]) for i in ids], "places": places}
