"""Compute metrics: hits, lists and errors in, one value per user out. Numpy only; no model is known here.

*Accuracy* takes `hits`, bool `[U, k]`: is the movie at rank r + 1 of user u's list relevant? And `num_relevant`,
int `[U]`: how many movies are relevant to the user at all; without one the value is NaN. *Beyond accuracy* takes
`lists`, movie_index `[U, k]`, -1 where a list has ended. *Errors* take stars. Taught in notebooks/03_baselines.
"""

import numpy as np


def _per_relevant_user(values: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    return np.where(num_relevant > 0, values, np.nan)


def precision(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return the share of the list that is relevant: |L ∩ T| / k. float64 `[U]` in 0..1."""
    return _per_relevant_user(hits.mean(axis=1), num_relevant)


def recall(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return the share of the relevant movies that are in the list: |L ∩ T| / |T|. float64 `[U]` in 0..1."""
    return _per_relevant_user(hits.sum(axis=1) / np.maximum(num_relevant, 1), num_relevant)


def hit_rate(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return 1 if the list has a relevant movie, else 0. float64 `[U]`."""
    return _per_relevant_user(hits.any(axis=1).astype(float), num_relevant)


def reciprocal_rank(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return 1 / rank of the first hit, 0 without one; its mean over users is MRR. float64 `[U]` in 0..1."""
    first = np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0)
    return _per_relevant_user(first, num_relevant)


def average_precision(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return Σ_{r≤k} hit_r · precision@r / |T|; its mean over users is MAP. float64 `[U]` in 0..1.

    Divided by the number of relevant movies, as in Microsoft Recommenders, not by min(k, |T|).
    """
    precision_at_rank = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return _per_relevant_user((hits * precision_at_rank).sum(axis=1) / np.maximum(num_relevant, 1), num_relevant)


def ndcg(hits: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return the normalised discounted cumulative gain with binary relevance. float64 `[U]` in 0..1.

    Σ_{r≤k} hit_r / log2(r + 1), over the same sum for the ideal list: Σ_{r≤min(k, |T|)} 1 / log2(r + 1).
    Source: Järvelin and Kekäläinen (2002).
    """
    k = hits.shape[1]
    discount = 1 / np.log2(np.arange(2, k + 2))  # [k]
    ideal = np.concatenate([[0.0], discount.cumsum()])[np.minimum(num_relevant, k)]
    return _per_relevant_user(hits @ discount / np.where(ideal > 0, ideal, 1.0), num_relevant)


def auc(scores: np.ndarray, relevant: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Return the chance that a relevant movie scores above another unseen one; a tie is half. float64 `[U]` in 0..1.

    `scores`, -inf where the user has seen the movie, and `relevant`, bool, are `[U, num_movies]`. A relevant movie that
    the catalogue lacks is in `num_relevant` and counts as the last.
    Source: Rendle et al. (2009), BPR, section 4.1.1: the area under the ROC curve of one user.
    """
    values = np.full(len(scores), np.nan)
    for u in np.nonzero(num_relevant)[0]:
        good = scores[u, relevant[u]]  # one with -inf beats no other
        others = np.sort(scores[u, ~relevant[u] & (scores[u] > -np.inf)])
        won = np.searchsorted(others, good, "left").sum() + np.searchsorted(others, good, "right").sum()
        values[u] = won / 2 / (len(others) * num_relevant[u]) if len(others) else 1.0
    return values


def coverage(lists: np.ndarray, num_movies: int) -> float:
    """Return the share of the catalogue that is in somebody's list: |∪ L| / num_movies, 0..1."""
    return len(np.unique(lists[lists >= 0])) / num_movies


def gini(lists: np.ndarray, num_movies: int) -> float:
    """Return how unequally the movies are recommended: 0, all as often; 1 − 1 / num_movies, always the same one.

    G = Σ_i (2 i − M − 1) n_i / (M Σ n), with n_1 ≤ … ≤ n_M how often each of the catalogue's M movies is in a list.
    Source: Fleder and Hosanagar (2009), for recommenders.
    """
    times = np.sort(np.bincount(lists[lists >= 0], minlength=num_movies))
    rank = np.arange(1, num_movies + 1)
    return float((2 * rank - num_movies - 1) @ times / (num_movies * max(times.sum(), 1)))


def novelty(lists: np.ndarray, counts: np.ndarray, num_users: int) -> np.ndarray:
    """Return the mean self-information of the list in bits: mean −log2(counts_i / num_users). float64 `[U]`.

    `counts`: ratings of each movie in train, int `[num_movies]`; 0 of them counts as 1.
    Source: Zhou et al. (2010); Vargas and Castells (2011).
    """
    return _mean_over_list(-np.log2(np.maximum(counts, 1) / num_users), lists)


def popularity_lift(lists: np.ndarray, counts: np.ndarray, history: np.ndarray) -> np.ndarray:
    """Return how much more popular the list L is than the history H: mean counts of L / mean counts of H − 1. `[U]`.

    NaN for a user without history. `history`: bool `[U, num_movies]`, rated in train; may be sparse.
    Source: Abdollahpouri et al. (2020), for one user instead of a group.
    """
    size = history.sum(axis=1)
    watched = history @ counts.astype(float) / np.maximum(size, 1)
    lift = _mean_over_list(counts.astype(float), lists) / np.where(watched > 0, watched, 1) - 1
    return np.where(watched > 0, lift, np.nan)


def diversity(lists: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the intra-list diversity: 1 − the mean cosine of all pairs. float64 `[U]` in 0..1 for vectors ≥ 0.

    NaN for a list of fewer than two movies; a movie whose vector is 0 is like no other. `vectors`: `[num_movies, d]`.
    Source: Ziegler et al. (2005).
    """
    there = lists >= 0
    of_list = unit_rows(vectors)[lists] * there[:, :, None]  # [U, k, d]
    # Σ_{i≠j} cos(i, j) = |Σ_i v_i|² − Σ_i |v_i|²
    all_pairs = (of_list.sum(axis=1) ** 2).sum(axis=1) - (of_list**2).sum(axis=(1, 2))
    k = there.sum(axis=1)
    return np.where(k > 1, 1 - all_pairs / np.maximum(k * (k - 1), 1), np.nan)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Return each row with length 1; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def miscalibration(lists: np.ndarray, history: np.ndarray, vectors: np.ndarray, alpha: float = 0.01) -> np.ndarray:
    """Return the KL divergence of the list's genres from the history's, in nats; 0 is calibrated. float64 `[U]`.

    KL = Σ_g p(g) log(p(g) / q̃(g)),  q̃ = (1 − α) q + α p; p: genres of the history, q: of the list, each movie's weight
    shared equally among its genres; α keeps q̃ above 0. NaN where either has no genre. `history`: bool
    `[U, num_movies]`, rated in train; `vectors`: float `[num_movies, genres]`, 1 where a movie has the genre.
    Source: Steck (2018), *Calibrated recommendations*, equations 1 to 6, the metric C_KL.
    """
    share = vectors / np.maximum(vectors.sum(axis=1, keepdims=True), 1)  # [num_movies, genres]
    p, q = history @ share, (share[lists] * (lists >= 0)[:, :, None]).sum(axis=1)
    known = (p.sum(axis=1) > 0) & (q.sum(axis=1) > 0)
    p, q = (x / np.where(known, x.sum(axis=1), 1)[:, None] for x in (p, q))
    mixed = (1 - alpha) * q + alpha * p
    ratio = np.divide(p, mixed, out=np.ones_like(p), where=p > 0)  # 0 log 0 is 0
    return np.where(known, (p * np.log(ratio)).sum(axis=1), np.nan)


def _mean_over_list(values: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Return the mean of `values` `[num_movies]` over each list; NaN for an empty one. float64 `[U]`."""
    there = lists >= 0
    length = there.sum(axis=1)
    return np.where(length > 0, (values[lists] * there).sum(axis=1) / np.maximum(length, 1), np.nan)


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Return the root mean squared error in stars: √(mean (predicted − actual)²). Both `[N]`."""
    return float(np.sqrt(np.mean(np.square(np.asarray(predicted, float) - np.asarray(actual, float)))))
