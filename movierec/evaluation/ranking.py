"""Turn scores into lists and ranks: the whole catalogue is scored for every user, and what they have seen is left out.

A scorer is any callable `user_index [U] -> float32 [U, num_movies]`: popularity, item-kNN and the hybrid are the same
thing here. Equal scores always fall in the order of the index. Taught in notebooks/03_baselines and 13_scale.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from scipy import sparse
from tqdm import tqdm

from movierec.calls import whole_number
from movierec.data import UNKNOWN, Indices

Scorer = Callable[[np.ndarray], np.ndarray]

USERS_PER_BLOCK = 1024  # at most: 7 MB of scores on ML-100K
SCORES_PER_BLOCK = 1 << 22  # at most: 16 MB, which stay in the cache while they are looked at several times
GROUPS_PER_PLACE = 8  # of columns, for each place of a list
LEAST_WIDTH = 64  # columns a group; with fewer a partition is as fast


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the k best columns of each row, best first; equal scores in the order of the index. int64 `[U, k]`.

    In long rows, the k-th largest of the maxima of 8 k groups is a limit that at least k scores reach, and few others:
    two passes over 42,000 scores, twelve times as fast as a partition. Raise ValueError if k is out of range.
    """
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must be 1 to {scores.shape[1]:,}, the number of movies; got {k}.")
    groups = GROUPS_PER_PLACE * k
    width = scores.shape[1] // groups
    if width < LEAST_WIDTH or not len(scores):
        return _by_partition(scores, k)
    maxima = scores[:, : groups * width].reshape(len(scores), groups, width).max(axis=2)
    limit = np.partition(maxima, groups - k, axis=1)[:, groups - k, None]
    row, column = np.divmod(np.flatnonzero(scores >= limit), scores.shape[1])
    count = np.bincount(row, minlength=len(scores))
    few = (k <= count) & (count <= 4 * groups)  # else many are equal
    best = np.empty((len(scores), k), np.int64)
    best[~few] = _by_partition(scores[~few], k)
    row, column = row[few[row]], column[few[row]]
    order = np.lexsort((-scores[row, column], row))  # stable: equal scores stay in the order of the index
    starts = np.cumsum(count[few]) - count[few]
    best[few] = column[order[starts[:, None] + np.arange(k)]]
    return best


def _by_partition(scores: np.ndarray, k: int) -> np.ndarray:
    place = scores.shape[1] - k
    least = np.partition(scores, place, axis=1)[:, place, None]  # the k-th largest of each row
    larger, equal = scores > least, scores == least
    missing = k - larger.sum(axis=1, keepdims=True)  # so many of the equal ones are in the list: the first
    crowded = equal.sum(axis=1) > missing[:, 0]  # elsewhere all of them are, and counting can be saved
    equal[crowded] &= equal[crowded].cumsum(axis=1) <= missing[crowded]
    best = np.nonzero(larger | equal)[1].reshape(len(scores), k)  # ascending index in each row
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def recommend_top_k(scorer: Scorer, user_index: np.ndarray, seen: pd.DataFrame, indices: Indices, k: int) -> np.ndarray:
    """Return the k best movies of each user that are not in `seen`, int64 `[U, k]`, best first; -1 where none is left.

    Raise ValueError if a user is unknown, k is out of range, or the scores have another shape or are NaN.
    """
    users, back = np.unique(user_index, return_inverse=True)
    if users.size and not 0 <= users[0] <= users[-1] < indices.num_users:
        raise ValueError(
            f"`user_index` must be 0 to {indices.num_users - 1:,}; found {users[0]} to {users[-1]} (-1 is an unknown "
            "user). Use `indices.user_index(user_ids)` with users of train."
        )
    blocks = scored_blocks(scorer, users, seen_by(users, seen, indices), indices)
    lists = [top_unseen(scores, k) for _, scores in blocks]
    return np.concatenate([np.empty((0, k), np.int64), *lists])[back]


