"""The linear path without its matrix, against arithmetic on paper and against the matrix of `Ease.solve`.

Protected: few users and many films cost memory for the users, and the scores are those of EASE.
"""

import numpy as np
import pytest
from scipy import sparse

from movierec.baselines import Ease
from movierec.keras2 import tf
from movierec.models import Entries, FewUsers, Lists, LowRank, Settings, rank_of

RATED = np.array([[1, 1, 0], [0, 1, 1]])  # two users, three films


def _few_users(x, regularisation):
    users, movies = np.nonzero(x)
    starts = np.append(0, np.cumsum(np.count_nonzero(x, axis=1))).astype(np.int32)
    lists = Lists(*map(tf.constant, (starts, movies.astype(np.int32), np.zeros(len(users), np.float32))))
    return FewUsers(*map(tf.constant, Ease.factors(sparse.csr_array(x), regularisation)), lists)


def _entries(row, movie):
    row, movie = np.array(row, np.int32), np.array(movie, np.int32)
    return Entries(*map(tf.constant, (row, movie, np.zeros(len(row), np.float32), np.zeros(len(row), np.float32))))


def test_the_factors_are_those_on_paper():
    """x xᵀ + I = [[3, 1], [1, 3]], whose inverse is [[3, −1], [−1, 3]] / 8; film 1: (1, 1) K (1, 1)ᵀ = 4 / 8."""
    inverse, own = Ease.factors(sparse.csr_array(RATED), 1)
    np.testing.assert_allclose(inverse, [[3 / 8, -1 / 8], [-1 / 8, 3 / 8]], rtol=1e-6)
    np.testing.assert_allclose(own, [3 / 8, 4 / 8, 3 / 8], rtol=1e-6)
    assert inverse.dtype == own.dtype == np.float32


def test_the_sums_are_those_on_paper():
    """G_01 = 2/8, G_02 = −1/8, G_12 = 2/8. B_01 = (2/8) / (1 − 4/8) = .5, B_10 = B_12 = .4, B_02 = −.2, B_21 = .5.

    Two of film 0 and one of film 1: .4, 2 · .5, 2 · −.2 + .4. Film 2 alone is the row of B. Nobody rated anything: 0.
    """
    linear = _few_users(RATED, 1)
    sums = linear.sums(_entries([0, 0, 1], [0, 1, 2]), tf.constant([2.0, 1.0, 1.0]), 3)
    np.testing.assert_allclose(sums, [[0.4, 1, 0], [-0.2, 0.5, 0], [0, 0, 0]], atol=1e-6)


def _low_rank(x, regularisation):
    return LowRank(*map(tf.constant, Ease.directions(x, regularisation, 10_000)))


@pytest.mark.parametrize(("kind", "error"), [(_few_users, 1e-6), (_low_rank, 1e-5)])
@pytest.mark.parametrize("shape", [(20, 300), (1, 50), (60, 40)])
def test_they_are_those_of_the_matrix(shape, kind, error):
    """Of the users' factors, and of all directions."""
    rng = np.random.default_rng(0)
    x = (rng.random(shape) < 0.2).astype(float)
    x[:, 0] = 0  # a film that nobody rated
    dense = (rng.random((5, shape[1])) < 0.3) * rng.random((5, shape[1]), np.float32)
    row, movie = np.nonzero(dense)
    sums = kind(x, 10).sums(_entries(row, movie), tf.constant(dense[row, movie]), 5)
    np.testing.assert_allclose(sums, dense @ Ease.solve(x, 10), atol=error)


# ---- the strongest directions


def test_one_direction_is_the_strongest_one_on_paper():
    """x = [[1, 1, 0], [0, 0, 1]]: s² = 2 along (1, 1, 0) / √2. With λ = 2: G = 2 / 4 · v vᵀ = [[¼, ¼], [¼, ¼]].

    B_01 = ¼ / (1 − ¼) = ⅓; film 2 is in the direction that is left out.
    """
    factors, own = Ease.directions(np.array([[1, 1, 0], [0, 0, 1]]), 2, 1)
    np.testing.assert_allclose(own, [1 / 4, 1 / 4, 0], atol=1e-6)
    linear = LowRank(tf.constant(factors), tf.constant(own))
    sums = linear.sums(_entries([0, 1], [0, 2]), tf.constant([3.0, 1.0]), 2)
    np.testing.assert_allclose(sums, [[0, 1, 0], [0, 0, 0]], atol=1e-6)
    assert factors.dtype == own.dtype == np.float32 and factors.shape == (3, 1)


@pytest.mark.parametrize(("films", "error"), [(60, 1e-6), (5000, 1e-4)])  # in float64, and in float32
def test_directions_are_those_of_the_largest_singular_values(films, error):
    """Ten rows of rank eight, of which seven directions are kept, against NumPy's SVD of the whole table."""
    x = np.random.default_rng(0).integers(0, 2, (8, films)).repeat([1, 1, 1, 1, 1, 1, 2, 2], axis=0)
    _, s, v = np.linalg.svd(x.astype(float), full_matrices=False)
    f, own = Ease.directions(x, 5, 7)
    expected = (v[:7].T * (s[:7] ** 2 / (s[:7] ** 2 + 5))) @ v[:7]
    np.testing.assert_allclose(f @ f.T, expected, atol=error)
    np.testing.assert_allclose(own, expected.diagonal(), atol=error)


def test_the_same_ratings_have_the_same_directions_and_a_penalty_is_above_zero():
    x = sparse.random_array((80, 60), density=0.1, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(Ease.directions(x, 5, 7)[0], Ease.directions(x, 5, 7)[0])
    for ask in (lambda: Ease.directions(x, 0, 7), lambda: Ease.factors(x, 0)):
        with pytest.raises(ValueError, match="`regularisation` must be above 0"):
            ask()


def test_only_a_catalogue_beyond_the_limit_keeps_fewer_directions_unasked():
    assert [rank_of(films, Settings()) for films in (10_000, 10_001)] == [0, 200]
    assert rank_of(5, Settings(linear_rank=3)) == 3
