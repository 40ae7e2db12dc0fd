"""Measure a metric by group of users, and for movies without ratings: which of them are served how well.

Some movies are hidden from train on purpose, and ranked by what is known about them (`baselines.FromContent`). Taught
in notebooks/09_people_and_films.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.data import UNKNOWN, Indices, Split
from movierec.evaluation.comparison import ENDS, bootstrap_interval, bootstrap_means, holm, share_as_far
from movierec.evaluation.evaluate import evaluate_ranking
from movierec.evaluation.ranking import Scorer

FEWEST_USERS = 20  # of a group: the bootstrap of fewer says more about them than about the group
FEWEST_RATINGS = 5  # of a movie that is hidden: fewer would not say whether it was ranked well
FEWEST_KNOWN = 5  # ratings of older movies, of somebody who is asked about new ones


def by_group(values: pd.Series, groups: pd.Series, fewest: int = FEWEST_USERS) -> pd.DataFrame:
    """Return one row a group: how many users it has, their mean with its interval, and how far it is from the others.

    difference = mean of the group − mean of all the other users, with both sides resampled for its interval;
    p is that of `comparison.share_as_far`, p_holm is corrected for the number of groups. Two groups that are all users
    are one comparison.

    Both series have the index user_id: `values` a number, e.g. a column of `evaluate_ranking`, no NaN; `groups` a name;
    users without one are left out. Groups below `fewest` have no row; with fewer than two left it is a ValueError.

    Source: Ekstrand et al. (2018), *All the cool kids, how do they fit in?*; Holm (1979).
    """
    groups = groups.reindex(values.index).dropna()
    values = values.loc[groups.index]
    count = groups.value_counts()
    names = sorted(count.index[count >= fewest])
    if len(names) < 2:
        raise ValueError(
            f"a gap needs two groups of {fewest} users or more; found {len(names)}: "
            f"{count.head(3).to_dict()}. Lower `fewest`, or join small groups."
        )
    rows = []
    for name in names:
        inside, outside = (values[mask].to_numpy(float) for mask in (groups == name, groups != name))
        difference = inside.mean() - outside.mean()
        resampled = bootstrap_means(inside, seed=0) - bootstrap_means(outside, seed=1)
        low, high = np.quantile(resampled, ENDS)
        p = share_as_far(resampled, difference)
        rows.append((name, len(inside), inside.mean(), *bootstrap_interval(inside), difference, low, high, p))
    columns = ["group", "users", "mean", "low", "high", "difference", "difference_low", "difference_high", "p"]
    table = pd.DataFrame(rows, columns=columns)
    if len(names) == 2 and count[names].sum() == len(values):  # the same comparison from the other side
        first = rows[0]
        table.loc[1, columns[5:]] = [-first[5], -first[7], -first[6], first[8]]
        return table.assign(p_holm=table["p"])
    return table.assign(p_holm=holm(table["p"].to_numpy()))


class Hidden(NamedTuple):
    """A split in which some movies have no rating, and what is known of them."""

    split: Split  # without a rating of these movies in train and validation; test as it was
    movie_ids: np.ndarray  # int [N], ascending
    ratings: pd.DataFrame  # of these movies, in any part, by users who are still in train


def hide_movies(split: Split, share: float = 0.1, seed: int = 0, fewest: int = FEWEST_RATINGS) -> Hidden:
    """Return the split as if a share of its movies with at least `fewest` ratings in train had just come out.

    Raise ValueError if that is no movie at all, or the share is not between 0 and 1.
    """
    count = split.train["movie_id"].value_counts()
    movies = np.sort(count.index[count >= fewest].to_numpy())
    number = int(round(share * len(movies))) if 0 < share < 1 else 0
    if not number:
        raise ValueError(
            f"`share` must hide one movie or more and leave some, 0 < share < 1; {share} of {len(movies):,} movies "
            f"with {fewest} ratings in train hides none. Try hide_movies(split, share=0.1)."
        )
    hidden = np.sort(np.random.default_rng(seed).choice(movies, number, replace=False))
    parts = [part for part in (split.train, split.validation, split.test) if part is not None]
    ratings = pd.concat([part[part["movie_id"].isin(hidden)] for part in parts], ignore_index=True)
    train, *validation = (part[~part["movie_id"].isin(hidden)] for part in parts[:-1])  # test stays as it is
    ratings = ratings[ratings["user_id"].isin(train["user_id"])]
    return Hidden(Split(train, validation[0] if validation else None, split.test, split.in_time), hidden, ratings)


def hide_newest(ratings: pd.DataFrame, cut: float = 0.5) -> tuple[pd.DataFrame, Hidden]:
    """Return the ratings from before a date, and what is asked of the movies that nobody had rated by then.

    The date is when a share `cut` of all ratings had been given. Users are asked if they rated a new movie, and had
    rated `FEWEST_KNOWN` older ones before: `split.train` adds these older ratings to those from before the date, as
    histories to rank for; `split.test` is all that the asked users rated from their first new movie on, and `ratings`
    is what of it is new. Raise ValueError if nobody is asked.
    """
    date = ratings["timestamp"].quantile(cut)
    first = ratings.groupby("movie_id")["timestamp"].min()
    new = np.sort(first.index[first >= date])
    is_new = ratings["movie_id"].isin(new)
    moment = ratings["user_id"].map(ratings[is_new].groupby("user_id")["timestamp"].min())
    is_known = ~is_new & (ratings["timestamp"] < moment)
    is_asked = is_known.groupby(ratings["user_id"]).transform("sum") >= FEWEST_KNOWN
    asked = ratings[is_asked & (ratings["timestamp"] >= moment)]
    if asked.empty:
        raise ValueError(
            f"nobody rated {FEWEST_KNOWN} older movies and then one of the {len(new):,} new ones; found "
            f"{len(ratings):,} ratings. Try an earlier date: hide_newest(ratings, cut=0.4)."
        )
    train = ratings[ratings["timestamp"] < date]
    both = pd.concat([train, ratings[is_asked & is_known]]).drop_duplicates(["user_id", "movie_id"])
    return train, Hidden(Split(both, None, asked), new, asked[asked["movie_id"].isin(new)])


def evaluate_hidden(
    scorer: Scorer, hidden: Hidden, indices: Indices, k: int = 10, liked_from: float | None = None
) -> pd.DataFrame:
    """Return `evaluate_ranking` among the hidden movies and no others; random order has an AUC of 0.5."""
    others = ~np.isin(indices.movie_ids, hidden.movie_ids)

    def only_hidden(user_index):
        return np.where(others, -np.inf, scorer(user_index))

    asked = Split(hidden.split.train, hidden.split.validation, hidden.ratings)
    return evaluate_ranking(only_hidden, asked, indices, k=k, liked_from=liked_from)


def hidden_share(table: pd.DataFrame, hidden: Hidden, indices: Indices) -> np.ndarray:
    """Return the share of hidden movies in each user's list, float64 `[U]`; `table` as from `evaluate_ranking`."""
    lists = np.stack(table["movie_index"])
    is_hidden = np.isin(indices.movie_ids[lists], hidden.movie_ids) & (lists != UNKNOWN)
    return is_hidden.sum(axis=1) / np.maximum((lists != UNKNOWN).sum(axis=1), 1)
