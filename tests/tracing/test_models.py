"""Whole networks give on the page what PyTorch gives, at random inputs."""

import json
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genai_lib.genres.encoder_decoder.stored import load_four_genres
from genai_lib.genres.encoder_only.stored import load_small_bert
from genai_lib.tracing import export_live
from tests.live.v8 import Page


def worst(export, draw, times=50):
    """Return the largest difference at random inputs, relative to numbers above 1."""
    page, largest = Page(export), 0.0
    names = [x["name"] for x in json.loads(export.graph)["inputs"]]
    for seed in range(times):
        inputs = draw(torch.Generator().manual_seed(seed))
        wanted = export.module(*inputs)
        found = page.run(export.name, dict(zip(names, inputs, strict=True)))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for want, have in zip(wanted, found.values(), strict=True):
            apart = (want - have).abs() / want.abs().clamp(min=1)
            largest = max(largest, apart.max().item())
    return largest


def tolerance(export):
    return json.loads(export.graph)["tolerance"]


def test_bert_fills_hidden_characters():
    model, tokens = load_small_bert()
    text = tokens.encode("a method to find [structure]")
    export = export_live(
        model,
        [text],
        name="bert",
        inputs={"tokens": (0, tokens.count - 1)},
        outputs=["logits"],
    )

    def draw(generator):
        return (torch.randint(tokens.count, text.shape, generator=generator),)

    assert worst(export, draw) < tolerance(export)


def test_deberta_and_t5():
    models, characters = load_four_genres()

    def draw(generator, *lengths):
        ids = (1, len(characters))
        return tuple(torch.randint(*ids, (1, n), generator=generator) for n in lengths)

    for name, lengths in (("DeBERTa", (12,)), ("T5", (12, 5))):
        inputs = draw(torch.Generator(), *lengths)
        names = ["source", "target"][: len(lengths)]
        export = export_live(
            models[name], inputs, name=name, inputs=names, outputs=["logits"]
        )
        found = worst(export, lambda g, lengths=lengths: draw(g, *lengths), times=10)
        assert found < tolerance(export)


class Denoiser(nn.Module):
    """A small U-Net that knows the time and a class."""

    def __init__(self, width: int = 16, classes: int = 11):
        super().__init__()
        self.classes = nn.Embedding(classes, width)
        self.time = nn.Sequential(
            nn.Linear(8, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.enter = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.norm, self.other = nn.GroupNorm(4, 2 * width), nn.GroupNorm(4, width)
        self.up = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.leave = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        angles = time[:, None] * 2.0 ** torch.arange(4)
        waves = torch.cat([angles.sin(), angles.cos()], -1)
        known = self.time(waves) + self.classes(label)
        high = F.silu(self.other(self.enter(x) + known[..., None, None]))
        low = F.silu(self.norm(self.down(high)))
        low = F.interpolate(low, scale_factor=2.0)[:, :, ::2, ::2] + low
        return self.leave(torch.cat([high, self.up(low)], 1))


class Sampler(nn.Module):
    """A whole sampling loop with guidance, as one graph."""

    def __init__(self, denoiser: nn.Module, steps: int = 4):
        super().__init__()
        self.denoiser = denoiser
        self.register_buffer("kept", torch.linspace(0.02, 0.99, steps + 1))

    def forward(self, noise: Tensor, label: Tensor, guidance: Tensor) -> Tensor:
        x = noise
        for now, then in zip(self.kept[:-1], self.kept[1:], strict=True):
            time = -now.log().expand(len(x))
            free = self.denoiser(x, time, torch.full_like(label, 10))
            guess = free + guidance * (self.denoiser(x, time, label) - free)
            clean = (x - (1 - now).sqrt() * guess) / now.sqrt()
            x = then.sqrt() * clean.clamp(-1, 1) + (1 - then).sqrt() * guess
        return x


def test_a_sampling_loop_with_a_convolutional_network():
    torch.manual_seed(0)
    inputs = (torch.randn(3, 1, 8, 8), torch.tensor([1, 2, 3]), torch.tensor([2.0]))
    names = {"noise": None, "label": (0, 10), "guidance": (0, 8)}
    export = export_live(
        Sampler(Denoiser()),
        inputs,
        name="sampler",
        inputs=names,
        outputs=["picture"],
        tolerance=2e-4,
    )

    def draw(generator):
        label = torch.randint(11, (3,), generator=generator)
        guidance = 8 * torch.rand(1, generator=generator)
        return torch.randn(3, 1, 8, 8, generator=generator), label, guidance

    assert worst(export, draw) < tolerance(export)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_layers_of_neurons_one_point_or_many(activation):
    torch.manual_seed(0)
    layers = [nn.Linear(2, 32), activation(), nn.Linear(32, 32), activation()]
    network = nn.Sequential(*layers, nn.Linear(32, 1), nn.Flatten(0))
    for count in (1, 40):
        export = export_live(
            network, [torch.ones(count, 2)], name="net", inputs=["x"], outputs=["y"]
        )

        def draw(generator, count=count):
            return (3 * torch.randn(count, 2, generator=generator),)

        assert worst(export, draw) < tolerance(export)


def test_a_draw_from_probabilities_by_one_given_number():
    def draw(logits, uniform):
        kept = logits.masked_fill(logits < logits.topk(3).values[-1:], -math.inf)
        sums = kept.softmax(-1).cumsum(-1)
        return (sums <= uniform * sums[-1]).sum(-1)

    inputs = (torch.randn(9), torch.tensor(0.5))
    export = export_live(
        draw, inputs, name="draw", inputs=["logits", "uniform"], outputs=["index"]
    )
    page, generator = Page(export), torch.Generator().manual_seed(1)
    for _ in range(200):
        logits = torch.randn(9, generator=generator)
        uniform = torch.rand((), generator=generator)
        found = page.run("draw", {"logits": logits, "uniform": uniform})["index"]
        assert found == draw(logits, uniform)
