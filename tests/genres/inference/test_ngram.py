"""The n-gram model: its equation, its cache, and the interface of models."""

import pytest
import torch
from torch.testing import assert_close

from genai_lib.genres.inference import (
    NGramModel,
    Sampling,
    beam_search,
    generate,
    generate_loop,
    speculative_decode,
)

TEXT = torch.tensor([0, 1, 0, 1, 2, 0, 1, 1, 0, 2, 1, 0, 1])


def by_hand(context, token, strength=4.0):
    """Compute the equation of the class by looking through the text."""
    context, text = tuple(context), TEXT.tolist()
    m = len(context)
    follow = [
        text[i + m] for i in range(len(text) - m) if tuple(text[i : i + m]) == context
    ]
    shorter = by_hand(context[1:], token, strength) if m else 1 / 4
    return (follow.count(token) + strength * shorter) / (len(follow) + strength)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_computes_its_equation(order):
    model = NGramModel(TEXT, order, vocab_size=4)
    tokens = torch.tensor([[2, 0, 1, 3, 0], [0, 0, 1, 0, 1]])
    found = model(tokens).exp()
    assert_close(found.sum(-1), torch.ones(2, 5))
    for row in range(2):
        for place in range(5):
            context = tokens[row, : place + 1].tolist()[-(order - 1) :]
            context = context if order > 1 else []
            for token in range(4):
                wanted = by_hand(context, token)
                assert found[row, place, token].item() == pytest.approx(wanted)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_cached_is_uncached_and_all_ways_of_writing_take_it(order):
    model = NGramModel(TEXT, order, vocab_size=4)
    prompt = torch.tensor([[0, 1], [2, 3]])
    draws = [torch.Generator().manual_seed(3) for _ in range(2)]
    found = torch.stack(list(generate(model, prompt, 12, generator=draws[0])), 1)
    assert found.equal(generate_loop(model, prompt, 12, Sampling(), draws[1]))
    greedy = torch.stack(list(generate(model, prompt[0], 9, 0)))
    assert beam_search(model, prompt[0], 9, 1)[0].tokens.equal(greedy)
    draft = NGramModel(TEXT.flip(0), order, vocab_size=4)
    rounds = list(speculative_decode(model, draft, prompt[0], 9, temperature=0))
    assert torch.cat(rounds).equal(greedy)
    assert len(beam_search(model, prompt[0], 9, 3)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXT, 0, 4), "order=0"),
        ((TEXT[:2], 3, 4), "tokens=.*N >= 3"),
        ((TEXT[1:].view(3, 4), 3, 4), "tokens="),
        ((TEXT, 2, 4, 0.0), "strength=0.0"),
        ((torch.zeros(50).long(), 40, 4), "order=40"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        NGramModel(*arguments)
