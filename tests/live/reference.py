"""What the library says about each live figure: states and the numbers they give."""

import json
import math
from functools import partial
from itertools import islice

import torch

from genai_lib.components.adaptive_temperature import (
    adaptive_temperature_softmax,
    inverse_temperature,
    scalable_softmax,
    sparsemax,
)
from genai_lib.components.attention import attend
from genai_lib.components.positions import (
    alibi_bias,
    interpolated_frequencies,
    ntk_frequencies,
    rotary_frequencies,
    sinusoidal,
    t5_bucket,
    yarn_frequencies,
)
from genai_lib.components.softmax import entropy, softmax
from genai_lib.components.softmax_one import (
    clipped_softmax,
    softmax_one,
    softmax_with_sink,
)
from genai_lib.data import load_tokenizer
from genai_lib.data.next_characters import PATH
from genai_lib.genres.disentangled_attention import (
    content_to_position,
    position_to_content,
    relative_rows,
)
from genai_lib.genres.inference import Sampling
from genai_lib.live import (
    attention,
    disentangled_attention,
    encoder_decoder,
    inference,
    positions,
    repairs,
)
from genai_lib.live.encoder_only import stored as hidden_places
from genai_lib.live.expected_pieces import visible
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
    for character, *chances in entry["places"][round(state["place"]) - 1]["options"]:
        sign = visible(character)
        for who, chance in zip(("GPT", "the 5-gram"), chances, strict=True):
            numbers[f"‘{sign}’ by {who}"] = chance
    for index, who in enumerate(("GPT", "5-gram")):
        costs = [p["bits"][index] for p in entry["places"][: round(state["place"])]]
        numbers[f"{who}, bits per character so far"] = sum(costs) / len(costs)
    return numbers


def masked_character_numbers(state):
    entry = hidden_places()[state["passage"]]
    numbers = {}
    for character, *chances in entry["places"][round(state["place"]) - 1]:
        sign = visible(character)
        for who, chance in zip(("BERT", "GPT"), chances, strict=True):
            numbers[f"‘{sign}’ by {who}"] = chance
    return numbers


def similarity_of_positions_numbers(state):
    length, scheme = positions.FARTHEST + 1, state["scheme"]
    base = 10 ** (state["base_step"] / positions.STEPS_PER_DECADE)
    places = torch.arange(length)
    if scheme == "waves":
        width = int(state["entries"])
        waves = sinusoidal(length, width, base).double()
        numbers = waves @ waves.T / (width / 2)
    elif scheme == "buckets":
        offset = places - places[:, None]
        numbers = t5_bucket(offset, True, positions.BUCKETS, positions.MAX_DISTANCE)
    elif scheme == "alibi":
        bias = alibi_bias(positions.HEADS, length)[int(state["head"]) - 1]
        numbers = bias.double().exp()
    else:
        numbers = (
            torch.eye(length) if scheme == "learned" else torch.ones(length, length)
        )
    shown = range(positions.POSITIONS)
    return {
        **{f"{m} and {n}": numbers[m, n].item() for m in shown for n in shown},
        **{f"distance {d}": numbers[d, 0].item() for d in positions.MARKED},
    }


def repaired_pairs_numbers(state):
    width, factor = 2 * repairs.PAIRS, state["factor"]
    plain = rotary_frequencies(width, repairs.BASE).double()
    limits = {"slow": state["slow"], "fast": state["fast"]}
    changed = {
        "none": lambda: plain,
        "interpolation": lambda: interpolated_frequencies(width, factor, repairs.BASE),
        "ntk": lambda: ntk_frequencies(width, factor, repairs.BASE),
        "yarn": lambda: yarn_frequencies(
            width, factor, repairs.LENGTH, repairs.BASE, **limits
        ),
    }[state["repair"]]()
    turns = changed.double() * repairs.LENGTH * factor / (2 * math.pi)
    kept = (changed.double() / plain).tolist()
    return {
        **{f"pair {i} keeps": share for i, share in enumerate(kept, 1)},
        **{f"pair {i} turns": number for i, number in enumerate(turns.tolist(), 1)},
    }


