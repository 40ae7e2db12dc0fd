"""The linear path: EASE's item-item weights as a matrix, or by a matrix of users where these are few."""

from movierec.baselines import Ease
from movierec.keras2 import tf
from movierec.models.history import Entries, History, Lists

MOST_MOVIES_IN_MATRIX = 4096  # up to here B, 4 bytes x movies², is small enough: 67 MB
MOVIES_PER_USER = 4  # that a larger catalogue must have at least, for `FewUsers` to take a sixteenth of the memory of B


class FewUsers:
    """EASE's item-item weights B for many movies and few users, without that matrix.

    With x [users, movies] 1 where rated, K = (x xᵀ + λ I)⁻¹ and G = xᵀ K x, B_ij = G_ij / (1 − G_jj) and B_jj = 0
    (Woodbury, as in `Ease.solve`). So w B = (((w xᵀ) K) x − w ∘ g) / (1 − g) with g = diag G: products with x, which
    is sparse, and with K, 4 bytes x users²: 1.5 MB for 610 users and 9,742 movies, of which B takes 380 MB.

    Args:
        rated: the movies of each user.
        inverse, own: K, float32 `[users, users]`; g, float32 `[movies]`; see `Ease.factors`.
    """

    def __init__(self, rated: Lists, inverse, own):
        self.rated, self.inverse, self.own = rated, inverse, own

    def sums(self, entries: Entries, weight, num_rows):
        """Return w B, float32 `[num_rows, movies]`; w has the weights `[E]` at the places of the entries."""
        num_users, num_movies = self.inverse.shape[0], self.own.shape[0]
        everybody = self.rated.entries(tf.range(num_users))
        places = tf.cast(tf.stack([everybody.row, everybody.movie], axis=1), tf.int64)
        x = tf.SparseTensor(places, tf.ones_like(everybody.residual), [num_users, num_movies])
        w = tf.scatter_nd(tf.stack([entries.movie, entries.row], axis=1), weight, [num_movies, num_rows])
        with tf.device("CPU:0"):  # as `weighted_sums`
            of_users = self.inverse @ tf.sparse.sparse_dense_matmul(x, w)  # [users, num_rows]
            total = tf.sparse.sparse_dense_matmul(x, of_users, adjoint_a=True)
        own = self.own[:, None]
        return tf.transpose((total - own * w) / (1 - own))


def make_linear(history: History, rated: Lists, regularisation: float, solved=None):
    """Return B as a tensor `[movies, movies]`, or as `FewUsers`; `solved`: what was solved before, B or (K, g)."""
    is_large = history.num_movies > max(MOST_MOVIES_IN_MATRIX, MOVIES_PER_USER * history.num_users - 1)
    if solved is None:
        solve = Ease.factors if is_large else Ease.solve
        solved = solve(history.rated(), regularisation)
    return FewUsers(rated, *map(tf.constant, solved)) if isinstance(solved, tuple) else tf.constant(solved)
