"""The training loop of the book, and saving and loading of weights."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from genai_lib.checks import check_above_zero, check_positive, check_real
from genai_lib.files import read_safetensors, without_copies, write_safetensors

REPORTS = 5


@dataclass
class History:
    """The record of a training run.

    Attributes
    ----------
    losses : list of float
        The loss of every step.
    averaged : nn.Module or None
        The model with the exponential moving average of its weights, if asked for.
    """

    losses: list[float] = field(default_factory=list)
    averaged: nn.Module | None = None

    def smoothed(self, window: int = 20) -> list[float]:
        """Average the losses over a trailing window."""
        (window,) = check_positive(window=window)
        chunks = (
            self.losses[max(0, i + 1 - window) : i + 1] for i in range(len(self.losses))
        )
        return [sum(chunk) / len(chunk) for chunk in chunks]


def cosine(warmup: float = 0.05) -> Callable[[float], float]:
    """Make a schedule: a linear rise over `warmup`, then half a cosine down to 0.

    Returns
    -------
    function of the finished fraction of the training, from 0 to 1, to a factor.
    """
    wanted = "at least 0 and below 1"
    (warmup,) = check_real(wanted, lambda x: 0 <= x < 1, warmup=warmup)

    def factor(done: float) -> float:
        if done < warmup:
            return done / warmup
        return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))

    return factor


def fit(
    model: nn.Module,
    batches: Iterator,
    loss: Callable[[nn.Module, object], Tensor],
    *,
    steps: int,
    optimizer: torch.optim.Optimizer | None = None,
    learning_rate: float = 1e-3,
    schedule: Callable[[float], float] | None = None,
    clip: float | None = 1.0,
    ema: float | None = None,
) -> History:
    """Train a model: take `steps` steps down the gradient of `loss(model, batch)`.

    Parameters
    ----------
    model : nn.Module
    batches : iterator
        Yields what `loss` takes; it must not end before the training does.
    loss : function of (model, batch)
        Returns a scalar Tensor.
    steps : int
    optimizer : torch.optim.Optimizer, default=AdamW at `learning_rate`
    learning_rate : float, default=1e-3
    schedule : function of the finished fraction of the training, default=None
        Its value multiplies the learning rate. See `cosine`.
    clip : float, default=1.0
        The largest norm of the gradient; None leaves it alone.
    ema : float, default=None
        The decay of a moving average of the weights, kept in `History.averaged`.

    Raises
    ------
    ValueError
        If a number is out of its range, the batches end early, or a loss is not finite.
    """
    (steps,) = check_positive(steps=steps)
    learning_rate, clip, ema = _read(learning_rate, clip, ema)
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=learning_rate)
    rates = [group["lr"] for group in optimizer.param_groups]
    average = ema and AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema))
    history = History(averaged=average.module if average else None)
    model.train()
    for step in _progress(steps, history):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (schedule(step / steps) if schedule else 1.0)
        batch = next(batches, None)
        if batch is None:
            raise ValueError(f"batches ended after {step} of steps={steps}")
        value = loss(model, batch)
        _check_loss(value, step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if average:
            average.update_parameters(model)
        history.losses.append(value.item())
    model.eval()
    return history


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write the weights as a safetensors file; shared ones are written once."""
    kept, dropped = without_copies(model.state_dict())
    write_safetensors(path, kept, dropped)


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Read weights written by `save_weights`; on any error the model is unchanged.

    Raises
    ------
    ValueError
        If the file is missing, not a safetensors file, or holds other names or shapes,
        or NaN or infinity for a parameter.
    """
    stored = read_safetensors(path)
    wanted = model.state_dict()
    same = {
        tensor.data_ptr(): name for name, tensor in wanted.items() if name in stored
    }
    for name, tensor in wanted.items():
        twin = stored.get(name, stored.get(same.get(tensor.data_ptr())))
        if twin is None or twin.shape != tensor.shape:
            found = None if twin is None else tuple(twin.shape)
            raise ValueError(
                f"path={str(path)!r}: weight {name!r} of shape {tuple(tensor.shape)} "
                f"is wanted, the file has {found}"
            )
    for name, _ in model.named_parameters():
        if name in stored and not stored[name].isfinite().all():
            raise ValueError(
                f"path={str(path)!r}: weight {name!r} holds NaN or infinity"
            )
    extra = sorted(stored.keys() - wanted.keys())
    if extra:
        raise ValueError(f"path={str(path)!r} holds unknown weights {extra}")
    model.load_state_dict(stored, strict=False)


def _read(learning_rate, clip, ema) -> tuple[float, float | None, float | None]:
    (learning_rate,) = check_above_zero(learning_rate=learning_rate)
    if clip is not None:
        (clip,) = check_above_zero(clip=clip)
    if ema is not None:
        wanted = "at least 0 and below 1"
        (ema,) = check_real(wanted, lambda x: 0 <= x < 1, ema=ema)
    return learning_rate, clip, ema


def _check_loss(value: Tensor, step: int) -> None:
    if value.ndim != 0:
        raise ValueError(f"loss must return a scalar, got shape {tuple(value.shape)}")
    if not torch.isfinite(value):
        raise ValueError(
            f"the loss became {value.item()} at step {step}; "
            "a smaller learning_rate or a smaller clip may help"
        )


def _progress(steps: int, history: History) -> Iterator[int]:
    """Count the steps: a bar where it can be watched, else five lines."""
    if os.environ.get("GENAI_PROGRESS") == "1" or sys.stderr.isatty():
        yield from tqdm(range(steps))
        return
    marks = {round(steps * (i + 1) / REPORTS) for i in range(REPORTS)}
    for step in range(steps):
        yield step
        if step + 1 in marks:
            recent = history.losses[-max(1, steps // REPORTS) :]
            mean = sum(recent) / len(recent)
            print(f"step {step + 1:>6} of {steps}  loss ≈ {mean:.3g}")
