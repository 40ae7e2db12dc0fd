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
    """Return the sampled machine and the features of users and movies."""
    groups = {"user_index": _users(data), "movie_index": _movies(data)}
    features = {column: sparse.hstack(parts, format="csr") for column, parts in groups.items()}
    weeks = _weeks(data.train, data)
    shapes = [part.shape[1] for part in (weeks, *groups["user_index"], *groups["movie_index"])]  # a prior for each
    machine = MyFMRegressor(rank=rank, random_seed=seed)
    rating = data.train["rating"].to_numpy(float)
    relations = _relations(data.train, features)
    machine.fit(weeks, rating, relations, n_iter=sweeps, n_kept_samples=sweeps, group_shapes=shapes)
    return machine, features


def stars(fitted, data):
    """Return the mean of all samples, clipped to the scale."""
    machine, features = fitted
    predicted = machine.predict(_weeks(data.test, data), _relations(data.test, features))
    return predicted.clip(data.train["rating"].min(), data.train["rating"].max())


def _relations(ratings, features):
    return [RelationBlock(ratings[column].to_numpy(), block) for column, block in features.items()]


def _users(data):
    about = data.users.assign(age=data.users["age"] // YEARS_AN_AGE_GROUP)
    known = [name for name in ("age", "gender", "occupation") if name in about]
    columns = [sparse.csr_matrix(pd.get_dummies(about[name].astype(str), dtype=float)) for name in known]
    return [sparse.identity(data.num_users), _bag(data.train, "user_index", "movie_index", data), *columns]


def _movies(data):
    # As `movierec.data.genre_flags`, which is not there in the peers' environment: Arrow strings would add a genre "".
    genres = sparse.csr_matrix(data.movies["genres"].astype(object).str.get_dummies("|").astype(float))
    return [sparse.identity(data.num_movies), _bag(data.train, "movie_index", "user_index", data), genres]


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
