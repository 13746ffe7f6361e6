"""Search where the vectors are equal, few, empty, broken, or of one number."""

import json
import os
import stat

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from torch.testing import assert_close

from genai_lib.components.embeddings import (
    TextEncoder,
    cosine_distance,
    euclidean_distance,
    exact_search,
    recall,
)
from genai_lib.components.vector_search import (
    Graph,
    ProductQuantizer,
    VectorIndex,
    build_graph,
    recall_curve,
    search_graph,
)
from genai_lib.components.vector_search.index_file import FORMAT, digest

DISTANCES = {"cosine": cosine_distance, "euclidean": euclidean_distance}


def draw(seed):
    return torch.Generator().manual_seed(seed)


def two_clusters(far):
    return torch.tensor([[1.0, 2.0, 3.0], [-far, far, 0.5]]).repeat(400, 1)


KINDS = {
    "all equal": torch.ones(700, 4),
    "two clusters": two_clusters(1.0),
    "two far clusters": two_clusters(1000.0),
    "most equal": torch.cat(
        [torch.ones(600, 5), torch.randn(60, 5, generator=draw(0))]
    ),
    "few values": torch.randint(0, 3, (500, 3), generator=draw(1)).float() + 0.5,
    "each twice": torch.randn(150, 6, generator=draw(2)).repeat(2, 1),
    "one vector": torch.ones(1, 3),
    "two vectors": torch.eye(2, 3),
    "one number": torch.randn(300, 1, generator=draw(3)),
    "whole numbers": torch.arange(1.0, 301)[:, None],
    "constant columns": torch.cat(
        [torch.full((300, 4), 7.0), torch.randn(300, 1, generator=draw(4))], dim=1
    ),
    "scaled copies": torch.randn(1, 4, generator=draw(5))
    * torch.arange(1.0, 400)[:, None],
    "nearly equal": 1 + 1e-7 * torch.randn(500, 8, generator=draw(6)),
    "two nearly equal": two_clusters(1.0)
    + 1e-6 * torch.randn(800, 3, generator=draw(7)),
}
WITH_ZEROS = {
    "zeros": torch.zeros(300, 3),
    "zeros and ones": torch.tensor([[0.0, 0.0], [1.0, 1.0], [-0.0, 0.0]]).repeat(90, 1),
}
CASES = [(kind, metric) for kind in KINDS for metric in DISTANCES]
CASES += [(kind, "euclidean") for kind in WITH_ZEROS]


