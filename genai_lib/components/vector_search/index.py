"""A vector index on the HNSW graph of hnswlib, kept in one checked file.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

Letters used in this file
    N  vectors      Q  queries      d  width of a vector      k  results per query

References
    [1] Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search
        Using Hierarchical Navigable Small World Graphs", 2016, arXiv:1603.09320
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genai_lib.checks import as_whole, check_option, check_positive, describe
from genai_lib.components.embeddings.comparing import (
    as_array,
    check_count,
    check_squares,
    check_vectors,
    euclidean_distance,
    exact_search,
    unit_length,
)
from genai_lib.components.vector_search.building import check_links
from genai_lib.components.vector_search.duplicates import Duplicates, check_ids
from genai_lib.components.vector_search.graph import (
    Graph,
    check_at_least,
    without_direction,
)
from genai_lib.components.vector_search.hnswlib_graph import (
    load_hnswlib,
    read_graph,
    relabelled,
)
from genai_lib.components.vector_search.index_file import METRICS, read, write

SEED = 100
FIRST_ROOM = 1024
DIGITS = 6  # directions that agree in so many digits have no distance in 32 bits
MOST_LINKS = 10_000  # hnswlib takes no more


class VectorIndex:
    """A set of vectors with a graph to find near ones without comparing all [1].

    Equal vectors, or for the cosine equal directions, share one node of the graph:
    among many equal ones a walk would find no way to the others.

    Parameters
    ----------
    width : int
        Numbers in a vector, d.
    metric : {"cosine", "euclidean"}, default="cosine"
    links : int, default=16
        M: links of a vector in the graph, from 2 to 10,000; more cost memory and find
        more.
    ef_construction : int, default=200
        How many candidates are kept in mind when a vector is added, at least `links`.
    embedding_model : str, default=""
        A name of what makes the vectors. `load` can insist on it: vectors of two
        models cannot be compared.

    Raises
    ------
    ValueError
        If a setting has a wrong type or is out of range.
    ImportError
        If hnswlib is missing, which pip can only install with a C++ compiler.
    """

    def __init__(
        self,
        width: int,
        metric: str = "cosine",
        *,
        links: int = 16,
        ef_construction: int = 200,
        embedding_model: str = "",
    ) -> None:
        check_positive(width=width)
        check_option("metric", metric, METRICS)
        check_links(links, ef_construction=ef_construction)
        check_model(embedding_model)
        width, links = as_whole(width), as_whole(links)
        if links > MOST_LINKS:
            raise ValueError(f"links={links} must be at most {MOST_LINKS:,}")
        self.width, self.metric, self.embedding_model = width, metric, embedding_model
        self._duplicates = Duplicates(digits=DIGITS if metric == "cosine" else None)
        self._ids = np.empty(0, dtype=np.int64)
        self._index = load_hnswlib().Index("l2", width)
        self._index.init_index(
            FIRST_ROOM,
            ef_construction=as_whole(ef_construction),
            M=links,
            random_seed=SEED,
        )

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, vectors: Tensor, ids: Tensor | None = None) -> Tensor:
        """Add vectors; each gets the id given, or the next free number.

        Parameters
        ----------
        vectors : float32 Tensor of shape (rows, d)
        ids : int64 Tensor of shape (rows,), default=None
            Not negative, and new.

        Returns
        -------
        int64 Tensor of shape (rows,)
            The ids.

        Raises
        ------
        ValueError
            If a shape or dtype is wrong, a value not finite, a cosine undefined, a
            value of a Euclidean index so large or small that its square cannot be
            stored, or an id negative, repeated or taken. Then nothing is added.
        """
        array = self._checked("vectors", vectors)
        if ids is None:
            start = self._ids.max(initial=-1) + 1
            ids = torch.arange(start, start + len(array))
        check_ids(ids, len(array), self._ids)
        rows = self._duplicates.add(array)
        self._ids = np.append(self._ids, ids.cpu().numpy())
        if rows.any():
            labels = np.flatnonzero(rows) + len(self) - len(array)
            self._insert(array[rows], labels)
        return ids

    def _insert(self, array: np.ndarray, labels: np.ndarray) -> None:
        needed = self._index.get_current_count() + len(array)
        if needed > (room := self._index.get_max_elements()):
            self._index.resize_index(max(2 * room, needed))
        # With several threads the graph would depend on their race.
        self._index.add_items(array, labels, num_threads=1)

    def search(
        self, queries: Tensor, k: int = 10, ef: int = 64
    ) -> tuple[Tensor, Tensor]:
        """Find about the k nearest vectors of each query.

        Parameters
        ----------
        queries : float32 Tensor of shape (Q, d)
        k : int, default=10
        ef : int, default=64
            How many candidates a walk keeps in mind, at least k.

        Returns
        -------
        ids : int64 Tensor of shape (Q, k)
            The nearest first.
        distances : float32 Tensor of shape (Q, k)
            1 - cos, or the Euclidean distance.
        """
        array = self._checked("queries", queries)
        check_count("k", k, len(self))
        check_at_least("ef", ef, "k", as_whole(k))
        k, ef = as_whole(k), as_whole(ef)
        if len(array) == 0:
            return torch.empty(0, k, dtype=torch.int64), torch.empty(0, k)
        rows, squares = self._duplicates.expand(*self._walk(array, k, ef), k)
        # Between vectors of length one, |q - v|² = 2 (1 - cos).
        distances = squares / 2 if self.metric == "cosine" else np.sqrt(squares)
        return torch.from_numpy(self._ids[rows]), torch.from_numpy(distances)

    def _walk(self, queries: np.ndarray, k: int, ef: int):
        count = self._index.get_current_count()
        self._index.set_ef(ef)
        try:
            near = self._index.knn_query(queries, min(ef, count), num_threads=1)
        except RuntimeError:  # a walk reached too few nodes
            return self._look_at_all(queries, min(k, count))
        rows, distances = near[0].astype(np.int64)[:, :k], near[1].clip(min=0)
        lost = (ef < count) & without_direction(distances.T)
        distances = distances[:, :k]
        if lost.any():
            rows[lost], distances[lost] = self._look_at_all(queries[lost], k)
        return rows, distances

    def _look_at_all(self, queries: np.ndarray, k: int):
        rows = np.array(self._index.get_ids_list())
        stored = torch.from_numpy(np.array(self._index.get_items(rows)))
        asked = torch.from_numpy(queries)
        found, near = exact_search(stored, asked, k, euclidean_distance)
        return rows[found.numpy()], near.square().numpy()

    def graph(self) -> tuple[Graph, Tensor, Tensor]:
        """Read the graph that hnswlib has built.

        Returns
        -------
        graph : Graph
            Its nodes are rows of the next two.
        vectors : float32 Tensor of shape (N, d)
            As stored: of length one if the metric is the cosine.
        ids : int64 Tensor of shape (N,)
        """
        duplicates = {row: same[1:] for row, same in self._duplicates.groups.items()}
        graph, vectors, labels = read_graph(self._index)
        order = labels.argsort()
        own = torch.searchsorted(
            labels[order], torch.from_numpy(self._duplicates.first)
        )
        graph = relabelled(graph, labels.numpy(), duplicates)
        return graph, vectors[order][own], torch.from_numpy(self._ids.copy())

    def save(self, path: str | Path) -> None:
        """Write everything into one safetensors file, at once or not at all."""
        about = {
            "width": self.width,
            "metric": self.metric,
            "embedding_model": self.embedding_model,
        }
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder, "graph")
            self._index.save_index(str(inner))
            graph = np.fromfile(inner, dtype=np.uint8)
        parts = {"graph": graph, "ids": self._ids, "first": self._duplicates.first}
        write(Path(path), about | {"count": len(self)}, parts)

    @classmethod
    def load(
        cls, path: str | Path, *, embedding_model: str | None = None
    ) -> "VectorIndex":
        """Read an index that `save` has written.

        Parameters
        ----------
        path : str or Path
        embedding_model : str, default=None
            If given, the name that must be stored with the vectors.

        Raises
        ------
        ValueError
            If the file is missing, truncated, changed, of another kind, or its vectors
            come from another embedding model.
        """
        if embedding_model is not None:
            check_model(embedding_model)
        about, parts = read(Path(path))
        if embedding_model is not None and embedding_model != about["embedding_model"]:
            raise ValueError(
                f"embedding_model={embedding_model!r}: the vectors in "
                f"path={str(path)!r} come from {about['embedding_model']!r}"
            )
        loaded = cls(
            about["width"], about["metric"], embedding_model=about["embedding_model"]
        )
        with tempfile.TemporaryDirectory() as folder:
            inner = Path(folder, "graph")
            parts["graph"].tofile(inner)
            loaded._index = load_hnswlib().Index("l2", loaded.width)
            loaded._index.load_index(str(inner))
        loaded._ids = parts["ids"]
        own = np.unique(parts["first"])
        vectors = np.array(loaded._index.get_items(own)).reshape(len(own), loaded.width)
        loaded._duplicates.restore(parts["first"], vectors)
        return loaded

    def _checked(self, name: str, vectors: Tensor) -> np.ndarray:
        check_vectors(name, vectors, self.width)
        if vectors.dtype != torch.float32:
            raise ValueError(f"{name}={describe(vectors)}: float32 is what is stored")
        if self.metric == "cosine":
            vectors = unit_length(vectors, name)
        else:
            check_squares(name, vectors)
        return as_array(vectors)


def check_model(embedding_model: object) -> None:
    """Raise ValueError unless the name of an embedding model is a string."""
    if not isinstance(embedding_model, str):
        raise ValueError(f"embedding_model={embedding_model!r} must be a string")
