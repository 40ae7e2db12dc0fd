"""Who rated what, when, and how much better than expected: what both heads of the hybrid read of a user's past.

Taught in notebooks/05_hybrid_model.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.baselines import Bias
from movierec.data import UNKNOWN, Indices, order_by_user_and_time

SESSION_SECONDS = (5.0, 60.0, 300.0, 3600.0)  # a page of films, a minute, five minutes, an hour
SESSION_DAMPINGS = (1.0, 4.0)  # ratings' worth of pull towards 0
ROWS_PER_BLOCK = 1 << 18  # of session features at a time: 60 MB
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
        every = np.arange(self.num_users + 1, dtype=self.user_index.dtype)
        return np.searchsorted(self.user_index, every).astype(np.int32)

    @property
    def age(self) -> np.ndarray:
        """int32 `[N]`: how many newer ratings the same user has; 0 for the newest."""
        return self.starts[self.user_index + 1] - np.arange(1, len(self.user_index) + 1, dtype=np.int32)

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
    order = order_by_user_and_time(user, timestamp)
    return History(
        user[order],
        indices.movie_index(train["movie_id"])[order],
        bias.residuals(train).astype(np.float32)[order],
        timestamp[order].astype(np.int64, copy=False),
        indices.num_users,
        indices.num_movies,
        in_order,
    )


def session_features(history: History, user_index=None, timestamp=None, dtype=np.float32) -> np.ndarray:
    """What the user's other ratings of the same minutes say: their mean residual, near in time and damped. Stars.

    s(u, t) = Σ_j k(t, t_j) e_uj / (d + Σ_j k(t, t_j)),  k(t, t') = exp(−|t − t'| / τ)

    one column for each τ of `SESSION_SECONDS` and d of `SESSION_DAMPINGS`. Whose last five films were a disappointment
    is likely to be stern with the sixth. If the history is in order, only ratings from before t count.

    Args:
        user_index, timestamp: int `[Q]` and float Unix seconds `[Q]` of what is to be predicted; a row without a user
            (UNKNOWN) or a time (NaN) has zeros. None: the history's own ratings, each without itself.
        dtype: float16 takes half of the memory, and is off by .001 stars at most.

    Returns:
        `[Q, NUM_SESSION_FEATURES]`, in the order of the rows given.
    """
    if user_index is None:
        asked, user, time, value = 0, history.user_index, history.timestamp, history.residual
    else:
        asked = len(user_index)
        question = np.where(np.asarray(user_index) == UNKNOWN, np.nan, timestamp)
        rows = _rows_of(history, user_index)
        user = np.concatenate([history.user_index[rows], user_index])
        time = np.concatenate([history.timestamp[rows], question])  # float: a question may have no time
        value = np.concatenate([history.residual[rows], np.zeros(asked)])  # it adds nothing to its neighbours
    weight = np.ones(len(user), np.float32)
    weight[len(user) - asked :] = 0
    order = order_by_user_and_time(user, time)  # of the same second: ratings before questions
    first = 0 if user_index is None else len(user) - asked
    features = np.empty((len(user) - first, NUM_SESSION_FEATURES), dtype)
    for row, counts in _blocks(user[order]):
        row = order[row]
        found = _damped_means(history.in_order, time[row].astype(float), np.stack([value[row], weight[row]]), counts)
        wanted = row >= first
        features[row[wanted] - first] = found[wanted]
    return features


def _rows_of(history: History, user_index) -> np.ndarray:
    """The rows of the history of these users, each once: what others did says nothing."""
    users = np.unique(user_index).astype(history.user_index.dtype)
    low, high = (np.searchsorted(history.user_index, users, side) for side in ("left", "right"))
    count = high - low
    return np.arange(count.sum()) + np.repeat(low - (np.cumsum(count) - count), count)


def _blocks(user: np.ndarray):
    """(rows, counts) of some users at a time, for `user` in order: first everybody's first row, then their second, …

    counts `[longest]` says how many users have a row of each rank. Users of similar length come together, the longest
    first, so that those who have a next row are always the first of those who have this one.
    """
    starts = np.flatnonzero(np.diff(user, prepend=UNKNOWN - 1))
    lengths = np.diff(np.append(starts, len(user)))
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[longest_first], lengths[longest_first]
    block = np.cumsum(lengths) // ROWS_PER_BLOCK
    edges = np.flatnonzero(np.diff(block, prepend=-1, append=-1))
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        longest = lengths[low]
        counts = np.searchsorted(-lengths[low:high], -np.arange(longest))  # users longer than 0, 1, …
        rank = np.repeat(np.arange(longest), counts)
        place = np.arange(len(rank)) - np.repeat(np.cumsum(counts) - counts, counts)  # among those of this rank
        yield starts[low:high][place] + rank, counts


def _damped_means(in_order: bool, time: np.ndarray, signal: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The features of one of `_blocks`, float64 `[rows, NUM_SESSION_FEATURES]`.

    An exponential forgets by the same factor for all: S_n = k(n − 1, n) · (S_{n−1} + e_{n−1}), and backwards alike.

    Args:
        time: float64 `[rows]`.
        signal: `[2, rows]`: residuals, and weights: 1 for a rating, 0 for a question.
    """
    ends = np.cumsum(counts)
    before = np.arange(counts[0], len(time)) - np.repeat(counts[:-1], counts[1:])  # the same user's row before
    gap = np.full(len(time), np.inf)
    gap[counts[0] :] = time[counts[0] :] - time[before]
    kernel = np.exp(-np.where(np.isfinite(gap), gap, np.inf) / np.array(SESSION_SECONDS)[:, None])  # [seconds, rows]
    sums = np.zeros((2, *kernel.shape))
    ranks = zip(counts[1:], counts[:-1], ends[1:], strict=True)
    steps = [(slice(end - n, end), slice(end - n - m, end - m)) for n, m, end in ranks]
    for here, there in steps:
        np.multiply(kernel[:, here], sums[:, :, there] + signal[:, None, there], out=sums[:, :, here])
    if not in_order:
        later = np.zeros_like(sums)
        for here, there in reversed(steps):
            np.multiply(kernel[:, here], later[:, :, here] + signal[:, None, here], out=later[:, :, there])
        sums += later
    means = [sums[0, i] / (sums[1, i] + damping) for i in range(len(SESSION_SECONDS)) for damping in SESSION_DAMPINGS]
    return np.stack(means, axis=1)
