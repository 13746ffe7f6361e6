"""The step of a live GPT: as the model itself, and the same on the page."""

import json
from dataclasses import replace

import pytest
import torch

from genai_lib.components.positions import RotaryPositions
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.decoder_only.step import LanguageStep, draw_at
from genai_lib.genres.decoder_only.stored import load_small_gpt
from genai_lib.tracing import export_live
from tests.live.v8 import Page

PROMPT = "The method "


@pytest.fixture(scope="module")
def characters():
    return load_small_gpt()[1]


@pytest.fixture(scope="module")
def export(characters):
    model, _ = load_small_gpt()
    step = LanguageStep(model)
    limits = {
        "token": (0, len(characters) - 1),
        "position": (0, model.config.context - 1),
        "cache": None,
        "temperature": (0, 5),
        "uniform": (0, 1),
    }
    outputs = ["logits", "probabilities", "drawn", "cache"]
    inputs = [*arguments(0, 0).values(), step.new_cache()]
    inputs = [inputs[0], inputs[1], inputs[4], inputs[2], inputs[3]]
    return export_live(step, inputs, name="gpt", inputs=limits, outputs=outputs)


@pytest.fixture(scope="module")
def page(export):
    return Page(export)


def arguments(token, position, temperature=1.0, uniform=0.5):
    return {
        "token": torch.tensor([int(token)]),
        "position": torch.tensor([position]),
        "temperature": torch.tensor([temperature]),
        "uniform": torch.tensor([float(uniform)]),
    }


def on_page(page, step):
    """Return a function that makes one step on the page, which keeps the cache."""

    def run(token, position, **settings):
        given = arguments(token, position, **settings)
        if position == 0:
            given["cache"] = step.new_cache()
        return page.run("gpt", given, keep=("cache",))

    return run


def in_python(step):
    """Return a function that makes one step in PyTorch."""
    cache = step.new_cache()

    def run(token, position, **settings):
        nonlocal cache
        cache = step.new_cache() if position == 0 else cache
        given = arguments(token, position, **settings)
        logits, probabilities, drawn, cache = step(**given, cache=cache)
        return {"logits": logits, "probabilities": probabilities, "drawn": drawn}

    return run


def write(run, tokens, count, temperature, uniforms):
    """Read tokens, then write so many more; return these and all logits."""
    tokens, logits = list(tokens), []
    for position in range(len(tokens) + count - 1):
        uniform = uniforms[position]
        made = run(tokens[position], position, temperature=temperature, uniform=uniform)
        logits.append(made["logits"].double())
        if position >= len(tokens) - 1:
            tokens.append(int(made["drawn"]))
    return tokens, torch.stack(logits)


def uniforms(seed=0, count=128):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_steps_score_as_the_model_does_at_once(export, characters):
    tokens = characters.encode(PROMPT + "is to be fitted with fit(X, y)")
    run = in_python(export.module)
    steps = torch.stack([run(t, i)["logits"] for i, t in enumerate(tokens)])
    at_once = export.module.model(tokens[None])[0]
    torch.testing.assert_close(steps, at_once, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_page_agrees_at_random_inputs(export, page):
    tolerance = json.loads(export.graph)["tolerance"]
    generator = torch.Generator().manual_seed(7)
    step, largest = export.module, 0.0
    for _ in range(50):
        given = arguments(
            torch.randint(99, (), generator=generator),
            int(torch.randint(128, (), generator=generator)),
            temperature=2 * float(torch.rand((), generator=generator)),
            uniform=torch.rand((), generator=generator),
        )
        given["cache"] = torch.randn(step.new_cache().shape, generator=generator)
        wanted, found = step(**given), page.run("gpt", given)
        for want, have in zip(wanted, found.values(), strict=True):
            apart = (want - have).abs() / want.abs().clamp(min=1)
            largest = max(largest, apart.max().item())
    assert largest < tolerance


@torch.no_grad()
def test_greedy_text_is_that_of_pytorch(export, page, characters):
    prompt = characters.encode(PROMPT).tolist()
    tokens, model = list(prompt), export.module.model
    for _ in range(100):
        tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    found, _ = write(on_page(page, export.module), prompt, 100, 0.0, uniforms())
    assert characters.decode(found) == characters.decode(tokens)


@torch.no_grad()
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_drawn_text_is_that_of_pytorch(export, page, characters, temperature):
    prompt, shared = characters.encode(PROMPT).tolist(), uniforms(3)
    run = on_page(page, export.module)
    found, _ = write(run, prompt, 100, temperature, shared)
    wanted, _ = write(in_python(export.module), prompt, 100, temperature, shared)
    assert characters.decode(found) == characters.decode(wanted)


def change_epsilon(graph, node):
    node["epsilon"] = 1e-3


def change_activation(graph, node):
    node["op"] = "gelu"


def change_mask(graph, node):
    node["op"] = "ge"


def transpose_a_weight(graph, node):
    node["strides"] = [0, node["strides"][2], node["strides"][1]]


def change_scale(graph, node):
    node["in"][1] *= 1.01


def keep_the_old_cache(graph, node):
    graph["outputs"][3]["value"] = "cache"


MISTAKES = [
    (change_epsilon, lambda node: node["op"] == "normalize"),
    (change_activation, lambda node: node["op"] == "gelu_tanh"),
    (change_mask, lambda node: node["op"] == "le"),
    (transpose_a_weight, lambda node: "to_key.weight" in str(node["in"])),
    (change_scale, lambda node: isinstance(node["in"][-1], float)),
    (keep_the_old_cache, lambda node: True),
]


@torch.no_grad()
@pytest.mark.parametrize(("spoil", "where"), MISTAKES)
def test_mistakes_are_caught(export, characters, spoil, where):
    tokens = characters.encode(PROMPT).tolist()
    graph = json.loads(export.graph)

    def apart():
        page = Page(replace(export, graph=json.dumps(graph).encode()))
        run = on_page(page, export.module)
        _, found = write(run, tokens, 2, 1.0, uniforms())
        _, wanted = write(in_python(export.module), tokens, 2, 1.0, uniforms())
        return (found[: len(tokens)] - wanted[: len(tokens)]).abs().max().item()

    assert apart() < graph["tolerance"]
    spoil(graph, next(node for node in graph["nodes"] if where(node)))
    assert not apart() < graph["tolerance"]


def test_draws_are_as_frequent_as_their_probabilities_say():
    probabilities = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    middles = (torch.arange(400) + 0.5) / 400
    drawn = draw_at(probabilities.expand(400, 6), middles[:, None])
    counts = drawn.flatten().bincount(minlength=6)
    assert counts.tolist() == [0, 100, 0, 200, 100, 0]


@pytest.mark.parametrize("uniform", [0.0, 1.0, 1 - 2**-24])
def test_what_has_no_probability_is_never_drawn(uniform):
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        probabilities = torch.rand(50, generator=generator)
        probabilities[probabilities < 0.5] = 0
        probabilities /= probabilities.sum()
        drawn = draw_at(probabilities, torch.tensor([uniform]))
        assert probabilities[drawn] > 0


def test_a_model_needs_a_longest_context():
    model = GPT(GPTConfig(5, width=8, heads=2), positional_encoding=RotaryPositions(4))
    with pytest.raises(ValueError, match="longest context"):
        LanguageStep(model)
