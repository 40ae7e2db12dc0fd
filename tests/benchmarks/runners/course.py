"""The course's own models, run as the peers are: in a process of their own, from the same tables."""

import numpy as np
import pandas as pd

import movierec
from movierec import baselines
from movierec.data import make_indices

IDS = {"user_index": "user_id", "movie_index": "movie_id"}  # here the index serves as the id


def fit(data, model, **settings):
    """A fitted model of the course: "Hybrid", "Ensemble", or one of `baselines`, with train, indices and settings."""
    train, movies = data.train.rename(columns=IDS), data.movies.rename(columns=IDS)
    if model in ("Hybrid", "Ensemble"):
        fit_one = movierec.fit_hybrid if model == "Hybrid" else movierec.fit_ensemble  # loads TensorFlow, if need be
        validation = None if data.validation is None else data.validation.rename(columns=IDS)
        in_time = None if validation is None else "user"  # here all splits with a validation part are in time
        split = movierec.Split(train, validation, _a_last_row(train, validation), in_time)
        liked_from = {} if validation is None else {"liked_from": data.liked_from}
        return fit_one(split, movies, data.users.rename(columns=IDS), **liked_from, **settings)
    return getattr(baselines, model)(train, make_indices(train, movies), **settings)


def scores(fitted, data):
    """Every user's row of the score matrix."""
    return getattr(fitted, "score", fitted)(np.arange(data.num_users))


def stars(fitted, data):
    """Predicted stars."""
    return fitted.predict(data.test.rename(columns=IDS))


def _a_last_row(train, validation):
    """A test part, because `Split` wants one, later than all; it is not looked at."""
    known = pd.concat([train, validation])
    first = train[:1]
    rated = known["movie_id"][known["user_id"] == first["user_id"].iloc[0]]
    unrated = known["movie_id"][~known["movie_id"].isin(rated)]
    return first.assign(movie_id=unrated.iloc[0], timestamp=known["timestamp"].max())
