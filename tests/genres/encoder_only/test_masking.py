"""Masking: its statistics within binomial bounds, and what is never masked."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from genai_lib.genres.encoder_only import IGNORED, mask_tokens, masked_loss

MASK, PAD, SPECIAL, V = 4, 0, (0, 1, 2), 50
COUNT = 200_000


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def within(found, share, n):
    """Say whether a count lies within five standard deviations of a binomial."""
    return abs(found - n * share) <= 5 * math.sqrt(n * share * (1 - share))


@pytest.fixture(scope="module")
def text():
    return torch.randint(5, V, (COUNT // 100, 100), generator=source(7))


@pytest.mark.parametrize(
    ("rate", "masked", "replaced"), [(0.15, 0.8, 0.1), (0.4, 0, 1)]
)
def test_the_fractions_are_binomial(text, rate, masked, replaced):
    fractions = {"mask_fraction": masked, "random_fraction": replaced}
    inputs, targets = mask_tokens(text, MASK, V, rate, source(), **fractions)
    chosen = targets != IGNORED
    n = chosen.sum().item()
    assert within(n, rate, COUNT)
    assert within((inputs == MASK).sum().item(), masked, n)
    # A drawn token is the true one with probability 1 / (V - 1).
    visible = replaced * (1 - 1 / (V - 1))
    other = chosen & (inputs != MASK) & (inputs != text)
    assert within(other.sum().item(), visible, n)
    assert inputs[~chosen].equal(text[~chosen])
    assert targets[chosen].equal(text[chosen])


def test_choices_are_independent_of_the_place_and_of_each_other(text):
    _, targets = mask_tokens(text, MASK, V, 0.15, source())
    chosen = targets != IGNORED
    for column in chosen.sum(dim=0).tolist():
        assert within(column, 0.15, len(text))
    pairs = chosen[:, :-1] & chosen[:, 1:]
    assert within(pairs.sum().item(), 0.15**2, pairs.numel())
    # Whether a token is chosen says nothing of what happens to it.
    inputs, _ = mask_tokens(text, MASK, V, 0.5, source())
    first, second = (inputs == MASK).chunk(2, dim=1)
    assert within((first & second).sum().item(), 0.4**2, first.numel())


def test_drawn_tokens_are_even_and_never_special():
    text = torch.full((COUNT,), 9)
    drawn = {"special": SPECIAL, "mask_fraction": 0, "random_fraction": 1}
    inputs, _ = mask_tokens(text, MASK, V, 1.0, source(), **drawn)
    counts = inputs.bincount(minlength=V).tolist()
    ordinary = V - 4
    assert [counts[token] for token in (*SPECIAL, MASK)] == [0] * 4
    rest = [n for token, n in enumerate(counts) if token not in (*SPECIAL, MASK)]
    assert len(rest) == ordinary
    assert all(within(n, 1 / ordinary, COUNT) for n in rest)


def test_special_tokens_and_masks_are_never_chosen():
    text = torch.tensor([[1, 7, 8, 2, 0, 0, MASK]])
    inputs, targets = mask_tokens(text, MASK, V, 1.0, source(), special=SPECIAL)
    assert (targets != IGNORED).tolist() == [[False, True, True] + [False] * 4]
    assert inputs[0, [0, 3, 4, 5, 6]].equal(text[0, [0, 3, 4, 5, 6]])


def test_worked_example():
    text = torch.tensor([5, 6, 7])
    every = {"rate": 1.0, "generator": source()}
    inputs, _ = mask_tokens(text, MASK, V, **every, mask_fraction=1, random_fraction=0)
    assert inputs.tolist() == [MASK] * 3
    kept, targets = mask_tokens(
        text, MASK, V, **every, mask_fraction=0, random_fraction=0
    )
    assert kept.equal(text) and targets.equal(text)
    inputs, targets = mask_tokens(text, MASK, V, 0.0, source())
    assert inputs.equal(text) and targets.tolist() == [IGNORED] * 3


def test_the_same_generator_gives_the_same_masks_and_the_text_stays(text):
    before = text.clone()
    first, again = (mask_tokens(text, MASK, V, 0.15, source(3)) for _ in range(2))
    assert first[0].equal(again[0]) and first[1].equal(again[1])
    other = mask_tokens(text, MASK, V, 0.15, source(4))
    assert not first[1].equal(other[1])
    assert text.equal(before)


def test_statistics_agree_with_transformers(text):
    """Theirs chooses before it masks, with the same fractions."""
    from transformers import BertTokenizer, DataCollatorForLanguageModeling

    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    words += [f"w{i}" for i in range(V - 5)]
    vocabulary = {word: i for i, word in enumerate(words)}
    collator = DataCollatorForLanguageModeling(
        BertTokenizer(vocab=vocabulary), seed=0, mlm_probability=0.15
    )
    inputs, targets = collator.torch_mask_tokens(
        text.clone(), special_tokens_mask=torch.zeros_like(text).bool()
    )
    ours = mask_tokens(text, MASK, V, 0.15, source())
    for read, wanted in ((inputs, targets), ours):
        chosen = wanted != IGNORED
        n = chosen.sum().item()
        assert within(n, 0.15, COUNT)
        assert within((read == MASK).sum().item(), 0.8, n)
        assert within(((read == text) & chosen).sum().item(), 0.1 + 0.1 / V, n)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": torch.tensor([1.0])}, "tokens=.*float32.*int64"),
        ({"tokens": torch.tensor(3)}, r"tokens=.*\(\.\.\., T\)"),
        ({"tokens": torch.tensor([V])}, "tokens from 50 to 50 .* 49"),
        ({"tokens": torch.tensor([-100])}, "tokens from -100"),
        ({"mask_token": V}, "mask_token and special has 50, outside 0 to 49"),
        ({"special": (-1,)}, "special has -1"),
        ({"special": range(V)}, "leaves no token of 50"),
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"rate": 15}, "rate=15"),
        ({"mask_fraction": -0.1}, "mask_fraction=-0.1"),
        ({"mask_fraction": 0.95}, r"mask_fraction \+ random_fraction=1.05"),
    ],
)
def test_wrong_input_is_named(change, message):
    fine = {"tokens": torch.tensor([5]), "mask_token": MASK, "vocab_size": V}
    with pytest.raises(ValueError, match=message):
        mask_tokens(**(fine | change))


def test_fractions_that_sum_to_one_are_fine():
    for masked in (0.7, 0.8, 0.9):
        mask_tokens(
            torch.tensor([5]), MASK, V, mask_fraction=masked, random_fraction=1 - masked
        )


class Table(nn.Module):
    """Scores of the next token by the token itself."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(V, V)

    def forward(self, tokens):
        return self.table(tokens)


def test_the_loss_counts_the_chosen_tokens_alone(text):
    torch.manual_seed(0)
    model = Table()
    inputs, targets = mask_tokens(text, MASK, V, 0.15, source())
    loss = masked_loss(model, (inputs, targets))
    rows, columns = (targets != IGNORED).nonzero(as_tuple=True)
    scores = model(inputs)[rows, columns]
    wanted = functional.cross_entropy(scores, text[rows, columns])
    torch.testing.assert_close(loss, wanted)
    none = torch.full_like(text, IGNORED)
    assert masked_loss(model, (text, none)).item() == 0


def test_changing_what_was_not_chosen_changes_no_loss(text):
    torch.manual_seed(0)
    model = Table()
    inputs, targets = mask_tokens(text, MASK, V, 0.15, source())
    changed = inputs.where(targets != IGNORED, torch.tensor(9))
    # The table reads one token at a time, so only the chosen ones matter.
    assert masked_loss(model, (inputs, targets)) == masked_loss(
        model, (changed, targets)
    )
