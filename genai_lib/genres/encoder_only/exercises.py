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
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6], [3, 1, 4, 1, 5, 8]])
    before = tokens.clone()
    starts, length = torch.tensor([1, 4]), 2
    answer = function(tokens, starts, length, MASK)
    inputs, targets = (as_tensor_like(part, tokens) for part in answer)
    hidden = torch.zeros_like(tokens).bool()
    hidden[0, 1:3] = hidden[1, 4:6] = True
    if not tokens.equal(before):
        return "the tokens that were passed have changed; work on a copy"
    for name, found in {"inputs": inputs, "targets": targets}.items():
        if found is None:
            return f"the {name} must be a Tensor of the shape of the tokens, (2, 6)"
    if not (inputs == MASK).equal(hidden):
        places = (inputs == MASK).nonzero().tolist()
        return f"[0, 1], [0, 2], [1, 4] and [1, 5] should be masked, not {places}"
    if not inputs[~hidden].equal(tokens[~hidden]):
        return "a token that is not hidden has changed in the inputs"
    if not targets[hidden].equal(tokens[hidden]):
        return "the targets of hidden places are not the tokens that stood there"
    if not (targets[~hidden] == IGNORED).all():
        return f"the targets of visible places should be {IGNORED}, so nobody asks"
    return None


class _Neighbours(nn.Module):
    """Expect the sum of both neighbours, and whatever is visible at the place."""

    def forward(self, tokens: Tensor) -> Tensor:
        left = functional.pad(tokens, (1, 0))[:, :-1]
        right = functional.pad(tokens, (0, 1))[:, 1:]
        near = functional.one_hot((left + right) % V, V)
        seen = functional.one_hot(tokens, V) * (tokens != MASK)[..., None]
        return 2.0 * near + 8.0 * seen


def _bits(model: nn.Module, row: Tensor) -> list[float]:
    costs = []
    for place, token in enumerate(row.tolist()):
        hidden = row.clone()
        hidden[place] = MASK
        chances = model(hidden[None])[0, place].softmax(-1)
        costs.append(-math.log2(chances[token].item()))
    return costs


@checker
def check_hidden_bits(function: Callable[[nn.Module, Tensor, int], float]):
    """Check `function(model, row, mask_token)`: mean bits, each token hidden once."""
    model, row = _Neighbours(), torch.tensor([1, 3, 2, 7, 5, 6, 1])
    found = as_number(function(model, row.clone(), MASK))
    if found is None:
        return "a finite number is wanted"
    wanted = sum(_bits(model, row)) / len(row)

    def mean(inputs: Tensor) -> float:
        logits = model(inputs[None])[0]
        return functional.cross_entropy(logits, row).item() / math.log(2)

    mistakes = {
        mean(row): "no token is hidden: the model reads what it should guess",
        mean(torch.full_like(row, MASK)): "all tokens are hidden at once; hide one",
        wanted * math.log(2): "these are nats; divide by ln 2",
        wanted * len(row): "this is the sum; divide by the number of tokens",
    }
    for value, message in mistakes.items():
        if math.isclose(found, value, rel_tol=1e-4):
            return message
    if not math.isclose(found, wanted, rel_tol=1e-4):
        return f"for a made-up model the mean should be {wanted:.4f}, not {found:.4f}"
    return None
