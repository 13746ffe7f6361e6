"""Words and sentences as vectors, losses and exact search."""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.testing import assert_close

from genai_lib.components.embeddings import (
    SkipGram,
    TextEncoder,
    Vocabulary,
    cosine_distance,
    count_pairs,
    euclidean_distance,
    exact_search,
    info_nce,
    keep_probability,
    matryoshka_loss,
    negative_sampling_loss,
    noise_distribution,
    pmi,
    ppmi_vectors,
    recall,
    skip_gram_pairs,
    split_words,
    unit_length,
)
from genai_lib.components.embeddings.exercises import (
    PASSAGES,
    check_contrast,
    check_passages,
)

IDS = st.lists(st.integers(0, 6), max_size=12)


def ids(*numbers):
    return torch.tensor(numbers, dtype=torch.long)


# Words and counts


def test_lookup_is_a_product_with_one_hot_rows():
    table = nn.Embedding(7, 3)
    rows = ids(2, 0, 2)
    one_hot = nn.functional.one_hot(rows, 7).float()
    assert_close(table(rows), one_hot @ table.weight)


def test_vocabulary_is_sorted_and_leaves_unknown_words_out():
    words = Vocabulary.from_texts(["b a b", "c b a d"], at_least=2)
    assert words.words == ("b", "a")
    assert words.counts == (3, 2)
    assert words.encode("A, d? b!").tolist() == [1, 0]
    assert words.encode("").dtype == torch.int64
    assert split_words("A_b2c isn't") == ["a", "b", "c", "isn't"]


@given(st.lists(IDS, max_size=4), st.integers(1, 5))
def test_pairs_are_those_of_the_double_loop(texts, window):
    texts = [ids(*text) for text in texts]
    wanted = [
        (int(text[i]), int(text[j]))
        for text in texts
        for i in range(len(text))
        for j in range(len(text))
        if i != j and abs(i - j) <= window
    ]
    words, contexts = skip_gram_pairs(texts, window)
    found = zip(words.tolist(), contexts.tolist(), strict=True)
    assert sorted(found) == sorted(wanted)


@given(st.lists(IDS, min_size=1, max_size=4))
def test_counts_are_symmetric_and_add_up_to_the_pairs(texts):
    words, contexts = skip_gram_pairs([ids(*text) for text in texts], 2)
    counts = count_pairs(words, contexts, 7)
    assert counts.equal(counts.T)
    assert counts.sum() == len(words)


def test_pmi_by_hand():
    """'a b' three times as often as chance says: log 3 of 8 pairs."""
    counts = torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    found = pmi(counts)
    assert found[0, 1].item() == pytest.approx(math.log(2 * 8 / (2 * 4)))
    assert found[0, 0].item() == -math.inf


def test_pmi_of_independent_words_is_zero():
    p = torch.rand(5, dtype=torch.double)
    assert_close(pmi(p[:, None] * p * 100), torch.zeros(5, 5, dtype=torch.double))


