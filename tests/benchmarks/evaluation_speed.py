"""How long answers take: all metrics of 943 users over 1,682 movies, all their lists, a newcomer's, a click's."""

import statistics
import time

import numpy as np

import movierec
from movierec import evaluation
from movierec.data import genre_flags, make_indices
from movierec.evaluation import top_k
from movierec.play import RecommendPanel

REPEATS = 5
NEWCOMER = {"Toy Story (1995)": 5.0, "Fargo (1996)": 4.0, "Independence Day (ID4) (1996)": 2.0}


def evaluation_seconds(data, repeats: int = REPEATS) -> float:
    """Return the median seconds of `evaluate_ranking` on the stratified split; the scores are computed before."""
    split = movierec.split_stratified(data.ratings)
    indices = make_indices(split.train, data.movies)
    scores = np.random.default_rng(0).standard_normal((indices.num_users, indices.num_movies), np.float32)
    genres = genre_flags(data.movies.set_index("movie_id")["genres"].reindex(indices.movie_ids)).to_numpy(float)
    settings = {"k": 10, "liked_from": 0, "genres": genres}
    return _median_seconds(
        lambda: evaluation.evaluate_ranking(lambda users: scores[users], split, indices, **settings), repeats
    )


def answer_numbers(data, repeats: int = 10 * REPEATS) -> dict[str, float]:
    """Return medians by name: top 10 of all users, their whole lists, a newcomer's list, a star in the panel."""
    split = movierec.split_by_user_time(data.ratings)
    hybrid = movierec.fit_hybrid(split, data.movies, data.users, epochs=1)
    everybody, panel = np.arange(hybrid.indices.num_users), RecommendPanel(hybrid)
    clicks = []

    def click():
        panel.rate(int(hybrid.indices.movie_ids[len(clicks)]), 5.0)
        clicks.append(panel.last_seconds)

    _median_seconds(click, 2 * REPEATS)  # a visitor who rates ten films
    return {
        "all_lists_seconds": _median_seconds(lambda: top_k(hybrid.score(everybody), 10), repeats),
        "all_recommended_seconds": _median_seconds(lambda: hybrid.recommend(hybrid.indices.user_ids), REPEATS),
        "newcomer_milliseconds": 1000 * _median_seconds(lambda: hybrid.recommend_new(NEWCOMER), repeats),
        "star_to_list_milliseconds": 1000 * statistics.median(clicks),
    }


def _median_seconds(answer, repeats: int) -> float:
    answer()  # the first call traces
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        answer()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
