"""The index against brute force, by us and by scikit-learn: one thread, one run."""

import torch
from sklearn.neighbors import NearestNeighbors

from genai_lib.components.embeddings import (
    euclidean_distance,
    exact_search,
    recall,
)
from genai_lib.components.vector_search import (
    VectorIndex,
    clustered_vectors,
)
from tests.bench._timing import compare, row

ROWS, WIDTH, QUERIES, K = 20_000, 64, 100, 10
EFS = (16, 64, 256)


def main() -> None:
    """Print milliseconds for 100 queries and the ratio to each exact search."""
    torch.set_num_threads(1)
    print(f"{'search, 100 queries among 20,000':<48}{'index':>12}{'exact':>12}  ratio")
    for name, clusters in (("in groups", 200), ("without structure", 0)):
        generator = torch.Generator().manual_seed(0)
        drawn = clustered_vectors(ROWS + QUERIES, WIDTH, generator, clusters)
        vectors, queries = drawn[:ROWS], drawn[ROWS:]
        index = VectorIndex(WIDTH, "euclidean", ef_construction=100)
        index.add(vectors)
        exact, _ = exact_search(vectors, queries, K, euclidean_distance)
        brute = NearestNeighbors(algorithm="brute", n_jobs=1).fit(vectors.numpy())
        rivals = {
            "ours": lambda v=vectors, q=queries: exact_search(
                v, q, K, euclidean_distance
            ),
            "scikit-learn": lambda b=brute, q=queries: b.kneighbors(q.numpy(), K),
        }
        for ef in EFS:
            found, _ = index.search(queries, K, ef)
            share = recall(found, exact)
            for rival, search in rivals.items():
                figures = compare(
                    lambda i=index, q=queries, e=ef: i.search(q, K, e), search
                )
                what = f"{name}, ef={ef}, recall {share:.2f}, {rival}"
                print(row(what, *figures, 1.0))


if __name__ == "__main__":
    main()
