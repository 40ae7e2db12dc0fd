"""The linear path: EASE's item-item weights as a matrix, or what stands for it where that would be too large."""

from dataclasses import dataclass

from movierec.baselines import Ease
from movierec.keras2 import tf
from movierec.models.history import Entries, History, Lists, weighted_sums
from movierec.models.settings import MOST_LINEAR_MOVIES, RANK_BEYOND, Settings

MOST_MOVIES_IN_MATRIX = 4096  # up to here B, 4 bytes x movies², is small enough: 67 MB
MOVIES_PER_USER = 4  # that a larger catalogue must have at least, for `FewUsers` to take a sixteenth of the memory of B


@dataclass(frozen=True)
class FewUsers:
    """EASE's item-item weights B for many movies and few users, without that matrix.

    With x [users, movies] 1 where rated, K = (x xᵀ + λ I)⁻¹ and G = xᵀ K x, B_ij = G_ij / (1 − G_jj) and B_jj = 0
    (Woodbury, as in `Ease.solve`). So w B = (((w xᵀ) K) x − w ∘ g) / (1 − g) with g = diag G: products with x, which
    is sparse, and with K, 4 bytes x users²: 1.5 MB for 610 users and 9,742 movies, of which B takes 380 MB.

    Args:
        matrix, own: K, float32 `[users, users]`; g, float32 `[movies]`; see `Ease.factors`.
        rated: the movies of each user.
    """

    matrix: tf.Tensor
    own: tf.Tensor
    rated: Lists

    def sums(self, entries: Entries, weight, num_rows):
        """Return w B, float32 `[num_rows, movies]`; w has the weights `[E]` at the places of the entries."""
        num_users, num_movies = self.matrix.shape[0], self.own.shape[0]
        everybody = self.rated.entries(tf.range(num_users))
        places = tf.cast(tf.stack([everybody.row, everybody.movie], axis=1), tf.int64)
        x = tf.SparseTensor(places, tf.ones_like(everybody.residual), [num_users, num_movies])
        w = tf.scatter_nd(tf.stack([entries.movie, entries.row], axis=1), weight, [num_movies, num_rows])
        with tf.device("CPU:0"):  # as `weighted_sums`
            of_users = self.matrix @ tf.sparse.sparse_dense_matmul(x, w)  # [users, num_rows]
            total = tf.sparse.sparse_dense_matmul(x, of_users, adjoint_a=True)
        own = self.own[:, None]
        return tf.transpose((total - own * w) / (1 - own))


@dataclass(frozen=True)
class LowRank:
    """EASE's item-item weights from the r strongest directions of the ratings, for a catalogue too large for B.

    F Fᵀ stands for the G of `FewUsers`: w B ≈ ((w F) Fᵀ − w ∘ g) / (1 − g) with g = diag F Fᵀ. F takes 4 bytes x
    movies x r: 34 MB for 42,000 movies and 200 directions, where B would take 7 GB. Taught in notebooks/13_scale.

    Args:
        matrix, own: F, float32 `[movies, r]`; g, float32 `[movies]`; see `Ease.directions`.
    """

    matrix: tf.Tensor
    own: tf.Tensor

    def sums(self, entries: Entries, weight, num_rows):
        """Return w B, float32 `[num_rows, movies]`; w has the weights `[E]` at the places of the entries."""
        total = tf.matmul(weighted_sums(entries, weight, num_rows, self.matrix), self.matrix, transpose_b=True)
        places = tf.stack([entries.row, entries.movie], axis=1)
        w = tf.scatter_nd(places, weight, [num_rows, self.own.shape[0]])
        return (total - self.own * w) / (1 - self.own)


def rank_of(num_movies: int, settings: Settings) -> int:
    """Return how many directions the linear path keeps; 0: all, by a matrix or `FewUsers`."""
    return settings.linear_rank or (RANK_BEYOND if num_movies > MOST_LINEAR_MOVIES else 0)


def make_linear(history: History, rated: Lists, settings: Settings, solved=None):
    """Return B as a tensor `[movies, movies]`, as `FewUsers` or as `LowRank`.

    `solved`: what was solved before: B; or K and g, or F and g, as a pair.
    """
    rank, regularisation = rank_of(history.num_movies, settings), settings.linear_regularisation
    is_large = history.num_movies > max(MOST_MOVIES_IN_MATRIX, MOVIES_PER_USER * history.num_users - 1)
    if rank:
        solved = Ease.directions(history.rated(), regularisation, rank) if solved is None else solved
        return LowRank(*map(tf.constant, solved))
    if solved is None:
        solve = Ease.factors if is_large else Ease.solve
        solved = solve(history.rated(), regularisation)
    return FewUsers(*map(tf.constant, solved), rated) if isinstance(solved, tuple) else tf.constant(solved)
