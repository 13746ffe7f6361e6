"""Evaluate the network on captions and on text.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato/test_environments.py

Letters used in this file
    N  images or windows at once    T  tokens
"""

import torch
from torch import Tensor

from genai_lib.checks import check_positive
from genai_lib.genres.decoder_only import cross_entropy_bits
from genai_lib.genres.gato.model import Gato, likeliest
from genai_lib.genres.gato.sequences import (
    TokenBatch,
    action_tokens,
    join,
    plain_tokens,
)
from genai_lib.genres.gato.specification import Vocabulary


@torch.no_grad()
def generate_captions(
    model: Gato,
    observed: TokenBatch,
    vocabulary: Vocabulary,
    end: str,
    max_new_tokens: int = 8,
) -> list[str]:
    """Return the captions of images, by greedy decoding up to `end`.

    Parameters
    ----------
    model : Gato
    observed : TokenBatch
        A batch (N, T) of observations, each with its separator, without padding.
    vocabulary : Vocabulary
    end : str
        The character that ends a caption.
    max_new_tokens : int, default=8

    Raises
    ------
    ValueError
        If the logits are not finite.
    """
    (max_new_tokens,) = check_positive(max_new_tokens=max_new_tokens)
    device = model.local.weight.device
    sequences = observed.to(device)
    for _ in range(max_new_tokens):
        new = likeliest(model.next_logits(sequences), vocabulary.text_size)
        new = plain_tokens(new[:, None].cpu())
        sequences = join(sequences, action_tokens(new).to(device), dim=1)
    written = sequences.ids[:, -max_new_tokens:].tolist()
    return [vocabulary.characters.decode(ids).partition(end)[0] for ids in written]


@torch.no_grad()
def bits_per_character(model: Gato, windows: Tensor) -> float:
    """Return the mean bits per character in the second half of each window.

    Parameters
    ----------
    model : Gato
    windows : int64 Tensor of shape (N, T)
        Characters; each one that counts has at least T/2 before it.
    """
    half = windows.shape[1] // 2
    device = model.local.weight.device
    bits = []
    for part in windows.split(64):
        vectors = model.embed(plain_tokens(part[:, :-1]).to(device))
        later = model.backbone.hidden_states(embeddings=vectors)[:, half - 1 :]
        logits = model.backbone.to_logits(later)
        bits.append(cross_entropy_bits(logits, part[:, half:].to(device)))
    return torch.cat(bits).mean().item()
