"""EASE: an item-item model whose weights are solved in closed form, and memory for catalogues of ten thousand movies.

Taught in notebooks/03_baselines.
"""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse.linalg import svds

from movierec.baselines.popularity_and_bias import check_positive, rated_matrix
from movierec.data import Indices

MOST_MOVIES_IN_DOUBLE = 4096  # EASE's inverse is computed in float64 up to here (0.13 GB), and in float32 beyond


class Ease:
    """score(u, ·) = x_u B: the weights B that give the table of ratings back best, no movie predicting itself.

    min_B ‖X − X B‖² + λ ‖B‖² with B_jj = 0 is solved by B_ij = −P_ij / P_jj, P = (Xᵀ X + λ I)⁻¹; X is 1 where rated,
    and `regularisation` λ > 0 is in ratings.

    Source: Steck (2019), *Embarrassingly shallow autoencoders for sparse data*.
    """

    def __init__(self, train: pd.DataFrame, indices: Indices, regularisation: float = 150):
        self.rated = rated_matrix(train, indices)
        self.weights = self.solve(self.rated, regularisation)  # [num_movies, num_movies]

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return np.asarray(self.rated[user_index] @ self.weights, dtype=np.float32)

    @staticmethod
    def solve(x, regularisation: float) -> np.ndarray:
        """Return B, float32 `[num_movies, num_movies]`, for any table x `[rows, num_movies]`, sparse or dense.

        Memory: XᵀX is summed as a sparse matrix, 12 bytes for each pair of movies that some row shares, and becomes B
        in place: 4 M² bytes, 0.38 GB for 9,742 movies. If x has fewer rows than movies, only a matrix `[rows, rows]` is
        inverted: λ P = I − G with G = Xᵀ (X Xᵀ + λ I)⁻¹ X (Woodbury), so B_ij = G_ij / (1 − G_jj).
        """
        check_positive(regularisation=regularisation)
        dtype = np.float64 if x.shape[1] <= MOST_MOVIES_IN_DOUBLE else np.float32
        x = sparse.csr_array(x, dtype=dtype)
        has_few_rows = x.shape[0] < x.shape[1]
        p = (x @ x.T if has_few_rows else x.T @ x).toarray(order="C")
        p[np.diag_indices_from(p)] += regularisation
        _invert_in_place(p)
        if has_few_rows:
            p = x.T @ (p @ x)  # G
            p /= 1 - p.diagonal()
        else:
            p /= -p.diagonal()
        np.fill_diagonal(p, 0)
        return p.astype(np.float32, copy=False)

    @staticmethod
    def factors(x, regularisation: float) -> tuple[np.ndarray, np.ndarray]:
        """Return K = (X Xᵀ + λ I)⁻¹, float32 `[rows, rows]`, and the diagonal of G = Xᵀ K X, float32 `[num_movies]`.

        They determine B, see `solve`, and are smaller where rows are fewer than movies. Memory: 8 bytes x rows x
        movies.
        """
        check_positive(regularisation=regularisation)
        x = sparse.csr_array(x, dtype=np.float64)
        k = (x @ x.T).toarray(order="C")
        k[np.diag_indices_from(k)] += regularisation
        _invert_in_place(k)
        return k.astype(np.float32), x.multiply(k @ x).sum(axis=0).astype(np.float32)

    @staticmethod
    def directions(x, regularisation: float, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Return F, float32 `[num_movies, rank]`, and the diagonal of F Fᵀ, float32 `[num_movies]`.

        F Fᵀ = V diag(s² / (s² + λ)) Vᵀ is the part of the G of `solve` that the `rank` largest singular values s of X
        explain; with all of them it is G. Taught in notebooks/13_scale.
        """
        check_positive(regularisation=regularisation)
        x = sparse.csr_array(x, dtype=np.float64)
        if rank < min(x.shape):
            _, s, v = svds(x, k=rank, rng=np.random.default_rng(0))
        else:
            _, s, v = np.linalg.svd(x.toarray(), full_matrices=False)
        f = (v.T * (s / np.sqrt(s**2 + regularisation))).astype(np.float32)
        return f, (f**2).sum(axis=1)


def _invert_in_place(a: np.ndarray) -> None:
    """Replace a symmetric positive definite matrix in C order by its inverse (Cholesky)."""
    factorise, invert = lapack.get_lapack_funcs(("potrf", "potri"), (a,))
    # LAPACK counts columns first, so it sees the transpose: the same matrix, whose upper triangle is our lower one.
    _, failed = factorise(a.T, lower=False, clean=False, overwrite_a=True)
    if not failed:
        _, failed = invert(a.T, lower=False, overwrite_c=True)
    if failed:
        raise ValueError("XᵀX + λ I must be positive definite in floating point. Raise `regularisation`.")
    for row in range(len(a)):  # only one triangle is written
        a[row, row + 1 :] = a[row + 1 :, row]
