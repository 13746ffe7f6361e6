"""Checkers for the exercises of chapters/genres/decoder_only.ipynb."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genai_lib.components.positions import AlibiPositions
from genai_lib.components.softmax import softmax
from genai_lib.exercises import as_number, as_tensor_like, checker
from genai_lib.genres.decoder_only import GPT, GPTConfig, KneserNey

TOLERANCE = 1e-5


@checker
def check_changed_gpt(function: Callable[[GPTConfig], GPT]):
    """Check `function(config)`: a GPT with softmax1 and ALiBi."""
    config = GPTConfig(vocab_size=7, context=8, width=12, heads=3)
    model = function(config)
    if not isinstance(model, GPT) or model.config != config:
        return "a GPT of the given configuration is wanted"
    if not isinstance(model.scheme, AlibiPositions):
        return f"its positions are {type(model.scheme).__name__}, not AlibiPositions"
    for block in model.blocks:
        if block.attention.scheme is not model.scheme:
            return "not every attention knows the positions"
        if block.attention.normalize is softmax:
            return "the attentions still use softmax"
        total = 3 + math.exp(2)
        wanted = torch.tensor([[1.0, 1.0, math.exp(2)]]) / total
        logits = torch.tensor([[0.0, 0.0, 2.0]])
        found = as_tensor_like(block.attention.normalize(logits, dim=-1), wanted)
        if found is None or not torch.allclose(found, wanted, atol=TOLERANCE):
            return f"of the logits 0, 0 and 2 the last weight is not e²/{total:.2f}"
    if model(torch.zeros(1, 20).long()).shape != (1, 20, 7):
        return "with ALiBi it should read more than its context"
    return None


@checker
def check_bits_per_token(function: Callable[[Tensor, Tensor], float]):
    """Check `function(logits, tokens)`: the mean bits of a batch, shifted rightly."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 5, 7, generator=generator)
    tokens = torch.randint(7, (2, 5), generator=generator)

    def shifted(by: int) -> float:
        rows = logits[:, : 5 - by].log_softmax(-1)
        return -rows.gather(2, tokens[:, by:, None]).mean().item() / math.log(2)

    found = as_number(function(logits, tokens))
    if found is None:
        return "a finite number is wanted"
    mistakes = {
        shifted(
            0
        ): "each row is compared with the token it has just read; shift by one",
        shifted(2): "the tokens are shifted twice",
        shifted(1) * math.log(2): "these are nats; divide by ln 2",
        2 ** shifted(1): "this is the perplexity, 2 to the power of what is wanted",
    }
    for value, message in mistakes.items():
        if math.isclose(found, value, abs_tol=TOLERANCE):
            return message
    if not math.isclose(found, shifted(1), abs_tol=TOLERANCE):
        return (
            f"for random logits the result should be {shifted(1):.4f}, not {found:.4f}"
        )
    return None


@checker
def check_continuation_counts(function: Callable[[str], dict[str, int]]):
    """Check `function(text)`: after how many different characters each one comes."""
    for text in ("aabab", "qzqzqzqz", "san francisco, san francisco", "abc"):
        wanted = KneserNey(text, 2, sorted(set(text))).levels[0].counts
        found = dict(function(text))
        if found != wanted and found == {c: text[1:].count(c) for c in set(text[1:])}:
            return "these are plain counts; each pair of characters counts once"
        missing = sorted(set(found) ^ set(wanted))
        if missing:
            return f"in {text!r} the characters that follow another differ: {missing}"
        for character, count in wanted.items():
            if found[character] != count:
                return (
                    f"in {text!r} {character!r} comes after {count} different "
                    f"characters, not {found[character]}"
                )
    return None