def test_a_word_that_never_occurs_harms_nobody():
    counts = torch.tensor([[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert (pmi(counts)[2] == -math.inf).all()
    assert ppmi_vectors(counts, 2).isfinite().all()


def test_full_width_svd_gives_the_ppmi_back_where_it_is_positive_definite():
    counts = torch.diag(torch.rand(6, dtype=torch.double) + 1) + 0.1
    positive = pmi(counts).clamp(min=0)
    vectors = ppmi_vectors(counts, 6)
    assert_close(vectors @ vectors.T, positive, atol=1e-10, rtol=0)


def test_the_sparse_decomposition_of_many_words_is_the_full_one():
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(300, 300, generator=generator, dtype=torch.double)
    counts = torch.where(shares > 0.9, shares, 0.0)
    counts = counts + counts.T
    left, sizes, _ = torch.linalg.svd(pmi(counts).clamp(min=0))
    wanted = (left * sizes.sqrt())[:, :9]
    found = ppmi_vectors(counts, 9)
    assert_close(found @ found.T, wanted @ wanted.T, atol=1e-8, rtol=0)
    assert_close(found.norm(dim=0), sizes[:9].sqrt())
    assert found.equal(ppmi_vectors(counts, 9))


def test_noise_and_keep_probabilities_by_hand():
    assert_close(
        noise_distribution(ids(16, 81)), torch.tensor([8 / 35, 27 / 35]).double()
    )
    assert_close(
        noise_distribution(ids(1, 3), 1.0), torch.tensor([0.25, 0.75]).double()
    )
    kept = keep_probability(ids(90, 9, 1), threshold=0.1)
    assert_close(kept, torch.tensor([1 / 3, 1.0, 1.0]).double())


# Skip-gram


def test_loss_equals_the_equation_written_as_a_loop():
    model = SkipGram(6, 4)
    nn.init.normal_(model.contexts.weight)
    words, contexts, noise = ids(0, 3), ids(1, 2), torch.randint(6, (2, 3))
    total = 0.0
    for w, c, row in zip(words, contexts, noise, strict=True):
        v = model.words.weight[w]
        total -= torch.sigmoid(model.contexts.weight[c] @ v).log()
        for other in row:
            total -= torch.sigmoid(-model.contexts.weight[other] @ v).log()
    assert_close(negative_sampling_loss(model, words, contexts, noise), total / 2)


def expected_loss(scores, counts, k, power):
    """The loss of negative sampling without sampling: all pairs, all noise words."""
    log_sigmoid = nn.functional.logsigmoid
    noise = noise_distribution(counts.sum(0), power)
    real = counts * log_sigmoid(scores)
    false = k * counts.sum(1, keepdim=True) * noise * log_sigmoid(-scores)
    return -(real + false).sum()


@pytest.mark.parametrize("k", [1, 5, 15])
def test_scores_of_least_loss_are_pmi_minus_log_k(k):
    counts = torch.rand(7, 7, dtype=torch.double) + 0.1
    counts = counts + counts.T
    scores = (pmi(counts) - math.log(k)).requires_grad_()
    (slope,) = torch.autograd.grad(expected_loss(scores, counts, k, 1.0), scores)
    assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)


def test_noise_of_three_quarters_moves_the_least_loss_away_from_pmi():
    counts = torch.rand(7, 7, dtype=torch.double) + 0.1
    counts = counts + counts.T
    scores = (pmi(counts) - math.log(5)).requires_grad_()
    (slope,) = torch.autograd.grad(expected_loss(scores, counts, 5, 0.75), scores)
    assert slope.abs().max() > 1e-2


def test_gradient_reaches_only_the_rows_looked_up():
    model = SkipGram(6, 4)
    nn.init.normal_(model.contexts.weight)
    negative_sampling_loss(model, ids(1), ids(4), ids(2)[:, None]).backward()
    assert model.words.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [1]
    assert model.contexts.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [
        2,
        4,
    ]


# Sentences


def test_encoder_adds_up_the_words_and_takes_empty_texts():
    model = TextEncoder(9, 4)
    texts = [ids(1, 2, 2), ids(), ids(8)]
    wanted = torch.stack([model.words.weight[text].sum(0) for text in texts])
    assert_close(model(texts), wanted)


@given(st.integers(1, 6), st.floats(0.05, 5.0))
def test_info_nce_is_cross_entropy_over_cosines(rows, temperature):
    generator = torch.Generator().manual_seed(rows)
    a, b = torch.randn(2, rows, 5, generator=generator, dtype=torch.double)
    cosines = torch.stack(
        [nn.functional.cosine_similarity(one[None], b, dim=1) for one in a]
    )
    p, q = (cosines / temperature).softmax(1), (cosines / temperature).softmax(0)
    wanted = -(p.diag().log().mean() + q.diag().log().mean()) / 2
    assert_close(info_nce(a, b, temperature), wanted)
    assert_close(info_nce(b, a, temperature), wanted)


def test_info_nce_knows_no_lengths_and_is_log_b_where_nothing_is_told_apart():
    a, b = torch.randn(2, 6, 3, dtype=torch.double)
    assert_close(info_nce(a * torch.rand(6, 1) * 9, b), info_nce(a, b))
    assert info_nce(a[:1].expand(6, 3), b).item() > math.log(6) / 2
    same = torch.ones(6, 3)
    assert info_nce(same, same).item() == pytest.approx(math.log(6))


def test_info_nce_of_partners_at_right_angles_to_all_others_is_nearly_zero():
    assert info_nce(torch.eye(5), torch.eye(5), 0.05).item() < 1e-6


def test_matryoshka_loss_is_the_weighted_sum_of_prefixes():
    a, b = torch.randn(2, 4, 8)
    found = matryoshka_loss(info_nce, a, b, widths=[2, 8], weights=[0.5, 3.0])
    wanted = 0.5 * info_nce(a[:, :2], b[:, :2]) + 3 * info_nce(a, b)
    assert_close(found, wanted)
    assert_close(matryoshka_loss(info_nce, a, b, widths=[8]), info_nce(a, b))


def test_matryoshka_gradient_reaches_every_prefix():
    a = torch.randn(4, 6, requires_grad=True)
    matryoshka_loss(lambda x: x.square().sum(), a, widths=[2, 3]).backward()
    assert_close(a.grad[:, 0] / a.detach()[:, 0], torch.full((4,), 4.0))
    assert_close(a.grad[:, 2] / a.detach()[:, 2], torch.full((4,), 2.0))
    assert (a.grad[:, 3:] == 0).all()


def test_two_encoders_learn_to_pair_a_tiny_batch():
    model = TextEncoder(12, 8)
    first, second = [ids(i) for i in range(6)], [ids(i + 6) for i in range(6)]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(80):
        optimizer.zero_grad()
        loss = info_nce(model(first), model(second), 0.1)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


# Exact search


@pytest.mark.parametrize(
    ("distance", "metric"),
    [(cosine_distance, "cosine"), (euclidean_distance, "euclidean")],
)
def test_exact_search_equals_brute_force_of_scikit_learn(distance, metric):
    vectors, queries = torch.randn(300, 7), torch.randn(11, 7)
    ids, distances = exact_search(vectors, queries, 5, distance)
    search = NearestNeighbors(algorithm="brute", metric=metric).fit(vectors.numpy())
    wanted_distances, wanted = search.kneighbors(queries.numpy(), 5)
    assert ids.numpy().tolist() == wanted.tolist()
    np.testing.assert_allclose(distances.numpy(), wanted_distances, atol=1e-5)


@given(st.integers(1, 30), st.floats(0.1, 100))
def test_on_unit_vectors_both_distances_give_one_order(rows, scale):
    generator = torch.Generator().manual_seed(rows)
    a = unit_length(torch.randn(rows, 4, generator=generator, dtype=torch.double))
    b = unit_length(torch.randn(3, 4, generator=generator, dtype=torch.double))
    cosines, straight = cosine_distance(b, a), euclidean_distance(b, a)
    assert_close(straight.square(), 2 * cosines, atol=1e-12, rtol=0)
    assert_close(cosine_distance(b, scale * a), cosines)


def test_euclidean_distance_stays_exact_far_from_the_origin():
    far = torch.full((1, 8), 1e4)
    near = far + 0.01
    found = euclidean_distance(far, near)
    exact = (far.double() - near.double()).norm()
    assert found.item() == pytest.approx(exact.item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_unit_length_takes_every_magnitude_that_a_dtype_holds(dtype):
    numbers = torch.finfo(dtype)
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(5, 4, generator=generator).to(dtype)
    directions /= directions.abs().amax(1, keepdim=True)
    wanted = unit_length(directions)
    for scale in (
        numbers.max,
        numbers.max**0.75,
        numbers.tiny**0.75,
        64 * numbers.tiny,
    ):
        found = unit_length(directions * scale)
        assert_close(
            found, wanted, atol=2e-2 if dtype == torch.float16 else 1e-5, rtol=0
        )


def test_unit_length_has_the_gradient_of_a_division_by_the_length():
    rows = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(unit_length, (rows,))


def test_a_word_that_never_occurs_is_never_noise():
    assert noise_distribution(ids(0, 5), power=0.0).tolist() == [0.0, 1.0]


def test_worked_example_of_the_chapter():
    """(3, 4) is near (6, 8) by the cosine and near (4, 3) by Euclid."""
    vectors = torch.tensor([[6.0, 8.0], [4.0, 3.0]])
    query = torch.tensor([[3.0, 4.0]])
    assert exact_search(vectors, query, 1)[0].item() == 0
    assert exact_search(vectors, query, 1, euclidean_distance)[0].item() == 1
    assert_close(cosine_distance(query, vectors), torch.tensor([[0.0, 0.04]]))


def test_recall_counts_hits_in_any_order():
    exact = ids(1, 2, 3, 4).view(2, 2)
    assert recall(ids(2, 1, 4, 3).view(2, 2), exact) == 1.0
    assert recall(ids(2, 9, 8, 1, 2, 3).view(2, 3), exact) == 0.5


# Bad input

ROWS = torch.randn(4, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact_search(ROWS, ROWS[:, :2], 1), "queries=.*shape .rows, 3"),
        (lambda: exact_search(ROWS, ROWS, 5), "k=5 must be from 1 to the 4"),
        (lambda: exact_search(ROWS, ROWS, 0), "k=0"),
        (lambda: exact_search(ROWS, ROWS, 1.0), "k=1.0"),
        (lambda: exact_search(ROWS, ROWS, "1"), "k='1'"),
        (lambda: exact_search(ROWS, ROWS, math.nan), "k=nan"),
        (lambda: exact_search(ROWS, ROWS, True), "k=True"),
        (lambda: exact_search(ROWS, ROWS, None), "k=None"),
        (lambda: exact_search(ROWS, ROWS, 1, "cosine"), "distance='cosine'"),
        (lambda: exact_search(ROWS, ROWS, 1, lambda q, v: q @ v.mT / 0), "not finite"),
        (lambda: exact_search(ROWS, ROWS.double(), 1), "queries=.*same dtype"),
        (lambda: cosine_distance(ROWS, ROWS[:, :2]), "queries=.*shape .rows, 2"),
        (lambda: euclidean_distance(ROWS[0], ROWS), "queries=.*shape .rows, 3"),
        (lambda: euclidean_distance(ROWS, ROWS * math.nan), "vectors holds a value"),
        (lambda: euclidean_distance(ROWS * 1e25, ROWS), "queries has a row whose"),
        (lambda: recall([[1]], [[1]]), "found=.*exact="),
        (lambda: exact_search(ROWS.long(), ROWS, 1), "vectors=.*floating-point"),
        (lambda: exact_search(ROWS / 0, ROWS, 1), "vectors holds a value"),
        (lambda: exact_search(ROWS, ROWS * 0, 1), "queries has a row of zeros"),
        (lambda: exact_search(ROWS * 0, ROWS, 1), "vectors has a row of zeros"),
        (lambda: recall(ROWS, ROWS[:2]), "found=.*exact="),
        (lambda: Vocabulary.from_texts(["a b"], 2), "at_least=2"),
        (lambda: Vocabulary.from_texts(["a b"], 1.5), "at_least=1.5"),
        (lambda: Vocabulary.from_texts("a b"), "texts='a b' is one text"),
        (lambda: skip_gram_pairs([], 0), "window=0"),
        (lambda: skip_gram_pairs([], math.nan), "window=nan"),
        (lambda: skip_gram_pairs([[1, 2]], 1), "texts="),
        (lambda: skip_gram_pairs([ROWS], 1), "texts="),
        (lambda: count_pairs(ids(0), ids(0), "5"), "vocab_size='5'"),
        (lambda: count_pairs(ids(-1), ids(0), 5), "words from -1"),
        (lambda: count_pairs(ROWS[0], ROWS[0], 5), "words="),
        (lambda: pmi(torch.ones(2, 3)), "counts="),
        (lambda: pmi(torch.full((2, 2), math.nan)), "counts="),
        (lambda: pmi(torch.full((2, 2), math.inf)), "counts="),
        (lambda: ppmi_vectors(torch.ones(3, 3), 2.0), "width=2.0"),
        (lambda: ppmi_vectors(torch.ones(3, 3), 2, math.nan), "shift=nan"),
        (lambda: noise_distribution(ids(0, 0)), "counts="),
        (lambda: noise_distribution(ids(-1, 3)), "counts="),
        (lambda: noise_distribution(ids(1, 3), "1"), "power='1'"),
        (lambda: keep_probability(ids(1, 3), 0.0), "threshold=0.0"),
        (lambda: keep_probability(ROWS / 0, 0.1), "counts="),
        (
            lambda: count_pairs(ids(0, 5), ids(1, 1), 5),
            "vocab_size=5 has no row for the id 5",
        ),
        (lambda: count_pairs(ids(0), ids(1, 1), 5), "words=.*contexts="),
        (lambda: pmi(ids(1, 2)), "counts="),
        (lambda: pmi(torch.zeros(2, 2)), "counts="),
        (lambda: pmi(-torch.ones(2, 2)), "counts="),
        (lambda: ppmi_vectors(torch.ones(3, 3), 4), "width=4 must be from 1 to V=3"),
        (lambda: SkipGram(0, 3), "vocab_size=0"),
        (lambda: TextEncoder(3, 0), "width=0"),
        (
            lambda: negative_sampling_loss(SkipGram(3, 2), ids(0), ids(1), ids(1)),
            "noise=",
        ),
        (lambda: info_nce(ROWS, ROWS[:3]), "first=.*second="),
        (lambda: info_nce(ROWS, ROWS, 0.0), "temperature=0.0 must be above 0"),
        (lambda: info_nce(ROWS, ROWS, math.nan), "temperature=nan"),
        (lambda: info_nce(ROWS * 0, ROWS), "first has a row of zeros"),
        (lambda: matryoshka_loss(info_nce, ROWS, ROWS, widths=[4]), "widths=.4. must"),
        (lambda: matryoshka_loss(info_nce, ROWS, ROWS, widths=[]), "widths="),
        (lambda: matryoshka_loss(info_nce, ROWS, ROWS, widths=[1.5]), "widths="),
        (
            lambda: matryoshka_loss(
                info_nce, ROWS, ROWS, widths=[2], weights=[math.nan]
            ),
            "weights=nan",
        ),
        (
            lambda: matryoshka_loss(info_nce, ROWS, ROWS, widths=[2], weights=[]),
            "weights=",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Known-wrong implementations are caught


def info_nce_with_raw_dot_products(a, b, temperature):
    scores = a @ b.T / temperature
    return nn.functional.cross_entropy(scores, torch.arange(len(a)))


def info_nce_without_temperature(a, b, temperature):
    return info_nce(a, b, 1.0)


def info_nce_without_the_partner_below(a, b, temperature):
    scores = (unit_length(a) @ unit_length(b).T / temperature).exp()
    others = scores.sum(1) - scores.diag()
    return -(scores.diag() / others).log().mean()


@pytest.mark.parametrize(
    "wrong",
    [
        info_nce_with_raw_dot_products,
        info_nce_without_temperature,
        info_nce_without_the_partner_below,
    ],
)
def test_known_wrong_losses_differ(wrong):
    a, b = torch.randn(2, 6, 4)
    assert not torch.allclose(wrong(a, b, 0.3), info_nce(a, b, 0.3), atol=1e-3)


# The checkers of the exercises


def right_passages(cells):
    import re

    texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    text = re.sub(r"```.*?```", "", "\n\n".join(texts), flags=re.DOTALL)
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [part.replace("#", "").strip() for part in parts if part]


def stub(*arguments):
    """Stand for an exercise that is not filled in."""


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            check_contrast,
            info_nce,
            {
                lambda a, b, t: (
                    (
                        info_nce_with_raw_dot_products(a, b, t)
                        + info_nce_with_raw_dot_products(b, a, t)
                    )
                    / 2
                ): "divided by their lengths",
                lambda a, b, t: info_nce_with_raw_dot_products(
                    unit_length(a), unit_length(b), t
                ): "one direction",
                lambda a, b, t: info_nce(a, b, 1 / t): "do not multiply",
                lambda a, b, t: info_nce(a, b, 1.0) * 2: "the loss should be",
                lambda a, b, t: a @ b.T: "without dimensions",
            },
        ),
        (
            check_passages,
            right_passages,
            {
                lambda cells: "text": "a list of strings",
                lambda cells: ["".join(c["source"]) for c in cells]: "code cells",
                lambda cells: ["z = 3"]: "fenced code",
                lambda cells: ["a", " "]: "empty passages",
                lambda cells: ["# Title"]: "the marks #",
                lambda cells: ["Two\nlines."]: "one line",
                lambda cells: right_passages(cells)[1:]: "is wanted, not",
            },
        ),
    ],
    ids=["contrast", "passages"],
)
def test_checkers_accept_the_right_and_explain_the_wrong(check, right, wrong):
    assert check(right).passed
    assert "not filled in" in check(stub).message
    for answer, reason in wrong.items():
        verdict = check(answer)
        assert not verdict.passed
        assert reason in verdict.message, inspect.getsource(answer)
    assert len(PASSAGES) == 4


# One right answer for each checker, see tests/book/test_exercise_results.py.
RIGHT_ANSWERS = {
    "contrast": info_nce,
    "passages": right_passages,
}
