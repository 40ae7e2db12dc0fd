"""Evaluate a scorer or a predictor of stars on a held-out part: one row a user out, many metrics at once.

Taught in notebooks/03_baselines. `comparison` turns the tables into intervals and differences.
"""

import numpy as np
import pandas as pd

from movierec import scale
from movierec.data import UNKNOWN, Indices, Split
from movierec.evaluation import metrics
from movierec.evaluation.ranking import Scorer, rated_pairs, scored_blocks, seen_by, top_unseen

LIKED_FROM_STARS = 4.0  # of 5; a held-out movie counts as relevant from here on

RANKING_METRICS = {"ndcg": metrics.ndcg, "recall": metrics.recall, "precision": metrics.precision}
RANKING_METRICS |= {"map": metrics.average_precision, "mrr": metrics.reciprocal_rank, "hit_rate": metrics.hit_rate}


def evaluate_ranking(
    scorer: Scorer, split: Split, indices: Indices, part: str = "test", k: int = 10,
    liked_from: float | None = None, genres: np.ndarray | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return one row per user with a relevant movie: the metrics of the user's top k among all unseen movies.

    Movies of the earlier parts (train; and validation, when `part` is "test") are seen. A movie is relevant if its
    rating in `part`, "test" or "validation", has at least `liked_from` stars: by default 4 of 5, or as much on another
    scale; every movie with 0, or where all ratings are equal. A sequence model reads all earlier parts here.

    Returns:
        DataFrame, index user_id, columns "ndcg@10", "recall@10", …, "auc", "novelty@10", "popularity_lift@10"; with
        `genres`, float `[num_movies, genres]` of `baselines.genre_matrix`, "diversity@10" and "miscalibration@10"; and
        "movie_index", the list, int `[k]`, -1 from where no unseen movie is left. `attrs` holds "coverage" and "gini"
        of all lists, and counts what was not measured: "users_unknown" to train, "users_without_relevant" movie, and
        "movies_unknown", relevant movies outside the catalogue, which count as missed.

    Raises:
        ValueError: if nobody can be measured, `part` is not there, k is out of range, or the scores are unusable.
    """
    held_out, seen = _held_out_and_seen(split, part)
    liked_from = scale.liked_from(split.train, held_out, given=liked_from)
    num_relevant = np.bincount(relevant_users(held_out, indices, liked_from, part), minlength=indices.num_users)
    measured = np.flatnonzero(num_relevant)
    all_relevant = rated_pairs(held_out[held_out["rating"] >= liked_from], indices)
    all_watched = rated_pairs(split.train, indices)
    counts = all_watched.sum(axis=0)  # [num_movies]
    scorer, blocks = _reading_all_before(scorer, split, part, indices), []
    for users, scores in scored_blocks(scorer, measured, seen_by(measured, seen, indices), indices):
        relevant = all_relevant[users].toarray()  # bool [block, num_movies]
        watched = all_watched[users]  # the same, sparse
        lists = top_unseen(scores, k)
        hits = np.take_along_axis(relevant, lists, axis=1) & (lists != UNKNOWN)
        columns = _accuracy(hits, num_relevant[users])
        columns["auc"] = metrics.auc(scores, relevant, num_relevant[users])
        columns[f"novelty@{k}"] = metrics.novelty(lists, counts, indices.num_users)
        columns[f"popularity_lift@{k}"] = metrics.popularity_lift(lists, counts, watched)
        if genres is not None:
            columns[f"diversity@{k}"] = metrics.diversity(lists, genres)
            columns[f"miscalibration@{k}"] = metrics.miscalibration(lists, watched.toarray(), genres)
        blocks.append(pd.DataFrame(columns | {"movie_index": list(lists)}))
    table = pd.concat(blocks, ignore_index=True).set_index(pd.Index(indices.user_ids[measured], name="user_id"))
    lists = np.stack(table["movie_index"])
    of_lists = {name: getattr(metrics, name)(lists, indices.num_movies) for name in ("coverage", "gini")}
    table.attrs = of_lists | _unmeasured(held_out, indices, liked_from, len(table))
    return table


def evaluate_ranks(
    ranks: np.ndarray, held_out: pd.DataFrame, indices: Indices, k: int = 10, liked_from: float | None = None
) -> pd.DataFrame:
    """Return the accuracy columns of `evaluate_ranking` from ranks alone, with the same index and counts in `attrs`.

    `ranks`, float `[N]`, are those of `held_out_ranks` for the rows of `held_out`; NaN counts as missed. Raise
    ValueError if the lengths differ, or nobody can be measured.
    """
    if np.shape(ranks) != (len(held_out),):
        raise ValueError(
            f"`ranks` must have one number per rating, shape ({len(held_out)},); got {np.shape(ranks)}. "
            "`held_out_ranks(scorer, split.test, split.train, indices)` returns those of split.test."
        )
    liked_from = scale.liked_from(held_out, given=liked_from)
    relevant_user = relevant_users(held_out, indices, liked_from)
    measured, row, num_relevant = np.unique(relevant_user, return_inverse=True, return_counts=True)
    is_relevant = (held_out["rating"] >= liked_from) & (indices.user_index(held_out["user_id"]) != UNKNOWN)
    rank = np.asarray(ranks)[is_relevant]
    listed = rank <= k
    hits = np.zeros((len(measured), k), bool)
    hits[row[listed], rank[listed].astype(np.int64) - 1] = True
    table = pd.DataFrame(_accuracy(hits, num_relevant), pd.Index(indices.user_ids[measured], name="user_id"))
    table.attrs = _unmeasured(held_out, indices, liked_from, len(table))
    return table


def evaluate_stars(predictor, split: Split, part: str = "test") -> pd.DataFrame:
    """Return one row per user of `part`, index user_id: "rmse" and "mae" of the predicted stars, and "ratings".

    `attrs` has "rmse" and "mae" per rating, as the literature reports them. The predictor has `predict(ratings) ->
    float [N]`; raise ValueError if that is not one number a rating.
    """
    held_out, _ = _held_out_and_seen(split, part)
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


def _held_out_and_seen(split: Split, part: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if part not in ("validation", "test"):
        raise ValueError(f'`part` must be "validation" or "test"; got {part!r}.')
    held_out = getattr(split, part)
    if held_out is None:
        raise ValueError("this split has no validation part; `split_by_user_time(ratings)` makes one.")
    if part == "validation" or split.validation is None:
        return held_out, split.train
    return held_out, pd.concat([earlier[["user_id", "movie_id"]] for earlier in (split.train, split.validation)])


def _reading_all_before(scorer: Scorer, split: Split, part: str, indices: Indices) -> Scorer:
    """Return the scorer; if it is the `score` of a model that has `reading`, the one that reads the earlier parts."""
    model = getattr(scorer, "__self__", None)
    if not hasattr(model, "reading"):
        return scorer
    has_two = part == "test" and split.validation is not None
    earlier = pd.concat([split.train, split.validation]) if has_two else split.train
    user, movie = indices.user_index(earlier["user_id"]), indices.movie_index(earlier["movie_id"])
    return model.reading(earlier[(user != UNKNOWN) & (movie != UNKNOWN)]).score


def relevant_users(ratings, indices: Indices, liked_from: float, part: str = "the later part") -> np.ndarray:
    """Return the user_index of each relevant rating by a user of train, in row order; ValueError if there is none.

    `part` is what the error calls the table `ratings`, which are not in train.
    """
    liked = ratings.loc[ratings["rating"] >= liked_from, "user_id"]
    user = indices.user_index(liked)
    user = user[user != UNKNOWN]
    if len(user):
        return user
    users = ratings["user_id"].unique()
    known = int((indices.user_index(users) != UNKNOWN).sum())
    found = f"{len(users):,} users have {len(ratings):,} ratings in {part}, but "
    if not known:
        raise ValueError(
            f"no list can be measured: {found}none of the users has a rating in train. Use "
            "movierec.split_by_user_time(ratings), which puts ratings of each user into train."
        )
    highest = ratings["rating"].max()
    raise ValueError(
        f"no user of {part} has a movie of at least {liked_from} stars there and a rating in train: {found}the "
        f"highest rating is {highest:g}, and {known:,} of them are in train. `liked_from` says what is liked, e.g. "
        f"liked_from={highest:g}."
    )


def _accuracy(hits: np.ndarray, num_relevant: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{name}@{hits.shape[1]}": metric(hits, num_relevant) for name, metric in RANKING_METRICS.items()}


def _unmeasured(held_out: pd.DataFrame, indices: Indices, liked_from: float, num_measured: int) -> dict[str, int]:
    users = held_out["user_id"].unique()
    movies = held_out.loc[held_out["rating"] >= liked_from, "movie_id"].unique()
    unknown = int((indices.user_index(users) == UNKNOWN).sum())
    return {
        "users_unknown": unknown,
        "users_without_relevant": len(users) - unknown - num_measured,
        "movies_unknown": int((indices.movie_index(movies) == UNKNOWN).sum()),
    }
