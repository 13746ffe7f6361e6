"""Calibration: does a probability of 0.9 come true nine times in ten?

Chapter  chapters/components/softmax.ipynb
Tests    tests/components/softmax

Letters used in this file
    z  logits    θ  temperature    β = 1/θ  inverse temperature    p  probabilities
    N  examples    K  classes

References
    [1] Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599
"""

import math

from torch import Tensor

from genai_lib.checks import check_labels, check_positive
from genai_lib.components.softmax.normalizer import softmax


def expected_calibration_error(
    probabilities: Tensor, labels: Tensor, bins: int = 15
) -> float:
    """Average |accuracy - confidence| over equal-width bins of confidence [1, eq. 3].

    Parameters
    ----------
    probabilities : Tensor of shape (N, K)
    labels : integer Tensor of shape (N,)
    bins : int, default=15

    >>> import torch
    >>> sure = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    >>> round(expected_calibration_error(sure, torch.tensor([0, 1])), 6)
    0.4
    """
    check_labels("probabilities", probabilities, labels)
    (bins,) = check_positive(bins=bins)
    if not probabilities.isfinite().all():
        raise ValueError("probabilities holds a value that is not finite")
    confidence, guess = probabilities.double().max(dim=-1)  # (N,), (N,)
    gap = (guess == labels).double() - confidence
    which = (confidence * bins).ceil().long().clamp(1, bins) - 1
    # The sum of a bin's gaps is its size times (accuracy - confidence).
    sums = gap.new_zeros(bins).index_add(0, which, gap)
    return (sums.abs().sum() / len(labels)).item()


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the θ with the lowest mean negative log-likelihood [1, §4.2].

    The loss is convex in β = 1/θ; its slope in β, the mean of E_p[z] - z_label, is
    bisected.

    Parameters
    ----------
    logits : Tensor of shape (N, K), finite
    labels : integer Tensor of shape (N,)

    Returns
    -------
    float
        0 if every label has the largest logit (then sharper is always better); ∞ if
        the labels' logits are on average no larger than all the others.
    """
    check_labels("logits", logits, labels)
    if not logits.isfinite().all():
        raise ValueError("logits holds a value that is not finite")
    z = logits.detach().double()
    wanted = z.gather(1, labels[:, None]).mean()
    if z.amax(dim=-1).mean() <= wanted:
        return 0.0
    if z.mean() >= wanted:
        return math.inf
    middle = math.log(z.max() - z.min())  # log θ
    step = 40.0
    while step > 1e-12:
        expected = (softmax(z, math.exp(middle), dim=-1) * z).sum(dim=-1).mean()
        step /= 2
        middle += step if expected > wanted else -step
    return math.exp(middle)
