"""Who rated what, when, and how much better than expected: what both heads of the hybrid read of a user's past.

Taught in notebooks/05_hybrid_model.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.indices import UNKNOWN, Indices

SESSION_SECONDS = (5.0, 60.0, 300.0, 3600.0)  # a page of films, a minute, five minutes, an hour
SESSION_DAMPINGS = (1.0, 4.0)  # ratings' worth of pull towards 0
NUM_SESSION_FEATURES = len(SESSION_SECONDS) * len(SESSION_DAMPINGS)


class Entries(NamedTuple):
    """Ratings of a batch of people, one after the other, as tensors.

    Attributes:
        row: int32 `[E]`, the place in the batch of the person who rated; ascending.
        movie: int32 `[E]`, what.
        residual: float32 `[E]`, how much better than expected, in stars.
        age: float32 `[E]`, how many newer ratings the person has.
    """

    row: "tf.Tensor"  # noqa: F821 (this module does without TensorFlow)
    movie: "tf.Tensor"  # noqa: F821
    residual: "tf.Tensor"  # noqa: F821
    age: "tf.Tensor"  # noqa: F821


class History(NamedTuple):
    """The ratings of train, user by user, and each user's from the oldest to the newest (ties as in the file).

    Attributes:
        user_index, movie_index: int32 `[N]`, who rated what: the implicit signal.
        residual: float32 `[N]`, stars above what the biases expect: the explicit one.
        timestamp: int64 `[N]`, Unix seconds.
        num_users, num_movies: of `Indices`.
        in_order: whether what is asked for comes after all of it, as in a split in time; else it may be from between.
    """

    user_index: np.ndarray
    movie_index: np.ndarray
    residual: np.ndarray
    timestamp: np.ndarray
    num_users: int
    num_movies: int
    in_order: bool

    @property
    def starts(self) -> np.ndarray:
        """int32 `[num_users + 1]`: user u's ratings are the rows from starts[u] to starts[u + 1]."""
        return np.searchsorted(self.user_index, np.arange(self.num_users + 1)).astype(np.int32)

    @property
    def age(self) -> np.ndarray:
        """int32 `[N]`: how many newer ratings the same user has; 0 for the newest."""
        return (self.starts[self.user_index + 1] - 1 - np.arange(len(self.user_index))).astype(np.int32)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """rated and residual, float32 `[num_users, num_movies]` each: 1 where rated; 0 elsewhere in both."""
        rated, residual = np.zeros((2, self.num_users, self.num_movies), np.float32)
        rated[self.user_index, self.movie_index] = 1
        residual[self.user_index, self.movie_index] = self.residual
        return rated, residual


def make_history(train: pd.DataFrame, indices: Indices, bias: Bias, in_order: bool = False) -> History:
    """The history of every user in `train`; see `History` for `in_order`."""
    user = indices.user_index(train["user_id"])
    timestamp = train["timestamp"].to_numpy()
    order = np.lexsort((timestamp, user))  # stable: ties stay as in the file
    return History(
        user[order],
        indices.movie_index(train["movie_id"])[order],
        bias.residuals(train)[order].astype(np.float32),
        timestamp[order].astype(np.int64),
        indices.num_users,
        indices.num_movies,
        in_order,
    )


def session_features(history: History, user_index=None, timestamp=None) -> np.ndarray:
    """What the user's other ratings of the same minutes say: their mean residual, near in time and damped. Stars.

    s(u, t) = Σ_j k(t, t_j) e_uj / (d + Σ_j k(t, t_j)),  k(t, t') = exp(−|t − t'| / τ)

    one column for each τ of `SESSION_SECONDS` and d of `SESSION_DAMPINGS`. Whose last five films were a disappointment
    is likely to be stern with the sixth. If the history is in order, only ratings from before t count.

    Args:
        user_index, timestamp: int `[Q]` and float Unix seconds `[Q]` of what is to be predicted; a row without a user
            (UNKNOWN) or a time (NaN) has zeros. None: the history's own ratings, each without itself.

    Returns:
        float32 `[Q, NUM_SESSION_FEATURES]`, in the order of the rows given.
    """
    own = user_index is None
    past = history.user_index, history.timestamp.astype(float), history.residual, np.ones(len(history.residual))
    if own:
        user, time, value, weight = past
    else:
        timestamp = np.where(np.asarray(user_index) == UNKNOWN, np.nan, timestamp)
        nothing = np.zeros(len(timestamp))  # a question adds nothing to its neighbours
        asked = user_index, timestamp, nothing, nothing
        user, time, value, weight = (np.concatenate(columns) for columns in zip(past, asked, strict=True))
    order = np.lexsort((time, user))  # of the same second: ratings before questions
    user, time, value, weight = user[order], time[order], value[order], weight[order]
    columns = []
    for seconds in SESSION_SECONDS:
        sums, weights = _nearby(history.in_order, user, time, seconds, value, weight)
        columns += [sums / (weights + damping) for damping in SESSION_DAMPINGS]
    features = np.empty((len(user), len(columns)), np.float32)
    features[order] = np.stack(columns, axis=1)
    return features if own else features[len(past[0]) :]


def _nearby(in_order: bool, user, time, seconds: float, value, weight) -> tuple[np.ndarray, np.ndarray]:
    """Σ k · value and Σ k · weight over the other rows of the same user: those before, or on both sides."""
    gap = np.diff(time, prepend=np.nan)
    same_user = np.diff(user, prepend=UNKNOWN - 1) == 0
    kernel = np.exp(-np.where(same_user & np.isfinite(gap), gap, np.inf) / seconds)  # from the row before; 0 if none
    sums, weights = _earlier(user, kernel, value, weight)
    if in_order:
        return sums, weights
    backwards = user[::-1], np.append(kernel[1:], 0)[::-1], value[::-1], weight[::-1]
    later_sums, later_weights = (side[::-1] for side in _earlier(*backwards))
    return sums + later_sums, weights + later_weights


def _earlier(user, kernel, value, weight) -> tuple[np.ndarray, np.ndarray]:
    """Σ k · value and Σ k · weight over the rows before each row of the same user, in one pass over their ranks.

    An exponential forgets by the same factor for all: S_n = k(n − 1, n) · (S_{n−1} + value_{n−1}).
    """
    start = np.flatnonzero(np.diff(user, prepend=UNKNOWN - 1))
    rank = np.arange(len(user)) - np.repeat(start, np.diff(np.append(start, len(user))))
    by_rank = np.argsort(rank, kind="stable")
    edges = np.searchsorted(rank[by_rank], np.arange(1, rank.max() + 2))
    sums, weights = np.zeros((2, len(user)))
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        row = by_rank[low:high]
        sums[row] = kernel[row] * (sums[row - 1] + value[row - 1])
        weights[row] = kernel[row] * (weights[row - 1] + weight[row - 1])
    return sums, weights
