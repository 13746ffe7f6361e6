"""Truncation of next-token distributions by top-k, top-p and min-p, and sampling.

Chapter  chapters/genres/inference.ipynb
Tests    tests/genres/inference

Shape letters used in this file
    ...  any leading dimensions    V  tokens in the vocabulary

Each cut sets the logits of what it removes to -∞, as in the library `transformers`
and in its order: temperature, top-k, top-p, min-p.

References
    [1] Fan et al., "Hierarchical Neural Story Generation", 2018, arXiv:1805.04833
    [2] Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020,
        arXiv:1904.09751
    [3] Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2024, arXiv:2407.01082
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genai_lib.checks import (
    can_be_read,
    check_floating,
    check_positive,
    check_real,
    check_share,
    describe,
    store_plain_numbers,
)
from genai_lib.components.softmax import sample, softmax


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keep the k largest logits [1], and all that are equal to the last of them.

    Parameters
    ----------
    logits : floating-point Tensor of shape (..., V)
    top_k : int
        From 1; above V it keeps everything.

    Returns
    -------
    Tensor of shape (..., V)
        -∞ where a token is cut.

    Raises
    ------
    ValueError
        If `top_k` is out of its range, or a row of the logits holds NaN or +∞, or
        only -∞. The other cuts raise the same errors.

    >>> keep_top_k(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    check_logits(logits)
    (top_k,) = check_positive(top_k=top_k)
    last = logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]  # (..., 1)
    return logits.masked_fill(logits < last, -math.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of tokens with a total probability of at least p [2].

    Parameters
    ----------
    logits : floating-point Tensor of shape (..., V)
    top_p : float
        From 0, which keeps only the most probable token, to 1, which keeps all.

    Returns
    -------
    Tensor of shape (..., V)
        -∞ where a token is cut.

    >>> keep_top_p(torch.tensor([0.5, 0.3, 0.2]).log(), 0.7).isfinite()
    tensor([ True,  True, False])
    """
    check_logits(logits)
    (top_p,) = check_share(top_p=top_p)
    rising, places = logits.sort(dim=-1)
    # A token is cut if it and all less probable ones sum to at most 1 - p.
    cut = softmax(rising, dim=-1).cumsum(dim=-1) <= 1 - top_p
    cut[..., -1] = False
    return logits.masked_fill(cut.scatter(-1, places, cut), -math.inf)


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Keep tokens at least min_p times as probable as the most probable one [3].

    Parameters
    ----------
    logits : floating-point Tensor of shape (..., V)
    min_p : float
        From 0, which keeps all, to 1, which keeps only the most probable.

    Returns
    -------
    Tensor of shape (..., V)
        -∞ where a token is cut.

    >>> keep_min_p(torch.tensor([0.5, 0.3, 0.2]).log(), 0.5).isfinite()
    tensor([ True,  True, False])
    """
    check_logits(logits)
    (min_p,) = check_share(min_p=min_p)
    probabilities = softmax(logits, dim=-1)
    least = min_p * probabilities.amax(dim=-1, keepdim=True)  # (..., 1)
    return logits.masked_fill(probabilities < least, -math.inf)


@dataclass(frozen=True)
class Sampling:
    """The options for choosing a token from logits.

    Attributes
    ----------
    temperature : float, default=1.0
        0 is greedy and takes the first of the largest logits; above 0, however small,
        equal logits have equal probabilities.
    top_k, top_p, min_p : default=None
        As in `keep_top_k`, `keep_top_p` and `keep_min_p`; None cuts nothing.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    def __post_init__(self) -> None:
        wanted = "finite and 0 or more"
        check_real(wanted, lambda x: 0 <= x < math.inf, temperature=self.temperature)
        if self.top_k is not None:
            check_positive(top_k=self.top_k)
        fractions = {"top_p": self.top_p, "min_p": self.min_p}
        check_share(**{name: p for name, p in fractions.items() if p is not None})
        store_plain_numbers(self)

    def cut(self, logits: Tensor) -> Tensor:
        """Divide by the temperature, then keep top-k, top-p and min-p, in this order.

        The temperature must not be 0. Shapes and errors are those of `keep_top_k`;
        16-bit logits become 32-bit ones.
        """
        check_logits(logits)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.temperature != 1:
            logits = _temper(logits, self.temperature)
        if self.top_k is not None:
            logits = keep_top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = keep_top_p(logits, self.top_p)
        if self.min_p is not None:
            logits = keep_min_p(logits, self.min_p)
        return logits

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the distribution of `draw`, of the shape of `logits`."""
        if self.temperature == 0:
            check_logits(logits)
            best = logits.argmax(dim=-1)
            return functional.one_hot(best, logits.shape[-1]).to(logits.dtype)
        return softmax(self.cut(logits), dim=-1)

    def draw(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return one token (...) for each row of logits (..., V)."""
        if self.temperature == 0:
            check_logits(logits)
            return logits.argmax(dim=-1)
        return sample(self.cut(logits), generator=generator)


def check_logits(logits: Tensor) -> None:
    """Raise ValueError unless each row of logits (..., V) defines a distribution.

    It does if its largest logit is finite: NaN counts as largest, +∞ comes from an
    overflow, and -∞ means that no token is left.
    """
    check_floating("logits", logits)
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits={describe(logits)} must have shape (..., V), V > 0")
    largest = logits.amax(dim=-1)
    if can_be_read(largest) and not largest.isfinite().all():
        value = largest[~largest.isfinite()][0].item()
        what = "only -inf" if value == -math.inf else f"an entry {value}"
        raise ValueError(f"logits={describe(logits)} has a row with {what}")


def _temper(logits: Tensor, temperature: float) -> Tensor:
    """Divide checked logits by θ > 0 without overflow.

    If z/θ would overflow, the largest logit of each row is subtracted first, which
    does not change the softmax.
    """
    masked = logits == -math.inf
    scaled = (logits / temperature).masked_fill(masked, -math.inf)
    if not can_be_read(scaled) or scaled.isfinite().equal(~masked):
        return scaled
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    scaled = (shifted / temperature).masked_fill(shifted == 0, 0.0)
    return scaled.masked_fill(masked, -math.inf)
