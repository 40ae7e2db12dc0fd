"""Recommend by neighbours: similar movies, similar users, and the movies that followed the last one (a Markov chain).

The user's side is the movie's side of the transposed table. Taught in notebooks/03_baselines and 10_self_attention.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from movierec.baselines.popularity_and_bias import Bias, check_not_negative, rated_matrix
from movierec.data import UNKNOWN, Indices, order_by_user_and_time
from movierec.evaluation import top_k


def cosine_of_columns(rated: sparse.csr_array, shrinkage: float, rarity: bool = False) -> np.ndarray:
    """Return s_ij = n_ij / (√(n_i n_j) + shrinkage), 0 on the diagonal; n_ij counts rows with both columns. `[M, M]`.

    `shrinkage`, in ratings, pulls rare pairs towards 0. With `rarity` (inverse user frequency) a row counts
    log(M / its ratings) squared instead of 1: a user who rates everything says little.
    """
    check_not_negative(shrinkage=shrinkage)
    if rarity:
        ratings = np.maximum(rated.sum(axis=1), 1)
        rated = sparse.diags_array(np.log(rated.shape[1] / ratings).astype(np.float32)) @ rated
    together = (rated.T @ rated).toarray()
    counts = together.diagonal()
    similarity = together / np.maximum(np.sqrt(np.outer(counts, counts)) + shrinkage, 1e-9)  # 0 / 0 is 0
    np.fill_diagonal(similarity, 0)
    return similarity


class ItemKnn:
    """score(u, i) = Σ_{j rated by u} s_ij, s the shrunk cosine of the raters of i and j, k nearest neighbours kept.

    s is `cosine_of_columns`; `neighbours` of None keeps all. Stars are not looked at: what somebody chose to watch says
    more about what they will watch next than how they liked it.

    Source: Sarwar et al. (2001); Deshpande and Karypis (2004) for top-N lists; Breese et al. (1998) for the rarity.
    """

    def __init__(self, train, indices: Indices, neighbours: int | None = None, shrinkage: float = 1, rarity=False):
        self.rated = rated_matrix(train, indices)
        self.similarity = cosine_of_columns(self.rated, shrinkage, rarity)  # [num_movies, num_movies]
        if neighbours is not None:
            keep_largest(self.similarity, neighbours)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return np.asarray(self.rated[user_index] @ self.similarity.T, dtype=np.float32)


class UserKnn:
    """score(u, i) = Σ_{v who rated i} s_uv: the votes of users who watched what u watched; `ItemKnn`, transposed.

    Source: Resnick et al. (1994) and Herlocker et al. (1999), with cosines of 0 / 1 for top-N lists.
    """

    def __init__(self, train, indices: Indices, neighbours: int | None = 100, shrinkage: float = 1, rarity=False):
        self.rated = rated_matrix(train, indices)
        self.similarity = cosine_of_columns(self.rated.T.tocsr(), shrinkage, rarity)  # [num_users, num_users]
        if neighbours is not None:
            keep_largest(self.similarity, neighbours)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return np.asarray(self.similarity[user_index] @ self.rated, dtype=np.float32)


class ItemKnnStars:
    """r̂(u, i) = b_ui + Σ_j s_ij (r_uj − b_uj) / (Σ_j s_ij + pull): the user's surprises at similar movies.

    b is `Bias`, which takes the other settings; s_ij the cosine of the residuals of i and j over the users who rated
    both, shrunk by n_ij / (n_ij + shrinkage); only the k most similar movies that the user rated count, and only
    positive similarities. `pull`, in units of similarity, draws few or weak neighbours towards the biases.

    Source: Sarwar et al. (2001), adjusted cosine; Koren (2008), section 2.2, for the biases and the shrinkage.
    """

    by_movie = True

    def __init__(self, train, indices: Indices, neighbours: int = 40, shrinkage: float = 100, pull=0.5, **bias):
        if neighbours < 1:  # here, and not when the first stars are asked for
            raise ValueError(f"`neighbours` must be 1 or more, got {neighbours}.")
        check_not_negative(shrinkage=shrinkage, pull=pull)
        self.indices = indices
        self.neighbours = neighbours
        self.pull = pull
        self.bias = Bias(train, indices, **bias)
        residual = rated_matrix(train, indices, self.bias.residuals(train)).toarray()
        rated = rated_matrix(train, indices).toarray()
        # What is compared stands in the columns: movies, or after turning the table users.
        self.residual, self.rated = (residual, rated) if self.by_movie else (residual.T, rated.T)
        self.similarity = _cosine_of_surprises(self.residual, self.rated, shrinkage)

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return float32 stars `[N]` for rows of user_id, movie_id."""
        user, movie = self.indices.user_index(ratings["user_id"]), self.indices.movie_index(ratings["movie_id"])
        row, column = (user, movie) if self.by_movie else (movie, user)
        stars = self.bias.unclipped(ratings)
        known = (user != UNKNOWN) & (movie != UNKNOWN)
        for r in np.unique(row[known]):
            places = np.nonzero((row == r) & known)[0]
            similar = self.similarity[column[places]] * self.rated[r]  # [places, columns]
            keep_largest(similar, self.neighbours)
            weight = np.maximum(similar.sum(axis=1) + self.pull, 1e-9)  # without pull and neighbours, 0 / 0 is 0
            stars[places] += similar @ self.residual[r] / weight
        return stars.clip(*self.bias.scale).astype(np.float32)


