"""Ratings in, `Split(train, validation, test)` out: what a model may learn from, and what it is measured on.

Every split is deterministic, and raises ValueError if a column is missing or malformed, or a share is out of range.
Times may be in any unit, see `units.seconds`. Where they do not tell what is newer, the parts are drawn at random.
Taught in notebooks/02_preprocessing and 08_evaluation.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from movierec.calls import check_keywords
from movierec.data.cleaning import check_columns, check_disjoint, check_ratings
from movierec.data.indices import PAIR, order_by_user_and_time
from movierec.data.units import has_time, say

PARTS = ("train", "validation", "test")
IN_TIME = ("user", "everyone", None)
ONE_RATING_EACH = "Each user has one rating, and could only be trained or tested: more ratings of a user are needed."


@dataclass(frozen=True, repr=False, eq=False)
class Split:
    """Three disjoint tables of ratings; `validation` may be None.

    Attributes:
        in_time: What the parts promise. "user": no rating of a user is newer than one of theirs in a later part;
            "everyone": no rating at all is newer than one in a later part; None: no promise, drawn at random.

    Raises:
        ValueError: A table lacks a column or is empty, a user's rating of a movie is there twice, or a rating of an
            earlier part is newer than `in_time` allows.
    """

    train: pd.DataFrame  # what a model may learn from; user_id, movie_id, rating, timestamp
    validation: pd.DataFrame | None  # for early stopping and every choice
    test: pd.DataFrame  # looked at once, at the end
    in_time: str | None = None

    def __post_init__(self):
        if self.in_time not in IN_TIME:
            raise ValueError(f"`in_time` must be one of {IN_TIME}, got {self.in_time!r}.")
        parts = {name: check_columns(part, name) for name, part in self._parts().items()}
        for name, part in parts.items():
            object.__setattr__(self, name, part)
        times = [part["timestamp"] for part in parts.values()]
        if self.in_time and min(part.min() for part in times) == max(part.max() for part in times):
            say(f"in_time={self.in_time!r} became None: the ratings have no times, or all the same one.")
            object.__setattr__(self, "in_time", None)
        check_disjoint(parts)
        for first, second in combinations(parts, 2) if self.in_time else ():
            _refuse_leakage(parts[first], first, parts[second], second, self.in_time)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(part):,}" for name, part in self._parts().items())
        return f"Split({sizes} ratings)"

    def cold(self) -> pd.DataFrame:
        """Return what train does not know of the later parts, one row a part; nothing is dropped.

        The columns are ratings, users, cold_users (without a rating in train), cold_movies, and cold_ratings, of such a
        user or movie.
        """
        rows = {}
        for name, part in list(self._parts().items())[1:]:
            cold_user = ~part["user_id"].isin(self.train["user_id"])
            cold_movie = ~part["movie_id"].isin(self.train["movie_id"])
            rows[name] = {
                "ratings": len(part),
                "users": part["user_id"].nunique(),
                "cold_users": part["user_id"][cold_user].nunique(),
                "cold_movies": part["movie_id"][cold_movie].nunique(),
                "cold_ratings": int((cold_user | cold_movie).sum()),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")

    def _parts(self) -> dict[str, pd.DataFrame]:
        return {name: getattr(self, name) for name in PARTS if getattr(self, name) is not None}


def _refuse_leakage(a: pd.DataFrame, a_name: str, b: pd.DataFrame, b_name: str, in_time: str) -> None:
    """Raise ValueError if `a` is newer than `b`. A tie is allowed: MovieLens stamps whole pages with one second."""
    first = b["timestamp"].min()
    if in_time == "user" and a["timestamp"].max() > first:
        first_of_b = b.groupby("user_id")["timestamp"].min()
        first = a["user_id"].map(first_of_b)  # NaN, never exceeded, for a user who is not in b
    late = a[(a["timestamp"] > first).to_numpy(bool, na_value=False)]
    if len(late):
        users = late["user_id"].unique()
        what = "the first" if in_time == "everyone" else "the same user's first"
        raise ValueError(
            f"{a_name} must not know the future of {b_name}; {len(late):,} of its {len(a):,} ratings, of "
            f"{len(users):,} users, e.g. user_id {users[:3].tolist()}, are newer than {what} rating in {b_name}. "
            "`movierec.split_by_time` and `split_by_user_time` cut in time; in_time=None is for a random split."
        )


def _check_shares(validation: float, test: float) -> None:
    if not (0 <= validation < 0.5 and 0 < test < 0.5):
        found = f"got {validation} and {test}. Try 0.1 and 0.1."
        raise ValueError(f"`validation` and `test` are shares below 0.5, `test` above 0; {found}")


def _histories(ratings: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, str | None]:
    """Return the ratings; for each how many its user has, and how many of them are newer, int32 `[N]`; and `in_time`.

    Ties in time keep the order of the table. But where most users have one time for all of their ratings, ties are in
    random order, and the table is put in order of user and movie: how the file was sorted makes no difference.
    """
    user = ratings["user_id"].to_numpy()
    order = order_by_user_and_time(user, ratings["timestamp"].to_numpy())
    user, time = user[order], ratings["timestamp"].to_numpy()[order]
    starts = np.flatnonzero(np.append(True, user[1:] != user[:-1]))
    sizes = np.diff(starts, append=len(user))
    one_time = (time[starts] == time[starts + sizes - 1])[sizes > 1]
    is_drawn = 2 * one_time.sum() > len(one_time)
    if is_drawn:
        users = f"{one_time.sum():,} of {len(one_time):,} users have one time for all of their ratings"
        found = users if has_time(ratings) else "the ratings have no times, or all the same one"
        say(f"{found}: nothing tells which are a user's newest, so the parts are drawn at random (in_time=None).")
        ratings = ratings.iloc[order_by_user_and_time(*(ratings[column].to_numpy() for column in PAIR))]
        ties = np.random.default_rng(0).permutation(len(user))
        order = np.lexsort((ties, ratings["timestamp"].to_numpy(), np.repeat(np.arange(len(sizes)), sizes)))
    n, newer = np.empty((2, len(ratings)), np.int32)
    n[order] = np.repeat(sizes, sizes)
    newer[order] = np.repeat(starts + sizes, sizes) - np.arange(1, len(user) + 1)
    return ratings, n, newer, None if is_drawn else "user"


def _cut(ratings: pd.DataFrame, newer: np.ndarray, n_validation, n_test, in_time: str | None) -> Split:
    """Split by the number of newer ratings: below `n_test` is test, the next `n_validation` are validation."""
    in_test = newer < n_test
    in_train = newer >= n_test + n_validation
    in_validation = ~in_test & ~in_train
    split = Split(ratings[in_train], ratings[in_validation] if in_validation.any() else None, ratings[in_test], in_time)
    for name, part in list(split._parts().items())[1:]:
        if not part["user_id"].isin(split.train["user_id"].unique()).any():
            say(
                f"{name} can measure stars, but no list: none of its {part['user_id'].nunique():,} users, who have "
                f"{len(part):,} ratings there, has one in train. `split_by_user_time` puts some of each user's ratings "
                "into train, where they have several."
            )
        elif name == "test" and len(part) == 1:
            say(f"test is a single rating of {len(ratings):,}: what is measured on it means little. Raise `test`.")
    return split


def _floor(share: float, n):
    return np.floor(share * n + 1e-9).astype(np.int32)  # 0.29 * 100 is 28.999…


@check_keywords()
def split_by_user_time(ratings: pd.DataFrame, validation: float = 0.1, test: float = 0.1) -> Split:
    """Split each user's ratings in time order: the oldest train, the next validation, the newest test.

    A user with n ratings gives floor(test · n) to test and floor(validation · n) to validation; the rest, at least one,
    is train. Ties in time keep the order of the table. Other users' later ratings are in train: this leaks a little of
    the future, and every model here profits alike. This is the course's main split.

    Source: the protocol of most MovieLens papers since SASRec (Kang and McAuley 2018), with shares instead of one item.
    Taught in notebooks/02_preprocessing.
    """
    ratings = check_ratings(ratings)
    _check_shares(validation, test)
    ratings, n, newer, in_time = _histories(ratings)
    n_test, n_validation = (_floor(share, np.arange(n.max() + 1))[n] for share in (test, validation))
    tested, users = int((n_test[newer == 0] > 0).sum()), int((newer == 0).sum())
    needs = f"a test share of {test} needs a user with {int(np.ceil(1 / test - 1e-9))} ratings"
    if not tested:
        advice = "Raise `test`, or use `split_leave_last`." if n.max() > 1 else ONE_RATING_EACH
        raise ValueError(
            f"nobody can be tested: {needs}, and the {users:,} users here have {n.max()} at most. {advice}"
        )
    if 10 * tested < users:
        say(f"only {tested:,} of {users:,} users are tested: {needs}. `split_leave_last` tests all who have two.")
    if validation and not n_validation.any():
        say(f"validation is None: nobody has {int(np.ceil(1 / validation - 1e-9))} ratings. Raise `validation`.")
    return _cut(ratings, newer, n_validation, n_test, in_time)


@check_keywords()
def split_by_time(ratings: pd.DataFrame, validation: float = 0.1, test: float = 0.1) -> Split:
    """Cut once in time for everybody: the oldest ratings train, the next validation, the newest test.

    Of N ratings the newest floor(test · N) are test, the floor(validation · N) before them validation. Ties in time
    keep the order of the table. Train holds what a service would have known on that day, and no rating of the future.
    On ML-100K, where most users came and went within a day, only 69 test users have a rating in train (`Split.cold`
    counts the others); on the larger releases this is the split to use.

    Source: Meng et al. (2020), *Exploring data splitting strategies for the evaluation of recommendation models*.
    """
    ratings = check_ratings(ratings)
    _check_shares(validation, test)
    if not has_time(ratings):
        raise ValueError(
            f"`split_by_time` cuts at a moment, and the {len(ratings):,} ratings have no times, or all the same one. "
            "Use movierec.split_by_user_time(ratings), which then draws some ratings of each user."
        )
    newer = np.empty(len(ratings), int)
    newer[np.argsort(ratings["timestamp"].to_numpy(), kind="stable")] = np.arange(len(ratings))[::-1]
    return _cut(ratings, newer, _floor(validation, len(ratings)), _floor(test, len(ratings)), "everyone")


@check_keywords()
def split_leave_last(ratings: pd.DataFrame) -> Split:
    """Take each user's newest rating as test, the one before as validation, the rest as train: for sequence models.

    Ties in time keep the order of the table. Users with two ratings have none in validation, those with one only train.

    Source: Kang and McAuley (2018), SASRec; the ranking here is over the whole catalogue, not over 101 candidates.
    """
    ratings, n, newer, in_time = _histories(check_ratings(ratings))
    if n.max() < 2:
        raise ValueError(f"nobody can be tested: `test` has no row. {ONE_RATING_EACH}")
    if n.max() < 3:
        say("validation is None: nobody has three ratings.")
    return _cut(ratings, newer, n >= 3, (n >= 2).astype(int), in_time)


@check_keywords()
def split_random5(ratings: pd.DataFrame) -> list[Split]:
    """Return five splits of 80 / 20, without validation: each rating is in the test part once.

    Rows in table order are permuted with `numpy.random.default_rng(0)` and cut into five. Random splits test on the
    past with the future in train: good for comparing star errors with the literature, not for choosing a recommender.
    """
    ratings = check_ratings(ratings)
    folds = np.array_split(np.random.default_rng(0).permutation(len(ratings)), 5)
    in_test = [np.isin(np.arange(len(ratings)), rows) for rows in folds]
    return [Split(ratings[~test], None, ratings[test]) for test in in_test]


@check_keywords()
def split_stratified(ratings: pd.DataFrame) -> Split:
    """Split as Microsoft Recommenders' benchmark: of each movie, a random 75 % of its ratings train, the rest test.

    `numpy.random.seed(42)`, one `rand` per row in table order; sorted by it within each movie, the first round(0.75 n)
    rows are train. On ML-100K: 75,066 and 24,934 rows. In their benchmark every test rating counts as relevant.

    Source: the recommenders-team/recommenders benchmark notebook (`python_stratified_split`, seed 42).
    """
    ratings = check_ratings(ratings)
    order = np.argsort(np.random.RandomState(42).rand(len(ratings)), kind="stable")
    by_movie = ratings.iloc[order].groupby("movie_id")
    n = by_movie["user_id"].transform("size").to_numpy()
    in_train = np.zeros(len(ratings), bool)
    in_train[order] = by_movie.cumcount().to_numpy() < np.round(0.75 * n)
    return Split(ratings[in_train], None, ratings[~in_train])
