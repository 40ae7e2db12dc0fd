"""Sums over what somebody rated, or over who rated something: the history as a matrix, or as lists if it is large.

Taught in notebooks/05_hybrid_model; the lists in 10_serving.
"""

from typing import NamedTuple

import numpy as np

from movierec.keras2 import tf
from movierec.models.history import Entries, History


class Matrix(NamedTuple):
    """The history of each row, with a column for all that could have been rated: fast, and nearly empty.

    Attributes:
        rated, residual: float32 `[rows, others]`: 1 where rated, and how much better than expected; else 0 in both.
    """

    rated: "tf.Tensor"
    residual: "tf.Tensor"

    def sums(self, rows, watched, starred=None):
        """Σ_j (watched_j + residual_rj · starred_j), float32 `[batch, dim]`, and n_r `[batch]`, for int `[batch]`."""
        rated = tf.gather(self.rated, rows)
        total = rated @ watched
        if starred is not None:
            total += tf.gather(self.residual, rows) @ starred
        return total, tf.reduce_sum(rated, axis=1)


class Lists(NamedTuple):
    """The same, one rating after the other: memory for the ratings only, and time for those of the rows asked.

    Attributes:
        starts: int32 `[rows + 1]`; the ratings of row r are starts[r] to below starts[r + 1].
        other, residual: int32 and float32 `[N]`: the movies of a user, from the oldest rating to the newest; or the
            users of a movie.
    """

    starts: "tf.Tensor"
    other: "tf.Tensor"
    residual: "tf.Tensor"

    def entries(self, rows) -> Entries:
        """All ratings of the rows `[batch]`."""
        first, end = tf.gather(self.starts, rows), tf.gather(self.starts, rows + 1)
        places = tf.ragged.range(first, end)
        row, place = tf.cast(places.value_rowids(), tf.int32), places.values
        age = tf.cast(tf.gather(end, row) - 1 - place, tf.float32)
        return Entries(row, tf.gather(self.other, place), tf.gather(self.residual, place), age)

    def sums(self, rows, watched, starred=None):
        """As `Matrix.sums`."""
        return sums(self.entries(rows), tf.size(rows), watched, starred)


def sums(entries: Entries, num_rows, watched, starred=None):
    """Σ_j (watched_j + residual_rj · starred_j), float32 `[num_rows, dim]`, and n_r `[num_rows]`, of any histories."""
    rated = tf.gather(watched, entries.movie)  # [entries, dim]
    if starred is not None:
        rated += entries.residual[:, None] * tf.gather(starred, entries.movie)
    total = tf.math.unsorted_segment_sum(rated, entries.row, num_rows)
    return total, tf.math.unsorted_segment_sum(tf.ones_like(entries.residual), entries.row, num_rows)


def sparse(entries: Entries, values, num_rows, num_movies):
    """The values `[E]` as a matrix `[num_rows, num_movies]` that knows only them."""
    places = tf.cast(tf.stack([entries.row, entries.movie], axis=1), tf.int64)
    return tf.SparseTensor(places, values, tf.cast([num_rows, num_movies], tf.int64))


def raters(history: History, most_raters: int) -> tuple[Lists, np.ndarray]:
    """Who rated each movie, if at most `most_raters` did, else nobody; and which ratings are in there, bool `[N]`."""
    count = np.bincount(history.movie_index, minlength=history.num_movies)
    has_bag = count <= most_raters
    in_bag = has_bag[history.movie_index]
    rows = np.flatnonzero(in_bag)
    rows = rows[np.argsort(history.movie_index[rows], kind="stable")]
    starts = np.append(0, np.cumsum(count * has_bag)).astype(np.int32)
    return Lists(*map(tf.constant, (starts, history.user_index[rows], history.residual[rows]))), in_bag


class Bags(NamedTuple):
    """What each user rated, and who rated each movie.

    Attributes:
        lists: what each user rated.
        by_user, by_movie: the same and its reverse, as the stars head reads them: `Matrix` or `Lists`.
        in_movie_bag: bool `[N]` for the ratings of the history, whether the movie's bag has them; None: all.
    """

    lists: Lists
    by_user: Matrix | Lists
    by_movie: Matrix | Lists
    in_movie_bag: np.ndarray | None = None


def make_bags(history: History, most_pairs: int, most_raters: int) -> Bags:
    """Matrices; or, for more than `most_pairs` users x movies, lists, and bags only for movies with few ratings.

    A movie with many has a vector of its own in `StarsHead` instead, and they are enough to learn it from.
    """
    lists = Lists(*map(tf.constant, (history.starts, history.movie_index, history.residual)))
    if history.num_users * history.num_movies > most_pairs:
        return Bags(lists, lists, *raters(history, most_raters))
    rated, residual = map(tf.constant, history.matrices())
    return Bags(lists, Matrix(rated, residual), Matrix(tf.transpose(rated), tf.transpose(residual)))
