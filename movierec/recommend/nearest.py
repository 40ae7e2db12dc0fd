"""The k vectors with the largest products: exact, in blocks; among very many vectors, by an approximate index.

Taught in notebooks/12_serving.
"""

import numpy as np

from movierec.calls import whole_number
from movierec.evaluation import top_k

EXACT_UP_TO = 100_000  # vectors; below, looking at all of them is as fast and misses nothing
QUERIES_PER_BLOCK = 1024  # bounds memory at 1024 x (vectors + k x dim) x 4 bytes
LINKS, EFFORT = 32, 256  # of the graph: neighbours of a vector, and how many are looked at in a search


class Nearest:
    """A search for the vectors v with the largest ⟨q, v⟩ of each query q.

    Up to EXACT_UP_TO vectors every product is computed. Beyond, a graph of near vectors is walked (HNSW), which may
    miss some. The graph knows distances, not products: with one more coordinate, √(max |v|² − |v|²), and 0 for the
    query, the nearest is the one with the largest product. Without it, long vectors (popular films) hide the others.

    `vectors` is float32 `[N, dim]`, finite; `exact` True or False chooses, None by the number of vectors.

    Source: Malkov and Yashunin (2018) for the graph, as faiss has it; Bachrach et al. (2014) for the coordinate.
    """

    def __init__(self, vectors: np.ndarray, exact: bool | None = None):
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        if self.vectors.ndim != 2 or not np.isfinite(self.vectors).all():
            raise ValueError(f"`vectors` must be finite numbers [N, dim]; got the shape {self.vectors.shape}.")
        self.is_exact = len(self.vectors) <= EXACT_UP_TO if exact is None else exact
        self._graph = None if self.is_exact else _graph(self.vectors)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the k best, int64 `[Q, k]`, best first, and their products, float32 `[Q, k]`.

        Of fewer than k vectors all come. Where the graph finds fewer than k, as among many equal vectors, the index is
        -1 and the product -inf.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(f"`queries` must be [Q, {self.vectors.shape[1]}] like the vectors; got {queries.shape}.")
        k = whole_number(k, "k", len(self.vectors), "the vectors")
        if not np.isfinite(queries).all():
            raise ValueError("`queries` must be finite numbers; there is a NaN or an infinity among them.")
        index = np.empty((len(queries), k), np.int64)
        products = np.empty((len(queries), k), np.float32)
        for start in range(0, len(queries), QUERIES_PER_BLOCK):
            block = slice(start, start + QUERIES_PER_BLOCK)
            if self.is_exact:
                index[block] = top_k(queries[block] @ self.vectors.T, k)
            else:
                self._graph.hnsw.efSearch = max(EFFORT, 2 * k)
                index[block] = self._graph.search(np.pad(queries[block], ((0, 0), (0, 1))), k)[1]
            products[block] = np.einsum("qd,qkd->qk", queries[block], self.vectors[index[block]])
        products[index < 0] = -np.inf
        return index, products


def _graph(vectors: np.ndarray):
    import faiss  # here: small catalogues do without

    square = (vectors**2).sum(axis=1)
    longer = np.column_stack([vectors, np.sqrt(square.max() - square)])
    graph = faiss.IndexHNSWFlat(longer.shape[1], LINKS)
    graph.hnsw.efConstruction = 2 * LINKS
    graph.add(longer)
    return graph
