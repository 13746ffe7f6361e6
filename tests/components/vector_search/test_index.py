"""The graph, the codes and the index with its file."""

import json
import os
import stat
import subprocess
import sys
from math import nan

import hnswlib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from torch.testing import assert_close

from genai_lib.components.embeddings import (
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
    clustered_vectors,
    recall_curve,
    search_graph,
    search_layer,
)
from genai_lib.components.vector_search.building import select_neighbors
from genai_lib.components.vector_search.graph import DistanceCounter
from genai_lib.components.vector_search.index_file import BEFORE, FORMAT, digest

DISTANCES = {"cosine": cosine_distance, "euclidean": euclidean_distance}


def draw(seed):
    return torch.Generator().manual_seed(seed)


def filled(rows=300, width=6, metric="cosine", **settings):
    index = VectorIndex(width, metric, **settings)
    index.add(torch.randn(rows, width, generator=draw(1)))
    return index


# The walk


@given(st.integers(1, 60), st.integers(2, 6))
def test_every_node_has_links_of_its_own_layer_and_not_too_many(rows, links):
    vectors = torch.randn(rows, 3, generator=draw(rows))
    graph = build_graph(vectors, links, ef=8, generator=draw(links))
    assert sorted(graph.layers[0]) == list(range(rows))
    assert graph.entry in graph.layers[-1]
    for number, layer in enumerate(graph.layers):
        most = links if number else 2 * links
        for node, others in layer.items():
            assert len(others) <= most
            assert node not in others
            assert len(set(others.tolist())) == len(others)
            assert set(others.tolist()) <= layer.keys()


@given(st.integers(1, 40))
def test_a_walk_that_keeps_everything_in_mind_on_a_full_graph_is_exact(rows):
    vectors = torch.randn(rows, 3, generator=draw(rows))
    everyone = np.arange(rows)
    full = Graph([{node: everyone[everyone != node] for node in range(rows)}], entry=0)
    walk = search_graph(full, vectors, torch.zeros(3), k=1, ef=rows)
    wanted, distances = exact_search(
        vectors, torch.zeros(1, 3), 1, distance=euclidean_distance
    )
    assert walk.ids.tolist() == wanted[0].tolist()
    assert_close(walk.distances, distances[0].square())
    assert walk.evaluations == rows


def test_greedy_walk_stops_at_a_local_minimum_and_counts_by_hand():
    """Points 0-1-2 on a line, 3 beyond a gap: the walk to 4.1 ends at 2, not at 3."""
    places = np.array([[0.0], [1.0], [2.0], [4.0]])
    links = {0: [1], 1: [0, 2], 2: [1], 3: [0]}
    layer = {node: np.array(row) for node, row in links.items()}
    counter = DistanceCounter(places, np.array([4.1]))
    found = search_layer(counter, layer, [(counter(np.array([0]))[0], 0)], ef=1)
    assert [node for _, node in found] == [2]
    assert counter.evaluations == 3


def test_diverse_neighbours_pass_over_what_lies_behind_another():
    """Seen from 0, point 2 lies behind 1; point -1.5 lies on the other side."""
    places = np.array([[0.0], [1.0], [2.0], [-1.5]])
    ranked = [(1.0, 1), (2.25, 3), (4.0, 2)]
    assert select_neighbors(places, ranked, most=3).tolist() == [1, 3]


def test_neighbours_that_are_equally_far_from_each_other_are_all_taken():
    """One-hot vectors: none lies nearer to another than the first one does."""
    ranked = [(2.0, 1), (2.0, 2), (2.0, 3), (2.0, 4)]
    for scale in (1.0, 0.1, 0.3):
        near = [(distance * scale**2, node) for distance, node in ranked]
        chosen = select_neighbors(scale * np.eye(5, dtype=np.float32), near, most=3)
        assert chosen.tolist() == [1, 2, 3]


