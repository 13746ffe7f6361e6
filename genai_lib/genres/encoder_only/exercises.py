"""Checkers for the exercises of chapters/genres/encoder_only.ipynb."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.exercises import as_number, as_tensor_like, checker
from genai_lib.genres.encoder_only import IGNORED

MASK, V = 9, 10


@checker
def check_mask_spans(function: Callable[..., tuple[Tensor, Tensor]]):
    """Check `function(tokens, starts, length, mask_token)`: inputs and targets."""
    generator = torch.Generator().manual_seed(0)
    first = torch.tensor([[1, 2, 3, 4, 5, 6], [3, 1, 4, 1, 5, 8]])
    others = torch.randint(1, 50, (3, 9), generator=generator)
    single = torch.tensor([[7, 9, 9, 7]])
    cases = (
        (first, [1, 4], 2, MASK),
        (others, [0, 6, 4], 3, 55),
        (others, [8, 7, 5], 3, 55),
        (single, [1], 1, 0),
        (single, [0], 4, 8),
    )
    for tokens, starts, length, mask_token in cases:
        problem = _problem_of_spans(function, tokens, starts, length, mask_token)
        if problem:
            return problem
    return None


def _problem_of_spans(function, tokens, starts, length, mask_token) -> str | None:
    masked = torch.zeros_like(tokens).bool()
    for row, start in enumerate(starts):
        masked[row, start : start + length] = True
    passed = tokens.clone()
    answer = function(passed, torch.tensor(starts), length, mask_token)
    inputs, targets = (as_tensor_like(part, tokens) for part in answer)
    case = f"with starts {starts}, length {length} and mask token {mask_token}"
    if not tokens.equal(passed):
        return "the tokens that were passed have changed; work on a copy"
    for name, found in {"inputs": inputs, "targets": targets}.items():
        if found is None:
            shape = tuple(tokens.shape)
            return f"the {name} must be a Tensor of the shape of the tokens, {shape}"
    wanted = tokens.masked_fill(masked, mask_token)
    if not (inputs == mask_token).equal(wanted == mask_token):
        right, places = ((x == mask_token).nonzero().tolist() for x in (wanted, inputs))
        shown = f"{', '.join(map(str, right[:-1]))} and {right[-1]}"
        return f"{case}, {shown} should be masked, not {places}"
    if not inputs.equal(wanted):
        return "a token that is not masked has changed in the inputs"
    if not targets[masked].equal(tokens[masked]):
        return "the targets of masked positions are not the original tokens"
    if not (targets[~masked] == IGNORED).all():
        return f"the targets of all other positions should be {IGNORED}"
    return None


class _Neighbours(nn.Module):
    """Predict the sum of both neighbours, and the token itself if it is not masked."""

    def forward(self, tokens: Tensor) -> Tensor:
        left = functional.pad(tokens, (1, 0))[:, :-1]
        right = functional.pad(tokens, (0, 1))[:, 1:]
        near = functional.one_hot((left + right) % V, V)
        seen = functional.one_hot(tokens, V) * (tokens != MASK)[..., None]
        return 2.0 * near + 8.0 * seen


def _bits(model: nn.Module, row: Tensor) -> list[float]:
    costs = []
    for place, token in enumerate(row.tolist()):
        masked = row.clone()
        masked[place] = MASK
        chances = model(masked[None])[0, place].softmax(-1)
        costs.append(-math.log2(chances[token].item()))
    return costs


@checker
def check_masked_bits(function: Callable[[nn.Module, Tensor, int], float]):
    """Check `function(model, row, mask_token)`: mean bits, each token masked once."""
    for row in ([1, 3, 2, 7, 5, 6, 1], [4, 4], [2, 8, 8, 0, 3, 5, 1, 1, 6, 2, 7]):
        problem = _problem_of_masked_bits(function, torch.tensor(row))
        if problem:
            return problem
    return None


def _problem_of_masked_bits(function: Callable, row: Tensor) -> str | None:
    model = _Neighbours()
    found = as_number(function(model, row.clone(), MASK))
    if found is None:
        return "a finite number is wanted"
    wanted = sum(_bits(model, row)) / len(row)

    def mean(inputs: Tensor) -> float:
        logits = model(inputs[None])[0]
        return functional.cross_entropy(logits, row).item() / math.log(2)

    mistakes = {
        mean(row): "no token is masked: the model reads what it should predict",
        mean(
            torch.full_like(row, MASK)
        ): "all tokens are masked at once; mask one at a time",
        wanted * math.log(2): "these are nats; divide by ln 2",
        wanted * len(row): "this is the sum; divide by the number of tokens",
    }
    for value, message in mistakes.items():
        if math.isclose(found, value, rel_tol=1e-4):
            return message
    if not math.isclose(found, wanted, rel_tol=1e-4):
        return f"for a made-up model the mean should be {wanted:.4f}, not {found:.4f}"
    return None
