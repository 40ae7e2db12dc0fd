"""Surprise: SVD, SVD++ and nearest neighbours for stars."""

import numpy as np
from surprise import SVD, Dataset, KNNBaseline, Reader, SVDpp

MODELS = {"SVD": SVD, "SVDpp": SVDpp, "KNNBaseline": KNNBaseline}


def fit(data, model, **settings):
    """A fitted Surprise algorithm."""
    reader = Reader(rating_scale=(data.train["rating"].min(), data.train["rating"].max()))
    ratings = Dataset.load_from_df(data.train[["user_index", "movie_index", "rating"]], reader)
    return MODELS[model](**settings).fit(ratings.build_full_trainset())


def stars(algorithm, data):
    """One `predict` a rating, the library's only public way."""
    pairs = zip(data.test["user_index"].tolist(), data.test["movie_index"].tolist(), strict=True)
    return [algorithm.predict(user, movie).est for user, movie in pairs]


def scores(svd, data):
    """μ + b_u + b_i + p_u·q_i of SVD for all pairs at once, not clipped: at 5 stars there would be ties."""
    users = np.array([svd.trainset.to_raw_uid(row) for row in svd.trainset.all_users()])
    movies = np.array([svd.trainset.to_raw_iid(row) for row in svd.trainset.all_items()])
    matrix = np.full((data.num_users, data.num_movies), svd.trainset.global_mean)
    matrix[users] += svd.bu[:, None]
    matrix[:, movies] += svd.bi
    matrix[np.ix_(users, movies)] += svd.pu @ svd.qi.T
    return matrix
