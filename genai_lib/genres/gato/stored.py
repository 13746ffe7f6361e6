"""Five specialists of the chapter on Gato: networks trained on one source each.

`make stored TOPIC=gato` trains them again, in about a minute on one core. Each has the
size of the chapter's joint network and is trained on as many batches of its source.
Weights are stored as int8 with one scale for each row, so that all five fit into one
megabyte.

Tests    tests/genres/gato
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from genai_lib import runtime
from genai_lib.data.documentation import load_documentation
from genai_lib.files import read_safetensors, write_safetensors
from genai_lib.genres.gato import Gato
from genai_lib.genres.gato.training import (
    SEQUENCES_PER_BATCH,
    batches,
    demonstrations,
    documentation_vocabulary,
    new_network,
    streams,
    train,
)

PATH = Path(__file__).with_name("stored") / "alone.safetensors"
STEPS, WIDTH, LARGEST = 900, 64, 127
PROVENANCE = {
    "made_by": "make stored TOPIC=gato",
    "seed": "0",
    "steps": str(STEPS),
    "learned_from": "scripted experts, the digits and the text of the documentation",
}


def load_specialists(path: str | Path = PATH) -> dict[str, Gato]:
    """Load the specialists, by the name of their source."""
    stored, vocabulary = read_safetensors(path), documentation_vocabulary()
    networks = {
        name: new_network(vocabulary, WIDTH).eval() for name in SEQUENCES_PER_BATCH
    }
    for name, network in networks.items():
        for part, weight in _kept(name, network).items():
            whole, factors = (stored[f"{name}.{part}{s}"] for s in ("", ".factors"))
            weight.data.copy_(whole * factors.float())
    return networks


def save_specialists(networks: Mapping[str, Gato], path: str | Path = PATH) -> None:
    """Write the specialists to a file, with eight bits for each weight."""
    stored = {}
    for name, network in networks.items():
        for part, weight in _kept(name, network).items():
            whole, factors = quantise_rows(weight.detach())
            stored |= {f"{name}.{part}": whole, f"{name}.{part}.factors": factors}
    write_safetensors(path, stored, PROVENANCE)


def quantise_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise each row of a weight matrix to int8 with its own scale.

    Returns
    -------
    int8 Tensor of the same shape, and the scales: float16, with last size 1
    """
    factors = weight.abs().amax(dim=-1, keepdim=True) / LARGEST
    factors = factors.clamp(min=1e-4).half()
    whole = (weight / factors.float()).round().clamp(-LARGEST, LARGEST)
    return whole.to(torch.int8), factors


def train_specialists(steps: int = STEPS) -> dict[str, Gato]:
    """Train each specialist on its source, with the demonstrations of seed 0."""
    generator, vocabulary = torch.Generator().manual_seed(0), documentation_vocabulary()
    text = vocabulary.characters.encode(load_documentation().train)
    sources = streams(demonstrations(vocabulary, generator), text, generator)
    networks = {}
    for name in SEQUENCES_PER_BATCH:
        torch.manual_seed(0)
        networks[name] = new_network(vocabulary, WIDTH).to(runtime.device())
        train(networks[name], batches(sources, [name]), steps, generator)
        networks[name].cpu()
    return networks


def _kept(name: str, network: Gato) -> dict[str, Tensor]:
    """Return the trained weights; patch weights are trained only on captions."""
    return {
        part: weight
        for part, weight in network.named_parameters()
        if name == "captions" or not part.startswith("patches.")
    }


def make_specialists(folder: Path) -> None:
    """Train the five specialists and write them into a folder."""
    runtime.threads()
    save_specialists(train_specialists(), folder / PATH.name)


MAKERS = {make_specialists: ("alone.safetensors",)}
