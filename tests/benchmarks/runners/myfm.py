"""myFM: a Bayesian factorisation machine by Gibbs sampling, as in the ladder of its documentation.

Both bags (the movies that a user rated, the users who rated a movie), weighted 1/√n, demographics, genres, and the week
of the rating. The bags hold train's ratings only.
"""

import numpy as np
import pandas as pd
from myfm import MyFMRegressor, RelationBlock
from scipy import sparse

SECONDS_A_WEEK = 7 * 24 * 60 * 60
YEARS_AN_AGE_GROUP = 10


def fit(data, model, *, rank, sweeps, seed):
    """(the sampled machine, its two blocks of features)."""
    blocks = [_users(data), _movies(data)]
    weeks = _weeks(data.train, data)
    relations = [
        RelationBlock(data.train[column].to_numpy(), block.features)
        for column, block in zip(("user_index", "movie_index"), blocks, strict=True)
    ]
    shapes = [weeks.shape[1], *blocks[0].groups, *blocks[1].groups]  # each group has its own prior
    machine = MyFMRegressor(rank=rank, random_seed=seed)
    rating = data.train["rating"].to_numpy(float)
    machine.fit(weeks, rating, relations, n_iter=sweeps, n_kept_samples=sweeps, group_shapes=shapes)
    return machine, blocks


def stars(fitted, data):
    """The mean of all samples, clipped to the scale."""
    machine, blocks = fitted
    relations = [
        RelationBlock(data.test[column].to_numpy(), block.features)
        for column, block in zip(("user_index", "movie_index"), blocks, strict=True)
    ]
    predicted = machine.predict(_weeks(data.test, data), relations)
    return predicted.clip(data.train["rating"].min(), data.train["rating"].max())


class _Block:
    """Features of one side, and how many columns each group of them has."""

    def __init__(self, *groups):
        self.groups = [group.shape[1] for group in groups]
        self.features = sparse.hstack(groups, format="csr")


def _users(data):
    about = data.users.assign(age=data.users["age"] // YEARS_AN_AGE_GROUP)
    known = [name for name in ("age", "gender", "occupation") if name in about]
    columns = [sparse.csr_matrix(pd.get_dummies(about[name].astype(str), dtype=float)) for name in known]
    return _Block(sparse.identity(data.num_users), _bag(data.train, "user_index", "movie_index", data), *columns)


def _movies(data):
    genres = sparse.csr_matrix(data.movies["genres"].str.get_dummies("|").astype(float))
    return _Block(sparse.identity(data.num_movies), _bag(data.train, "movie_index", "user_index", data), genres)


def _bag(train, of, what, data):
    """1/√n at the n `what` that each `of` has a rating with."""
    size = {"user_index": data.num_users, "movie_index": data.num_movies}
    weight = 1 / np.sqrt(np.bincount(train[of], minlength=size[of]))[train[of]]
    return sparse.csr_matrix((weight, (train[of], train[what])), (size[of], size[what]))


def _weeks(ratings, data):
    """One column a week; a test rating after train's last week has that one."""
    first, last = data.train["timestamp"].min(), data.train["timestamp"].max()
    week = (ratings["timestamp"].clip(first, last) - first) // SECONDS_A_WEEK
    shape = (len(ratings), (last - first) // SECONDS_A_WEEK + 1)
    return sparse.csr_matrix((np.ones(len(ratings)), (np.arange(len(ratings)), week)), shape)
