"""A scorer and a split in, one row per user out: rank the whole catalogue once, measure many things.

A scorer is any callable `user_index [U] -> float32 [U, num_movies]`: popularity, item-kNN and the hybrid are the same
thing here. Taught in notebooks/03_baselines.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from scipy import sparse
from tqdm import tqdm

from movierec.data import UNKNOWN, Indices, Split
from movierec.evaluation import metrics
from movierec.evaluation.top_k import top_k

Scorer = Callable[[np.ndarray], np.ndarray]

LIKED_FROM_STARS = 4.0  # a held-out movie counts as relevant from here on: the two upper levels of five
USERS_PER_BLOCK = 1024  # at most: 7 MB of scores on ML-100K
SCORES_PER_BLOCK = 1 << 22  # at most: 16 MB, which stay in the cache while they are looked at several times

RANKING_METRICS = {
    "ndcg": metrics.ndcg,
    "recall": metrics.recall,
    "precision": metrics.precision,
    "map": metrics.average_precision,
    "mrr": metrics.reciprocal_rank,
    "hit_rate": metrics.hit_rate,
}


def rank(
    scorer: Scorer, user_index: np.ndarray, seen: pd.DataFrame, indices: Indices, k: int, progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The k best unseen movies of each user, and their scores: the whole catalogue is scored, `seen` is left out.

    Args:
        scorer: `user_index [U] -> float32 [U, num_movies]`.
        user_index: int `[U]`, all known; a user named twice gets the same list twice.
        seen: ratings whose movies must not be recommended to their user.
        k: length of the list.
        progress: whether to show a bar while scoring, a step a block of at most 1,024 users.

    Returns:
        movie_index int64 `[U, k]`, best first, UNKNOWN (-1) from where a user has no unseen movie left; and the
        scores float32 `[U, k]`, -inf there.

    Raises:
        ValueError: if a user is unknown, k is out of range, or the scores have another shape or are NaN.
    """
    users, back = np.unique(user_index, return_inverse=True)
    lists, best = np.empty((len(users), k), np.int64), np.empty((len(users), k), np.float32)
    for rows, scores in _scored_blocks(scorer, users, seen, indices, progress):
        lists[rows], best[rows] = _top_unseen(scores, k)
    return lists[back], best[back]


def recommend_top_k(scorer: Scorer, user_index: np.ndarray, seen: pd.DataFrame, indices: Indices, k: int) -> np.ndarray:
    """The lists of `rank`, without their scores: movie_index int64 `[U, k]`."""
    return rank(scorer, user_index, seen, indices, k)[0]


