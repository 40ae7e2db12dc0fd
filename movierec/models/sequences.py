"""A Markov chain: the next film from the newest one.

Taught in notebooks/08_self_attention.
"""

import numpy as np
import pandas as pd

from movierec.data import Indices, order_by_user_and_time


class MarkovChain:
    """score(u, i) = P(i | j) = (n_ji + damping · q_i) / (n_j + damping), with j the newest film of the user.

    n_ji counts how often i came right after j, n_j how often anything did, and q_i is the share of i in train: of
    films that seldom had a successor, popular ones are assumed. Counted, not trained; it knows one film of a user.

    Args:
        damping: in ratings; 0 or more. 0 with a film that nobody followed has no answer: all scores are 0.

    Source: Rendle, Freudenthaler and Schmidt-Thieme (2010), *Factorizing personalized Markov chains*, for the chain
    that is not factorised. Taught in notebooks/08_self_attention.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, damping: float = 10.0):
        if not damping >= 0:
            raise ValueError(f"`damping` must be 0 or more, got {damping}.")
        user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
        order = order_by_user_and_time(user, train["timestamp"].to_numpy())
        user, movie = user[order], movie[order]
        follows = user[1:] == user[:-1]
        counts = np.zeros((indices.num_movies, indices.num_movies), np.float32)
        np.add.at(counts, (movie[:-1][follows], movie[1:][follows]), 1)
        share = np.bincount(movie, minlength=indices.num_movies) / len(movie)
        followed = counts.sum(axis=1, keepdims=True) + damping
        self.chance = np.divide(counts + damping * share, followed, out=counts, where=followed > 0)
        self.newest = np.zeros(indices.num_users, int)
        self.newest[user] = movie  # of several, the last one stays

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return self.chance[self.newest[user_index]].astype(np.float32)
