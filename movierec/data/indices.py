"""Ids as published in, row numbers out: `user_id`, `movie_id` -> `user_index`, `movie_index`, from 0.

Taught in notebooks/02_preprocessing.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

UNKNOWN = -1  # the index of an id that is not known
BLOCK = 1 << 20  # ids looked up at a time: bounds what is in between at 20 MB


@dataclass(frozen=True, repr=False)
class Indices:
    """The order of users and movies in every table of embeddings and every matrix of scores.

    Attributes:
        user_ids: int64 `[num_users]`, ascending; the user with index i is user_ids[i].
        movie_ids: int64 `[num_movies]`, ascending.
    """

    user_ids: np.ndarray
    movie_ids: np.ndarray

    def __repr__(self) -> str:
        return f"Indices({self.num_users:,} users, {self.num_movies:,} movies)"

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_movies(self) -> int:
        return len(self.movie_ids)

    def user_index(self, user_id) -> np.ndarray:
        """int32, the shape of `user_id`; UNKNOWN (-1) where the user is not known."""
        return _positions(self.user_ids, user_id)

    def movie_index(self, movie_id) -> np.ndarray:
        """int32, the shape of `movie_id`; UNKNOWN (-1) where the movie is not known."""
        return _positions(self.movie_ids, movie_id)


def make_indices(train: pd.DataFrame, movies: pd.DataFrame | None = None) -> Indices:
    """Indices of the users in `train` and of the movies in `train` or in the table `movies`.

    A movie that nobody rated in train still has an index: it can be recommended by what is known about it.
    """
    user_ids, movie_ids = train["user_id"].unique(), train["movie_id"].unique()
    if movies is not None:
        movie_ids = np.concatenate([movie_ids, movies["movie_id"].to_numpy()])
    return Indices(*(np.unique(np.asarray(ids)).astype(np.int64) for ids in (user_ids, movie_ids)))


def _positions(sorted_ids: np.ndarray, ids) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.size and not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids are whole numbers as published, got {ids.dtype}, e.g. {ids.ravel()[:3].tolist()}.")
    if not _by_table(sorted_ids, ids):
        position = np.searchsorted(sorted_ids, ids).clip(max=len(sorted_ids) - 1)
        return np.where(sorted_ids[position] == ids, position, UNKNOWN).astype(np.int32)
    low, high = int(sorted_ids[0]), int(sorted_ids[-1])
    table = np.full(high - low + 2, UNKNOWN, np.int32)  # the last row is for what is out of range
    table[sorted_ids - low] = np.arange(len(sorted_ids))
    flat, found = ids.reshape(-1), np.empty(ids.size, np.int32)
    for start in range(0, len(flat), BLOCK):
        offset = flat[start : start + BLOCK].astype(np.int64) - low
        outside = offset.view(np.uint64) > high - low  # below 0 is very large without a sign
        offset[outside] = high - low + 1
        found[start : start + BLOCK] = table[offset]
    return found.reshape(ids.shape)


def _by_table(sorted_ids: np.ndarray, ids: np.ndarray) -> bool:
    """Whether a table of all ids from the first to the last is worth its room: at most 8 bytes for each that is asked.

    Twenty million look-ups take a fifth of a second in a table, three seconds by bisection.
    """
    whole = sorted_ids.dtype.kind == "i" and (ids.dtype.kind == "i" or ids.dtype.itemsize < 8)
    return whole and len(sorted_ids) > 0 and int(sorted_ids[-1]) - int(sorted_ids[0]) < 2 * ids.size
