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
    for sizes in ((7, 8, 12, 3, 2), (5, 6, 8, 2, 1)):
        problem = _problem_of_gpt(function, GPTConfig(*sizes))
        if problem:
            return problem
    return None


def _problem_of_gpt(
    function: Callable[[GPTConfig], GPT], config: GPTConfig
) -> str | None:
    model = function(config)
    if not isinstance(model, GPT) or model.config != config:
        return "the function should return a GPT of the given configuration"
    if not isinstance(model.positional_encoding, AlibiPositions):
        found = type(model.positional_encoding).__name__
        return f"its positional encoding is {found}, not AlibiPositions"
    for block in model.blocks:
        if block.attention.positional_encoding is not model.positional_encoding:
            return "not every attention has the positional encoding"
        if block.attention.normalize is softmax:
            return "the attentions still use softmax"
        problem = _problem_of_softmax_one(block.attention.normalize)
        if problem:
            return problem
    if model(torch.zeros(1, 20).long()).shape != (1, 20, config.vocab_size):
        return "with ALiBi it should read texts longer than its context"
    return None


def _problem_of_softmax_one(normalize: Callable[..., Tensor]) -> str | None:
    small = [0.0, 0.0, 2.0]
    rows = (small, [100.0, 100.0, -3.0], [1000.0, -1000.0, 0.0], [-1000.0] * 3)
    for dim in (-1, 0):
        for row in rows:
            logits = torch.tensor(row).view(3, 1).expand(3, 2).movedim(0, dim)
            # As softmax with one more logit, 0, whose weight is then left out.
            zero = logits.narrow(dim, 0, 1) * 0
            wanted = torch.cat([zero, logits], dim).softmax(dim).narrow(dim, 1, 3)
            found = as_tensor_like(normalize(logits.clone(), dim=dim), wanted)
            if found is not None and torch.allclose(found, wanted, atol=TOLERANCE):
                continue
            if row == small and dim == -1:
                total = 3 + math.exp(2)
                return f"of the logits 0, 0 and 2 the last weight is not e²/{total:.2f}"
            return f"the weights of the logits {row} along dim={dim} are not right"
    return None


@checker
def check_bits_per_token(function: Callable[[Tensor, Tensor], float]):
    """Check `function(logits, tokens)`: the mean bits per token of a batch."""
    generator = torch.Generator().manual_seed(0)
    for shape, scale in (((2, 5, 7), 2), ((1, 3, 2), 1), ((4, 6, 11), 1000)):
        logits = scale * torch.randn(*shape, generator=generator)
        tokens = torch.randint(shape[2], shape[:2], generator=generator)
        problem = _problem_of_bits(function, logits, tokens)
        if problem:
            return problem
    return None


def _problem_of_bits(function: Callable, logits: Tensor, tokens: Tensor) -> str | None:
    def shifted(by: int) -> float:
        rows = logits[:, : tokens.shape[1] - by].log_softmax(-1)
        return -rows.gather(2, tokens[:, by:, None]).mean().item() / math.log(2)

    found = as_number(function(logits.clone(), tokens.clone()))
    if found is None:
        return "a finite number is wanted"
    mistakes = {
        shifted(0): "each row is compared with the token it has read; shift by one",
        shifted(2): "the tokens are shifted twice",
        shifted(1) * math.log(2): "these are nats; divide by ln 2",
        2.0 ** min(shifted(1), 1000.0): "this is the perplexity; return its log₂",
    }
    for value, message in mistakes.items():
        if math.isclose(found, value, rel_tol=TOLERANCE):
            return message
    if not math.isclose(found, shifted(1), rel_tol=TOLERANCE):
        return (
            f"for random logits the result should be {shifted(1):.4f}, not {found:.4f}"
        )
    return None


@checker
def check_continuation_counts(function: Callable[[str], dict[str, int]]):
    """Check `function(text)`: how many different characters each one follows."""
    for text in ("aabab", "qzqzqzqz", "san francisco, san francisco", "abc", "aaaa"):
        wanted = KneserNey(text, 2, sorted(set(text))).levels[0].counts
        # A character that follows none may be left out or come with 0.
        found = {key: count for key, count in dict(function(text)).items() if count}
        if found != wanted and found == {c: text[1:].count(c) for c in set(text[1:])}:
            return "these are plain counts; each pair of characters counts once"
        missing = sorted(set(found) ^ set(wanted))
        if missing:
            return f"in {text!r} the characters that follow another differ: {missing}"
        for character, count in wanted.items():
            if found[character] != count:
                return (
                    f"in {text!r} {character!r} follows {count} different "
                    f"characters, not {found[character]}"
                )
    return None
