"""How long the full ranking takes once a model has scored: all metrics of 943 users over 1,682 movies.

`python tests/benchmarks/evaluation_speed.py` prints it; the goal is half a second.
"""

import statistics
import time

import numpy as np

import movierec
from movierec import evaluation
from movierec.indices import make_indices

REPEATS = 5
GOAL_SECONDS = 0.5


def evaluation_seconds(data, repeats: int = REPEATS) -> float:
    """The median seconds of `evaluate_ranking` on the stratified split, the scores being there already."""
    split = movierec.split_stratified(data.ratings)
    indices = make_indices(split.train, data.movies)
    scores = np.random.default_rng(0).standard_normal((indices.num_users, indices.num_movies), np.float32)
    genres = data.movies.set_index("movie_id")["genres"].reindex(indices.movie_ids).str.get_dummies("|").to_numpy(float)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        evaluation.evaluate_ranking(lambda users: scores[users], split, indices, k=10, liked_from=0, genres=genres)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    found = evaluation_seconds(movierec.load("ml-100k"))
    print(f"{found:.2f} s for all metrics; the goal is {GOAL_SECONDS} s")
