"""Time two functions side by side in one run."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor


def forward_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Run a function forward, and backward from a fixed gradient."""
    x.grad = None
    y = function(x)
    y.backward(torch.ones_like(y))


def compare(ours: Callable[[], None], reference: Callable[[], None], repeats: int = 15):
    """Return the median seconds of both, measured in turns, and their ratio."""
    times = {ours: [], reference: []}
    for function in (ours, reference):
        function()
    for _ in range(repeats):
        for function, seconds in times.items():
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    mine, theirs = (statistics.median(times[f]) for f in (ours, reference))
    ratios = [a / b for a, b in zip(times[ours], times[reference], strict=True)]
    return mine, theirs, statistics.median(ratios)


def row(name: str, mine: float, theirs: float, ratio: float, goal: float) -> str:
    """Format one line of a table of comparisons."""
    return (
        f"{name:<48}{1e3 * mine:9.2f} ms{1e3 * theirs:9.2f} ms"
        f"{ratio:7.2f}  (goal {goal:g})"
    )
