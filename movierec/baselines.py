"""What every model must beat: scorers and star predictors that fit in seconds, in numpy and scipy.

Each is fitted on train only. A scorer is a callable `user_index [U] -> float32 [U, num_movies]`; what predicts stars
has `predict(ratings) -> float32 [N]`. Taught in notebooks/03_baselines.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from movierec.indices import UNKNOWN, Indices


def _matrix(train: pd.DataFrame, indices: Indices, values: np.ndarray) -> sparse.csr_array:
    """float32 `[num_users, num_movies]`, `values` at the places that train rated."""
    places = (indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"]))
    return sparse.csr_array((values.astype(np.float32), places), shape=(indices.num_users, indices.num_movies))


class Popularity:
    """score(u, i) = number of ratings of movie i in train: the same list for everybody, less what one has seen."""

    def __init__(self, train: pd.DataFrame, indices: Indices):
        self.counts = np.bincount(indices.movie_index(train["movie_id"]), minlength=indices.num_movies).astype(
            np.float32
        )

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return np.tile(self.counts, (len(user_index), 1))


class Bias:
    """r̂(u, i) = μ + b_i + b_u: the mean, what the movie adds, what the user adds. Stars, clipped to train's scale.

    b_i = Σ_u (r_ui − μ) / (damping_movie + n_i), then b_u = Σ_i (r_ui − μ − b_i) / (damping_user + n_u): a movie with
    two ratings is pulled towards the mean. An unknown user or movie has bias 0.

    Args:
        damping_movie, damping_user: ratings' worth of pull towards 0.

    Source: Koren (2008), equation 1, in its closed, damped form.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, damping_movie: float = 10, damping_user: float = 5):
        self.indices, self.damping_user = indices, damping_user
        rating = train["rating"].to_numpy(np.float64)
        user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
        self.scale = (float(rating.min()), float(rating.max()))
        self.mean = float(rating.mean())
        self.movie = _damped_mean(movie, rating - self.mean, indices.num_movies, damping_movie)
        self.user = _damped_mean(user, rating - self.mean - self.movie[movie], indices.num_users, damping_user)

    @classmethod
    def restore(cls, indices: Indices, user, movie, mean: float, scale, damping_user: float) -> "Bias":
        """The `Bias` with these numbers, as `load_model` finds them on disk."""
        self = cls.__new__(cls)
        self.indices, self.user, self.movie = indices, user, movie
        self.mean, self.scale, self.damping_user = mean, tuple(scale), damping_user
        return self

    def residuals(self, ratings: pd.DataFrame) -> np.ndarray:
        """What the biases leave unexplained: r − r̂ in stars, float64 `[N]`."""
        return ratings["rating"].to_numpy(np.float64) - self._unclipped(ratings)

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """float32 stars `[N]` for rows of user_id, movie_id."""
        return self._unclipped(ratings).clip(*self.scale).astype(np.float32)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return (self.mean + self.user[user_index][:, None] + self.movie[None, :]).astype(np.float32)

    def _unclipped(self, ratings: pd.DataFrame) -> np.ndarray:
        user, movie = self.indices.user_index(ratings["user_id"]), self.indices.movie_index(ratings["movie_id"])
        return (
            self.mean + np.where(user == UNKNOWN, 0, self.user[user]) + np.where(movie == UNKNOWN, 0, self.movie[movie])
        )


def _damped_mean(group: np.ndarray, values: np.ndarray, num_groups: int, damping: float) -> np.ndarray:
    sums = np.bincount(group, values, minlength=num_groups)
    return sums / (np.bincount(group, minlength=num_groups) + damping)


class ItemKnn:
    """score(u, i) = Σ_{j rated by u} s_ij, s the cosine of who rated i and j, shrunk, k nearest neighbours kept.

    s_ij = n_ij / (√(n_i n_j) + shrinkage), with n_ij the users who rated both. Stars are not looked at: what somebody
    chose to watch says more about what they will watch next than how they liked it.

    Args:
        neighbours: how many similar movies each movie keeps; None for all, best on ML-100K's validation part.
        shrinkage: pull of rarely rated pairs towards 0, in ratings.

    Source: Sarwar et al. (2001); Deshpande and Karypis (2004) for top-N lists.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, neighbours: int | None = None, shrinkage: float = 1):
        self.rated = _matrix(train, indices, np.ones(len(train)))
        together = (self.rated.T @ self.rated).toarray()  # [num_movies, num_movies]: n_ij
        counts = together.diagonal()
        self.similarity = together / np.maximum(np.sqrt(np.outer(counts, counts)) + shrinkage, 1e-9)  # 0 / 0 is 0
        np.fill_diagonal(self.similarity, 0)
        if neighbours is not None:
            _keep_largest(self.similarity, neighbours)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return np.asarray(self.rated[user_index] @ self.similarity.T, dtype=np.float32)


class ItemKnnStars:
    """r̂(u, i) = b_ui + Σ_j s_ij (r_uj − b_uj) / (Σ_j |s_ij| + pull): the user's surprises at similar movies.

    b is `Bias`; s_ij the cosine of the residuals of i and j over the users who rated both, shrunk by n_ij / (n_ij +
    shrinkage); only the k most similar movies that the user rated count, and only positive similarities.

    Source: Sarwar et al. (2001), adjusted cosine; Koren (2008), section 2.2, for the biases and the shrinkage.
    """

    def __init__(self, train, indices: Indices, neighbours: int = 40, shrinkage: float = 100, pull: float = 0.5):
        self.indices, self.neighbours, self.pull = indices, neighbours, pull
        self.bias = Bias(train, indices)
        self.residual = _matrix(train, indices, self.bias.residuals(train)).toarray()
        rated = (_matrix(train, indices, np.ones(len(train))).toarray() > 0).astype(np.float32)
        self.rated = rated
        together = rated.T @ rated
        squares = self.residual**2
        norms = np.sqrt(squares.T @ rated) * np.sqrt(rated.T @ squares)  # over the users who rated both
        cosine = self.residual.T @ self.residual / np.maximum(norms, 1e-6)
        self.similarity = np.maximum(cosine * together / (together + shrinkage), 0)
        np.fill_diagonal(self.similarity, 0)

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """float32 stars `[N]` for rows of user_id, movie_id."""
        user, movie = self.indices.user_index(ratings["user_id"]), self.indices.movie_index(ratings["movie_id"])
        stars = self.bias._unclipped(ratings)
        for u in np.unique(user[user != UNKNOWN]):
            rows = np.nonzero((user == u) & (movie != UNKNOWN))[0]
            similar = self.similarity[movie[rows]] * self.rated[u]  # [rows, num_movies]
            _keep_largest(similar, self.neighbours)
            stars[rows] += similar @ self.residual[u] / (similar.sum(axis=1) + self.pull)
        return stars.clip(*self.bias.scale).astype(np.float32)


def _keep_largest(rows: np.ndarray, count: int) -> None:
    """Sets all but the `count` largest entries of each row to 0, in place; of equal ones the first are kept."""
    if count < 1:
        raise ValueError(f"`neighbours` must be 1 or more, got {count}.")
    if count < rows.shape[1]:
        least = -np.partition(-rows, count - 1, axis=1)[:, count - 1 : count]  # the smallest that is kept
        larger, equal = rows > least, rows == least
        first = equal.cumsum(axis=1) <= count - larger.sum(axis=1, keepdims=True)
        rows[~(larger | equal & first)] = 0
