"""Session features: how the user rated other films in the same minutes.

Taught in notebooks/05_hybrid_model.
"""

import numpy as np

from movierec.data import UNKNOWN, order_by_user_and_time
from movierec.models.history import History

SESSION_SECONDS = (5.0, 60.0, 300.0, 3600.0)  # a page of films, a minute, five minutes, an hour
SESSION_DAMPINGS = (1.0, 4.0)  # ratings' worth of pull towards 0
NUM_SESSION_FEATURES = len(SESSION_SECONDS) * len(SESSION_DAMPINGS)
FORGOTTEN = 800.0  # exp(−800) is 0 in float64


def session_features(history: History, user_index=None, timestamp=None, dtype=np.float32) -> np.ndarray:
    """Return the mean residual of the user's other ratings of the same minutes, weighted by nearness in time. Stars.

    s(u, t) = Σ_j k(t, t_j) e_uj / (d + Σ_j k(t, t_j)),  k(t, t') = exp(−|t − t'| / τ)

    `[Q, NUM_SESSION_FEATURES]`, a column for each τ of `SESSION_SECONDS` and d of `SESSION_DAMPINGS`. A user whose last
    five films were a disappointment is likely to be strict with the sixth. If the history is in order, only ratings
    before t count.

    Args:
        user_index, timestamp: int `[Q]` and float Unix seconds `[Q]` of the ratings to predict; a row without a user
            (UNKNOWN) or a time (NaN) has zeros. None: the history's own ratings, each without itself.
        dtype: float16 takes half of the memory, and is off by .001 stars at most.
    """
    user = history.user_index
    time = history.timestamp
    residual = history.residual
    num_ratings = 0  # rows that come before those asked for
    if user_index is not None:
        rows = _rows_of(history, user_index)
        num_ratings = len(rows)
        user = np.concatenate([user[rows], user_index])
        time = np.concatenate([time[rows], np.where(np.asarray(user_index) == UNKNOWN, np.nan, timestamp)])
        residual = np.concatenate([residual[rows], np.zeros(len(user_index))])  # a question adds nothing
    order = order_by_user_and_time(user, time)  # of the same second: ratings before questions
    is_rating = order < num_ratings if user_index is not None else np.ones(len(order), bool)
    residual = residual[order].astype(float)
    shift = -residual.min(initial=0)  # makes all values 0 or more, as the logarithms below need
    signals = is_rating * (residual + shift), is_rating.astype(float)
    gap = np.full(len(order) + 1, np.inf)  # seconds since the row before; infinite at a user's first row
    same_user = np.flatnonzero(np.diff(user[order]) == 0) + 1
    gap[same_user] = time[order][same_user] - time[order][same_user - 1]
    gap[np.isnan(gap)] = np.inf
    wanted = order >= num_ratings
    features = np.empty((len(order) - num_ratings, len(SESSION_SECONDS), len(SESSION_DAMPINGS)), dtype)
    for place, seconds in enumerate(SESSION_SECONDS):
        totals = [_decayed_sums(gap[:-1] / seconds, signal) for signal in signals]
        if not history.in_order:  # the same from the other end
            for total, signal in zip(totals, signals, strict=True):
                total += _decayed_sums(gap[:0:-1] / seconds, signal[::-1])[::-1]
        shifted, count = (total[wanted] for total in totals)
        means = [(shifted - shift * count) / (damping + count) for damping in SESSION_DAMPINGS]
        features[order[wanted] - num_ratings, place] = np.stack(means, axis=1)
    return features.reshape(-1, NUM_SESSION_FEATURES)


def _rows_of(history: History, user_index) -> np.ndarray:
    """Return the rows of the history of these users, each once."""
    users = np.unique(user_index).astype(history.user_index.dtype)
    low, high = (np.searchsorted(history.user_index, users, side) for side in ("left", "right"))
    count = high - low
    return np.arange(count.sum()) + np.repeat(low - (np.cumsum(count) - count), count)


def _decayed_sums(decay: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return S_n = exp(−decay_n) · (S_{n−1} + values_{n−1}), float64 `[N]`, for values of 0 or more; S_0 is 0.

    S_n = Σ_{j<n} exp(T_j − T_n) values_j, T the cumulated decay; summed as logarithms, because exp(T) overflows.
    """
    total = np.cumsum(np.minimum(decay, FORGOTTEN))
    with np.errstate(divide="ignore"):
        log_sums = np.logaddexp.accumulate(total + np.log(values)) - total  # up to row n, with it
    sums = np.zeros(len(values))
    sums[1:] = np.exp(log_sums[:-1] - decay[1:])
    return sums