def evaluate_ranking(
    scorer: Scorer,
    split: Split,
    indices: Indices,
    part: str = "test",
    k: int = 10,
    liked_from: float = LIKED_FROM_STARS,
    genres: np.ndarray | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """One row per user of `part` with a relevant movie: the metrics of the user's top k among all unseen movies.

    Movies of the earlier parts (train; and validation, when `part` is "test") are seen. Relevant is a rating in `part`
    of at least `liked_from` stars. Rating 0.5 and more, `liked_from=0`, makes every held-out movie relevant.

    Args:
        genres: float `[num_movies, genres]`, 1 where a movie has the genre (`features.genre_matrix`); adds
            "diversity@10" and "miscalibration@10". May be None.
        progress: whether to show a bar while scoring.

    Returns:
        DataFrame, index user_id, columns "ndcg@10", "recall@10", …, "auc", "novelty@10", "popularity_lift@10"; and
        "movie_index", the list itself, int `[k]`. `attrs` holds what one user cannot have, "coverage" and "gini",
        and counts what could not be measured: "users_unknown" to train, "users_without_relevant" movie, and
        "movies_unknown", relevant movies outside the catalogue, which count as missed.

    Raises:
        ValueError: if nobody can be measured, `part` is not there, or for the reasons of `rank`.
    """
    held_out, earlier = _parts(split, part)
    liked = held_out[held_out["rating"] >= liked_from]
    user_index = indices.user_index(liked["user_id"])
    measured = np.unique(user_index[user_index != UNKNOWN])
    if not len(measured):
        raise ValueError(
            f"no user of {part} is known from train and has a movie of at least {liked_from} stars there; "
            f"{len(held_out):,} ratings of {held_out['user_id'].nunique():,} users were looked at, the highest of "
            f"{held_out['rating'].max():g} stars. `liked_from` says what counts as liked."
        )
    all_liked, all_watched = rated_pairs(liked, indices), rated_pairs(split.train, indices)
    num_relevant = np.bincount(user_index[user_index != UNKNOWN], minlength=indices.num_users)
    counts = all_watched.sum(axis=0)  # [num_movies]
    blocks = []
    for rows, scores in _scored_blocks(scorer, measured, _together(earlier), indices, progress):
        users = measured[rows]
        relevant, watched = (
            all_liked[users].toarray(),
            all_watched[users],
        )  # bool [block, num_movies], the second sparse
        lists, _ = _top_unseen(scores, k)
        hits = np.take_along_axis(relevant, lists, axis=1) & (lists != UNKNOWN)
        columns = {f"{name}@{k}": metric(hits, num_relevant[users]) for name, metric in RANKING_METRICS.items()}
        columns["auc"] = metrics.auc(scores, relevant, num_relevant[users])
        columns[f"novelty@{k}"] = metrics.novelty(lists, counts, indices.num_users)
        columns[f"popularity_lift@{k}"] = metrics.popularity_lift(lists, counts, watched)
        if genres is not None:
            columns[f"diversity@{k}"] = metrics.diversity(lists, genres)
            columns[f"miscalibration@{k}"] = metrics.miscalibration(lists, watched.toarray(), genres)
        blocks.append(pd.DataFrame(columns | {"movie_index": list(lists)}))
    table = pd.concat(blocks, ignore_index=True).set_index(pd.Index(indices.user_ids[measured], name="user_id"))
    lists = np.stack(table["movie_index"])
    table.attrs = {
        "coverage": metrics.coverage(lists, indices.num_movies),
        "gini": metrics.gini(lists, indices.num_movies),
        **count_unmeasured(held_out, liked, indices, len(table)),
    }
    return table


def evaluate_stars(predictor, split: Split, part: str = "test") -> pd.DataFrame:
    """One row per user of `part`: the error of the predicted stars, and over how many ratings.

    Args:
        predictor: has `predict(ratings) -> float [N]`, stars for rows of user_id, movie_id.

    Returns:
        DataFrame, index user_id, columns "rmse", "mae" and "ratings". `attrs` has "rmse" and "mae" per rating, as the
        literature reports them: a user with many ratings counts more there.

    Raises:
        ValueError: if the predictions are not one number a rating, or `part` is not there.
    """
    held_out, _ = _parts(split, part)
    predicted = np.asarray(predictor.predict(held_out), float)
    if predicted.shape != (len(held_out),) or np.isnan(predicted).any():
        raise ValueError(
            f"`predict` returns one number per rating, shape ({len(held_out)},); got shape {predicted.shape} with "
            f"{np.isnan(predicted).sum():,} NaN."
        )
    error = predicted - held_out["rating"].to_numpy(float)
    by_user = pd.DataFrame({"square": error**2, "mae": abs(error)}).groupby(held_out["user_id"].to_numpy())
    table = by_user.mean().assign(rmse=lambda t: np.sqrt(t["square"]), ratings=by_user.size())
    table = table[["rmse", "mae", "ratings"]].rename_axis("user_id")
    table.attrs = {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(abs(error)))}
    return table


