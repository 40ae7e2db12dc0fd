"""implicit: alternating least squares and item neighbours on who rated what."""

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender
from scipy import sparse

MODELS = {"ALS": AlternatingLeastSquares, "BM25": BM25Recommender}


def fit(data, model, **settings):
    """(the fitted model, the matrix of ones that it was fitted on)."""
    places = (data.train["user_index"], data.train["movie_index"])
    rated = sparse.csr_matrix((np.ones(len(data.train), np.float32), places), (data.num_users, data.num_movies))
    fitted = MODELS[model](**settings)
    fitted.fit(rated, show_progress=False)
    return fitted, rated


def scores(fitted_and_rated, data):
    """All scores at once: factors times factors, or what was rated times the similarities."""
    fitted, rated = fitted_and_rated
    if isinstance(fitted, BM25Recommender):
        return (rated @ fitted.similarity).toarray()
    return fitted.user_factors @ fitted.item_factors.T
