"""myFM: a Bayesian factorisation machine by Gibbs sampling, as in the ladder of its documentation and in its notebook.

Both bags (the movies that a user rated, the users who rated a movie), weighted 1/√n, demographics, genres, and the week
of the rating. The bags hold train's ratings only. "probit" is the best of its notebook `ml-100k-extended`: an ordered
probit, the day instead of the week, more of what is known about users and movies. "both" is the mean of it and of the
regression on the same features.
"""

import numpy as np
import pandas as pd
from myfm import MyFMOrderedProbit, MyFMRegressor, RelationBlock
from scipy import sparse

SECONDS_A_DAY = 24 * 60 * 60
YEARS_AN_AGE_GROUP = 10
QUANTILES = 10  # of age and year in the notebook
MACHINES = {"regressor": [MyFMRegressor], "probit": [MyFMOrderedProbit], "both": [MyFMOrderedProbit, MyFMRegressor]}


def fit(data, model, *, rank, sweeps, seed):
    """Return the sampled machines, the features of users and movies, and the function that reads the time."""
    is_notebook = model != "regressor"
    period = _days if is_notebook else _weeks
    groups = {"user_index": _users(data, is_notebook), "movie_index": _movies(data, is_notebook)}
    features = {column: sparse.hstack(parts, format="csr") for column, parts in groups.items()}
    periods = period(data.train, data)
    shapes = [part.shape[1] for part in (periods, *groups["user_index"], *groups["movie_index"])]  # a prior for each
    rating, lowest = data.train["rating"].to_numpy(float), data.train["rating"].min()
    relations = _relations(data.train, features)
    machines = [machine(rank=rank, random_seed=seed) for machine in MACHINES[model]]
    for machine in machines:
        # The probit counts its classes from 0.
        target = rating if isinstance(machine, MyFMRegressor) else rating - lowest
        machine.fit(periods, target, relations, n_iter=sweeps, n_kept_samples=sweeps, group_shapes=shapes)
    return machines, features, period


def stars(fitted, data):
    """Return the mean of all samples, of all machines, clipped to the scale."""
    machines, features, period = fitted
    lowest, highest = data.train["rating"].min(), data.train["rating"].max()
    asked = period(data.test, data), _relations(data.test, features)
    predicted = []
    for machine in machines:
        if isinstance(machine, MyFMRegressor):
            predicted.append(machine.predict(*asked).clip(lowest, highest))
        else:
            chance = machine.predict_proba(*asked)
            predicted.append(lowest + chance @ np.arange(chance.shape[1]))
    return np.mean(predicted, axis=0)


def _relations(ratings, features):
    return [RelationBlock(ratings[column].to_numpy(), block) for column, block in features.items()]


def _users(data, is_notebook):
    about = data.users.assign(age=data.users["age"] // YEARS_AN_AGE_GROUP)
    if is_notebook:  # it leaves gender out
        about["age"] = _quantile(data.users["age"])
        about["region"] = data.users["zip_code"].str[0]
    names = ("age", "occupation", "region") if is_notebook else ("age", "gender", "occupation")
    known = [name for name in names if name in about]
    columns = [sparse.csr_matrix(pd.get_dummies(about[name].astype(str), dtype=float)) for name in known]
    return [sparse.identity(data.num_users), _bag(data.train, "user_index", "movie_index", data), *columns]


def _movies(data, is_notebook):
    # As `movierec.data.genre_flags`, which is not there in the peers' environment: Arrow strings would add a genre "".
    genres = sparse.csr_matrix(data.movies["genres"].astype(object).str.get_dummies("|").astype(float))
    years = [sparse.csr_matrix(pd.get_dummies(_quantile(data.movies["year"]), dtype=float))] if is_notebook else []
    return [sparse.identity(data.num_movies), _bag(data.train, "movie_index", "user_index", data), genres, *years]


def _quantile(values):
    """Return in which tenth each value is, as text; one that is not known has a group of its own."""
    return pd.qcut(values, QUANTILES, labels=False, duplicates="drop").astype(str)


def _bag(train, of, what, data):
    """1/√n at the n `what` that each `of` has a rating with."""
    size = {"user_index": data.num_users, "movie_index": data.num_movies}
    weight = 1 / np.sqrt(np.bincount(train[of], minlength=size[of]))[train[of]]
    return sparse.csr_matrix((weight, (train[of], train[what])), (size[of], size[what]))


def _weeks(ratings, data):
    """One column a week; a test rating after train's last week has that one."""
    first, last = data.train["timestamp"].min(), data.train["timestamp"].max()
    week = (ratings["timestamp"].clip(first, last) - first) // (7 * SECONDS_A_DAY)
    return _one_of(week, (last - first) // (7 * SECONDS_A_DAY) + 1)


def _days(ratings, data):
    """One column for each day (UTC) of train; as in the notebook, one more is for days that train does not have."""
    known = np.unique(data.train["timestamp"] // SECONDS_A_DAY)
    day = ratings["timestamp"] // SECONDS_A_DAY
    return _one_of(np.where(np.isin(day, known), np.searchsorted(known, day), len(known)), len(known) + 1)


def _one_of(place, size):
    return sparse.csr_matrix((np.ones(len(place)), (np.arange(len(place)), place)), (len(place), size))
