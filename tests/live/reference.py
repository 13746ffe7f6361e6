"""What the library says about each live figure: states and the numbers they give."""

import json
import math
from random import Random

import torch

from genai_lib.components.attention import attend
from genai_lib.components.softmax import entropy, softmax
from genai_lib.data import load_tokenizer
from genai_lib.data.next_characters import PATH
from genai_lib.genres.inference import Sampling
from genai_lib.live import attention, inference
from genai_lib.live.controls import Choice
from genai_lib.live.expressions import LAST_STEP, MIDDLE_STEP, STEPS_PER_DECADE
from genai_lib.live.softmax import (
    NAMES,
    WORD_LOGITS,
    logits_and_temperature,
    temperature,
)
from genai_lib.live.token_layout import samples

STORED = json.loads(PATH.read_text(encoding="utf-8"))
FIGURES = {figure.name: figure for figure in (temperature(), logits_and_temperature())}


def temperature_at(step):
    if step == LAST_STEP:
        return math.inf
    return 10 ** ((step - MIDDLE_STEP) / STEPS_PER_DECADE) if step else 0.0


def temperature_numbers(state):
    logits = torch.tensor(list(WORD_LOGITS.values()), dtype=torch.float64)
    weights = softmax(logits, temperature=temperature_at(state["theta_step"]))
    numbers = dict(zip(WORD_LOGITS, weights.tolist(), strict=True))
    return numbers | {"entropy": entropy(weights).item()}


def logits_and_temperature_numbers(state):
    logits = torch.tensor(
        [state[f"logit_{name}"] for name in NAMES], dtype=torch.float64
    )
    theta = temperature_at(state["theta_step"])
    weights = softmax(logits + state["shift"], temperature=theta)
    three = softmax(logits[:3] + state["shift"], temperature=theta)
    return {
        **dict(zip(NAMES, weights.tolist(), strict=True)),
        "entropy": entropy(weights).item(),
        **{
            f"{name} of three": weight
            for name, weight in zip(NAMES[:3], three.tolist(), strict=True)
        },
    }


def tokens_by_vocabulary_numbers(state):
    vocabulary = math.floor(256 * 2 ** (state["vocab_step"] / 48) + 0.5)
    tokenizer = load_tokenizer(vocabulary)
    text = samples()[state["sample"]]
    ids = tokenizer.encode(text)
    pieces = [piece.replace(" ", "·") for piece in tokenizer.pieces(ids)]
    return {
        "tokens": len(ids),
        "bytes per token": len(text.encode()) / len(ids),
        **{
            f"token {place} ‘{piece}’, id": id
            for place, (piece, id) in enumerate(zip(pieces, ids, strict=True), 1)
        },
    }


def query_and_keys_numbers(state):
    angle = math.radians(state["angle"])
    direction = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    points = torch.tensor(attention.POINTS, dtype=torch.float64)
    mask = torch.arange(len(points)) < state["visible"]
    query = state["query_length"] * direction
    output, weights = attend(query, points, points, mask)
    numbers = dict(zip(attention.NAMES, weights[0].tolist(), strict=True))
    return numbers | {"output x": output[0, 0].item(), "output y": output[0, 1].item()}


def next_character_numbers(state):
    entry = STORED[state["passage"]]
    numbers = {}
    for character, *chances in entry["places"][state["place"] - 1]["options"]:
        sign = character.replace(" ", "␣")
        for who, chance in zip(("GPT", "the 5-gram"), chances, strict=True):
            numbers[f"‘{sign}’ by {who}"] = chance
    for index, who in enumerate(("GPT", "5-gram")):
        costs = [p["bits"][index] for p in entry["places"][: state["place"]]]
        numbers[f"{who}, bits per character so far"] = sum(costs) / len(costs)
    return numbers


def next_tokens_numbers(state):
    row = inference.stored()[state["context"]]
    logits = torch.tensor(list(row.values()), dtype=torch.float64)
    theta = 10 ** (state["theta_step"] / inference.STEPS_PER_DECADE)
    cuts = {name: state[name] for name in ("top_k", "top_p", "min_p")}
    before = Sampling(theta).probabilities(logits)
    after = Sampling(theta, **cuts).probabilities(logits)
    numbers = {}
    for token, old, new in zip(row, before.tolist(), after.tolist(), strict=True):
        name = f"‘{inference.visible(token)}’"
        numbers |= {name: new} if new else {f"{name} is cut, it had": old}
    kept = after > 0
    return numbers | {"tokens kept": int(kept.sum()), "held": before[kept].sum().item()}


LIBRARY = {
    "temperature": temperature_numbers,
    "logits_and_temperature": logits_and_temperature_numbers,
    "tokens_by_vocabulary": tokens_by_vocabulary_numbers,
    "query_and_keys": query_and_keys_numbers,
    "next_character": next_character_numbers,
    "next_tokens": next_tokens_numbers,
}


def random_state(figure, random: Random):
    """Draw a position for each control; the ends and ties come up often."""
    state = {}
    for control in figure.controls:
        if isinstance(control, Choice):
            state[control.param] = random.choice(control.options)
            continue
        steps = round((control.maximum - control.minimum) / control.step)
        step = random.choice([0, steps, *random.choices(range(steps + 1), k=6)])
        # As a browser does: the nearest number with as many digits as the step has.
        state[control.param] = round(control.minimum + step * control.step, 6)
    logits = [param for param in state if param.startswith("logit_")]
    if logits and random.random() < 0.3:
        for param in random.sample(logits, 3):
            state[param] = state[logits[0]]
    return state
