"""Scores in, the best of each row out. Numpy only; equal scores always fall in the order of the index."""

import numpy as np

GROUPS_PER_PLACE = 8  # of columns, for each place of a list
LEAST_WIDTH = 64  # columns a group; with fewer a partition is as fast


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best movie indices of each row, best first; equal scores in the order of the index. int64 `[U, k]`.

    Only a few are sorted. In long rows, the k-th largest of the maxima of 8 k groups is a limit that at least k scores
    reach, and few others: two looks at 42,000 scores instead of a partition. In short rows a partition is as fast.

    Raises:
        ValueError: if k is not 1 to the number of movies.
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
    best = np.nonzero(_largest(scores, k))[1].reshape(len(scores), k)  # ascending index in each row
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def keep_largest(rows: np.ndarray, count: int) -> None:
    """Nothing; sets all but the `count` largest entries of each row to 0, in place; of equal ones the first are kept.

    Raises:
        ValueError: if count is below 1.
    """
    if count < 1:
        raise ValueError(f"`neighbours` must be 1 or more, got {count}.")
    if count < rows.shape[1]:
        rows[~_largest(rows, count)] = 0


def _largest(rows: np.ndarray, count: int) -> np.ndarray:
    """bool, the shape of `rows`: exactly `count` True in each row, at its largest entries."""
    place = rows.shape[1] - count
    least = np.partition(rows, place, axis=1)[:, place, None]  # the smallest that is kept
    larger, equal = rows > least, rows == least
    missing = count - larger.sum(axis=1, keepdims=True)  # so many of the equal ones are kept, the first
    crowded = equal.sum(axis=1) > missing[:, 0]  # elsewhere all of them are, and counting can be saved
    equal[crowded] &= equal[crowded].cumsum(axis=1) <= missing[crowded]
    return larger | equal
