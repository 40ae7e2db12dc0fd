"""What an approximate search saves, and what it misses: 200,000 vectors of unequal length, exact and by a graph.

`python tests/benchmarks/nearest_speed.py` records it. One query at a time in one thread, as a service asks.
"""

import math
import sys
import time

import faiss
import numpy as np

from movierec.recommend import EFFORT, Nearest
from movierec.record import Recorder

NUM_VECTORS, DIM, NUM_QUERIES, K = 200_000, 64, 200, 100
NUM_GROUPS = 200  # tastes


def synthetic(num_vectors: int, num_queries: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors `[num_vectors, DIM + 1]` in groups, the last coordinate a long-tailed popularity; and queries."""
    rng = np.random.default_rng(seed)
    groups = rng.normal(size=(NUM_GROUPS, DIM)) / 8

    def around(count):
        return groups[rng.integers(NUM_GROUPS, size=count)] + 0.09 * rng.normal(size=(count, DIM))

    popularity = 0.3 * np.log1p(10 * rng.pareto(1, size=num_vectors))
    vectors = np.column_stack([around(num_vectors), popularity])
    return vectors.astype(np.float32), np.column_stack([around(num_queries), np.ones(num_queries)]).astype(np.float32)


def measure(num_vectors: int = NUM_VECTORS, num_queries: int = NUM_QUERIES) -> dict[str, float]:
    """Return milliseconds of a query, exact and by the graph, seconds to build the graph, and its recall."""
    vectors, queries = synthetic(num_vectors, num_queries)
    started = time.perf_counter()
    graph = Nearest(vectors, exact=False)
    found = {"nearest_vectors": num_vectors, "nearest_build_seconds": time.perf_counter() - started}
    faiss.omp_set_num_threads(1)
    lists = {}
    for name, search in (("exact", Nearest(vectors, exact=True)), ("graph", graph)):
        started = time.process_time()
        lists[name] = [search.search(query[None], K)[0][0] for query in queries]
        found[f"nearest_{name}_milliseconds"] = 1000 * (time.process_time() - started) / num_queries
    hits = [np.isin(best, near).mean() for best, near in zip(lists["exact"], lists["graph"], strict=True)]
    return found | {"nearest_recall": float(np.mean(hits))}


def main() -> int:
    """Measure and record; return the exit code, 0."""
    print(f"the {K} best of {NUM_VECTORS:,} vectors, {EFFORT} nodes looked at:")
    for name, value in measure().items():
        digits = 0 if value == int(value) else 3 if value < 1 else 1
        Recorder("tests/benchmarks/nearest_speed.py").number(name, value, tolerance=math.inf, digits=digits)
        print(f"{name.replace('_', ' ')}: {value:,.{digits}f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
