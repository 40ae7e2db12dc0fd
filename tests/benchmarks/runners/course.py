"""The course's own models, run as the peers are: in a process of their own, from the same tables."""

import importlib

import numpy as np

import movierec
from movierec.indices import make_indices

IDS = {"user_index": "user_id", "movie_index": "movie_id"}  # here the index serves as the id


def fit(data, model, **settings):
    """A fitted model of the course: "Hybrid", or "module.Class" of what is made with train, indices and settings."""
    train, movies = data.train.rename(columns=IDS), data.movies.rename(columns=IDS)
    if model == "Hybrid":
        users = data.users.rename(columns=IDS)
        split = movierec.Split(train, None, _some_row_that_is_not_in(train))
        return movierec.fit_hybrid(split, movies, users, **settings)
    module, name = model.split(".")
    return getattr(importlib.import_module(f"movierec.{module}"), name)(train, make_indices(train, movies), **settings)


def scores(fitted, data):
    """Every user's row of the score matrix."""
    return getattr(fitted, "score", fitted)(np.arange(data.num_users))


def stars(fitted, data):
    """Predicted stars."""
    return fitted.predict(data.test.rename(columns=IDS))


def _some_row_that_is_not_in(train):
    """A test part, because `Split` wants one; it is not looked at."""
    first = train[:1]
    rated = train["movie_id"][train["user_id"] == first["user_id"].iloc[0]]
    return first.assign(movie_id=train["movie_id"][~train["movie_id"].isin(rated)].iloc[0])
