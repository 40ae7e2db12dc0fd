"""How long answers take: all metrics of 943 users over 1,682 movies, all their lists, one newcomer's list.

`python tests/benchmarks/evaluation_speed.py` prints it, with the goals.
"""

import statistics
import time

import numpy as np

import movierec
from movierec import evaluation
from movierec.indices import make_indices
from movierec.ranking import top_k

REPEATS = 5
GOAL_SECONDS, LISTS_GOAL_SECONDS, NEWCOMER_GOAL_SECONDS = 0.5, 0.2, 0.01
NEWCOMER = {"Toy Story (1995)": 5.0, "Fargo (1996)": 4.0, "Independence Day (ID4) (1996)": 2.0}


def evaluation_seconds(data, repeats: int = REPEATS) -> float:
    """The median seconds of `evaluate_ranking` on the stratified split, the scores being there already."""
    split = movierec.split_stratified(data.ratings)
    indices = make_indices(split.train, data.movies)
    scores = np.random.default_rng(0).standard_normal((indices.num_users, indices.num_movies), np.float32)
    genres = data.movies.set_index("movie_id")["genres"].reindex(indices.movie_ids).str.get_dummies("|").to_numpy(float)
    return _median_seconds(
        lambda: evaluation.evaluate_ranking(
            lambda users: scores[users], split, indices, k=10, liked_from=0, genres=genres
        ),
        repeats,
    )


def answer_seconds(data, repeats: int = 10 * REPEATS) -> tuple[float, float]:
    """The median seconds of the scores and top 10 of all users, and of one newcomer's list, by the hybrid."""
    split = movierec.split_by_user_time(data.ratings)
    hybrid = movierec.fit_hybrid(split, data.movies, data.users, heads=("ranking",), epochs=1)
    everybody = np.arange(hybrid.indices.num_users)
    lists = _median_seconds(lambda: top_k(hybrid.score(everybody), 10), repeats)
    return lists, _median_seconds(lambda: hybrid.recommend_new(NEWCOMER), repeats)


def _median_seconds(answer, repeats: int) -> float:
    answer()  # the first call traces
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        answer()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    ml100k = movierec.load("ml-100k")
    print(f"{evaluation_seconds(ml100k):.2f} s for all metrics; the goal is {GOAL_SECONDS} s")
    lists_seconds, newcomer_seconds = answer_seconds(ml100k)
    print(f"{lists_seconds:.2f} s for the lists of all users; the goal is {LISTS_GOAL_SECONDS} s")
    print(f"{1000 * newcomer_seconds:.1f} ms for a newcomer's list; the goal is {1000 * NEWCOMER_GOAL_SECONDS:.0f} ms")
