"""The course's own models, run as the peers are: in a process of their own, from the same tables."""

import numpy as np
import pandas as pd

import movierec
from movierec import baselines, training
from movierec.data import make_indices

IDS = {"user_index": "user_id", "movie_index": "movie_id"}  # here the index serves as the id
NEURAL = {"Hybrid": "fit_hybrid", "Ensemble": "fit_ensemble", "Attention": "fit_sequence"}  # they load TensorFlow


def fit(data, model, *, times=True, **settings):
    """Return a fitted model of the course: one of `NEURAL`, or of `baselines`, with train, indices and settings.

    Without `times` nothing is known of when somebody rated, neither in training nor in what is asked.
    """
    train, movies = data.train.rename(columns=IDS), data.movies.rename(columns=IDS)
    validation = None if data.validation is None else data.validation.rename(columns=IDS)
    indices = make_indices(train, movies)
    if model == "MarkovChain":
        chain = baselines.MarkovChain(train, indices)
        chain.newest = baselines.MarkovChain(pd.concat([train, validation]), indices).newest  # it reads the last film
        return chain
    if model not in NEURAL:
        return getattr(baselines, model)(train, indices, **settings)
    in_time = None if validation is None else _in_time(train, validation)
    parts = [train, validation, _a_last_row(train, validation)]
    if not times:
        parts, in_time = [part if part is None else part.drop(columns="timestamp") for part in parts], None
    split = movierec.Split(*parts, in_time)
    if model == "Attention":
        return movierec.fit_sequence(split, movies, **settings)
    judged = training.EPOCHS_ON_ML_100K if validation is None else {"liked_from": data.liked_from}
    fit_one = getattr(movierec, NEURAL[model])
    fitted = fit_one(split, movies, data.users.rename(columns=IDS), **judged, **settings)
    return fitted if times else Timeless(fitted)


def scores(fitted, data):
    """Every user's row of the score matrix."""
    return getattr(fitted, "score", fitted)(np.arange(data.num_users))


def stars(fitted, data):
    """Predicted stars."""
    return fitted.predict(data.test.rename(columns=IDS))


class Timeless:
    """A model that is asked without times."""

    def __init__(self, fitted):
        self.fitted = fitted

    def predict(self, ratings):
        """Return predicted stars."""
        return self.fitted.predict(ratings.drop(columns="timestamp"))


def _in_time(train, validation):
    """What a split promises, see `Split.in_time`: here all that have a validation part are in time."""
    return "everyone" if train["timestamp"].max() <= validation["timestamp"].min() else "user"


def _a_last_row(train, validation):
    """A test part, because `Split` wants one, later than all; it is not looked at."""
    known = pd.concat([train, validation])
    first = train[:1]
    rated = known["movie_id"][known["user_id"] == first["user_id"].iloc[0]]
    unrated = known["movie_id"][~known["movie_id"].isin(rated)]
    return first.assign(movie_id=unrated.iloc[0], timestamp=known["timestamp"].max())
