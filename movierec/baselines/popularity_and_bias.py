"""Recommend nearly the same to everybody: popularity for lists, biases for stars. The first rungs of the ladder.

Each model is fitted on train when it is made. A scorer is a callable `user_index [U] -> float32 [U, num_movies]`; a
predictor of stars has `predict(ratings) -> float32 [N]`. Taught in notebooks/03_baselines.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from movierec.data import Indices


def rated_matrix(train: pd.DataFrame, indices: Indices, values: np.ndarray | None = None) -> sparse.csr_array:
    """Return float32 `[num_users, num_movies]`: `values` (1 if None) where train has a rating, 0 elsewhere."""
    values = np.ones(len(train)) if values is None else values
    places = (indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"]))
    return sparse.csr_array((values.astype(np.float32), places), shape=(indices.num_users, indices.num_movies))


class Popularity:
    """score(u, i) = number of ratings of movie i in train: the same list for everybody, less what one has seen."""

    def __init__(self, train: pd.DataFrame, indices: Indices):
        counts = np.bincount(indices.movie_index(train["movie_id"]), minlength=indices.num_movies)
        self.counts = counts.astype(np.float32)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return np.tile(self.counts, (len(user_index), 1))


class Bias:
    """r̂(u, i) = μ + b_i + b_u: the mean, what the movie adds, what the user adds. Stars, clipped to train's scale.

    b_i = Σ_u (r_ui − μ − b_u) / (damping_movie + n_i), then b_u = Σ_i (r_ui − μ − b_i) / (damping_user + n_u): a movie
    with two ratings is pulled towards the mean. The dampings are in ratings, 0 or more. The first pass has b_u = 0 on
    the right, a closed form, and enough to start a model from; more passes come to the minimum of the ridge regression
    of both (RMSE .945 to .940 on random folds of ML-100K). An unknown user or movie has bias 0.

    Source: Koren (2008), equation 1, in its closed, damped form.
    """

    def __init__(self, train, indices: Indices, damping_movie: float = 10, damping_user: float = 5, passes: int = 1):
        check_not_negative(damping_movie=damping_movie, damping_user=damping_user)
        check_positive(passes=passes)
        self.indices, self.damping_user = indices, damping_user
        rating = train["rating"].to_numpy(np.float64)
        user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
        self.levels = np.sort(pd.unique(rating))
        self.mean = float(rating.mean())
        self.user = np.zeros(indices.num_users)
        for _ in range(passes):
            left_over = rating - self.mean
            left_over -= self.user[user]
            self.movie = _damped_mean(movie, left_over, indices.num_movies, damping_movie)
            left_over = np.subtract(rating, self.mean, out=left_over)
            left_over -= self.movie[movie]
            self.user = _damped_mean(user, left_over, indices.num_users, damping_user)

    @classmethod
    def restore(cls, indices: Indices, user, movie, mean: float, levels, damping_user: float) -> "Bias":
        """Return the `Bias` with these numbers, as `load_model` finds them on disk."""
        self = cls.__new__(cls)
        self.indices = indices
        self.user = user
        self.movie = movie
        self.mean = mean
        self.levels = np.asarray(levels)
        self.damping_user = damping_user
        return self

    @property
    def scale(self) -> tuple[float, float]:
        """Return the fewest and the most stars in train."""
        return float(self.levels[0]), float(self.levels[-1])

    def residuals(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return what the biases leave unexplained: r − r̂ in stars, float64 `[N]`."""
        return ratings["rating"].to_numpy(np.float64) - self.unclipped(ratings)

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return float32 stars `[N]` for rows of user_id, movie_id."""
        return self.unclipped(ratings).clip(*self.scale).astype(np.float32)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return (self.mean + self.user[user_index][:, None] + self.movie[None, :]).astype(np.float32)

    def unclipped(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return μ + b_u + b_i for rows of user_id, movie_id, float64 `[N]`, without clipping to the scale."""
        stars = np.append(self.user, 0)[self.indices.user_index(ratings["user_id"])]  # UNKNOWN, -1, is the 0 at the end
        stars += self.mean
        stars += np.append(self.movie, 0)[self.indices.movie_index(ratings["movie_id"])]
        return stars


def _damped_mean(group: np.ndarray, values: np.ndarray, num_groups: int, damping: float) -> np.ndarray:
    sums = np.bincount(group, values, minlength=num_groups)
    count = np.bincount(group, minlength=num_groups) + damping
    return np.divide(sums, count, out=np.zeros(num_groups), where=count > 0)  # nothing rated, nothing damped: 0


def check_positive(**settings) -> None:
    """Raise ValueError unless each setting is above 0 and finite, and `factors`, `sweeps` and `passes` are whole."""
    for name, value in settings.items():
        whole = name in ("factors", "sweeps", "passes")
        if not 0 < value < np.inf or (whole and value != int(value)):
            kind = "above 0 and whole" if whole else "above 0 and finite"
            raise ValueError(f"`{name}` must be {kind}, got {value}; leave it out for the default.")


def check_not_negative(**settings) -> None:
    """Raise ValueError unless each setting is 0 or more, and finite."""
    for name, value in settings.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"`{name}` must be 0 or more and finite, got {value}; leave it out for the default.")
