"""Re-ranking: what a film adds to a playlist, by relevance, diversity and calibration; and the order of the films.

Taught in notebooks/07_recommendations.
"""

import functools
import itertools
import math

import numpy as np
import pandas as pd

from movierec.data import genre_flags
from movierec.evaluation import metrics

ALPHA = 0.01  # the part of p in q̃, as in the paper: a playlist without the history's genres costs log 100 and not ∞
EXACT_UP_TO = 8  # films to put in order: 7! = 5,040 orders are tried in a millisecond, 11! = 40 million are not


def genre_shares(genres: pd.Series, weights: np.ndarray | None = None) -> pd.Series:
    """Return the share of each genre in a history: p(g) ∝ Σ_i w_i [i has g] / |genres of i|. Sums to 1, alphabetical.

    Args:
        genres: "Animation|Comedy", one entry a film; a film without genres ("") does not count.
        weights: float `[num_films]`, 0 or more, e.g. stars; None counts every film once.

    Raises:
        ValueError: If the weights have another shape or are below 0, or if no film with a genre has weight.
    """
    flags = genre_flags(genres)
    weights = np.ones(len(genres)) if weights is None else np.asarray(weights, float)
    bad = np.sum(~(np.isfinite(weights) & (weights >= 0)))
    must = f"`weights` must be {len(genres)} finite numbers of 0 or more"
    found = f"shape {weights.shape}, {bad} not finite or below 0"
    require(weights.shape == (len(genres),) and not bad, must, found, "Try weights=None.")
    total = flags.div(flags.sum(axis=1).clip(lower=1), axis=0).mul(weights, axis=0).sum()
    must = "a history must have a film with a genre and weight"
    require(total.sum() > 0, must, f"none among {len(genres)} films", "Pass more films.")
    return (total / total.sum()).rename("share")


def relevance(scores: np.ndarray, popularity: np.ndarray, familiarity: float = 0.5) -> np.ndarray:
    """Return scores from 0 (worst) to 1 (best), moved towards well-known films or away from them. float64 `[N]`.

    scaled(scaled(score) + (2 familiarity − 1) · scaled(log(1 + popularity))); `scaled` is linear, smallest to 0,
    largest to 1, and all to 0 if they are equal. At familiarity 0 and 1 popularity counts as much as the score.
    """
    return _scaled(_scaled(scores) + (2 * familiarity - 1) * _scaled(np.log1p(popularity)))


def gains(
    chosen: list[int],
    relevance: np.ndarray,
    vectors: np.ndarray,
    *,
    diversity: float,
    calibration: float = 0.0,
    genres: np.ndarray | None = None,
    history: np.ndarray | None = None,
) -> np.ndarray:
    """Return what each film would bring to the playlist if it came next. float64 `[N]`.

    The playlist L should have a large

        J(L) = (1 − c) Σ_{i∈L} [(1 − λ) relevance(i) − λ max_{j before i} cos(i, j)] − c KL(p ‖ q̃(L))

    so film i brings (1 − c) [(1 − λ) relevance(i) − λ max_{j∈L} cos(i, j)] − c KL(p ‖ q̃(L + i)): all of J(L + i) that
    depends on i. c = 0 is maximal marginal relevance, λ = 0 calibrated recommendation, both 0 the ranking itself.

    Args:
        chosen: Rows of the films in L, in any order; for an empty L the maximum is 0.
        relevance: float `[N]` in 0..1; vectors: float `[N, dim]`.
        diversity, calibration: λ and c, in 0..1.
        genres: float `[N, num_genres]`, 1 where a film has the genre; history: float `[num_genres]`, p or a multiple.

    Source: Carbonell and Goldstein (1998), *The use of MMR*; Steck (2018), *Calibrated recommendations*.
    """
    alike = _cosines(vectors, vectors[chosen]).max(axis=1) if len(chosen) else 0.0  # [N]
    mmr = (1 - diversity) * relevance - diversity * alike
    if calibration == 0:
        return mmr
    num_films = len(genres)
    lists = np.column_stack([np.tile(np.array(chosen, int), (num_films, 1)), np.arange(num_films)])  # [N, |L| + 1]
    watched = np.broadcast_to(np.arange(num_films + 1) == num_films, (num_films, num_films + 1))  # one film, which is p
    divergence = metrics.miscalibration(lists, watched, np.vstack([genres, history]), ALPHA)
    divergence[np.isnan(divergence)] = -math.log(ALPHA)  # no genre in the list: q = 0, q̃ = α p, the worst there is
    return (1 - calibration) * mmr - calibration * divergence


def in_order(vectors: np.ndarray) -> np.ndarray:
    """Return an order from row 0 on that keeps films alike apart. int64 `[n]`: rows of `vectors`.

    Up to `EXACT_UP_TO` films no order from row 0 has a smaller largest cosine of neighbours; of equal ones it is the
    lexicographically first. With more, starting from the rows as they are, a stretch that ends at the worst pair is
    reversed as long as that helps: good, not always the best, never worse than the rows as they are.

    Args:
        vectors: float `[n, dim]`, the most relevant film first.

    Raises:
        ValueError: If a number is not finite or there are no films.
    """
    vectors = checked_vectors(vectors, len(vectors))
    cosine, order = _cosines(vectors, vectors), np.arange(len(vectors))
    if len(order) <= EXACT_UP_TO:
        orders = _orders_from_0(len(order))
        best = cosine[orders[:, :-1], orders[:, 1:]].max(axis=1, initial=-1).argmin()
        return orders[best].copy()  # the array is cached
    while True:
        worst = cosine[order[:-1], order[1:]].argmax()
        stretches = [(worst + 1, end) for end in range(worst + 3, len(order) + 1)]
        stretches += [(start, worst + 1) for start in range(1, worst)]
        orders = np.array([order, *(np.r_[order[:a], order[a:b][::-1], order[b:]] for a, b in stretches)])
        costs = np.sort(cosine[orders[:, :-1], orders[:, 1:]])[:, ::-1].tolist()  # the worst pair decides first
        best = min(range(len(orders)), key=costs.__getitem__)
        if best == 0:
            return order
        order = orders[best]


@functools.cache
def _orders_from_0(n: int) -> np.ndarray:
    """Return the (n − 1)! orders of 0 … n − 1 that begin with 0, sorted. int64 `[(n − 1)!, n]`."""
    return np.array([(0, *rest) for rest in itertools.permutations(range(1, n))])


def _scaled(values: np.ndarray) -> np.ndarray:
    spread = np.ptp(values)
    return (values - values.min()) / (spread if spread > 0 else 1)


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return float64 `[len(left), len(right)]`, 0 for a vector of zeros; to 6 digits, so that ties stay ties."""
    lengths = [np.linalg.norm(side, axis=1) for side in (left, right)]
    return np.round(left @ right.T / np.maximum(np.outer(*lengths), np.finfo(float).tiny), 6)


def require(holds, must: str, found, advice: str) -> None:
    """Raise ValueError unless `holds`."""
    if not holds:
        raise ValueError(f"{must}; got {found}. {advice}")


def checked_vectors(vectors: np.ndarray, num_films: int) -> np.ndarray:
    """Return the vectors as float64 `[num_films, dim]`; raise ValueError if they are not that."""
    vectors = np.asarray(vectors, float)
    holds = vectors.ndim == 2 and 0 < len(vectors) == num_films and np.isfinite(vectors).all()
    found = f"shape {vectors.shape}, {np.sum(~np.isfinite(vectors))} entries not finite"
    require(holds, f"`vectors` must be finite, one row a film: ({num_films}, dim)", found, "Select the rows.")
    return vectors