def pool_stars(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The errors of several folds, or seeds, as one table: a user's ratings are in several of them, and are one user's.

    Args:
        tables: of one model, as `evaluate_stars` returns them.

    Returns:
        DataFrame, index user_id, columns "rmse", "mae", "square" (stars squared) and "ratings", of all tables together.
    """
    together = pd.concat(tables)
    sums = together[["ratings"]].assign(square=together["ratings"] * together["rmse"] ** 2)
    sums = sums.assign(mae=together["ratings"] * together["mae"]).groupby("user_id").sum()
    means = sums[["square", "mae"]].div(sums["ratings"], axis=0)
    return means.assign(rmse=np.sqrt(means["square"]), ratings=sums["ratings"])


def tidy(table: pd.DataFrame, model: str, seed: int = 0) -> pd.DataFrame:
    """A table of `evaluate_ranking` or `evaluate_stars` with one row a value: what `comparison` reads.

    Returns:
        DataFrame with model, seed, user_id, metric ("ndcg", "rmse", …), k (Int64; NA where there is no list), value;
        users without a value are left out.
    """
    long = table.drop(columns="movie_index", errors="ignore").reset_index()
    long = long.melt("user_id", var_name="metric").dropna(subset="value")
    name_and_k = long["metric"].str.split("@", expand=True).reindex(columns=[0, 1])
    long = long.assign(metric=name_and_k[0], k=pd.to_numeric(name_and_k[1]).astype("Int64"), model=model, seed=seed)
    return long[["model", "seed", "user_id", "metric", "k", "value"]].reset_index(drop=True)


def _parts(split: Split, part: str) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """The held-out part, and the parts before it."""
    if part not in ("validation", "test"):
        raise ValueError(f'`part` must be "validation" or "test"; got {part!r}.')
    held_out = getattr(split, part)
    if held_out is None:
        raise ValueError("this split has no validation part; `split_by_user_time(ratings)` makes one.")
    only_train = part == "validation" or split.validation is None
    return held_out, [split.train] if only_train else [split.train, split.validation]


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return parts[0] if len(parts) == 1 else pd.concat([part[["user_id", "movie_id"]] for part in parts])


def rated_pairs(ratings: pd.DataFrame, indices: Indices) -> sparse.csr_array:
    """bool `[num_users, num_movies]`, True where a known user rated a known movie; each user's movies in order."""
    user_index, movie_index = indices.user_index(ratings["user_id"]), indices.movie_index(ratings["movie_id"])
    known = (user_index != UNKNOWN) & (movie_index != UNKNOWN)
    shape = indices.num_users, indices.num_movies
    places = (user_index, movie_index) if known.all() else (user_index[known], movie_index[known])
    pairs = sparse.csr_array((np.ones(len(places[0]), bool), places), shape=shape)
    pairs.sort_indices()
    return pairs


def users_per_block_of(num_movies: int) -> int:
    """How many users are scored at a time, 16 to 1,024: not so many that their scores leave the cache."""
    return min(USERS_PER_BLOCK, max(16, SCORES_PER_BLOCK // max(num_movies, 1)))


def count_unmeasured(held_out: pd.DataFrame, liked: pd.DataFrame, indices: Indices, num_measured: int) -> dict:
    """How many users and relevant movies of `held_out` have no value: see `evaluate_ranking`."""
    users = held_out["user_id"].unique()
    unknown = int((indices.user_index(users) == UNKNOWN).sum())
    movies = liked["movie_id"].unique()
    return {
        "users_unknown": unknown,
        "users_without_relevant": len(users) - unknown - num_measured,
        "movies_unknown": int((indices.movie_index(movies) == UNKNOWN).sum()),
    }


def _scored_blocks(
    scorer: Scorer, users: np.ndarray, seen: pd.DataFrame, indices: Indices, progress: bool
) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows of `users`, their scores float32 `[block, num_movies]`, -inf where seen), a block of users at a time."""
    if users.size and not 0 <= users[0] <= users[-1] < indices.num_users:
        raise ValueError(
            f"`user_index` must be 0 to {indices.num_users - 1:,}; found {users[0]} to {users[-1]} (-1 is an unknown "
            "user). Use `indices.user_index(user_ids)` with users of train."
        )
    all_seen, size = rated_pairs(seen, indices), users_per_block_of(indices.num_movies)
    for start in tqdm(range(0, len(users), size), unit="block", disable=not progress):
        rows = slice(start, min(start + size, len(users)))
        scores = np.array(scorer(users[rows]), dtype=np.float32)  # a copy: the scorer's own array stays as it is
        check_scores(scores, users[rows], indices)
        seen_here = all_seen[users[rows]]
        scores[np.repeat(np.arange(len(scores)), np.diff(seen_here.indptr)), seen_here.indices] = -np.inf
        yield rows, scores


def _top_unseen(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The lists and their scores; UNKNOWN where nothing but -inf is left."""
    lists = top_k(scores, k)
    best = np.take_along_axis(scores, lists, axis=1)
    return np.where(np.isneginf(best), UNKNOWN, lists), best


def check_scores(scores: np.ndarray, users: np.ndarray, indices: Indices) -> None:
    """Raises ValueError unless there is a row per user, a column per movie, and no NaN."""
    expected = (len(users), indices.num_movies)
    if scores.shape != expected:
        raise ValueError(f"a scorer returns one row per user and one column per movie, {expected}; got {scores.shape}.")
    bad = np.isnan(scores.max(axis=1))  # the largest of a row is NaN where one of them is
    if bad.any():
        raise ValueError(
            f"scores must be numbers; NaN for {bad.sum():,} of {len(scores):,} users, "
            f"e.g. user_id {indices.user_ids[users[bad][:3]].tolist()}."
        )
