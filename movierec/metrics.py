"""Hits and errors in, one value per user out. Numpy only; nothing here knows what a model is.

Every ranking metric takes `hits`, bool `[U, k]`: hits[u, r] says whether the movie at rank r + 1 of user u's list is
relevant; and `num_relevant`, int `[U]`: how many movies are relevant to the user at all. Users without a relevant movie
have no value: NaN. Taught in notebooks/03_baselines.
"""

import numpy as np


def _per_relevant_user(values: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    return np.where(num_relevant > 0, values, np.nan)


def precision(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Share of the list that is relevant: |L ∩ T| / k. float64 `[U]` in 0..1."""
    return _per_relevant_user(hits.mean(axis=1), num_relevant)


def recall(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Share of the relevant movies that are in the list: |L ∩ T| / |T|. float64 `[U]` in 0..1."""
    return _per_relevant_user(hits.sum(axis=1) / np.maximum(num_relevant, 1), num_relevant)


def hit_rate(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """1 if the list has a relevant movie, else 0. float64 `[U]`."""
    return _per_relevant_user(hits.any(axis=1).astype(float), num_relevant)


def reciprocal_rank(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """1 / rank of the first hit, 0 without one; its mean over users is MRR. float64 `[U]` in 0..1."""
    first = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    return _per_relevant_user(first, num_relevant)


def average_precision(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Σ_{r≤k} hit_r · precision@r / |T|; its mean over users is MAP. float64 `[U]` in 0..1.

    Divided by the number of relevant movies, as in Microsoft Recommenders, not by min(k, |T|).
    """
    precision_at_rank = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return _per_relevant_user((hits * precision_at_rank).sum(axis=1) / np.maximum(num_relevant, 1), num_relevant)


def ndcg(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Normalised discounted cumulative gain with binary relevance. float64 `[U]` in 0..1.

    Σ_{r≤k} hit_r / log2(r + 1), over the same sum for the ideal list: Σ_{r≤min(k, |T|)} 1 / log2(r + 1).

    Source: Järvelin and Kekäläinen (2002).
    """
    k = hits.shape[1]
    discount = 1 / np.log2(np.arange(2, k + 2))  # [k]
    ideal = np.concatenate([[0.0], discount.cumsum()])[np.minimum(num_relevant, k)]
    return _per_relevant_user(hits @ discount / np.where(ideal > 0, ideal, 1.0), num_relevant)


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Root mean squared error in stars: √(mean (predicted − actual)²). Both `[N]`."""
    return float(np.sqrt(np.mean(np.square(np.asarray(predicted, float) - np.asarray(actual, float)))))


def mae(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean absolute error in stars: mean |predicted − actual|. Both `[N]`."""
    return float(np.mean(np.abs(np.asarray(predicted, float) - np.asarray(actual, float))))