@pytest.mark.parametrize("links", [2, 16])
@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_an_index_gives_k_of_k_and_the_true_distances(kind, metric, links):
    vectors = (KINDS | WITH_ZEROS)[kind]
    rows, width = vectors.shape
    index = VectorIndex(width, metric, links=links)
    index.add(vectors[: rows // 2])
    index.add(vectors[rows // 2 :])
    noise = torch.randn(6, width, generator=draw(8))
    queries = torch.cat([vectors[:: max(1, rows // 7)], noise])
    if metric == "cosine":
        queries = queries[queries.norm(dim=1) > 0]
    for k in {1, min(10, rows), min(64, rows)}:
        ids, distances = index.search(queries, k, ef=64)
        assert ids.shape == distances.shape == (len(queries), k)
        assert all(len(set(row)) == k for row in ids.tolist())
        assert (distances.diff(dim=1) >= 0).all()
        wanted = exact_search(vectors, queries, k, DISTANCES[metric])[1]
        assert_close(distances[:, 0], wanted[:, 0], atol=1e-5, rtol=1e-4)
        own = DISTANCES[metric](queries, vectors).gather(1, ids)
        assert_close(distances, own, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS | WITH_ZEROS)
def test_our_graph_gives_k_of_k_and_the_true_neighbour(kind):
    vectors = (KINDS | WITH_ZEROS)[kind][:240]
    graph = build_graph(vectors, links=8, ef=32, generator=draw(0))
    for query in vectors[:: max(1, len(vectors) // 5)]:
        for k in {1, min(10, len(vectors)), len(vectors)}:
            walk = search_graph(graph, vectors, query, k, ef=max(64, k))
            assert len(set(walk.ids.tolist())) == k
            wanted = (vectors - query).square().sum(1).sort().values[:k]
            assert_close(walk.distances[0], wanted[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("metric", DISTANCES)
def test_our_walk_and_the_index_find_the_same_among_duplicates(metric):
    vectors = torch.randn(200, 5, generator=draw(0)).repeat(3, 1)
    index = VectorIndex(5, metric)
    ids = torch.randperm(600, generator=draw(1)) + 9
    index.add(vectors, ids)
    graph, stored, names = index.graph()
    assert names.equal(ids)
    assert len(graph.layers[0]) == 200
    assert stored[:200].equal(stored[200:400])
    query = vectors[7] if metric == "euclidean" else vectors[7] / vectors[7].norm()
    walk = search_graph(graph, stored, query, 9, 64)
    assert names[walk.ids].tolist() == index.search(query[None], 9)[0][0].tolist()
    assert set(walk.ids[:3].tolist()) == {7, 207, 407}


def test_a_graph_without_a_way_is_no_reason_to_return_less():
    """Nodes 2 and 3 cannot be reached: then all vectors are measured, and counted."""
    nothing = np.array([], dtype=int)
    graph = Graph([{0: np.array([1]), 1: np.array([0]), 2: nothing, 3: nothing}], 0)
    places = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    walk = search_graph(graph, places, torch.tensor([3.0]), k=3, ef=4)
    assert walk.ids.tolist() == [3, 2, 1]
    assert walk.evaluations == 2 + 4


EQUALLY_FAR = {
    "one-hot": torch.eye(150),
    "and their negatives": torch.cat([torch.eye(90), -3 * torch.eye(90)]),
    "in three sizes": torch.cat([0.3 * torch.eye(60), torch.eye(60), -torch.eye(60)]),
    "corners of a cube": torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 7),
}


@pytest.mark.parametrize("kind", EQUALLY_FAR)
def test_vectors_that_lie_equally_far_find_themselves(kind):
    """No step of a walk brings it nearer: then all vectors are measured."""
    vectors = EQUALLY_FAR[kind]
    for metric, distance in DISTANCES.items():
        index = VectorIndex(vectors.shape[1], metric)
        index.add(vectors)
        _, distances = index.search(vectors, 2)
        exact = exact_search(vectors, vectors, 2, distance)[1]
        assert_close(distances, exact, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", EQUALLY_FAR)
def test_our_walk_finds_vectors_that_lie_equally_far(kind, seed):
    vectors = EQUALLY_FAR[kind]
    graph = build_graph(vectors, generator=draw(seed))
    for k, ef in ((1, 8), (1, 64), (5, 64)):
        walks = [search_graph(graph, vectors, query, k, ef) for query in vectors]
        assert torch.cat([w.ids[:1] for w in walks]).equal(torch.arange(len(vectors)))
        exact = euclidean_distance(vectors, vectors).sort(1).values[:, :k].square()
        assert_close(torch.stack([walk.distances for walk in walks]), exact)


def test_a_walk_that_is_cut_off_is_given_up():
    """Nodes 3 to 5 have no link from the others: fewer than ef nodes are reached."""
    layer = {n: np.array([m for m in range(3) if m != n]) for n in range(3)}
    layer |= {n: np.array([0, n - 1]) for n in range(3, 6)}
    places = torch.arange(6.0)[:, None]
    walk = search_graph(Graph([layer], 0), places, torch.tensor([5.0]), k=1, ef=4)
    assert walk.ids.tolist() == [5]
    assert walk.evaluations == 3 + 6


def test_a_walk_that_keeps_one_node_does_not_measure_all():
    vectors = torch.randn(300, 3, generator=draw(0))
    graph = build_graph(vectors, generator=draw(1))
    walks = [search_graph(graph, vectors, query, 1, ef=1) for query in vectors[:40]]
    assert all(walk.evaluations < 150 for walk in walks)


@given(st.integers(1, 30), st.integers(0, 99))
def test_any_repetition_is_found_whole(distinct, seed):
    different = torch.randn(distinct, 3, generator=draw(seed))
    chosen = torch.randint(distinct, (80,), generator=draw(seed + 1))
    index = VectorIndex(3, "euclidean")
    index.add(different[chosen])
    place = int(chosen[0])
    equal = (chosen == place).nonzero().flatten().tolist()
    ids, distances = index.search(different[place][None], len(equal), ef=80)
    assert sorted(ids[0].tolist()) == equal
    assert (distances == 0).all()


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_stored_index_still_knows_what_is_equal(tmp_path, metric):
    vectors = torch.randn(20, 4, generator=draw(0)).repeat(5, 1)
    index = VectorIndex(4, metric)
    index.add(vectors[:70])
    index.save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index")
    for one in (index, loaded):
        assert one.add(vectors[70:]).tolist() == list(range(70, 100))
        assert len(one) == 100
        assert len(one.graph()[0].layers[0]) == 20
    for mine, theirs in zip(loaded.search(vectors), index.search(vectors), strict=True):
        assert mine.equal(theirs)


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": np.arange(9)},
        {"ids": np.zeros(10, dtype=np.int64)},
        {"ids": np.arange(10) - 1},
        {"ids": np.arange(10.0)},
        {"first": np.arange(10)[::-1].copy()},
        {"first": np.arange(10) + 1},
        {"first": np.zeros(10, dtype=np.int64)},
        {"graph": np.zeros(8, dtype=np.uint8)},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_one_clear_error(tmp_path, changes):
    index = VectorIndex(3)
    index.add(torch.randn(10, 3, generator=draw(0)))
    index.save(tmp_path / "index")
    parts = load_file(tmp_path / "index") | changes
    about = {"format": FORMAT, "width": 3, "metric": "cosine"}
    about |= {"embedding_model": "", "count": 10}
    about["sha256"] = digest(about, parts)
    header = {"about": json.dumps(about)}
    save_file(parts, tmp_path / "index", metadata=header)
    with pytest.raises(ValueError, match="path="):
        VectorIndex.load(tmp_path / "index")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_file_may_be_read_by_whom_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        VectorIndex(3).save(tmp_path / "index")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "index").stat().st_mode) == 0o666 & ~mask


# Numbers whose squares no float32 can hold


SMALL_SET = torch.randn(40, 3, generator=draw(0))
CODES = torch.zeros(1, 3, dtype=torch.uint8)
SQUARE = {
    "add": lambda x: VectorIndex(3, "euclidean").add(x),
    "search": lambda x: filled_euclidean().search(x, 1),
    "exact vectors": lambda x: exact_search(x, SMALL_SET, 1, euclidean_distance),
    "exact queries": lambda x: exact_search(SMALL_SET, x, 1, euclidean_distance),
    "build": lambda x: build_graph(x),
    "walk": lambda x: search_graph(build_graph(SMALL_SET), x, SMALL_SET[0], 1, 4),
    "query": lambda x: search_graph(
        build_graph(SMALL_SET), SMALL_SET, x[0] + x[1], 1, 4
    ),
    "fit": lambda x: ProductQuantizer.fit(x, 3, 2),
    "encode": lambda x: ProductQuantizer(torch.randn(3, 2, 1)).encode(x),
    "estimate": lambda x: ProductQuantizer(torch.randn(3, 2, 1)).distances(x, CODES),
    "centres": lambda x: ProductQuantizer(x[None]),
}


def filled_euclidean():
    index = VectorIndex(3, "euclidean")
    index.add(SMALL_SET)
    return index


@pytest.mark.parametrize("scale", [1e38, 1e19, 1e-20, 1e-30, 1e-44])
@pytest.mark.parametrize("name", SQUARE)
def test_magnitudes_without_a_square_are_refused_by_name(name, scale):
    with pytest.raises(ValueError, match=r"(vectors|queries|query|centres) has a row"):
        SQUARE[name](SMALL_SET.sign() * scale)


@pytest.mark.parametrize("scale", [1e17, 1e9, 1e-9, 1e-13])
def test_magnitudes_with_a_square_have_their_true_neighbours(scale):
    queries = torch.randn(9, 3, generator=draw(1))
    wanted, _ = exact_search(SMALL_SET, queries, 3, euclidean_distance)
    vectors, scaled = scale * SMALL_SET, scale * queries
    index = VectorIndex(3, "euclidean")
    index.add(vectors)
    assert index.search(scaled, 3)[0].equal(wanted)
    assert exact_search(vectors, scaled, 3, euclidean_distance)[0].equal(wanted)
    graph = build_graph(vectors, generator=draw(2))
    walks = [search_graph(graph, vectors, query, 3, 40) for query in scaled]
    assert torch.stack([walk.ids for walk in walks]).equal(wanted)


def test_double_precision_has_squares_of_more_magnitudes():
    vectors = 1e100 * SMALL_SET.double()
    wanted = torch.arange(40)[:, None]
    assert exact_search(vectors, vectors, 1, euclidean_distance)[0].equal(wanted)
    graph = build_graph(vectors, generator=draw(2))
    walk = search_graph(graph, vectors, vectors[3], 2, 40)
    assert walk.ids[0] == 3
    assert walk.distances.isfinite().all()


@pytest.mark.parametrize("scale", [1e38, 1e19, 1.0, 1e-20, 1e-38])
def test_the_cosine_asks_for_no_magnitude(scale):
    queries = torch.randn(9, 3, generator=draw(1))
    wanted, distances = exact_search(SMALL_SET, queries, 3)
    vectors = SMALL_SET / SMALL_SET.abs().max() * scale
    index = VectorIndex(3)
    index.add(vectors)
    for found in (index.search(queries * 1e-30, 3), exact_search(vectors, queries, 3)):
        assert found[0].equal(wanted)
        assert_close(found[1], distances, atol=1e-5, rtol=1e-4)


# Nothing in, nothing out


@pytest.mark.parametrize("metric", DISTANCES)
def test_empty_batches(metric):
    index, empty = VectorIndex(4, metric), torch.empty(0, 4)
    assert index.add(empty).shape == (0,)
    assert index.add(empty, torch.empty(0, dtype=torch.int64)).dtype == torch.int64
    assert len(index) == 0
    with pytest.raises(ValueError, match="k=1 must be from 1 to the 0 vectors"):
        index.search(torch.ones(2, 4), 1)
    assert index.add(torch.ones(3, 4)).tolist() == [0, 1, 2]
    assert index.add(empty).shape == (0,)
    ids, distances = index.search(empty, 2)
    assert (ids.shape, ids.dtype) == ((0, 2), torch.int64)
    assert (distances.shape, distances.dtype) == ((0, 2), torch.float32)
    ids, distances = exact_search(torch.ones(3, 4), empty, 2, DISTANCES[metric])
    assert ids.shape == distances.shape == (0, 2)


def test_empty_batches_of_codes_and_texts():
    quantizer = ProductQuantizer.fit(torch.randn(9, 4), parts=2, centres=3)
    codes = quantizer.encode(torch.empty(0, 4))
    assert (codes.shape, codes.dtype) == ((0, 2), torch.uint8)
    assert quantizer.decode(codes).shape == (0, 4)
    assert quantizer.distances(torch.ones(2, 4), codes).shape == (2, 0)
    assert quantizer.distances(torch.empty(0, 4), codes).shape == (0, 0)
    assert TextEncoder(5, 3)([]).shape == (0, 3)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_a_share_of_nothing_is_refused(shape):
    nothing = torch.zeros(shape, dtype=torch.int64)
    with pytest.raises(ValueError, match="exact=.* holds no neighbour"):
        recall(nothing, nothing)


def test_a_curve_without_queries_is_refused():
    vectors = torch.randn(5, 3)
    graph = build_graph(vectors)
    none = torch.empty(0, 1, dtype=torch.int64)
    with pytest.raises(ValueError, match="exact="):
        recall_curve(graph, vectors, vectors[:0], none, [8])
    with pytest.raises(ValueError, match="0 vectors"):
        build_graph(torch.empty(0, 3))


# What cannot be compared


def index_of_five():
    index = VectorIndex(3)
    index.add(torch.randn(5, 3, generator=draw(0)))
    return index


TAKERS = {
    "add": lambda x: VectorIndex(3).add(x),
    "search": lambda x: index_of_five().search(x, 1),
    "exact vectors": lambda x: exact_search(x, torch.ones(1, 3), 1),
    "exact queries": lambda x: exact_search(torch.ones(2, 3), x, 1),
    "build": lambda x: build_graph(x, links=2, ef=4),
    "walk": lambda x: search_graph(build_graph(torch.eye(3)), x, torch.ones(3), 1, 4),
    "query": lambda x: search_graph(
        build_graph(torch.eye(3)), torch.eye(3), x[0], 1, 4
    ),
    "fit": lambda x: ProductQuantizer.fit(x, 3, 2),
    "encode": lambda x: ProductQuantizer(torch.randn(3, 2, 1)).encode(x),
    "estimate": lambda x: ProductQuantizer(torch.randn(3, 2, 1)).distances(
        x, torch.zeros(1, 3, dtype=torch.uint8)
    ),
}


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", TAKERS)
def test_nan_and_infinity_are_refused(name, value):
    vectors = torch.randn(3, 3, generator=draw(0))
    vectors[0, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        TAKERS[name](vectors)


@pytest.mark.parametrize("name", TAKERS)
def test_arrays_lists_and_whole_numbers_are_refused(name):
    for vectors in (np.ones((3, 3), dtype=np.float32), torch.ones(3, 3).long()):
        with pytest.raises(ValueError, match=r"floating-point|must have shape") as info:
            TAKERS[name](vectors)
        assert len(str(info.value)) < 200
    with pytest.raises(ValueError, match=r"floating-point|must have shape"):
        TAKERS[name]([[1.0] * 3] * 3)


@pytest.mark.parametrize("name", TAKERS)
def test_views_and_leaves_of_a_graph_of_gradients_are_taken(name):
    vectors = torch.randn(3, 6, generator=draw(0))[:, ::2].requires_grad_()
    TAKERS[name](vectors)


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_taken_or_refused_by_name(name, dtype):
    vectors = torch.randn(3, 3, generator=draw(0)).to(dtype)
    try:
        TAKERS[name](vectors)
    except ValueError as error:
        assert "dtype" in str(error) or "float32 is what is stored" in str(error)


@pytest.mark.parametrize("metric", DISTANCES)
def test_columns_of_a_transposed_tensor_are_the_rows_that_are_meant(metric):
    columns = torch.randn(4, 60, generator=draw(0))
    index = VectorIndex(4, metric)
    index.add(columns.T)
    assert index.search(columns.T, 1)[0][:, 0].tolist() == list(range(60))


# Product quantisation of few different points


@pytest.mark.parametrize("kind", KINDS | WITH_ZEROS)
def test_few_different_points_lose_nothing_and_warn_of_nothing(kind):
    vectors = (KINDS | WITH_ZEROS)[kind]
    parts = 2 if vectors.shape[1] % 2 == 0 else 1
    centres = min(16, len(vectors))
    quantizer = ProductQuantizer.fit(vectors, parts, centres, draw(0))
    assert quantizer.centres.shape == (parts, centres, vectors.shape[1] // parts)
    codes = quantizer.encode(vectors)
    pieces = vectors.unflatten(1, (parts, -1)).unbind(1)
    if all(len(piece.unique(dim=0)) <= centres for piece in pieces):
        assert quantizer.decode(codes).equal(vectors + 0.0)


@pytest.mark.parametrize(
    "centres",
    [
        torch.ones(2, 3),
        torch.full((2, 3, 1), torch.nan),
        torch.ones(1, 257, 1),
        torch.ones(1, 0, 1),
        torch.ones(1, 2, 1).long(),
        [[[1.0]]],
    ],
    ids=lambda c: str(getattr(c, "shape", "list")),
)
def test_centres_that_cannot_be_are_named(centres):
    with pytest.raises(ValueError, match="centres"):
        ProductQuantizer(centres)
