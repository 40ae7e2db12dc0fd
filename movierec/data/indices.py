"""Ids as published in, row numbers out: `user_id`, `movie_id` -> `user_index`, `movie_index`, from 0.

Taught in notebooks/02_preprocessing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

UNKNOWN = -1  # the index of an id that is not known


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
        movie_ids = np.concatenate([movie_ids, movies["movie_id"].to_numpy()])
    return Indices(*(np.unique(np.asarray(ids)).astype(np.int64) for ids in (train["user_id"].unique(), movie_ids)))


def _positions(known: pd.Index, ids) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.size and not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids are whole numbers as published, got {ids.dtype}, e.g. {ids.ravel()[:3].tolist()}.")
    found = known.get_indexer(ids.ravel())  # UNKNOWN where an id is missing
    return found.astype(np.int32).reshape(ids.shape)
