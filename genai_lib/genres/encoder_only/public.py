"""Load a published BERT with its tokenizer, and fill in masked tokens.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only
"""

import torch
from tokenizers import Tokenizer

from genai_lib.genres.decoder_only.public import read_tokenizer
from genai_lib.genres.encoder_only import Bert
from genai_lib.pretrained import find_folder

MASK = "[MASK]"


def load_public_bert(name: str) -> tuple[Bert, Tokenizer]:
    """Load a BERT and its tokenizer from a folder, or by a name on the hub.

    Raises
    ------
    ValueError
        If the model cannot be fetched, the folder has no tokenizer.json that fits, or
        `Bert.from_pretrained` fails.
    """
    folder = find_folder(name)
    model = Bert.from_pretrained(folder)
    return model, read_tokenizer(folder, model.config.vocab_size)


@torch.no_grad()
def fill_mask(
    model: Bert, tokenizer: Tokenizer, text: str, shown: int = 5
) -> list[tuple[str, float]]:
    """List the most probable tokens for the first [MASK] of a text.

    Parameters
    ----------
    model : Bert
    tokenizer : Tokenizer
    text : str
        A text with at least one "[MASK]".
    shown : int, default=5

    Returns
    -------
    list of (token, probability)
    """
    ids = tokenizer.encode(text).ids
    mask = tokenizer.token_to_id(MASK)
    if mask not in ids:
        raise ValueError(f"text={text!r} has no {MASK} that the tokenizer knows")
    row = torch.tensor([ids], device=model.embedding.weight.device)
    chances = model(row)[0, ids.index(mask)].softmax(-1)
    best = chances.topk(min(shown, len(chances)))
    names = [tokenizer.decode([i]) for i in best.indices.tolist()]
    return list(zip(names, best.values.tolist(), strict=True))
