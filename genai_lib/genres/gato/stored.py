"""Five networks of the chapter on Gato, each of which has learned one thing alone.

`make stored TOPIC=gato` trains them again, in about a minute on one core. Each has the
size of the chapter's joint network and as many batches of its one source as that had.
Weights are kept as whole numbers from -127 to 127 and one factor for each row, so that
all five fit into one megabyte.

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
    SHARE,
    batches,
    demonstrations,
    documentation_words,
    learn,
    new_network,
    streams,
)

PATH = Path(__file__).with_name("stored") / "alone.safetensors"
STEPS, WIDTH, LARGEST = 900, 64, 127
PROVENANCE = {
    "made_by": "make stored TOPIC=gato",
    "seed": "0",
    "steps": str(STEPS),
    "learned_from": "scripted experts, the digits and the text of the documentation",
}


def load_alone(path: str | Path = PATH) -> dict[str, Gato]:
    """Load the networks, by the name of what each has learned."""
    stored, words = read_safetensors(path), documentation_words()
    networks = {name: new_network(words, WIDTH).eval() for name in SHARE}
    for name, network in networks.items():
        for part, weight in _kept(name, network).items():
            whole, factors = (stored[f"{name}.{part}{s}"] for s in ("", ".factors"))
            weight.data.copy_(whole * factors.float())
    return networks


def save_alone(networks: Mapping[str, Gato], path: str | Path = PATH) -> None:
    """Write the networks, with eight bits for each weight."""
    stored = {}
    for name, network in networks.items():
        for part, weight in _kept(name, network).items():
            whole, factors = to_whole_numbers(weight.detach())
            stored |= {f"{name}.{part}": whole, f"{name}.{part}.factors": factors}
    write_safetensors(path, stored, PROVENANCE)


def to_whole_numbers(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row to multiples of a factor of its own: at most half of it is lost.

    Returns
    -------
    int8 Tensor of the same shape, and float16 Tensor with 1 as its last size
    """
    factors = weight.abs().amax(dim=-1, keepdim=True) / LARGEST
    factors = factors.clamp(min=1e-4).half()
    whole = (weight / factors.float()).round().clamp(-LARGEST, LARGEST)
    return whole.to(torch.int8), factors


def train_alone(steps: int = STEPS) -> dict[str, Gato]:
    """Train each on its source, with the demonstrations of seed 0."""
    generator, words = torch.Generator().manual_seed(0), documentation_words()
    text = words.characters.encode(load_documentation().train)
    sources = streams(demonstrations(words, generator), text, generator)
    networks = {}
    for name in SHARE:
        torch.manual_seed(0)
        networks[name] = new_network(words, WIDTH).to(runtime.device())
        learn(networks[name], batches(sources, [name]), steps, generator)
        networks[name].cpu()
    return networks


def _kept(name: str, network: Gato) -> dict[str, Tensor]:
    """Return the weights that learn: those for patches do where there are pictures."""
    return {
        part: weight
        for part, weight in network.named_parameters()
        if name == "captions" or not part.startswith("patches.")
    }


def make_alone(folder: Path) -> None:
    """Train the five networks and write them into a folder."""
    runtime.threads()
    save_alone(train_alone(), folder / PATH.name)


MAKERS = {make_alone: ("alone.safetensors",)}