def winner_among_many_numbers(state):
    items = math.floor(4 * 2 ** (state["items_step"] / 12) + 0.5)
    logits = torch.zeros(items, dtype=torch.float64)
    logits[0] = state["gap"]
    normalizers = {
        "softmax": softmax,
        "adaptive": adaptive_temperature_softmax,
        "SSMax": partial(scalable_softmax, scale=0.43),
        "sparsemax": sparsemax,
    }
    spread = entropy(softmax(logits))
    return {
        "winner": normalizers[state["normalizer"]](logits, dim=-1)[0].item(),
        "softmax": softmax(logits)[0].item(),
        "bound": min(1.0, math.exp(state["gap"]) / items),
        "entropy": spread.item(),
        "β": inverse_temperature(spread).item(),
    }


def attention_given_away_numbers(state):
    logits = torch.tensor(
        [state[f"logit_{key}"] for key in "ABCD"], dtype=torch.float64
    )
    logits = logits + state["shift"]
    powers = (logits - logits.max()).exp()
    weights = {
        "softmax": softmax(logits),
        "softmax_one": softmax_one(logits),
        "with sink s": softmax_with_sink(logits, float(state["sink"])),
        "clipped γ": clipped_softmax(logits, float(state["gamma"])),
        "wrong: m + 1": powers / (1 + powers.sum()),
    }
    return {
        f"{name}, {key}": weight
        for name, row in weights.items()
        for key, weight in zip(
            [*"ABCD", "all"], [*row.tolist(), row.sum().item()], strict=True
        )
    }


def next_tokens_numbers(state):
    row = inference.stored()[state["context"]]
    logits = torch.tensor(list(row.values()), dtype=torch.float64)
    theta = 10 ** (state["theta_step"] / inference.STEPS_PER_DECADE)
    cuts = {"top_p": state["top_p"], "min_p": state["min_p"]}
    cuts["top_k"] = int(state["top_k"])
    before = Sampling(theta).probabilities(logits)
    after = Sampling(theta, **cuts).probabilities(logits)
    numbers = {}
    tokens = zip(row, before.tolist(), after.tolist(), strict=True)
    for token, old, new in islice(tokens, inference.SHOWN):  # the likeliest come first
        name = f"‘{inference.visible(token)}’"
        numbers |= {name: new} if new else {f"{name} is cut, it had": old}
    kept = after > 0
    return numbers | {"tokens kept": int(kept.sum()), "held": before[kept].sum().item()}


def three_terms_numbers(state):
    words, most = disentangled_attention.WORDS, disentangled_attention.MOST
    query, key = (
        torch.tensor([[[vectors[word] for word in words]]], dtype=torch.float64)
        for vectors in (disentangled_attention.QUERIES, disentangled_attention.KEYS)
    )
    reach, places = round(state["reach"]), torch.arange(len(words))
    table = torch.tensor([disentangled_attention.table()], dtype=torch.float64)
    table = table[:, most - reach : most + reach]  # one row for each of -k to k - 1
    rows = relative_rows(places, places, reach)
    terms = {
        "c2c": query @ key.mT,
        "c2p": content_to_position(query, table, rows),
        "p2c": position_to_content(key, table, rows),
    }
    on = sum(state[f"on_{term}"] for term in terms)
    share = math.sqrt(query.shape[-1] * max(1, on))
    maps = {name: x[0, 0] * state[f"on_{name}"] / share for name, x in terms.items()}
    maps["weight"] = softmax(sum(maps.values()), dim=-1)
    return {
        f"{name}, {i} {left} to {j} {right}": scores[i - 1, j - 1].item()
        for name, scores in maps.items()
        for i, left in enumerate(words, 1)
        for j, right in enumerate(words, 1)
    }


def translated_number_numbers(state):
    entry = encoder_decoder.stored()[state["language"]][state["number"]]
    step = min(int(state["step"]), len(entry["pieces"]))
    return {
        f"piece {step} to token {place}": weight
        for place, weight in enumerate(entry["weights"][step - 1], 1)
    }


LIBRARY = {
    "three_terms": three_terms_numbers,
    "temperature": temperature_numbers,
    "logits_and_temperature": logits_and_temperature_numbers,
    "tokens_by_vocabulary": tokens_by_vocabulary_numbers,
    "query_and_keys": query_and_keys_numbers,
    "next_character": next_character_numbers,
    "repaired_pairs": repaired_pairs_numbers,
    "similarity_of_positions": similarity_of_positions_numbers,
    "winner_among_many": winner_among_many_numbers,
    "attention_given_away": attention_given_away_numbers,
    "next_tokens": next_tokens_numbers,
    "masked_character": masked_character_numbers,
    "translated_number": translated_number_numbers,
}