def test_own_graph_finds_what_brute_force_finds():
    vectors = clustered_vectors(700, 8, draw(0), clusters=20)
    queries = clustered_vectors(40, 8, draw(1), clusters=20)
    graph = build_graph(vectors, links=8, ef=48, generator=draw(2))
    exact, _ = exact_search(vectors, queries, 5, euclidean_distance)
    costs = recall_curve(graph, vectors, queries, exact, [5, 20, 80])
    assert [cost.ef for cost in costs] == [5, 20, 80]
    assert costs[0].recall <= costs[1].recall <= costs[2].recall
    assert costs[2].recall >= 0.99
    assert costs[0].evaluations < costs[1].evaluations < costs[2].evaluations < 700


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("ef", [5, 17, 90])
def test_our_walk_on_the_graph_of_hnswlib_finds_what_hnswlib_finds(metric, ef):
    """The reference runs in C++; ours walks the same graph and also counts."""
    index = VectorIndex(9, metric, links=4, ef_construction=20)
    index.add(torch.randn(900, 9), torch.randperm(900) + 40)
    queries = torch.randn(30, 9)
    graph, vectors, ids = index.graph()
    assert len(graph.layers) > 2
    found, distances = index.search(queries, 5, ef)
    scale = queries / queries.norm(dim=1, keepdim=True)
    for row, query in enumerate(scale if metric == "cosine" else queries):
        walk = search_graph(graph, vectors, query, 5, ef)
        assert ids[walk.ids].tolist() == found[row].tolist()
        wanted = walk.distances / 2 if metric == "cosine" else walk.distances.sqrt()
        assert_close(distances[row], wanted.float(), atol=1e-5, rtol=1e-5)


def test_graph_of_an_index_holds_vectors_and_ids_as_stored():
    vectors = torch.randn(50, 4)
    index = VectorIndex(4, "euclidean")
    index.add(vectors, torch.arange(50) * 3)
    graph, stored, ids = index.graph()
    assert stored.equal(vectors)
    assert ids.tolist() == list(range(0, 150, 3))
    assert sorted(graph.layers[0]) == list(range(50))


# The index


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_careful_search_equals_the_exact_one(metric):
    vectors, queries = torch.randn(400, 7), torch.randn(20, 7)
    index = VectorIndex(7, metric)
    index.add(vectors)
    ids, distances = index.search(queries, 8, ef=400)
    exact, wanted = exact_search(vectors, queries, 8, DISTANCES[metric])
    assert ids.equal(exact)
    assert_close(distances, wanted, atol=1e-5, rtol=1e-4)


def test_ids_go_on_counting_and_room_grows():
    index = VectorIndex(3)
    first = index.add(torch.randn(1000, 3))
    second = index.add(torch.randn(1500, 3))
    assert first.tolist() == list(range(1000))
    assert second.tolist() == list(range(1000, 2500))
    assert len(index) == 2500


def test_an_added_vector_is_found_under_its_own_id():
    index = filled(metric="euclidean")
    new = torch.full((1, 6), 9.0)
    assert index.add(new, torch.tensor([77_777])).tolist() == [77_777]
    ids, distances = index.search(new, k=1)
    assert ids.tolist() == [[77_777]]
    assert distances.item() == 0


