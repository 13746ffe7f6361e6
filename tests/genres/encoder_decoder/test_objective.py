"""Training targets: shifted, with soft labels and no padding; spans in order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from genai_lib.genres.encoder_decoder import (
    Seq2Seq,
    Seq2SeqConfig,
    corrupt_spans,
    exact_matches,
    greedy_decode,
    parameter_groups,
    shift_right,
    smoothed_cross_entropy,
    span_batches,
    span_config,
    translation_loss,
)
from genai_lib.genres.encoder_decoder.spans import count_spans, span_mask


def test_the_target_is_shifted_by_one_and_starts_anew():
    target = torch.tensor([[5, 6, 1], [7, 1, 0]])
    kept = target.clone()
    assert shift_right(target, 3).tolist() == [[3, 5, 6], [3, 7, 1]]
    assert target.equal(kept)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_the_loss_is_that_of_torch(smoothing):
    logits = torch.randn(3, 5, 7, requires_grad=True)
    target = torch.randint(1, 7, (3, 5))
    target[1, 3:] = 0
    found = smoothed_cross_entropy(logits, target, smoothing)
    wanted = nn.functional.cross_entropy(
        logits.transpose(1, 2), target, ignore_index=0, label_smoothing=smoothing
    )
    assert_close(found, wanted)
    found.backward()
    assert (logits.grad[1, 3:] == 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_token_that_is_ruled_out_costs_what_torch_says(smoothing):
    """Nothing where labels are hard; ∞ where they are soft."""
    logits = torch.randn(2, 3, 5)
    logits[..., 4] = -torch.inf
    logits.requires_grad_()
    target = torch.randint(1, 4, (2, 3))
    found = smoothed_cross_entropy(logits, target, smoothing)
    wanted = nn.functional.cross_entropy(
        logits.transpose(1, 2), target, label_smoothing=smoothing
    )
    assert_close(found, wanted)
    assert found.isfinite() == (smoothing == 0)
    if smoothing == 0:
        found.backward()
        assert logits.grad.isfinite().all()


def test_soft_labels_by_hand():
    """Four tokens, ε = 0.4: the label gets 0.7 and each of the others 0.1."""
    logs = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
    wanted = -(0.7 * logs[1] + 0.1 * (logs[0] + logs[2] + logs[3]))
    found = smoothed_cross_entropy(logs[None, None], torch.tensor([[1]]), 0.4)
    assert_close(found, wanted)


def test_soft_labels_are_cheapest_at_their_own_law():
    soft = torch.tensor([0.05, 0.05, 0.85, 0.05])
    best = smoothed_cross_entropy(soft.log()[None, None], torch.tensor([[2]]), 0.2)
    assert_close(best, -(soft * soft.log()).sum())
    for other in (torch.tensor([0.01, 0.01, 0.97, 0.01]), torch.full((4,), 0.25)):
        logits = other.log()[None, None]
        assert smoothed_cross_entropy(logits, torch.tensor([[2]]), 0.2) > best


def test_a_loss_needs_fitting_arguments():
    logits = torch.zeros(1, 2, 3)
    with pytest.raises(ValueError, match="target=.*must have the shape"):
        smoothed_cross_entropy(logits, torch.zeros(1, 3).long())
    for smoothing in (-0.1, 1.0):
        with pytest.raises(ValueError, match=f"smoothing={smoothing}"):
            smoothed_cross_entropy(logits, torch.zeros(1, 2).long(), smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("pad", [0, 2])
def test_a_target_of_padding_alone_has_no_loss(smoothing, pad):
    model = Seq2Seq(Seq2SeqConfig(9, width=8, heads=2, pad_token=pad))
    pads = torch.full((2, 3), pad)
    with pytest.raises(ValueError, match=f"only padding, pad_token={pad}"):
        smoothed_cross_entropy(torch.randn(2, 3, 9), pads, smoothing, pad)
    with pytest.raises(ValueError, match="only padding"):
        translation_loss(model, (torch.ones(2, 3).long(), pads), smoothing)
    with pytest.raises(ValueError, match="only padding"):
        smoothed_cross_entropy(torch.randn(0, 3, 9), pads[:0], smoothing, pad)
    pads[1, 0] = 5
    assert smoothed_cross_entropy(torch.randn(2, 3, 9), pads, smoothing, pad).isfinite()


def test_targets_are_tokens_that_exist():
    logits = torch.randn(1, 2, 9)
    for wrong in ([3, 9], [-100, 3], [-1, 0]):
        with pytest.raises(ValueError, match="target from .* must be from 0 to 8"):
            smoothed_cross_entropy(logits, torch.tensor([wrong]))
    for wrong in (torch.ones(1, 2), None, [[1, 2]]):
        with pytest.raises(ValueError, match="target="):
            smoothed_cross_entropy(logits, wrong)


def test_teacher_forcing_tells_the_true_past():
    """The loss is the mean of -log p(y_t | y_<t, x), one token at a time."""
    model = Seq2Seq(Seq2SeqConfig(9, width=8, heads=2)).eval()
    source, target = torch.tensor([[3, 4, 1]]), torch.tensor([[5, 6, 1, 0]])
    costs = []
    for t in range(3):
        past = torch.tensor([[0, *target[0, :t]]])
        logs = model(source, past)[0, -1].log_softmax(-1)
        costs.append(-logs[target[0, t]].item())
    found = translation_loss(model, (source, target)).item()
    assert found == pytest.approx(sum(costs) / 3, abs=1e-5)


class Fixed(nn.Module):
    """Write fixed translations, whatever the source."""

    config = Seq2SeqConfig(9)

    def __init__(self, *rows):
        super().__init__()
        self.rows = torch.tensor(rows)

    def conditioned_on(self, source):
        return FixedTarget(self.rows)


class FixedTarget:
    def __init__(self, rows):
        self.rows, self.step = rows, 0

    def new_cache(self):
        return None

    def __call__(self, tokens, cache=None):
        logits = nn.functional.one_hot(self.rows[:, self.step], 9).float()[:, None]
        self.step += 1
        return logits


def test_a_translation_counts_only_as_a_whole():
    target = torch.tensor([[5, 6, 1, 0], [5, 1, 0, 0], [5, 6, 7, 1]])
    source = torch.ones(3, 2, dtype=torch.int64)
    right = Fixed([5, 6, 1, 8], [5, 1, 8, 8], [5, 6, 7, 1])
    assert greedy_decode(right, source, 4).tolist()[1] == [5, 1, 1, 1]
    assert exact_matches(right, source, target).all()
    for wrong in (
        Fixed([5, 6, 8, 1], [5, 8, 1, 1], [5, 6, 7, 8]),
        Fixed([5, 1, 1, 1], [1, 1, 1, 1], [5, 6, 1, 1]),
    ):
        assert not exact_matches(wrong, source, target).any()


TEXT = torch.arange(2, 42).expand(50, -1)


def restore(source, target, first_sentinel, end):
    """Put the spans of a target back into the places of their sentinels."""
    spans, kept = {}, []
    for token in target:
        if token >= first_sentinel:
            spans[token] = []
        elif token != end:
            spans[max(spans)].append(token)
    for token in source:
        kept += spans[token] if token >= first_sentinel else [token] * (token != end)
    return kept


@given(
    st.integers(2, 40),
    st.floats(0.05, 0.9),
    st.floats(1, 6),
    st.integers(0, 10**6),
)
def test_spans_can_be_put_back(length, corruption_rate, mean_span_length, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = TEXT[:4, :length]
    source, target = corrupt_spans(
        tokens, 100, 1, corruption_rate, mean_span_length, generator
    )
    for one, other in zip(source.tolist(), target.tolist(), strict=True):
        assert one[-1] == other[-1] == 1
        sentinels = [token for token in one if token >= 100]
        assert sentinels == list(range(100, 100 + len(sentinels)))
        assert [token for token in other if token >= 100] == sentinels
        assert restore(one, other, 100, 1) == tokens[0].tolist()


def test_the_right_share_lies_in_spans_of_the_right_length():
    source, target = corrupt_spans(TEXT, 100, 1)
    # 6 of 40 tokens in 2 spans, each behind a sentinel, and an end.
    assert source.shape == (50, 40 - 6 + 2 + 1)
    assert target.shape == (50, 6 + 2 + 1)
    assert (source == 100).sum() == (source == 101).sum() == 50


def test_every_place_and_every_length_of_span_comes():
    mask = span_mask(4000, 12, 0.5, 3.0, torch.Generator().manual_seed(3))
    assert (mask.sum(1) == 6).all()
    assert not mask[:, 0].any() and mask[:, -1].all()
    begins = mask[:, 1:] & ~mask[:, :-1]
    assert (begins.sum(1) == 2).all()
    # The first of two spans has 1 to 5 tokens, all five equally often.
    first = (mask & ((~mask).long().cumprod(1) == 0)).long()
    lengths = torch.tensor([row.tolist().index(1) for row in mask])
    sizes = [
        (~row[start:]).tolist().index(True)
        for row, start in zip(mask, lengths.tolist(), strict=True)
    ]
    shares = torch.bincount(torch.tensor(sizes), minlength=6) / 4000
    assert first.any() and shares[0] == 0
    assert_close(shares[1:], torch.full((5,), 0.2), atol=0.03, rtol=0)
    starts = torch.bincount(lengths, minlength=6)[1:] / 4000
    assert_close(starts, torch.full((5,), 0.2), atol=0.03, rtol=0)


def test_the_same_generator_draws_the_same_spans():
    twice = [
        corrupt_spans(TEXT, 100, 1, generator=torch.Generator().manual_seed(5))[0]
        for _ in range(2)
    ]
    assert twice[0].equal(twice[1])
    assert len({tuple(row) for row in twice[0].tolist()}) > 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corruption_rate": 0.0}, "corruption_rate=0.0"),
        ({"corruption_rate": 1.0}, "corruption_rate=1.0"),
        ({"mean_span_length": 0.5}, "mean_span_length=0.5"),
        ({"first_sentinel": 41}, "tokens up to 41 must be below first_sentinel=41"),
        ({"tokens": TEXT[:, :1]}, "tokens=.*L > 1"),
        ({"tokens": TEXT.float()}, "tokens=.*int64"),
        ({"tokens": TEXT[:0]}, r"tokens=.*\(0, 40\).*B > 0"),
        ({"tokens": TEXT[:, :0]}, "tokens=.*L > 1"),
        ({"tokens": TEXT[0]}, "tokens=.*shape"),
        ({"tokens": -TEXT}, "from 0 on: the smallest is -41"),
        ({"end_token": 100}, "end_token=100 is one of the 2 sentinels"),
        ({"end_token": 101}, "end_token=101 is one of the 2 sentinels"),
        (
            {"end_token": 103, "corruption_rate": 0.5, "mean_span_length": 2.0},
            "end_token=103 is one",
        ),
        ({"end_token": -1}, "end_token=-1"),
        ({"end_token": 1.0}, "end_token=1.0"),
        ({"corruption_rate": float("nan")}, "corruption_rate=nan"),
        ({"mean_span_length": float("nan")}, "mean_span_length=nan"),
    ],
)
def test_texts_that_cannot_be_corrupted_are_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        corrupt_spans(
            **({"tokens": TEXT, "first_sentinel": 100, "end_token": 1} | options)
        )


def test_an_end_may_stand_behind_the_marks():
    source, target = corrupt_spans(TEXT, 100, 102)
    assert (source == 102).sum() == (target == 102).sum() == 50
    for length in (-1, 0, 1, 2.5):
        with pytest.raises(ValueError, match=f"length={length}"):
            span_mask(3, length, 0.5, 1.0)
    mask = span_mask(5, 40, 0.3, 2.0)
    begins = mask & ~torch.cat([mask[:, :1] & False, mask[:, :-1]], dim=1)
    assert (mask.sum(1) == 12).all() and (begins.sum(1) == 6).all()
    assert count_spans(40, 0.3, 2.0) == (12, 6)


def test_batches_of_spans_fit_their_model():
    config = span_config(50, sentinels=4, width=8, heads=2)
    batches = span_batches(iter([TEXT, TEXT]), 50, config, corruption_rate=0.3)
    source, target = next(batches)
    assert source.shape == (50, 40 - 12 + 4 + 1) and target.shape == (50, 12 + 4 + 1)
    assert source.max() == config.end_token == 54
    assert ((source >= 50) & (source < 54)).sum() == 4 * 50
    loss = translation_loss(Seq2Seq(config), (source, target))
    assert loss.isfinite()
    with pytest.raises(ValueError, match="more spans than 4 sentinels"):
        next(span_batches(iter([TEXT]), 50, config, corruption_rate=0.6))
    for wrong in (TEXT[:0], TEXT[:, :1], None):
        with pytest.raises(ValueError, match="tokens="):
            next(span_batches(iter([wrong]), 50, config))


def test_tables_learn_faster_and_every_weight_once():
    model = Seq2Seq(Seq2SeqConfig(9, 8, 2))
    matrices, tables = parameter_groups(model, 2e-3, 5.0)
    assert matrices["lr"] == 2e-3 and tables["lr"] == pytest.approx(1e-2)
    assert {id(w) for w in tables["params"]} == {
        id(model.embedding.weight),
        id(model.encoder[0].attention.positional_encoding.table.weight),
        id(model.decoder[0].attention.positional_encoding.table.weight),
    }
    both = [id(w) for w in (*matrices["params"], *tables["params"])]
    assert sorted(both) == sorted(id(w) for w in model.parameters())
