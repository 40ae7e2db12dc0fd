"""LensKit: alternating least squares, for lists (ImplicitMF) and for stars (BiasedMF)."""

import numpy as np
from lenskit.als import BiasedMFScorer, ImplicitMFScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.training import TrainingOptions

MODELS = {"ImplicitMF": ImplicitMFScorer, "BiasedMF": BiasedMFScorer}


def fit(data, model, *, seed, **settings):
    """A trained LensKit scorer."""
    names = {"user_index": "user_id", "movie_index": "item_id"}
    scorer = MODELS[model](**settings)
    scorer.train(from_interactions_df(data.train.rename(columns=names)), TrainingOptions(rng=seed))
    return scorer


def scores(scorer, data):
    """User embeddings times movie embeddings, put back in the order of our indices."""
    matrix = np.full((data.num_users, data.num_movies), -1e9)  # a movie that train does not know comes last
    places = np.ix_(scorer.users.ids(), scorer.items.ids())
    matrix[places] = scorer.user_embeddings @ scorer.item_embeddings.T
    return matrix


def stars(scorer, data):
    """Each user's movies in one call; a movie that train does not know gets the mean of train."""
    predicted = np.full(len(data.test), data.train["rating"].mean())
    for user, rows in data.test.reset_index(drop=True).groupby("user_index"):
        items = scorer(RecQuery(user_id=user), ItemList(item_ids=rows["movie_index"].to_numpy()))
        found = items.scores()
        predicted[rows.index] = np.where(np.isnan(found), predicted[rows.index], found)
    return predicted.clip(data.train["rating"].min(), data.train["rating"].max())
