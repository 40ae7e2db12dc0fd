"""Ratings in, `Split(train, validation, test)` out: who may learn from what, and what is measured on.

Every split is deterministic and refuses overlap. Taught in notebooks/02_preprocessing.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

RATING_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
PARTS = ("train", "validation", "test")


def check_ratings(ratings: pd.DataFrame, name: str = "ratings") -> None:
    """Raises ValueError unless `ratings` has rows of user_id, movie_id, rating, timestamp, each pair once."""
    if not isinstance(ratings, pd.DataFrame):
        raise ValueError(
            f"`{name}` must be a DataFrame, got {type(ratings).__name__}. "
            '`movierec.load("ml-100k").ratings` is such a table.'
        )
    missing = [column for column in RATING_COLUMNS if column not in ratings]
    if missing:
        raise ValueError(
            f"`{name}` needs {', '.join(RATING_COLUMNS)}; {', '.join(f'`{c}`' for c in missing)} is missing. "
            '`movierec.load("ml-100k").ratings` is such a table.'
        )
    if ratings.empty:
        raise ValueError(f"`{name}` has no row. A split needs ratings in train and in test.")
    for column, unit in (("rating", "stars"), ("timestamp", "Unix seconds")):
        values = ratings[column]
        numeric = pd.api.types.is_numeric_dtype(values)
        bad = ~np.isfinite(values.to_numpy(float, na_value=np.nan)) if numeric else np.ones(len(values), bool)
        if bad.any():
            raise ValueError(
                f"every {column} in `{name}` must be a number ({unit}); {bad.sum():,} of {len(ratings):,} are not, "
                f"e.g. {values[bad].head(3).tolist()}. Drop or mend them."
            )
    pair = ["user_id", "movie_id"]
    repeated = ratings.duplicated(pair).to_numpy()
    if repeated.any():
        raise ValueError(
            f"`{name}` must hold each user's rating of a movie once; {repeated.sum():,} of {len(ratings):,} rows "
            f"repeat one, e.g. {ratings[repeated][pair].head(3).to_numpy().tolist()}. "
            'Try ratings.drop_duplicates(["user_id", "movie_id"], keep="last").'
        )


@dataclass(frozen=True, repr=False, eq=False)
class Split:
    """Three disjoint tables of ratings; `validation` may be None.

    Attributes:
        train: what a model may learn from; user_id, movie_id, rating, timestamp.
        validation: for early stopping and every choice, or None.
        test: looked at once, at the end.

    Raises:
        ValueError: if a table lacks a column or is empty, or if a user's rating of a movie is there twice.
    """

    train: pd.DataFrame
    validation: pd.DataFrame | None
    test: pd.DataFrame

    def __post_init__(self):
        parts = {name: getattr(self, name) for name in PARTS if getattr(self, name) is not None}
        for name, part in parts.items():
            check_ratings(part, name)
        names = list(parts)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                _refuse_overlap(parts[first], first, parts[second], second)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(getattr(self, name)):,}" for name in PARTS if getattr(self, name) is not None)
        return f"Split({sizes} ratings)"


def _refuse_overlap(a: pd.DataFrame, a_name: str, b: pd.DataFrame, b_name: str) -> None:
    keys = ["user_id", "movie_id"]
    both = a[keys].merge(b[keys])
    if len(both):
        users = both["user_id"].unique()
        raise ValueError(
            f"{a_name} and {b_name} must be disjoint; {len(users):,} of {a['user_id'].nunique():,} users have a movie "
            f"in both, e.g. user_id {users[:3].tolist()}. Use the `Split` as `movierec.split_by_user_time` returns it."
        )


def split_by_user_time(ratings: pd.DataFrame, validation: float = 0.1, test: float = 0.1) -> Split:
    """Each user's ratings in time order: the oldest train, the next validation, the newest test.

    A user with n ratings gives floor(test · n) to test and floor(validation · n) to validation; the rest, at least one,
    is train. Ties in time keep the order of the table. Other users' later ratings are in train: this leaks a little of
    the future, and every model here profits alike. The course's main split.

    Args:
        ratings: user_id, movie_id, rating, timestamp.
        validation, test: shares below 0.5, test above 0; at least one rating of each user stays in train.

    Source: the protocol of most MovieLens papers since SASRec (Kang and McAuley 2018), with shares instead of one item.
    Taught in notebooks/02_preprocessing.
    """
    check_ratings(ratings)
    if not (0 <= validation < 0.5 and 0 < test < 0.5):
        raise ValueError(
            f"`validation` and `test` are shares below 0.5, `test` above 0; got {validation} and {test}. "
            "Try 0.1 and 0.1."
        )
    order = np.lexsort((ratings["timestamp"], ratings["user_id"]))  # stable
    by_user = ratings.iloc[order].groupby("user_id")
    n, from_the_end = np.zeros((2, len(ratings)), int)
    n[order] = by_user["movie_id"].transform("size")
    from_the_end[order] = by_user.cumcount(ascending=False)  # 0 is the user's newest rating
    n_test, n_validation = (np.floor(share * n + 1e-9) for share in (test, validation))  # 0.29 * 100 is 28.999…
    in_test = from_the_end < n_test
    in_validation = ~in_test & (from_the_end < n_test + n_validation)
    parts = [ratings[mask] for mask in (~in_test & ~in_validation, in_validation, in_test)]
    return Split(parts[0], parts[1] if len(parts[1]) else None, parts[2])


def split_random5(ratings: pd.DataFrame) -> list[Split]:
    """Five splits of 80 / 20, without validation: each rating is in the test part once.

    Rows in table order are permuted with `numpy.random.default_rng(0)` and cut into five. Random splits test on the
    past with the future in train: good for comparing star errors with the literature, not for choosing a recommender.
    """
    check_ratings(ratings)
    folds = np.array_split(np.random.default_rng(0).permutation(len(ratings)), 5)
    splits = []
    for fold in folds:
        in_test = np.zeros(len(ratings), bool)
        in_test[fold] = True
        splits.append(Split(ratings[~in_test], None, ratings[in_test]))
    return splits


def split_stratified(ratings: pd.DataFrame) -> Split:
    """Microsoft Recommenders' benchmark split: within each movie, a random 75 % of its ratings train, the rest test.

    `numpy.random.seed(42)`, one `rand` per row in table order; sorted by it within each movie, the first round(0.75 n)
    rows are train. On ML-100K: 75,066 and 24,934 rows. In their benchmark every test rating counts as relevant.

    Source: the recommenders-team/recommenders benchmark notebook (`python_stratified_split`, seed 42).
    """
    check_ratings(ratings)
    order = np.argsort(np.random.RandomState(42).rand(len(ratings)), kind="stable")
    by_movie = ratings.iloc[order].groupby("movie_id")
    n = by_movie["user_id"].transform("size").to_numpy()
    in_train = np.zeros(len(ratings), bool)
    in_train[order] = by_movie.cumcount().to_numpy() < np.round(0.75 * n)
    return Split(ratings[in_train], None, ratings[~in_train])
