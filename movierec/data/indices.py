"""Ids as published in, row numbers out: `user_id`, `movie_id` -> `user_index`, `movie_index`, from 0.

Taught in notebooks/02_preprocessing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

PAIR = ["user_id", "movie_id"]
UNKNOWN = -1  # the index of an id that is not known


@dataclass(frozen=True, repr=False)
class Indices:
    """The order of users and movies in every table of embeddings and every matrix of scores."""

    user_ids: np.ndarray  # int64 [num_users], ascending; the user with index i is user_ids[i]
    movie_ids: np.ndarray  # int64 [num_movies], ascending

    def __repr__(self) -> str:
        return f"Indices({self.num_users:,} users, {self.num_movies:,} movies)"

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_movies(self) -> int:
        return len(self.movie_ids)

    def user_index(self, user_id) -> np.ndarray:
        """Return int32, the shape of `user_id`; UNKNOWN (-1) where the user is not known."""
        return _positions(self._users, user_id)

    def movie_index(self, movie_id) -> np.ndarray:
        """Return int32, the shape of `movie_id`; UNKNOWN (-1) where the movie is not known."""
        return _positions(self._movies, movie_id)

    @cached_property
    def _users(self) -> pd.Index:
        return pd.Index(self.user_ids)

    @cached_property
    def _movies(self) -> pd.Index:
        return pd.Index(self.movie_ids)


def make_indices(train: pd.DataFrame, movies: pd.DataFrame | None = None) -> Indices:
    """Return the indices of the users in `train` and of the movies in `train` or in the table `movies`.

    A movie that nobody rated in train still has an index: it can be recommended by what is known about it.
    """
    movie_ids = train["movie_id"].unique()
    if movies is not None:
        movie_ids = np.concatenate([movie_ids, movies["movie_id"]])
    return Indices(*(np.unique(np.asarray(ids)).astype(np.int64) for ids in (train["user_id"].unique(), movie_ids)))


def _positions(known: pd.Index, ids) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.size and not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids are whole numbers as published, got {ids.dtype}, e.g. {ids.ravel()[:3].tolist()}.")
    found = known.get_indexer(ids.ravel())  # UNKNOWN where an id is missing
    return found.astype(np.int32).reshape(ids.shape)


def pair_key(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Return int64 `[N]` that sorts as (first, second) do and is equal only where both are.

    key = (first − min first) · (max second − min second + 1) + second − min second. Two columns, sorted or hashed, take
    ten times as long. None for what are not signed integers, and where the key does not fit into 63 bits.
    """
    if not len(first) or first.dtype.kind != "i" or second.dtype.kind != "i":
        return None
    low = int(first.min())
    other_low = int(second.min())
    width = int(second.max()) - other_low + 1
    if (int(first.max()) - low + 1) * width >= 2**63:
        return None
    return (first.astype(np.int64) - low) * width + second - other_low


def pair_repeats(ratings: pd.DataFrame) -> bool:
    """Return whether a user and a movie are together in two rows of `ratings`."""
    key = pair_key(ratings["user_id"].to_numpy(), ratings["movie_id"].to_numpy())
    if key is None:
        return bool(ratings.duplicated(PAIR).any())
    key.sort()
    return bool((key[1:] == key[:-1]).any())


def order_by_user_and_time(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the rows by user, and each user's by time: int64 `[N]`; ties as they stand, NaN last."""
    key = pair_key(user, time)
    return np.lexsort((time, user)) if key is None else np.argsort(key, kind="stable")
