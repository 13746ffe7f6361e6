"""Max retrieval: find the largest of n numbers with one attention head.

Chapter  chapters/components/adaptive_temperature.ipynb
Tests    tests/components/adaptive_temperature

Shape letters used in this file
    B  sets      n  items of a set      C  classes      D  width

References
    [1] Veličković et al., "Softmax is not Enough (for Sharp Size Generalisation)",
        2025, arXiv:2410.01104
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.checks import (
    check_above_zero,
    check_each,
    check_positive,
    describe,
)
from genai_lib.components.attention import Normalizer, attend
from genai_lib.components.softmax import entropy, softmax

# Sets that are encoded at a time; bounds the memory, not the result.
CHUNK = 20


def draw_sets(
    sets: int,
    items: int,
    classes: int = 10,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw sets of items, each a priority from 0 to 1 and a class.

    Returns
    -------
    Tensor of shape (B, n, 1 + C)
        The priority, then the class as one-hot.
    """
    check_positive(sets=sets, items=items, classes=classes)
    device = None if generator is None else generator.device
    shape = (sets, items, 1)
    drawn = torch.zeros(sets, items, 1 + classes, device=device)
    drawn[..., :1] = torch.rand(shape, generator=generator, device=device)
    kind = torch.randint(classes, shape, generator=generator, device=device)
    return drawn.scatter_(-1, 1 + kind, 1.0)


def labels_of(sets: Tensor) -> Tensor:
    """Map sets (..., n, 1 + C) to the classes (...) of their largest priorities."""
    if sets.isnan().any():
        raise ValueError("sets holds NaN, so the largest priority is not defined")
    winner = sets[..., 0].argmax(dim=-1)[..., None, None]  # (..., 1, 1)
    return sets.take_along_dim(winner, dim=-2)[..., 0, 1:].argmax(dim=-1)


class MaxRetrieval(nn.Module):
    """Predict the class of the item with the largest priority, with one attention head.

    Every item is encoded alone; one learned query attends to all of them; a small
    network predicts the class. Only the attention can compare items.

    Parameters
    ----------
    normalize : function of (logits, dim), default=softmax
    classes : int, default=10
    width : int, default=64
    """

    def __init__(
        self, normalize: Normalizer = softmax, classes: int = 10, width: int = 64
    ) -> None:
        super().__init__()
        check_positive(classes=classes, width=width)
        self.normalize = normalize
        self.encoder = nn.Sequential(
            nn.Linear(1 + classes, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
        )
        self.query = nn.Parameter(torch.randn(width) / width**0.5)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, classes)
        )

    def forward(self, sets: Tensor) -> Tensor:
        """Map (B, n, 1 + C) to logits of the classes, (B, C)."""
        if sets.ndim != 3 or sets.shape[-1] != self.encoder[0].in_features:
            wanted = self.encoder[0].in_features
            raise ValueError(f"sets={describe(sets)} must have shape (B, n, {wanted})")
        items = self.encoder(sets)  # (B, n, D)
        query = self.query[None]  # (1, D)
        found, _ = attend(query, items, items, normalize=self.normalize, scale=1.0)
        return self.head(found.squeeze(-2))


class Outcome(NamedTuple):
    """The results of a normaliser at one size, averaged over sets.

    Attributes
    ----------
    accuracy : float
        How often the class is right.
    largest : float
        The largest weight of a set.
    entropy : float
        The entropy of the weights, in nats.
    """

    accuracy: float
    largest: float
    entropy: float


@torch.no_grad()
def compare(
    model: MaxRetrieval,
    normalizers: Mapping[str, Normalizer],
    sizes: Sequence[int],
    *,
    sets: int,
    most: int = 4,
    generator: torch.Generator | None = None,
) -> dict[str, dict[int, Outcome]]:
    """Exchange the normaliser of a trained model, and measure it at many sizes.

    Items are drawn and encoded once, in sets of the largest size; smaller sets are
    parts of these. So all normalisers see the same logits.

    Parameters
    ----------
    model : MaxRetrieval
    normalizers : dict of str to function of (logits, dim)
    sizes : sequence of int
        Each divides the largest.
    sets : int
        How many sets of the largest size.
    most : int, default=4
        The largest number of parts of one such set that serve as smaller sets.
    generator : torch.Generator, default=None

    Returns
    -------
    dict of dict
        By normaliser and size, the `Outcome`.
    """
    given, sizes = sizes, check_each(check_positive, sizes=sizes)
    largest, classes = max(sizes), model.encoder[0].in_features - 1
    if any(largest % size for size in sizes):
        raise ValueError(f"sizes={given} must all divide the largest, {largest}")
    sets, most = check_positive(sets=sets, most=most)
    device = model.query.device
    sums = {size: torch.zeros(len(normalizers), 3) for size in sizes}
    for start in range(0, sets, CHUNK):
        count = min(CHUNK, sets - start)
        drawn = draw_sets(count, largest, classes, generator).to(device)
        items = model.encoder(drawn)  # (B, n, D)
        logits = items @ model.query  # (B, n)
        for size in sizes:
            parts = slice(min(most, largest // size))
            pieces = (x.unflatten(1, (-1, size))[:, parts] for x in (logits, items))
            labels = labels_of(drawn.unflatten(1, (-1, size))[:, parts])
            sums[size] += _outcomes(model, normalizers.values(), *pieces, labels).cpu()
    means = {n: x / (sets * min(most, largest // n)) for n, x in sums.items()}
    return {
        name: {size: Outcome(*means[size][place].tolist()) for size in sizes}
        for place, name in enumerate(normalizers)
    }


def _outcomes(model, normalizers, logits, items, labels) -> Tensor:
    """Sum accuracy, largest weight and entropy over all sets, (normalisers, 3)."""
    weights = torch.stack([f(logits, dim=-1) for f in normalizers])  # (V, B, parts, n)
    found = (weights.movedim(0, -2) @ items).movedim(-2, 0)  # (V, B, parts, D)
    right = model.head(found).argmax(dim=-1) == labels
    scores = (right.float(), weights.amax(dim=-1), entropy(weights))
    return torch.stack([x.flatten(1).sum(dim=1) for x in scores], dim=-1)


@torch.no_grad()
def best_inverse_temperature(
    model: MaxRetrieval, sets: Tensor, candidates: Sequence[float]
) -> tuple[float, float]:
    """Find the β that makes a trained model's loss smallest on given sets.

    Parameters
    ----------
    model : MaxRetrieval
    sets : Tensor of shape (B, n, 1 + C)
    candidates : sequence of float
        The values of β to try.

    Returns
    -------
    entropy, beta : float
        The mean entropy of softmax on these sets, and the best β.
    """
    candidates = check_each(check_above_zero, candidates=candidates)
    items = model.encoder(sets)
    logits, labels = items @ model.query, labels_of(sets)
    losses = []
    for beta in candidates:
        weights = softmax(logits, temperature=1 / beta, dim=-1)
        found = (weights[:, None] @ items).squeeze(1)  # (B, D)
        losses.append(functional.cross_entropy(model.head(found), labels).item())
    best = min(range(len(losses)), key=losses.__getitem__)
    return entropy(softmax(logits, dim=-1)).mean().item(), candidates[best]