class UserKnnStars(ItemKnnStars):
    """r̂(u, i) = b_ui + Σ_v s_uv (r_vi − b_vi) / (Σ_v s_uv + pull): the surprises of similar users at the movie.

    `ItemKnnStars` with the table turned: s_uv is the cosine of two users' residuals over the movies that both rated.

    Source: Resnick et al. (1994), GroupLens; Herlocker et al. (1999) for the shrinkage.
    """

    by_movie = False


class MarkovChain:
    """score(u, i) = P(i | j) = (n_ji + damping · q_i) / (n_j + damping), with j the newest movie of the user.

    n_ji counts how often i came right after j, n_j how often any movie did, and q_i is the share of i in train: after a
    movie that seldom had a successor, the chain assumes popular ones. `damping` is in ratings, 0 or more; with 0, a
    movie without a successor gives every movie the score 0.

    Source: Rendle, Freudenthaler and Schmidt-Thieme (2010), *Factorizing personalized Markov chains*; not factorised.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, damping: float = 10.0):
        check_not_negative(damping=damping)
        user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
        order = order_by_user_and_time(user, train["timestamp"].to_numpy())
        user, movie = user[order], movie[order]
        follows = user[1:] == user[:-1]
        pairs = (movie[:-1][follows], movie[1:][follows])
        shape = indices.num_movies, indices.num_movies
        self.counts = sparse.csr_array((np.ones(follows.sum(), np.float32), pairs), shape=shape)
        self.prior = damping * np.bincount(movie, minlength=indices.num_movies) / len(movie)
        self.followed = np.asarray(self.counts.sum(axis=1)).ravel() + damping
        self.newest = np.zeros(indices.num_users, int)
        self.newest[user] = movie  # of several, the last one stays

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return self.after(self.newest[user_index])

    def after(self, movie_index: np.ndarray) -> np.ndarray:
        """Return P(· | j) for the movies j, float32 `[len(movie_index), num_movies]`."""
        followed = self.followed[movie_index][:, None]
        score = self.counts[movie_index].toarray() + self.prior
        return np.divide(score, followed, out=np.zeros_like(score), where=followed > 0).astype(np.float32)


def keep_largest(rows: np.ndarray, count: int) -> None:
    """Set all but the `count` largest entries of each row to 0, in place; of equal entries the first are kept."""
    if count < 1:
        raise ValueError(f"`neighbours` must be 1 or more, got {count}.")
    if count < rows.shape[1]:
        kept = top_k(rows, count)
        values = np.take_along_axis(rows, kept, axis=1)
        rows[:] = 0
        np.put_along_axis(rows, kept, values, axis=1)


def _cosine_of_surprises(residual: np.ndarray, rated: np.ndarray, shrinkage: float) -> np.ndarray:
    """Return the shrunk cosine of each two columns over the rows that have both; 0 if negative, and on the diagonal."""
    together = rated.T @ rated
    squares = residual**2
    norms = np.sqrt(squares.T @ rated) * np.sqrt(rated.T @ squares)  # over the rows that have both
    cosine = residual.T @ residual / np.maximum(norms, 1e-6)
    similarity = np.maximum(cosine * together / np.maximum(together + shrinkage, 1e-9), 0)
    np.fill_diagonal(similarity, 0)
    return similarity