def test_the_same_calls_give_the_same_index(tmp_path):
    for name in ("a", "b"):
        filled().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: VectorIndex(6, "dot"), "metric='dot' must be one of"),
        (lambda i: VectorIndex(0), "width=0"),
        (lambda i: VectorIndex(6, ["cosine"]), "metric="),
        (lambda i: VectorIndex(6, links=1), "links=1"),
        (lambda i: VectorIndex(6, links=20_000), "ef_construction=200"),
        (lambda i: VectorIndex(6, links=10_001, ef_construction=10_001), "links=10001"),
        (lambda i: VectorIndex(6, embedding_model=None), "embedding_model=None"),
        (lambda i: VectorIndex(6, ef_construction=3), "ef_construction=3"),
        (lambda i: i.add(torch.randn(2, 5)), "vectors=.*shape .rows, 6"),
        (lambda i: i.add(torch.randn(2, 6).double()), "vectors=.*float32"),
        (lambda i: i.add(torch.full((1, 6), torch.nan)), "vectors holds a value"),
        (lambda i: i.add(torch.zeros(1, 6)), "vectors has a row of zeros"),
        (lambda i: i.add(torch.ones(1, 6), torch.tensor([3])), "ids must not be"),
        (lambda i: i.add(torch.ones(1, 6), torch.tensor([-3])), "ids must not be"),
        (
            lambda i: i.add(torch.ones(2, 6), torch.tensor([700, 700])),
            "ids must not be",
        ),
        (lambda i: i.add(torch.ones(2, 6), torch.tensor([700])), "ids="),
        (lambda i: i.add(torch.ones(1, 6), torch.tensor([0.5])), "ids="),
        (
            lambda i: i.search(torch.ones(1, 6), k=301),
            "k=301 must be from 1 to the 300",
        ),
        (lambda i: i.search(torch.ones(1, 6), k=0), "k=0"),
        (
            lambda i: i.search(torch.ones(1, 6), k=10, ef=9),
            "ef=9 must be at least k=10",
        ),
        (lambda i: i.search(torch.ones(1, 6), k=1.0), "k=1.0"),
        (lambda i: i.search(torch.ones(1, 6), k="1"), "k='1'"),
        (lambda i: i.search(torch.ones(1, 6), k=1, ef=nan), "ef=nan"),
        (lambda i: i.search(torch.ones(1, 6), k=1, ef=True), "ef=True"),
        (lambda i: VectorIndex.load("x", embedding_model=3), "embedding_model=3"),
        (lambda i: i.search(torch.ones(1, 7)), "queries=.*shape .rows, 6"),
        (lambda i: i.search(torch.zeros(1, 6)), "queries has a row of zeros"),
        (lambda i: VectorIndex(6).search(torch.ones(1, 6), 1), "the 0 vectors"),
        (lambda i: build_graph(torch.ones(2, 2), links=1), "links=1"),
        (lambda i: build_graph(torch.ones(2, 2), links=8, ef=4), "ef=4"),
        (lambda i: build_graph(torch.ones(2, 2), links=nan), "links=nan"),
        (lambda i: build_graph(torch.ones(2, 2), links="8"), "links='8'"),
        (lambda i: build_graph(torch.ones(2, 2), ef=64.0), "ef=64.0"),
        (lambda i: search_graph(*i.graph()[:2], torch.ones(6), 1.5, 4), "k=1.5"),
        (lambda i: search_graph(*i.graph()[:2], torch.ones(6), 1, nan), "ef=nan"),
        (
            lambda i: search_graph(i.graph()[0], torch.ones(9, 6), torch.ones(6), 1, 4),
            "graph has 300 nodes for vectors=.*9, 6",
        ),
        (lambda i: search_graph(*i.graph()[:2], torch.ones(6), 5, 4), "ef=4"),
        (lambda i: search_graph(*i.graph()[:2], torch.ones(5), 1, 4), "query="),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_added(call, message):
    index = filled()
    with pytest.raises(ValueError, match=message):
        call(index)
    assert len(index) == 300


@pytest.mark.parametrize("name", ["width", "links", "ef_construction"])
@pytest.mark.parametrize("value", ["16", 16.0, nan, None, True, [16], -16, 0])
def test_a_size_of_another_kind_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name}="):
        VectorIndex(**{"width": 6, name: value})


def test_whole_numbers_of_numpy_and_torch_are_taken():
    index = VectorIndex(
        np.int64(6), links=torch.tensor(8), ef_construction=np.array(20)
    )
    index.add(torch.randn(30, 6, generator=draw(0)))
    query = torch.randn(1, 6, generator=draw(1))
    plain = index.search(query, 3, 9)[0]
    assert index.search(query, np.int64(3), torch.tensor(9))[0].equal(plain)
    graph, vectors, _ = index.graph()
    walk = search_graph(graph, vectors, query[0], torch.tensor(3), np.int64(9))
    assert len(walk.ids) == 3
    assert build_graph(vectors, np.int64(4), torch.tensor(8)).layers


# The file


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_loaded_index_answers_as_before_and_can_grow(tmp_path, metric):
    index, queries = filled(metric=metric, embedding_model="model 1"), torch.randn(9, 6)
    index.save(tmp_path / "index.safetensors")
    again = VectorIndex.load(tmp_path / "index.safetensors", embedding_model="model 1")
    for mine, theirs in zip(again.search(queries), index.search(queries), strict=True):
        assert mine.equal(theirs)
    assert (again.metric, again.embedding_model, len(again)) == (metric, "model 1", 300)
    again.add(torch.randn(2000, 6))
    assert len(again) == 2300
    assert len(index) == 300


