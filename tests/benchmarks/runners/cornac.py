"""Cornac: matrix factorisation for stars; BPR and the bilateral variational autoencoder for lists."""

import numpy as np
from cornac.data import Dataset
from cornac.models import BPR, MF, BiVAECF

MODELS = {"MF": MF, "BPR": BPR, "BiVAE": BiVAECF}


def fit(data, model, **settings):
    """A fitted Cornac model."""
    columns = ["user_index", "movie_index", "rating"]
    train = Dataset.from_uir(data.train[columns].itertuples(index=False), seed=settings["seed"])
    return MODELS[model](**settings).fit(train)


def scores(model, data):
    """`score` of each user, put back in the order of our indices."""
    matrix = np.full((data.num_users, data.num_movies), -1e9)  # a movie that train does not know comes last
    movies = np.fromiter(model.train_set.iid_map, int)
    for user, row in model.train_set.uid_map.items():
        matrix[user, movies] = np.ravel(model.score(row))[: len(movies)]
    return matrix


def stars(model, data):
    """`rate` of each pair; it falls back to the mean and clips to the scale of train."""
    users, movies = model.train_set.uid_map, model.train_set.iid_map
    pairs = data.test[["user_index", "movie_index"]].itertuples(index=False)
    unknown = -1
    return [model.rate(users.get(user, unknown), movies.get(movie, unknown)) for user, movie in pairs]
