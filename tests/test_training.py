"""The training loop, its errors, and weights on disk."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from genai_lib.training import cosine, fit, load_weights, save_weights


def line_batches():
    """Points on y = 3x - 1."""
    x = torch.linspace(-1, 1, 16)[:, None]
    return itertools.repeat((x, 3 * x - 1))


def squared_error(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def test_fit_finds_a_line():
    model = nn.Linear(1, 1)
    history = fit(model, line_batches(), squared_error, steps=400, learning_rate=0.05)
    assert_close(model.weight.item(), 3.0, atol=0.01, rtol=0)
    assert_close(model.bias.item(), -1.0, atol=0.01, rtol=0)
    assert len(history.losses) == 400
    assert history.smoothed(10)[-1] < 1e-3 < history.smoothed(10)[5]
    assert not model.training


def test_one_step_is_one_step_of_the_optimizer():
    model, twin = nn.Linear(1, 1), nn.Linear(1, 1)
    twin.load_state_dict(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fit(model, line_batches(), squared_error, steps=1, optimizer=optimizer, clip=None)

    squared_error(twin, next(line_batches())).backward()
    assert_close(model.weight, twin.weight - 0.1 * twin.weight.grad)


def test_clip_bounds_the_step():
    model = nn.Linear(1, 1)
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(model, line_batches(), squared_error, steps=1, optimizer=optimizer, clip=1e-3)
    assert (model.weight - before).abs().item() <= 1.001e-3


def test_schedule_multiplies_the_rate_of_every_step():
    seen = []
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def loss(model, batch):
        seen.append(optimizer.param_groups[0]["lr"])
        return squared_error(model, batch)

    fit(model, line_batches(), loss, steps=4, optimizer=optimizer, schedule=lambda t: t)
    assert seen == [0.0, 0.125, 0.25, 0.375]


def test_cosine_rises_then_falls_to_zero():
    rate = cosine(warmup=0.1)
    assert rate(0.0) == 0.0
    assert rate(0.05) == pytest.approx(0.5)
    assert rate(0.1) == 1.0
    assert rate(0.55) == pytest.approx(0.5)
    assert rate(1.0) == pytest.approx(0.0)


def test_average_follows_the_weights_slowly():
    model = nn.Linear(1, 1)
    history = fit(
        model, line_batches(), squared_error, steps=50, learning_rate=0.05, ema=0.9
    )
    slow, fast = history.averaged.weight.item(), model.weight.item()
    assert slow != fast
    assert abs(slow - fast) < 1


def test_progress_is_five_measured_lines(capsys, monkeypatch):
    monkeypatch.delenv("GENAI_PROGRESS", raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    fit(nn.Linear(1, 1), line_batches(), squared_error, steps=10)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all("loss ≈ " in line for line in lines)


def test_a_loss_that_is_not_finite_stops_the_training():
    with pytest.raises(ValueError, match="the loss became nan at step 0"):
        fit(
            nn.Linear(1, 1),
            line_batches(),
            lambda m, b: torch.tensor(math.nan),
            steps=3,
        )
    with pytest.raises(ValueError, match="loss must return a scalar"):
        fit(nn.Linear(1, 1), line_batches(), lambda m, b: m(b[0]), steps=3)


def test_batches_that_end_early_and_no_steps_are_errors():
    few = itertools.islice(line_batches(), 2)
    with pytest.raises(ValueError, match="batches ended after 2 of steps=3"):
        fit(nn.Linear(1, 1), few, squared_error, steps=3)
    with pytest.raises(ValueError, match="steps=0"):
        fit(nn.Linear(1, 1), line_batches(), squared_error, steps=0)
    with pytest.raises(ValueError, match="warmup=1"):
        cosine(warmup=1)


class Tied(nn.Module):
    """Two names for one weight."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


@pytest.mark.parametrize("make", [lambda: nn.Linear(3, 2), Tied])
def test_weights_survive_the_disk(tmp_path, make):
    model, other = make(), make()
    save_weights(model, tmp_path / "w.safetensors")
    load_weights(other, tmp_path / "w.safetensors")
    assert_close(other.state_dict(), model.state_dict())


def test_bad_files_are_named_and_change_nothing(tmp_path):
    path = tmp_path / "w.safetensors"
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
    before = {name: w.clone() for name, w in model.state_dict().items()}

    with pytest.raises(ValueError, match="there is no such file"):
        load_weights(model, path)
    save_weights(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 4)), path)
    with pytest.raises(ValueError, match=r"weight '1.weight' of shape \(3, 2\)"):
        load_weights(model, path)
    save_weights(nn.Sequential(nn.Linear(2, 2)), path)
    with pytest.raises(ValueError, match="the file has None"):
        load_weights(model, path)
    save_weights(nn.Sequential(*[nn.Linear(2, n) for n in (2, 3, 1)]), path)
    with pytest.raises(ValueError, match="unknown weights"):
        load_weights(model, path)
    save_weights(model, path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        load_weights(model, path)

    assert_close(dict(model.state_dict()), before)