def test_an_empty_index_can_be_stored(tmp_path):
    VectorIndex(4).save(tmp_path / "index")
    loaded = VectorIndex.load(tmp_path / "index")
    assert len(loaded) == 0
    loaded.add(torch.randn(3, 4))
    assert loaded.search(torch.randn(1, 4), 3)[0].shape == (1, 3)


def test_the_file_inside_is_hnswlibs_own(tmp_path):
    filled(metric="euclidean").save(tmp_path / "index")
    load_file(tmp_path / "index")["graph"].tofile(tmp_path / "plain")
    plain = hnswlib.Index("l2", 6)
    plain.load_index(str(tmp_path / "plain"))
    assert plain.get_current_count() == 300


def test_saving_replaces_the_file_at_once_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "index"
    filled(rows=10).save(path)
    filled(rows=20).save(path)
    assert len(VectorIndex.load(path)) == 20
    assert [entry.name for entry in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_the_file_has_the_mode_of_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        filled(embedding_model="model 1").save(tmp_path / "index")
    finally:
        os.umask(before)
    found = stat.S_IMODE((tmp_path / "index").stat().st_mode)
    assert found == 0o666 & ~mask


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_one_clear_error(tmp_path, share):
    path = tmp_path / "index"
    filled().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"path='.*index' is"):
        VectorIndex.load(path)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_is_one_clear_error(tmp_path_factory, place, change):
    path = tmp_path_factory.mktemp("index") / "index"
    filled(rows=5).save(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= change
    path.write_bytes(content)
    with pytest.raises(ValueError, match="path="):
        VectorIndex.load(path)


def write_other(path, **changes):
    """Store an index whose description was changed and signed again."""
    filled().save(path)
    parts = load_file(path)
    about = {"format": FORMAT, "width": 6, "metric": "cosine"}
    about |= {"embedding_model": "", "count": 300} | changes
    header = {"about": json.dumps(about | {"sha256": digest(about, parts)})}
    save_file(parts, path, metadata=header)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 7},
        {"count": 299},
        {"metric": "dot"},
        {"metric": ["cosine"]},
        {"embedding_model": None},
        {"format": "another 2"},
        {"format": BEFORE},
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_is_one_clear_error(tmp_path, changes):
    write_other(tmp_path / "index")
    assert len(VectorIndex.load(tmp_path / "index")) == 300
    write_other(tmp_path / "index", **changes)
    with pytest.raises(ValueError, match="path="):
        VectorIndex.load(tmp_path / "index")


def test_a_file_of_the_format_before_is_read(tmp_path):
    path = tmp_path / "index"
    filled().save(path)
    parts = load_file(path)
    about = {"format": BEFORE, "width": 6, "metric": "cosine"}
    about |= {"made_by": "model 1", "count": 300}
    header = {"about": json.dumps(about | {"sha256": digest(about, parts)})}
    save_file(parts, path, metadata=header)
    loaded = VectorIndex.load(path, embedding_model="model 1")
    queries = torch.randn(5, 6)
    assert loaded.search(queries)[0].equal(filled().search(queries)[0])
    with pytest.raises(ValueError, match="embedding_model='model 2'.*'model 1'"):
        VectorIndex.load(path, embedding_model="model 2")


@pytest.mark.parametrize("about", ["", "[]", "{}", "3", '{"sha256": "0"}'])
def test_a_description_of_another_kind_is_one_clear_error(tmp_path, about):
    filled().save(tmp_path / "index")
    parts = load_file(tmp_path / "index")
    save_file(parts, tmp_path / "index", metadata={"about": about})
    with pytest.raises(ValueError, match="path='.*index' is"):
        VectorIndex.load(tmp_path / "index")


def test_nothing_but_the_index_needs_hnswlib(monkeypatch):
    code = "import sys; sys.modules['hnswlib'] = None; from genai_lib.components "
    code += "import vector_search as v; import torch; v.build_graph(torch.eye(3)); "
    code += "from genai_lib.components.vector_search import exercises"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    with pytest.raises(ImportError, match=r"C\+\+ compiler.*pip install hnswlib"):
        VectorIndex(3)


