"""The interpreter refuses what is wrong in one sentence, and stays small and plain."""

import json
import re

import pytest
import torch
from py_mini_racer import JSEvalException
from torch import nn

from genai_lib.tracing import export_live
from tests.live.v8 import SOURCE, Page


class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 2)

    def forward(self, id, scale):
        return self.table(id) * scale


@pytest.fixture(scope="module")
def export():
    torch.manual_seed(0)
    inputs = (torch.tensor([1, 2]), torch.ones(2))
    limits = {"id": (0, 4), "scale": None}
    return export_live(Lookup(), inputs, name="lookup", inputs=limits, outputs=["rows"])


@pytest.fixture
def page(export):
    return Page(export)


def complaint(run):
    """Return the sentence with which the page refuses."""
    with pytest.raises(JSEvalException) as caught:
        run()
    sentence = str(caught.value).splitlines()[0].partition("Error: ")[2]
    sentence = sentence or str(caught.value)
    assert re.fullmatch(r"[\w ].*\.", sentence), sentence
    return sentence


@pytest.mark.parametrize(
    "given, sentence",
    [
        ("{scale: [1, 1]}", "id has 0 numbers, and 2 are needed."),
        ("{id: [1], scale: [1, 1]}", "id has 1 numbers, and 2 are needed."),
        ("{id: [1, 2, 3], scale: [1, 1]}", "id has 3 numbers, and 2 are needed."),
        ("{id: null, scale: [1, 1]}", "id has 0 numbers, and 2 are needed."),
        ("{id: [1, 5], scale: [1, 1]}", "id has 5, outside 0 to 4."),
        ("{id: [-1, 0], scale: [1, 1]}", "id has -1, outside 0 to 4."),
        ("{id: [1, 0.5], scale: [1, 1]}", "id has 0.5, not a whole number."),
        ("{id: [1, NaN], scale: [1, 1]}", "id has NaN, not a whole number."),
        ("{id: [1, Infinity], scale: [1, 1]}", "id has Infinity, not a whole number."),
        ("{id: ['1', 0], scale: [1, 1]}", "id has NaN, not a whole number."),
        ("{id: '12', scale: [1, 1]}", "id has NaN, not a whole number."),
        ("{id: [[1], [2]], scale: [1, 1]}", "id has NaN, not a whole number."),
        (
            "{id: new BigInt64Array(2), scale: [1, 1]}",
            "id has NaN, not a whole number.",
        ),
        ("{id: [1, 2], scale: [NaN, 1]}", "scale has NaN, not a number."),
        (
            "{id: [1, 2], scale: new Float32Array([1, NaN])}",
            "scale has NaN, not a number.",
        ),
        ("{id: [1, 2], scale: [undefined, 1]}", "scale has NaN, not a number."),
        ("{id: [1, 2], scale: 1}", "scale has 1 numbers, and 2 are needed."),
    ],
)
def test_wrong_inputs_are_refused_in_one_sentence(page, given, sentence):
    assert complaint(lambda: page.racer.eval(f"models.lookup.run({given})")) == sentence


def test_an_index_that_is_made_is_checked_too():
    export = export_live(
        lambda i, x: x[:, i + 3],
        (torch.tensor([0]), torch.ones(2, 4)),
        name="far",
        inputs=["i", "x"],
        outputs=["y"],
    )
    page = Page(export)
    assert page.run("far", {"i": torch.tensor([-4]), "x": torch.eye(4)[:2]})
    for wrong in (1, -8):
        inputs = {"i": torch.tensor([wrong]), "x": torch.ones(2, 4)}
        assert "outside 0 to 3" in complaint(
            lambda inputs=inputs: page.run("far", inputs)
        )


def damaged(weights):
    """Yield files that are not those of the graph."""
    yield weights[:-1]
    yield weights[: len(weights) // 2]
    yield b""
    yield weights + b"\0"
    for place in (0, 9, len(weights) - 1):
        yield weights[:place] + bytes([weights[place] ^ 1]) + weights[place + 1 :]


def test_damaged_weights_are_refused(export):
    for weights in damaged(export.weights):
        sentence = complaint(lambda w=weights: Page().load(export.graph, w))
        assert (
            sentence == "The weights of lookup are damaged or belong to another graph."
        )


def test_an_operation_that_is_not_known_is_named(export):
    graph = json.loads(export.graph)
    for name in ("fft", "toString", "__proto__"):
        graph["nodes"][0]["op"] = name
        text = json.dumps(graph).encode()
        sentence = complaint(lambda t=text: Page().load(t, export.weights))
        assert sentence == f"lookup needs {name}, unknown to this page."


def test_inputs_and_weights_stay_as_they_were(page):
    page.racer.eval("const scale = new Float32Array([1, 2]);")
    first = page.racer.eval("String(models.lookup.run({id: [1, 2], scale}).rows)")
    page.racer.eval("models.lookup.run({id: [0, 4], scale}).rows.fill(7)")
    again = page.racer.eval("String(models.lookup.run({id: [1, 2], scale}).rows)")
    assert first == again
    assert page.racer.eval("String(scale)") == "1,2"


def test_the_interpreter_is_short_and_needs_nothing():
    source = SOURCE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 250
    assert max(map(len, source.splitlines())) <= 88
    code = re.sub(r"//.*", "", source)
    for word in (
        "eval",
        "Function(",
        "fetch",
        "import",
        "export",
        "XMLHttp",
        "document",
    ):
        assert word not in code
