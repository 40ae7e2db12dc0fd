"""Microsoft Recommenders' SAR: item similarities (Jaccard) and ratings that fade with time."""

import numpy as np

np.NaN = np.nan  # recommenders 1.2.1 uses the name that numpy 2 removed

from recommenders.models.sar import SAR  # noqa: E402

NAMES = {"user_index": "userID", "movie_index": "itemID"}


def fit(data, model, **settings):
    """A fitted SAR on userID, itemID, rating, timestamp, as in their benchmark notebook."""
    fitted = SAR(**settings)
    fitted.fit(data.train.rename(columns=NAMES).astype({"rating": float}))
    return fitted


def scores(fitted, data):
    """All scores; a movie that train does not know comes last."""
    matrix = np.full((data.num_users, data.num_movies), -1e9)
    users = data.train[["user_index"]].drop_duplicates().rename(columns=NAMES)
    movies = [fitted.index2item[column] for column in range(fitted.n_items)]
    matrix[np.ix_(users["userID"], movies)] = fitted.score(users)
    return matrix
