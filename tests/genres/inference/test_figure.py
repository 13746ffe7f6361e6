"""The figure of the inference chapter shows what the library computes."""

from itertools import islice

import pytest
import torch

from genai_lib.data import load_documentation
from genai_lib.genres.decoder_only.stored import load_small_gpt
from genai_lib.genres.inference import Sampling
from genai_lib.genres.inference import figure as inference
from genai_lib.genres.inference.figure import (
    SHOWN,
    START_TOP_P,
    STEPS_PER_DECADE,
    next_tokens,
    stored,
    visible,
)
from genai_lib.genres.inference.stored import BEGINNINGS, make
from tests.live.states import check_states, random_state


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


NUMBERS = {"next_tokens": next_tokens_numbers}


FIGURE = next_tokens()
START = {control.param: control.value for control in FIGURE.controls}


def scores(logits):
    return torch.tensor(list(logits.values()), dtype=torch.float64)


def draw(figure, random):
    """Let the cuts let more through than is shown, half of the time."""
    loose = {"top_k": random.randint(SHOWN, 99), "min_p": 0}
    return random_state(figure, random) | random.choice([{}, loose])


def test_random_states_give_the_numbers_of_the_library(request):
    numbers = check_states(request, next_tokens, next_tokens_numbers, draw=draw)
    most = max(one["tokens kept"] for one in numbers)
    assert most > SHOWN  # those that are not shown were counted as well


def test_the_start_state_is_the_one_described():
    wanted = next_tokens_numbers(START)
    assert FIGURE.evaluate() == pytest.approx(wanted, rel=0, abs=1e-12)


def test_one_setting_keeps_one_token_here_and_many_there():
    open_, sure = FIGURE.controls[0].options
    assert FIGURE.evaluate(context=sure)["tokens kept"] == 1
    assert FIGURE.evaluate(context=open_)["tokens kept"] == 30


def test_tokens_beyond_those_shown_are_counted():
    hot = {"theta_step": STEPS_PER_DECADE}  # θ = 10
    for context, logits in stored().items():
        numbers = FIGURE.evaluate(context=context, **hot)
        kept = Sampling(10.0, top_p=START_TOP_P).cut(scores(logits)).isfinite()
        assert numbers["tokens kept"] == kept.sum().item() == 84
        assert sum(name.startswith("‘") for name in numbers) == SHOWN < 84


def test_ties_with_the_last_of_k_are_kept():
    tied = {"a": 1.0, "b": 0.5, "c": 0.5, "d": 0.0}
    figure = next_tokens({"tied": tied, "other": tied})
    assert figure.evaluate(top_k=2, top_p=1)["tokens kept"] == 3


def test_tokens_that_cannot_be_drawn_show_their_number():
    tokens = {"a": 0.0, "\x00": 0.0, "\x1b": 0.0}
    numbers = next_tokens({"one": tokens, "other": tokens}).evaluate(top_p=1)
    assert numbers["‘<00>’"] == numbers["‘<1b>’"] == pytest.approx(1 / 3)


def test_the_stored_logits_are_those_of_the_small_model():
    made, (_, characters) = make(), load_small_gpt()
    assert made.keys() == stored().keys()
    for name, logits in made.items():
        assert set(logits) == set(characters.vocabulary)
        assert logits == pytest.approx(stored()[name], abs=1e-3)
        assert list(logits.values()) == sorted(logits.values(), reverse=True)


def test_the_beginnings_are_not_in_the_training_text():
    text = load_documentation().train
    assert not any(beginning in text for beginning in BEGINNINGS.values())


def test_signs_are_told_apart():
    for logits in stored().values():
        assert len({visible(token) for token in logits}) == len(logits)


@pytest.mark.parametrize("contexts", [{}, {"a": {"x": 1.0}}, {"a": {}, "b": {"x": 1}}])
def test_contexts_without_tokens_are_named(contexts):
    with pytest.raises(ValueError, match="contexts="):
        next_tokens(contexts)