def held_out_ranks(
    scorer: Scorer, held_out: pd.DataFrame, seen: pd.DataFrame, indices: Indices, *, progress: bool = False
) -> np.ndarray:
    """Return the rank of each row's movie among all movies that its user has not seen, 1 = best: float64 `[N]`.

    rank(u, i) = 1 + |{j unseen by u: s_uj > s_ui, or s_uj = s_ui and j < i}|, counted in one pass, without sorting.
    NaN, which is in no top k, where the user or the movie has no index or the score is -inf. Raise ValueError if a
    held-out movie is among those its user has seen, or the scores have another shape or are NaN.
    """
    pairs = rated_pairs(held_out, indices)
    users = np.flatnonzero(np.diff(pairs.indptr))
    all_seen = seen_by(users, seen, indices)
    both = pairs.multiply(all_seen)
    if both.nnz:
        user, movie = (index[:3] for index in both.nonzero())
        first = [
            list(pair) for pair in zip(indices.user_ids[user].tolist(), indices.movie_ids[movie].tolist(), strict=True)
        ]
        raise ValueError(
            f"a held-out movie must not be among those its user has seen; {both.nnz:,} of {len(held_out):,} are, e.g. "
            f"[user_id, movie_id] {first}. Pass two parts of one `Split`: held_out_ranks(scorer, split.test, "
            "split.train, indices)."
        )
    user, movie = indices.user_index(held_out["user_id"]), indices.movie_index(held_out["movie_id"])
    rows = np.flatnonzero((user != UNKNOWN) & (movie != UNKNOWN))
    rows = rows[np.argsort(user[rows], kind="stable")]
    user, movie = user[rows], movie[rows]
    ranks, is_better = np.full(len(held_out), np.nan), np.empty(indices.num_movies, bool)
    for block, scores in scored_blocks(scorer, users, all_seen, indices, progress):
        here = slice(np.searchsorted(user, block[0]), np.searchsorted(user, block[-1], side="right"))
        places = np.searchsorted(block, user[here])
        for row, place, i in zip(rows[here].tolist(), places.tolist(), movie[here].tolist(), strict=True):
            of_user = scores[place]
            if of_user[i] > -np.inf:
                np.greater_equal(of_user[:i], of_user[i], out=is_better[:i])  # an equal one before it is better
                np.greater(of_user[i:], of_user[i], out=is_better[i:])
                ranks[row] = 1 + np.count_nonzero(is_better)
    return ranks


def rated_pairs(ratings: pd.DataFrame, indices: Indices) -> sparse.csr_array:
    """Return bool `[num_users, num_movies]`, True where a known user rated a known movie; movies in order."""
    user, movie = indices.user_index(ratings["user_id"]), indices.movie_index(ratings["movie_id"])
    known = (user != UNKNOWN) & (movie != UNKNOWN)
    places = (user, movie) if known.all() else (user[known], movie[known])
    pairs = sparse.csr_array((np.ones(len(places[0]), bool), places), shape=(indices.num_users, indices.num_movies))
    pairs.sort_indices()
    return pairs


def users_per_block_of(num_movies: int) -> int:
    """Return how many users are scored at a time, 16 to 1,024: not so many that their scores leave the cache."""
    return min(USERS_PER_BLOCK, max(16, SCORES_PER_BLOCK // max(num_movies, 1)))


def scored_blocks(
    scorer: Scorer, users: np.ndarray, all_seen: sparse.csr_array, indices: Indices, progress: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some of `users`, ascending, and their scores, float32 `[block, num_movies]`, -inf where seen."""
    size = users_per_block_of(indices.num_movies)
    with tqdm(total=len(users), unit="user", disable=not progress) as bar:
        for start in range(0, len(users), size):
            block = users[start : start + size]
            scores = np.array(scorer(block), dtype=np.float32)  # a copy: the scorer's own array stays as it is
            expected = (len(block), indices.num_movies)
            if scores.shape != expected:
                raise ValueError(
                    f"a scorer returns one row per user and one column per movie, {expected}; got {scores.shape}."
                )
            bad = np.isnan(scores.max(axis=1))  # the largest of a row is NaN where one of them is
            if bad.any():
                raise ValueError(
                    f"scores must be numbers; NaN for {bad.sum():,} of {len(scores):,} users, "
                    f"e.g. user_id {indices.user_ids[block[bad][:3]].tolist()}."
                )
            seen_here = all_seen[block]
            scores[np.repeat(np.arange(len(block)), np.diff(seen_here.indptr)), seen_here.indices] = -np.inf
            yield block, scores
            bar.update(len(block))


def seen_by(users: np.ndarray, seen: pd.DataFrame, indices: Indices) -> sparse.csr_array:
    """Return `rated_pairs` of these users alone; for some users of many that takes a small part of the memory."""
    is_asked = np.zeros(indices.num_users + 1, bool)  # the last is that of UNKNOWN
    is_asked[users] = True
    of_users = seen if is_asked[:-1].all() else seen[is_asked[indices.user_index(seen["user_id"])]]
    return rated_pairs(of_users, indices)


def top_unseen(scores: np.ndarray, k: int) -> np.ndarray:
    """Return `top_k`, with UNKNOWN (-1) where nothing but -inf is left, or the catalogue has fewer than k movies."""
    k = whole_number(k, "k")
    lists = top_k(scores, min(k, scores.shape[1]))
    lists = np.where(np.isneginf(np.take_along_axis(scores, lists, axis=1)), UNKNOWN, lists)
    return np.pad(lists, ((0, 0), (0, k - lists.shape[1])), constant_values=UNKNOWN)
