"""What is learned from who watched and rated what: EASE in closed form; implicit ALS and biased MF, ridge by ridge.

`implicit` and LensKit have a faster ALS; on MovieLens-100K these lines reach the same figures in seconds, and can be
read. Taught in notebooks/03_baselines, 04_embeddings and 08_evaluation.
"""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse.linalg import LinearOperator, eigsh

from movierec.baselines.popularity_and_bias import check_not_negative, check_positive, rated_matrix
from movierec.data import UNKNOWN, Indices

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
        x = sparse.csr_array(x, dtype=np.float64 if x.shape[1] <= MOST_MOVIES_IN_DOUBLE else np.float32)
        if x.shape[0] < x.shape[1]:
            p = x.T @ (_ridge_inverse(x @ x.T, regularisation) @ x)  # G
            p /= 1 - p.diagonal()
        else:
            p = _ridge_inverse(x.T @ x, regularisation)
            p /= -p.diagonal()
        np.fill_diagonal(p, 0)
        return p.astype(np.float32, copy=False)

    @staticmethod
    def factors(x, regularisation: float) -> tuple[np.ndarray, np.ndarray]:
        """Return K = (X Xᵀ + λ I)⁻¹, float32 `[rows, rows]`, and the diagonal of G = Xᵀ K X, float32 `[num_movies]`.

        They determine B, see `solve`, and are smaller where rows are fewer than movies. Memory: 8 bytes x rows x
        movies.
        """
        x = sparse.csr_array(x, dtype=np.float64)
        k = _ridge_inverse(x @ x.T, regularisation)
        return k.astype(np.float32), x.multiply(k @ x).sum(axis=0).astype(np.float32)

    @staticmethod
    def directions(x, regularisation: float, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Return F, float32 `[num_movies, rank]`, and the diagonal of F Fᵀ, float32 `[num_movies]`.

        F Fᵀ = V diag(s² / (s² + λ)) Vᵀ is the part of the G of `solve` that the `rank` largest eigenvalues s² of XᵀX
        explain; with all of them it is G. XᵀX itself is never made. Taught in notebooks/13_scale.
        """
        check_positive(regularisation=regularisation)
        x = sparse.csr_array(x, dtype=np.float64 if x.shape[1] <= MOST_MOVIES_IN_DOUBLE else np.float32)
        if rank < min(x.shape):
            start = np.random.default_rng(0).normal(size=x.shape[1])
            gram = LinearOperator(2 * x.shape[1:], lambda vector: x.T @ (x @ vector), dtype=x.dtype)  # Xᵀ X
            s_squared, v = eigsh(gram, k=rank, v0=start.astype(x.dtype))
            s_squared = s_squared.clip(0)  # what is 0 may be a little less by rounding
        else:
            _, s, vh = np.linalg.svd(x.toarray(), full_matrices=False)
            s_squared, v = s**2, vh.T
        f = (v * np.sqrt(s_squared / (s_squared + regularisation))).astype(np.float32)
        return f, (f**2).sum(axis=1)


def _ridge_inverse(gram, regularisation: float) -> np.ndarray:
    """Return (gram + λ I)⁻¹ of a symmetric sparse matrix, in its dtype, by Cholesky in place."""
    check_positive(regularisation=regularisation)
    a = gram.toarray(order="C")
    a[np.diag_indices_from(a)] += regularisation
    factorise, invert = lapack.get_lapack_funcs(("potrf", "potri"), (a,))
    # LAPACK counts columns first, so it sees the transpose: the same matrix, whose upper triangle is our lower one.
    _, failed = factorise(a.T, lower=False, clean=False, overwrite_a=True)
    if not failed:
        _, failed = invert(a.T, lower=False, overwrite_c=True)
    if failed:
        raise ValueError("XᵀX + λ I must be positive definite in floating point. Raise `regularisation`.")
    for row in range(len(a)):  # only one triangle is written
        a[row, row + 1 :] = a[row + 1 :, row]
    return a


class ImplicitAls:
    """score(u, i) = ⟨x_u, y_i⟩: vectors learned from who watched what; a movie not watched counts as a weak no.

    min Σ_ui c_ui (p_ui − ⟨x_u, y_i⟩)² + λ (Σ_u ‖x_u‖² + Σ_i ‖y_i‖²), p = 1 where rated and 0 elsewhere, c = 1 + α where
    rated and 1 elsewhere. With one side fixed, each vector of the other is a ridge regression, solved exactly; the
    sides take turns, `sweeps` times, from random movie vectors of length `factors`. All M movies enter every one of
    them, but Yᵀ C Y = Yᵀ Y + α Σ_{i rated} y_i y_iᵀ, and the first part is the same for all users.

    Source: Hu, Koren and Volinsky (2008), *Collaborative filtering for implicit feedback datasets*.
    """

    def __init__(
        self, train, indices: Indices, factors=48, alpha: float = 2, regularisation: float = 30, sweeps=10, seed=0
    ):
        check_positive(factors=factors, alpha=alpha, regularisation=regularisation, sweeps=sweeps)
        rated = rated_matrix(train, indices)
        ridge = regularisation * np.eye(factors)
        self.movies = np.random.default_rng(seed).normal(0, 0.1, (indices.num_movies, factors))

        def solved(rated, others):  # the vectors of one side, given those of the other
            return ridge_by_row(alpha * rated, (1 + alpha) * rated, others, others.T @ others + ridge)

        for _ in range(sweeps):
            self.users = solved(rated, self.movies)
            self.movies = solved(rated.T, self.users)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return (self.users[user_index] @ self.movies.T).astype(np.float32)


class BiasedMF:
    """r̂(u, i) = μ + b_u + b_i + ⟨x_u, y_i⟩: biases, and vectors for the taste they leave over. Stars.

    min Σ_rated (r_ui − r̂_ui)² + λ (Σ ‖x_u‖² + Σ ‖y_i‖²) + damping_user Σ b_u² + damping_movie Σ b_i², by alternating
    least squares: [x_u, b_u] of each user is a ridge regression on [y_i, 1], then the same for movies, `sweeps` times,
    from random movie vectors of length `factors`. λ and the dampings are in ratings: λ is about the number after which
    a taste is believed. An unknown user or movie has bias and vector 0. It is also a scorer, by r̂ over the whole
    catalogue; notebook 08 shows how badly that ranks.

    Source: Koren, Bell and Volinsky (2009), *Matrix factorization techniques for recommender systems*.
    """

    def __init__(
        self, train: pd.DataFrame, indices: Indices, factors: int = 32, regularisation: float = 14,
        damping_user: float = 5, damping_movie: float = 3, sweeps: int = 10, seed: int = 0,
    ):  # fmt: skip
        check_positive(factors=factors, regularisation=regularisation, sweeps=sweeps)
        check_not_negative(damping_user=damping_user, damping_movie=damping_movie)
        self.indices = indices
        rating = train["rating"].to_numpy(np.float64)
        self.mean, self.scale = rating.mean(), (rating.min(), rating.max())
        rated, above_mean = rated_matrix(train, indices), rated_matrix(train, indices, rating - self.mean)
        # The last column of each table is the bias.
        self.users = np.zeros((indices.num_users, factors + 1))
        self.movies = np.random.default_rng(seed).normal(0, 0.1, (indices.num_movies, factors + 1))
        self.movies[:, -1] = 0

        def solved(rated, above_mean, others, damping):  # vectors and biases of one side, given those of the other
            inputs = np.column_stack([others[:, :-1], np.ones(len(others))])
            target = above_mean - rated * others[:, -1]  # what the other side's biases leave over
            return ridge_by_row(rated, target, inputs, np.diag([*[regularisation] * factors, damping]))

        for _ in range(sweeps):
            self.users = solved(rated, above_mean, self.movies, damping_user)
            self.movies = solved(rated.T, above_mean.T, self.users, damping_movie)

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return float32 stars `[N]` for rows of user_id, movie_id, clipped to train's scale."""
        user, movie = self.indices.user_index(ratings["user_id"]), self.indices.movie_index(ratings["movie_id"])
        x = np.where((user == UNKNOWN)[:, None], 0, self.users[user])
        y = np.where((movie == UNKNOWN)[:, None], 0, self.movies[movie])
        stars = self.mean + x[:, -1] + y[:, -1] + (x[:, :-1] * y[:, :-1]).sum(axis=1)
        return stars.clip(*self.scale).astype(np.float32)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        x = self.users[user_index]
        stars = self.mean + x[:, -1:] + self.movies[:, -1] + x[:, :-1] @ self.movies[:, :-1].T
        return stars.astype(np.float32)


def ridge_by_row(weight, target, inputs: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Solve one ridge regression for each row r: (penalty + Σ_j weight_rj z_j z_jᵀ)⁻¹ Σ_j target_rj z_j. `[rows, d]`.

    `weight` and `target` are sparse `[rows, others]`, `inputs` z float64 `[others, d]`, `penalty` float64 `[d, d]`.
    All products z zᵀ are made at once, others × d² numbers, and summed by one sparse product: in a loop over the rows,
    the threads of BLAS fight over products too small for them, and cost seven times the CPU seconds.
    """
    d = inputs.shape[1]
    products = (inputs[:, :, None] * inputs[:, None, :]).reshape(len(inputs), d * d)
    weight = weight.tocsr()
    gram = (weight @ products).reshape(-1, d, d) + penalty
    gram[np.diff(weight.indptr) == 0] = np.eye(d)  # nothing rated: 0, even where nothing is damped
    return np.linalg.solve(gram, (target.tocsr() @ inputs)[:, :, None])[:, :, 0]
