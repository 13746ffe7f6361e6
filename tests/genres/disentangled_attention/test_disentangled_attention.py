"""Buckets and attention of DeBERTa: laws, loops, a worked example, transformers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import (
    KeyValueCache,
    MultiHeadAttention,
    causal_mask,
    record_attention,
)
from genai_lib.genres.disentangled_attention import (
    TERMS,
    DebertaAttention,
    DebertaAttentionAsPrinted,
    RelativePositions,
    content_to_position,
    log_bucket,
    position_to_content,
    relative_rows,
)

SUBSETS = [TERMS, ("c2c",), ("c2p",), ("p2c",), ("c2c", "c2p"), ("c2c", "p2c")]
KINDS = [DebertaAttention, DebertaAttentionAsPrinted]


def make(
    kind=DebertaAttention,
    width=12,
    heads=3,
    max_relative_distance=3,
    max_distance=None,
    **options,
):
    """Make an attention whose every weight shows in its output."""
    norm = nn.LayerNorm if options.pop("normed", False) else nn.Identity
    positions = RelativePositions(width, max_relative_distance, max_distance, norm)
    attention = kind(width, heads, positions, **options)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_(0.1, 0.5)
    return attention


# Rows and buckets.


@given(st.integers(1, 9), st.integers(-30, 30), st.integers(-30, 30))
def test_the_row_is_the_one_of_the_paper(k, i, j):
    row = relative_rows(torch.tensor([i]), torch.tensor([j]), k).item()
    if i - j <= -k:
        assert row == 0
    elif i - j >= k:
        assert row == 2 * k - 1
    else:
        assert row == i - j + k


def test_rows_are_those_of_queries_and_keys_that_differ_in_number():
    rows = relative_rows(torch.tensor([5, 9]), torch.tensor([4, 5, 6]), 3)
    assert rows.tolist() == [[4, 3, 2], [5, 5, 5]]


@pytest.mark.parametrize(
    ("k", "longest"),
    [(256, 512), (32, 512), (4, 16), (2, 5), (3, 9), (7, 10), (64, 100), (10, 512)],
)
def test_log_buckets_are_exactly_those_of_transformers(k, longest):
    module = pytest.importorskip("transformers.models.deberta_v2.modeling_deberta_v2")
    distance = torch.arange(-3 * longest, 3 * longest + 1)
    wanted = module.make_log_bucket_position(distance, k, longest)
    assert_close(log_bucket(distance, k, longest), wanted.long(), atol=0, rtol=0)


@given(st.integers(2, 40), st.integers(0, 200))
def test_buckets_are_odd_ordered_and_small(k, more):
    longest = k // 2 + 2 + more
    distance = torch.arange(-longest + 1, longest)
    found = log_bucket(distance, k, longest)
    assert_close(found.flip(0), -found)
    assert (found.diff() >= 0).all()
    assert found.abs().max() <= max(k - 1, k // 2)
    near = distance.abs() <= k // 2
    assert_close(found[near], distance[near])


def test_grouped_rows_reach_further_with_as_many_vectors():
    places = torch.arange(100)
    rows = relative_rows(places, places, 8, 64)
    assert rows.min() == 0 and rows.max() == 15
    assert rows[26, 0] == 15 and rows[25, 0] == 14 and rows[0, 63] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_bucket(torch.tensor([1.5]), 4, 16), "distance=.*whole numbers"),
        (
            lambda: log_bucket(torch.tensor([1]), 1, 16),
            "max_relative_distance=1 must be at least 2",
        ),
        (lambda: log_bucket(torch.tensor([1]), 8, 5), "max_distance=5 above 5"),
        (lambda: log_bucket(torch.tensor([1]), 8, 0), "max_distance=0"),
        (
            lambda: relative_rows(torch.arange(2), torch.arange(2), 0),
            "max_relative_distance=0",
        ),
        (lambda: relative_rows(torch.rand(2), torch.rand(2), 2), "distance="),
        (lambda: RelativePositions(8, 8, 5), "max_distance=5 above 5"),
        (lambda: RelativePositions(0, 8), "width=0"),
    ],
)
def test_impossible_distances_are_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The terms.


def test_a_worked_example():
    """Two tokens, one head of width 1: every product can be done by hand."""
    query, key = torch.tensor([[[[2.0], [3.0]]]]), torch.tensor([[[[5.0], [7.0]]]])
    rows = relative_rows(torch.arange(2), torch.arange(2), 2)
    assert rows.tolist() == [[2, 1], [3, 2]]
    # Rows 0 to 3 stand for keys 2 or more after, 1 after, here, 1 before.
    table = torch.tensor([[[10.0], [20.0], [30.0], [40.0]]])
    c2p = content_to_position(query, table, rows)
    p2c = position_to_content(key, table, rows)
    assert c2p.tolist() == [[[[60, 40], [120, 90]]]]
    assert p2c.tolist() == [[[[150, 140], [200, 210]]]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("terms", SUBSETS)
@pytest.mark.parametrize("shared", [False, True])
def test_scores_are_those_of_a_loop(kind, terms, shared):
    """Equation 4, one pair of positions at a time."""
    attention = make(kind, terms=terms, shared=shared, normed=True)
    x = torch.randn(2, 7, 12)
    positional_encoding, d = attention.positional_encoding, 4
    vectors = positional_encoding.norm(positional_encoding.table.weight)
    maps = attention.position_projections
    to_key = maps["c2p"] if "c2p" in maps else attention.to_key
    to_query = maps["p2c"] if "p2c" in maps else attention.to_query
    q, k = attention.to_query(x), attention.to_key(x)
    kr, qr = to_key(vectors), to_query(vectors)
    wanted = torch.zeros(2, 3, 7, 7)
    for h in range(3):
        part = slice(h * d, (h + 1) * d)
        for i in range(7):
            for j in range(7):
                there = min(max(i - j, -3), 2) + 3
                back = min(max(j - i, -3), 2) + 3
                third = there if kind is DebertaAttention else back
                score = torch.zeros(2)
                if "c2c" in terms:
                    score = score + (q[:, i, part] * k[:, j, part]).sum(-1)
                if "c2p" in terms:
                    score = score + q[:, i, part] @ kr[there, part]
                if "p2c" in terms:
                    score = score + k[:, j, part] @ qr[third, part]
                wanted[:, h, i, j] = score / math.sqrt(len(terms) * d)
    found = attention.score_terms(x)
    assert set(found) == set(terms)
    assert_close(sum(found.values()), wanted, atol=1e-5, rtol=1e-5)
    with record_attention(attention) as seen:
        slow = attention(x)
    assert_close(seen[""][0], wanted.softmax(-1), atol=1e-5, rtol=1e-5)
    assert_close(attention(x), slow, atol=1e-5, rtol=1e-5)


def test_content_alone_is_ordinary_attention():
    attention = make(terms=("c2c",))
    plain = MultiHeadAttention(12, 3)
    names = plain.state_dict()
    plain.load_state_dict({name: attention.state_dict()[name] for name in names})
    x = torch.randn(2, 6, 12)
    assert_close(attention(x), plain(x))


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_of_all_positions_changes_nothing(kind):
    attention, x = make(kind), torch.randn(2, 6, 12)
    moved = attention(x, positions=torch.arange(6) + 41)
    assert_close(moved, attention(x), atol=0, rtol=0)
    assert not torch.allclose(attention(x, positions=torch.arange(6) * 2), moved)


def test_equal_words_are_told_apart_by_position_alone():
    """Without positions the rows of two equal tokens are equal."""
    x = torch.randn(1, 5, 12)
    x[:, 4] = x[:, 1]
    found = make(max_relative_distance=4).score_terms(x)
    assert_close(found["c2c"][:, :, 1], found["c2c"][:, :, 4])
    assert not torch.allclose(found["c2p"][:, :, 1], found["c2p"][:, :, 4], atol=0.1)
    # A column belongs to a key, and p2c knows nothing but the key and the distance.
    moved = torch.randn(1, 5, 12)
    moved[:, 3] = x[:, 3]
    again = make(max_relative_distance=4)
    before, after = again.score_terms(x)["p2c"], again.score_terms(moved)["p2c"]
    assert_close(before[..., 3], after[..., 3])
    assert not torch.allclose(before[..., 2], after[..., 2], atol=0.1)


def test_beyond_the_maximum_distance_all_distances_look_alike():
    attention, x = make(max_relative_distance=2, terms=("c2p",)), torch.randn(1, 9, 12)
    scores = attention.score_terms(x)["c2p"]
    assert_close(scores[..., 8, :8], scores[..., 8, :1].expand(-1, -1, 8))
    assert_close(scores[..., 0, 2:], scores[..., 0, 2:3].expand(-1, -1, 7))
    assert not torch.allclose(scores[..., 0, 1], scores[..., 0, 2], atol=0.1)


def test_a_cache_and_a_causal_mask_give_what_one_pass_gives():
    attention, x = make(), torch.randn(2, 8, 12)
    whole = attention(x, mask=causal_mask(8))
    cache, parts = KeyValueCache(), []
    for piece in x.split((3, 1, 4), dim=1):
        seen = cache.length + piece.shape[1]
        mask = causal_mask(piece.shape[1], seen)
        parts.append(attention(piece, mask=mask, cache=cache))
    assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)
    changed = x.clone()
    changed[:, 5:] += 1
    after = attention(changed, mask=causal_mask(8))
    assert_close(after[:, :5], whole[:, :5])


def test_a_memory_stands_at_the_positions_of_its_queries():
    attention, x = make(), torch.randn(2, 6, 12)
    asked = torch.randn(2, 6, 12)
    assert_close(attention(x, x), attention(x))
    mask = causal_mask(6)
    places = torch.arange(6) * 2
    one = attention(x, x, mask=mask, positions=places)
    assert_close(one, attention(x, mask=mask, positions=places))
    with record_attention(attention):
        slow = attention(asked, x, mask=mask)
    assert_close(attention(asked, x, mask=mask), slow, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(slow, attention(x, mask=mask), atol=0.1)
    with pytest.raises(ValueError, match="memory=.* as many positions as x="):
        attention(asked, x[:, :5])
    with pytest.raises(ValueError, match="does not go with a cache"):
        attention(asked, x, cache=KeyValueCache())


def test_gradients_reach_every_parameter():
    attention = make(normed=True)
    attention(torch.randn(2, 6, 12)).square().sum().backward()
    missing = [
        name
        for name, p in attention.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": ()}, r"terms=\(\) must be some of"),
        ({"terms": ("c2c", "p2p")}, "terms=.*p2p"),
        ({"terms": ("c2c", "c2c")}, "each once"),
        ({"terms": "c2c"}, "terms='c2c'"),
        ({"heads": 5}, "width=12 must be a multiple of heads=5"),
    ],
)
def test_impossible_attentions_are_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
    with pytest.raises(ValueError, match="positions of width=8 must have the width=12"):
        DebertaAttention(12, 3, RelativePositions(8, 2))


# Paper and code.


def test_a_table_read_backwards_joins_paper_and_code():
    """In texts shorter than k, δ(j, i) is δ(i, j) of a reversed table: 2k - r."""
    code = make(max_relative_distance=6)
    paper = make(DebertaAttentionAsPrinted, max_relative_distance=6)
    paper.load_state_dict(code.state_dict())
    x = torch.randn(2, 6, 12)
    key = code._split_heads(code.to_key(x))
    places = torch.arange(6)
    rows = relative_rows(places, places, 6)
    table = code.position_query()  # (heads, 12, d)
    backwards = table.clone()
    backwards[:, 1:] = table[:, 1:].flip(1)
    found = position_to_content(key, backwards, rows) * code.term_scale
    assert_close(found, paper.score_terms(x)["p2c"])
    assert not torch.allclose(found, code.score_terms(x)["p2c"], atol=0.1)
    assert_close(paper.score_terms(x)["c2p"], code.score_terms(x)["c2p"])


def test_at_the_end_of_the_maximum_distance_the_two_differ_on_one_side():
    places = torch.arange(4)
    there = relative_rows(places, places, 2)
    back = there.mT
    assert there[3].tolist() == [3, 3, 3, 2] and there[0].tolist() == [2, 1, 0, 0]
    assert back[3].tolist() == [0, 0, 1, 2] and back[0].tolist() == [2, 3, 3, 3]