def test_a_missing_file_another_file_and_another_model_are_named(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        VectorIndex.load(tmp_path / "nothing")
    save_file({"weight": np.ones(3)}, tmp_path / "other")
    with pytest.raises(ValueError, match="not a whole file of a vector index"):
        VectorIndex.load(tmp_path / "other")
    filled(embedding_model="model 1").save(tmp_path / "index")
    with pytest.raises(ValueError, match="embedding_model='model 2'.*'model 1'"):
        VectorIndex.load(tmp_path / "index", embedding_model="model 2")


# Product quantisation


def test_codes_are_the_nearest_centres_and_decode_to_them():
    vectors = torch.randn(60, 6, generator=draw(0))
    quantizer = ProductQuantizer.fit(vectors, parts=3, centres=5, generator=draw(1))
    codes = quantizer.encode(vectors)
    assert codes.shape == (60, 3)
    for part in range(3):
        piece = vectors[:, 2 * part : 2 * part + 2]
        gaps = (piece[:, None] - quantizer.centres[part]).square().sum(-1)
        assert codes[:, part].tolist() == gaps.argmin(1).tolist()
        chosen = quantizer.centres[part][codes[:, part].long()]
        assert quantizer.decode(codes)[:, 2 * part : 2 * part + 2].equal(chosen)


@given(st.integers(1, 5))
def test_distances_from_the_table_are_those_to_the_decoded_vectors(parts):
    vectors = torch.randn(40, 10, generator=draw(parts))
    quantizer = ProductQuantizer(torch.randn(parts, 7, 10 // parts))
    cut = vectors[:, : quantizer.width]
    codes = quantizer.encode(cut)
    wanted = euclidean_distance(cut[:3], quantizer.decode(codes)).square()
    assert_close(quantizer.distances(cut[:3], codes), wanted, atol=1e-4, rtol=1e-4)


def test_as_many_centres_as_vectors_lose_nothing():
    vectors = torch.randn(12, 4)
    quantizer = ProductQuantizer.fit(vectors, parts=2, centres=12)
    assert_close(quantizer.decode(quantizer.encode(vectors)), vectors)


def test_all_256_numbers_of_a_byte_can_be_used():
    centres = torch.arange(256.0).view(1, 256, 1)
    quantizer = ProductQuantizer(centres)
    codes = quantizer.encode(centres[0])
    assert codes[:, 0].tolist() == list(range(256))
    assert quantizer.decode(codes).equal(centres[0])
    assert_close(quantizer.distances(centres[0, :1], codes)[0], centres[0, :, 0] ** 2)


def test_more_parts_find_more():
    vectors = clustered_vectors(600, 8, draw(0), clusters=10)
    exact, _ = exact_search(vectors, vectors[:40], 5, euclidean_distance)
    shares = []
    for parts in (1, 2, 8):
        quantizer = ProductQuantizer.fit(vectors, parts, 32, draw(0))
        estimates = quantizer.distances(vectors[:40], quantizer.encode(vectors))
        shares.append(recall(estimates.topk(5, largest=False).indices, exact))
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda q: ProductQuantizer.fit(torch.ones(9, 4), 3), "parts=3 must divide"),
        (lambda q: ProductQuantizer.fit(torch.ones(9, 4), 2, 10), "centres=10"),
        (lambda q: ProductQuantizer.fit(torch.ones(999, 4), 2, 257), "centres=257"),
        (lambda q: q.encode(torch.ones(2, 5)), "vectors="),
        (lambda q: q.decode(torch.ones(2, 2)), "codes=.*uint8"),
        (lambda q: q.decode(torch.ones(2, 3, dtype=torch.uint8)), "codes=.*shape"),
        (
            lambda q: q.decode(torch.full((1, 2), 9, dtype=torch.uint8)),
            "no such centre",
        ),
        (lambda q: q.distances(torch.ones(1, 3), None), "queries="),
    ],
)
def test_bad_codes_are_named(call, message):
    quantizer = ProductQuantizer(torch.randn(2, 9, 2))
    with pytest.raises(ValueError, match=message):
        call(quantizer)
