"""Which films each user rated, when, and how far above expectation; and sums over them, which both heads read.

Taught in notebooks/05_hybrid_model; windows in 10_self_attention; histories as lists in 13_scale.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from movierec.baselines import Bias
from movierec.data import UNKNOWN, Indices, order_by_user_and_time
from movierec.keras2 import tf

GAP_EDGES_SECONDS = (1, 60, 600, 3600, 86_400, 604_800)  # same second, minute, ten minutes, hour, day, week, longer
NUM_GAPS = len(GAP_EDGES_SECONDS) + 1


class History(NamedTuple):
    """The ratings of train, user by user, and each user's from the oldest to the newest (ties as in the file)."""

    user_index: np.ndarray  # int32 [N], the implicit signal: who rated
    movie_index: np.ndarray  # int32 [N], which film
    residual: np.ndarray  # float32 [N], the explicit signal: stars above what the biases expect
    timestamp: np.ndarray  # int64 [N], Unix seconds
    num_users: int  # as in `Indices`
    num_movies: int
    in_order: bool  # whether predictions are for a time after all of it, as in a split in time

    @property
    def starts(self) -> np.ndarray:
        """int32 `[num_users + 1]`: user u's ratings are the rows from starts[u] to starts[u + 1]."""
        every = np.arange(self.num_users + 1, dtype=self.user_index.dtype)
        return np.searchsorted(self.user_index, every).astype(np.int32)

    @property
    def age(self) -> np.ndarray:
        """How many newer ratings the same user has, int32 `[N]`; 0 for the newest."""
        return self.starts[self.user_index + 1] - np.arange(1, len(self.user_index) + 1, dtype=np.int32)

    def blocks(self, rows: int) -> Iterator["History"]:
        """Yield the whole histories of some users after those of others; each block has about so many ratings."""
        lasts = self.user_index[rows - 1 :: rows]
        ends = np.searchsorted(self.user_index, lasts, side="right")
        for first, end in pairwise(np.unique([0, *ends, len(self.user_index)])):
            user, movie, residual, timestamp = (column[first:end] for column in self[:4])
            yield self._replace(user_index=user, movie_index=movie, residual=residual, timestamp=timestamp)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return rated and residual, float32 `[num_users, num_movies]` each: 1 where rated; 0 elsewhere in both."""
        rated, residual = np.zeros((2, self.num_users, self.num_movies), np.float32)
        rated[self.user_index, self.movie_index] = 1
        residual[self.user_index, self.movie_index] = self.residual
        return rated, residual

    def rated(self) -> sparse.csr_array:
        """Return 1 where rated, sparse float32 `[num_users, num_movies]`: 8 bytes a rating."""
        shape = self.num_users, self.num_movies
        ones = np.ones(len(self.movie_index), np.float32)
        return sparse.csr_array((ones, self.movie_index, self.starts), shape)


def make_history(train: pd.DataFrame, indices: Indices, bias: Bias, in_order: bool = False) -> History:
    """Return the history of every user in `train`; see `History` for `in_order`."""
    user, movie = indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])
    timestamp = train["timestamp"].to_numpy()
    order = order_by_user_and_time(user, timestamp)
    columns = user, movie, bias.residuals(train).astype(np.float32), timestamp.astype(np.int64, copy=False)
    return History(*(column[order] for column in columns), indices.num_users, indices.num_movies, in_order)


# ---- sums over histories


class Entries(NamedTuple):
    """The ratings of a batch of people, one after the other, as tensors `[E]`."""

    row: tf.Tensor  # int32, the person's place in the batch; ascending
    movie: tf.Tensor  # int32, movie_index
    residual: tf.Tensor  # float32, stars above expectation
    age: tf.Tensor  # float32, how many newer ratings the person has


class Matrix(NamedTuple):
    """The history of each row as float32 `[rows, others]`: 1 where rated, and stars above expectation; else 0."""

    rated: tf.Tensor
    residual: tf.Tensor

    def sums(self, rows, watched, starred=None):
        """Return Σ_j (watched_j + residual_rj · starred_j), float32 `[batch, dim]`, and n_r `[batch]`."""
        rated = tf.gather(self.rated, rows)
        total = rated @ watched
        if starred is not None:
            total += tf.gather(self.residual, rows) @ starred
        return total, tf.reduce_sum(rated, axis=1)


class Lists(NamedTuple):
    """The history of each row, one rating after the other: memory and time for the ratings only."""

    starts: tf.Tensor  # int32 [rows + 1]; the ratings of row r are starts[r] to below starts[r + 1]
    other: tf.Tensor  # int32 [N], the movies of a user, from the oldest rating to the newest
    residual: tf.Tensor  # float32 [N], stars above expectation

    def entries(self, rows) -> Entries:
        """Return all ratings of the rows `[batch]`."""
        first, end = tf.gather(self.starts, rows), tf.gather(self.starts, rows + 1)
        places = tf.ragged.range(first, end)
        row, place = tf.cast(places.value_rowids(), tf.int32), places.values
        age = tf.cast(tf.gather(end, row) - 1 - place, tf.float32)
        return Entries(row, tf.gather(self.other, place), tf.gather(self.residual, place), age)

    def sums(self, rows, watched, starred=None):
        """Return what `Matrix.sums` does."""
        return sums(self.entries(rows), tf.size(rows), watched, starred)


def rated_vectors(entries: Entries, watched, starred=None):
    """Return watched_j + residual_j · starred_j of each rating, float32 `[E, dim]`."""
    vectors = tf.gather(watched, entries.movie)
    return vectors if starred is None else vectors + entries.residual[:, None] * tf.gather(starred, entries.movie)


def sums(entries: Entries, num_rows, watched, starred=None):
    """Return Σ_j (watched_j + residual_j · starred_j), float32 `[num_rows, dim]`, and n_r `[num_rows]`."""
    total = tf.math.unsorted_segment_sum(rated_vectors(entries, watched, starred), entries.row, num_rows)
    return total, tf.math.unsorted_segment_sum(tf.ones_like(entries.residual), entries.row, num_rows)


def weighted_sums(entries: Entries, weight, num_rows, table, training=False):
    """Return Σ_j weight_j · table_j, float32 `[num_rows, dim]`: a product with a sparse matrix of the weights `[E]`.

    It and its gradient for the table run on the CPU: on a GPU, TensorFlow has no deterministic kernel for them. A table
    that is not kept as a matrix, such as `FewUsers` or `LowRank`, sums on its own.
    """
    if hasattr(table, "sums"):
        return table.sums(entries, weight, num_rows)
    places = tf.cast(tf.stack([entries.row, entries.movie], axis=1), tf.int64)
    matrix = tf.SparseTensor(places, weight, tf.cast([num_rows, tf.shape(table)[0]], tf.int64))

    def product(dense, adjoint=False):
        with tf.device("CPU:0"):
            return tf.sparse.sparse_dense_matmul(matrix, dense, adjoint_a=adjoint)

    if not training:  # a SavedModel cannot keep a gradient of our own
        return product(table)
    with_gradient = tf.custom_gradient(lambda dense: (product(dense), lambda upstream: product(upstream, True)))
    return with_gradient(tf.convert_to_tensor(table))


class Bags(NamedTuple):
    """The ratings of each user and of each movie."""

    lists: Lists  # of each user
    by_user: Matrix | Lists  # the same, as the stars head reads them
    by_movie: Matrix  # the same of each movie
    rater_index: np.ndarray | None = None  # int32 [num_users], the column of each user in `by_movie`; None: user_index


def make_bags(history: History, most_pairs: int, most_raters: int) -> Bags:
    """Return matrices, or lists if users x movies are more than `most_pairs`.

    With lists, the bag of a movie has the ratings of the `most_raters` users with the most ratings, as a matrix of 8
    bytes x movies x `most_raters`. Few users give most ratings: 59 % of MovieLens-100K's came from a quarter of them.
    A movie that none of these users rated has an empty bag, and its stars come from its bias and features.
    """
    lists = Lists(*map(tf.constant, (history.starts, history.movie_index, history.residual)))
    if history.num_users * history.num_movies <= most_pairs:
        rated, residual = map(tf.constant, history.matrices())
        return Bags(lists, Matrix(rated, residual), Matrix(tf.transpose(rated), tf.transpose(residual)))
    most_active = np.sort(np.argsort(-np.diff(history.starts), kind="stable")[:most_raters])
    rater_index = np.full(history.num_users, UNKNOWN, np.int32)
    rater_index[most_active] = np.arange(len(most_active))
    rater = rater_index[history.user_index]
    is_read = rater != UNKNOWN
    rated, residual = np.zeros((2, history.num_movies, len(most_active)), np.float32)
    rated[history.movie_index[is_read], rater[is_read]] = 1
    residual[history.movie_index[is_read], rater[is_read]] = history.residual[is_read]
    return Bags(lists, lists, Matrix(tf.constant(rated), tf.constant(residual)), rater_index)


# ---- histories as sequences


class Windows(NamedTuple):
    """Stretches of histories, int32 `[N, length]` each, read from left to right; short ones are padded on the left."""

    film: np.ndarray  # movie_index, or num_movies where there is no film
    gap: np.ndarray  # the time since the film before, a row of GAP_EDGES_SECONDS; NUM_GAPS − 1 if there is none
    next_film: np.ndarray  # the target: the film that came next, or num_movies where there is none


def windows(history: History, length: int) -> Windows:
    """Return all histories cut into windows from their newest end; every film but a user's first is a target once.

    Raises:
        ValueError: if no user has two films.
    """
    starts, counts = history.starts[:-1], np.diff(history.starts)
    pieces = np.maximum(counts - 1 + length - 1, 0) // length  # of each user: the places that have a next film
    if not pieces.any():
        raise ValueError(
            f"a user must have two films, or there is no next film; each of the {len(counts):,} users has at most one. "
            "Fit on more ratings."
        )
    piece = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)  # 0 is the newest
    end = np.repeat(starts + counts - 1, pieces) - length * piece
    film, gap, place = _read(history, np.repeat(starts, pieces), end, length)
    following = history.movie_index[np.minimum(place + 1, len(history.movie_index) - 1)]
    return Windows(film, gap, np.where(film == history.num_movies, history.num_movies, following).astype(np.int32))


def newest(history: History, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return film and gap of each user's newest films, int32 `[num_users, length]` each: the input at prediction."""
    return _read(history, history.starts[:-1], history.starts[1:], length)[:2]


def _read(history: History, starts: np.ndarray, ends: np.ndarray, length: int) -> tuple:
    """Return film, gap, and their rows in the history, `[N, length]`: the last `length` ratings before each end."""
    seconds = np.diff(history.timestamp, prepend=0).astype(float)
    seconds[history.starts[:-1][np.diff(history.starts) > 0]] = np.inf  # a user's first rating
    gap = np.searchsorted(GAP_EDGES_SECONDS, seconds, side="right")
    place = ends[:, None] - length + np.arange(length)
    there = place >= starts[:, None]
    place = np.where(there, place, 0)
    film = np.where(there, history.movie_index[place], history.num_movies).astype(np.int32)
    return film, np.where(there, gap[place], NUM_GAPS - 1).astype(np.int32), place
