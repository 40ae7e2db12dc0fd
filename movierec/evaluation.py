"""A scorer and a split in, one row per user out: rank the whole catalogue once, measure many things.

A scorer is any callable `user_index [U] -> float32 [U, num_movies]`: popularity, item-kNN and the hybrid are the same
thing here. Taught in notebooks/03_baselines.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec import metrics
from movierec.indices import UNKNOWN, Indices
from movierec.splits import Split

Scorer = Callable[[np.ndarray], np.ndarray]

LIKED_FROM_STARS = 4.0  # a held-out movie counts as relevant from here on: the two upper levels of five
USERS_PER_BLOCK = 1024  # a block of scores is 1024 x num_movies x 4 bytes: 7 MB on ML-100K, 170 MB on 42,000 movies

RANKING_METRICS = {
    "ndcg": metrics.ndcg,
    "recall": metrics.recall,
    "precision": metrics.precision,
    "map": metrics.average_precision,
    "mrr": metrics.reciprocal_rank,
    "hit_rate": metrics.hit_rate,
}


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best movie indices of each row, best first; equal scores in the order of the index. int64 `[U, k]`."""
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be 1 to {scores.shape[1]:,}, the number of movies; got {k}.")
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recommend_top_k(scorer: Scorer, user_index: np.ndarray, seen: pd.DataFrame, indices: Indices, k: int) -> np.ndarray:
    """The k best unseen movies of each user: the whole catalogue is scored, movies in `seen` are left out.

    Args:
        scorer: `user_index [U] -> float32 [U, num_movies]`.
        user_index: int `[U]`, all known; a user named twice gets the same list twice.
        seen: ratings whose movies must not be recommended to their user.
        k: length of the list.

    Returns:
        movie_index int64 `[U, k]`, best first; UNKNOWN (-1) from where a user has no unseen movie left.

    Raises:
        ValueError: if a user is unknown, or the scores have another shape or are not numbers.
    """
    users, back = np.unique(user_index, return_inverse=True)
    if users.size and not 0 <= users[0] <= users[-1] < indices.num_users:
        raise ValueError(
            f"`user_index` must be 0 to {indices.num_users - 1:,}; found {users[0]} to {users[-1]} (-1 is an unknown "
            "user). Use `indices.user_index(user_ids)` with users of train."
        )
    block_of = np.full(indices.num_users, UNKNOWN)
    seen_user, seen_movie = indices.user_index(seen["user_id"]), indices.movie_index(seen["movie_id"])
    known = (seen_user != UNKNOWN) & (seen_movie != UNKNOWN)
    seen_user, seen_movie = seen_user[known], seen_movie[known]
    lists = []
    for start in range(0, len(users), USERS_PER_BLOCK):
        block = users[start : start + USERS_PER_BLOCK]
        scores = np.array(scorer(block), dtype=np.float32)
        _check_scores(scores, (len(block), indices.num_movies))
        block_of[:] = UNKNOWN
        block_of[block] = np.arange(len(block))
        row = block_of[seen_user]
        scores[row[row != UNKNOWN], seen_movie[row != UNKNOWN]] = -np.inf
        best = top_k(scores, k)
        lists.append(np.where(np.isneginf(np.take_along_axis(scores, best, axis=1)), UNKNOWN, best))
    return np.concatenate(lists)[back]


def evaluate_ranking(
    scorer: Scorer,
    split: Split,
    indices: Indices,
    part: str = "test",
    k: int = 10,
    liked_from: float = LIKED_FROM_STARS,
) -> pd.DataFrame:
    """One row per user of `part` with a relevant movie: the metrics of the user's top k among all unseen movies.

    Movies of the earlier parts (train; and validation, when `part` is "test") are seen. Relevant is a rating in `part`
    of at least `liked_from` stars. Rating 0.5 and more, `liked_from=0`, makes every held-out movie relevant.

    Returns:
        DataFrame, index user_id, columns "ndcg@10", "recall@10", …; and "movie_index", the list itself, int `[k]`.
        `attrs` counts what could not be measured: users unknown to train, and users without a relevant movie.

    Raises:
        ValueError: if nobody can be measured, or `part` is not there.
    """
    if part not in ("validation", "test"):
        raise ValueError(f'`part` must be "validation" or "test"; got {part!r}.')
    held_out = getattr(split, part)
    if held_out is None:
        raise ValueError("this split has no validation part; `split_by_user_time(ratings)` makes one.")
    earlier = [split.train] if part == "validation" or split.validation is None else [split.train, split.validation]
    liked = held_out[held_out["rating"] >= liked_from]
    user_index, movie_index = indices.user_index(liked["user_id"]), indices.movie_index(liked["movie_id"])
    measured = np.unique(user_index[user_index != UNKNOWN])
    if not len(measured):
        raise ValueError(
            f"no user of {part} is known from train and has a movie of at least {liked_from} stars there; "
            f"{len(held_out):,} ratings of {held_out['user_id'].nunique():,} users were looked at."
        )
    relevant = np.zeros((indices.num_users, indices.num_movies), bool)
    both = (user_index != UNKNOWN) & (movie_index != UNKNOWN)
    relevant[user_index[both], movie_index[both]] = True
    num_relevant = np.bincount(user_index[user_index != UNKNOWN], minlength=indices.num_users)[measured]
    lists = recommend_top_k(scorer, measured, pd.concat(earlier), indices, k)
    hits = relevant[measured[:, None], lists] & (lists != UNKNOWN)
    table = pd.DataFrame({f"{name}@{k}": metric(hits, num_relevant) for name, metric in RANKING_METRICS.items()})
    table.index = pd.Index(indices.user_ids[measured], name="user_id")
    table["movie_index"] = list(lists)
    users = held_out["user_id"].unique()
    unknown = int((indices.user_index(users) == UNKNOWN).sum())
    table.attrs = {"users_unknown": unknown, "users_without_relevant": len(users) - unknown - len(table)}
    return table


def coverage(lists: np.ndarray, num_movies: int) -> float:
    """Share of the catalogue that is in somebody's list: |∪ L| / num_movies, 0..1. `lists` is movie_index `[U, k]`."""
    recommended = np.unique(lists)
    return len(recommended[recommended != UNKNOWN]) / num_movies


def bootstrap_interval(values: np.ndarray, seed: int = 0, resamples: int = 2000) -> tuple[float, float]:
    """The 95 % interval of the mean of `values` over users: 2.5 % and 97.5 % quantiles of resampled means.

    Source: Efron and Tibshirani (1993), the percentile bootstrap; users are the unit.
    """
    values = np.asarray(values, float)
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _check_scores(scores: np.ndarray, expected: tuple[int, int]) -> None:
    if scores.shape != expected:
        raise ValueError(f"a scorer returns one row per user and one column per movie, {expected}; got {scores.shape}.")
    if np.isnan(scores).any():
        users = np.unique(np.nonzero(np.isnan(scores))[0])
        raise ValueError(
            f"scores must be numbers; NaN for {len(users):,} of {len(scores):,} users, e.g. row {users[0]}."
        )
