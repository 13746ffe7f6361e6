"""The interpreter of the page, run in V8 without a browser."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from py_mini_racer import MiniRacer
from torch import Tensor

import genai_lib.live

SOURCE = Path(genai_lib.live.__file__).with_name("interpreter.js")
# Numbers travel as the bytes of 64-bit floats. What a model remembers may stay where it
# is and go into the next call.
HARNESS = """
const models = {};
let kept = {};
function load(name, graph, weights) {
  models[name] = new genaiLive.Model(JSON.parse(graph), Uint8Array.fromBase64(weights));
}
function unpack(text) { return new Float64Array(Uint8Array.fromBase64(text).buffer); }
function pack(list) {
  return new Uint8Array(Float64Array.from(list).buffer).toBase64();
}
function run(name, given, keep) {
  const inputs = Object.entries(given).map(([key, text]) => [key, unpack(text)]);
  const outputs = models[name].run({ ...kept, ...Object.fromEntries(inputs) });
  kept = Object.fromEntries(keep.map(key => [key, outputs[key]]));
  const shown = Object.entries(outputs).filter(([key]) => !keep.includes(key));
  return JSON.stringify(shown.map(([key, list]) => [key, pack(list)]));
}
"""


class Page:
    """A page with the interpreter and nothing else.

    Parameters
    ----------
    *exports : LiveExport
        The models that are loaded.
    """

    def __init__(self, *exports) -> None:
        self.racer = MiniRacer()
        self.racer.eval(SOURCE.read_text(encoding="utf-8"))
        self.racer.eval(HARNESS)
        self.shapes: dict[str, dict[str, list[int]]] = {}
        for export in exports:
            self.load(export.graph, export.weights)

    def load(self, graph: bytes, weights: bytes) -> None:
        """Load a model from the contents of its files."""
        known, packed = json.loads(graph), base64.b64encode(weights).decode()
        self.call("load", known["name"], graph.decode(), packed)
        self.shapes[known["name"]] = {x["name"]: x["shape"] for x in known["outputs"]}

    def run(
        self, name: str, inputs: Mapping[str, Tensor], keep: tuple[str, ...] = ()
    ) -> dict[str, Tensor]:
        """Return the outputs of a model as 64-bit numbers.

        Parameters
        ----------
        name : str
        inputs : mapping from names to Tensors
        keep : tuple of str
            Outputs that are not returned but go into the next call.
        """
        given = {key: _packed(x) for key, x in inputs.items()}
        outputs = json.loads(self.call("run", name, given, list(keep)))
        return {key: _tensor(text, self.shapes[name][key]) for key, text in outputs}

    def call(self, function: str, *arguments: object) -> object:
        """Call a function of the page with arguments that JSON can hold."""
        return self.racer.eval(f"{function}({', '.join(map(json.dumps, arguments))})")


def _packed(x: Tensor) -> str:
    return base64.b64encode(x.detach().double().numpy().tobytes()).decode()


def _tensor(text: str, shape: list[int]) -> Tensor:
    return torch.tensor(np.frombuffer(base64.b64decode(text))).view(shape)
