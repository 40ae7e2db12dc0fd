"""Learned weights and vectors: at the minimum their derivatives are zero, and what was built in is found."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from movierec.baselines import factors
from movierec.baselines.factors import BiasedMF, Ease, ImplicitAls
from movierec.data import make_indices


def _rated(train, indices):
    rated = np.zeros((indices.num_users, indices.num_movies))
    rated[indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])] = 1
    return rated


def test_ease_is_a_ridge_regression_of_each_movie_on_all_others(tiny, tiny_indices):
    ease = Ease(tiny.ratings, tiny_indices, regularisation=2)
    x = _rated(tiny.ratings, tiny_indices)
    for movie in range(5):
        others = np.arange(5) != movie
        a = x[:, others]
        expected = np.linalg.solve(a.T @ a + 2 * np.eye(4), a.T @ x[:, movie])
        np.testing.assert_allclose(ease.weights[others, movie], expected, atol=1e-6)
    assert (ease.weights.diagonal() == 0).all()
    scores = ease(np.array([5, 0]))
    np.testing.assert_allclose(scores, x[[5, 0]] @ ease.weights, atol=1e-6)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("rows", [10, 60])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_ease_of_any_table_is_the_closed_form_in_double_and_in_single_precision(monkeypatch, kind, rows):
    """float32 is for catalogues too large for float64; with fewer rows than movies, another matrix is inverted."""
    rng = np.random.default_rng(0)
    x = (rng.random((rows, 25)) < 0.2) * rng.random((rows, 1))  # weighted, as in notebook 09
    table = kind(x)
    p = np.linalg.inv(x.T @ x + 0.5 * np.eye(25))
    expected = np.where(np.eye(25), 0, -p / p.diagonal())
    np.testing.assert_allclose(Ease.solve(table, 0.5), expected, atol=1e-6)
    monkeypatch.setattr(factors, "MOST_MOVIES_IN_DOUBLE", 0)
    single = Ease.solve(table, 0.5)
    assert single.dtype == np.float32 and single.flags.c_contiguous
    np.testing.assert_allclose(single, expected, atol=1e-5)
    np.testing.assert_array_equal(x, table if isinstance(table, np.ndarray) else table.toarray())  # stays as it is
    with pytest.raises(ValueError, match="must be positive definite in floating point. Raise `regularisation`"):
        Ease.solve(np.ones((4, 3)), 1e-12)


def test_als_ends_where_the_derivative_by_the_movies_is_zero(split):
    indices = make_indices(split.train)
    rated = _rated(split.train, indices)
    als = ImplicitAls(split.train, indices, factors=3, alpha=4, regularisation=2, sweeps=2)
    error = (1 + 4 * rated) * (als.users @ als.movies.T - rated)
    np.testing.assert_allclose(error.T @ als.users + 2 * als.movies, 0, atol=1e-9)


def test_mf_ends_where_the_derivative_by_the_movies_is_zero(split):
    indices = make_indices(split.train)
    mf = BiasedMF(split.train, indices, factors=2, regularisation=3, damping_user=4, damping_movie=5, sweeps=3)
    user, movie = indices.user_index(split.train["user_id"]), indices.movie_index(split.train["movie_id"])
    x, b_u, y, b_i = mf.users[:, :-1], mf.users[:, -1], mf.movies[:, :-1], mf.movies[:, -1]
    error = mf.mean + b_u[user] + b_i[movie] + (x[user] * y[movie]).sum(axis=1) - split.train["rating"].to_numpy()
    np.testing.assert_allclose(np.bincount(movie, error) + 5 * b_i, 0, atol=1e-5)
    for column in range(2):
        np.testing.assert_allclose(np.bincount(movie, error * x[user, column]) + 3 * y[:, column], 0, atol=1e-5)


def test_mf_scores_are_its_stars_before_clipping_and_what_is_unknown_has_no_bias_and_no_vector(split):
    indices = make_indices(split.train)
    mf = BiasedMF(split.train, indices, factors=2)
    rows = split.test.head(20)
    user, movie = indices.user_index(rows["user_id"]), indices.movie_index(rows["movie_id"])
    scores = mf(user)[np.arange(20), movie]
    np.testing.assert_allclose(mf.predict(rows), scores.clip(2, 5), atol=1e-5)
    assert mf.predict(rows).dtype == scores.dtype == np.float32
    strangers = pd.DataFrame({"user_id": [0, 100, 0], "movie_id": [1, 1, 10]})
    expected = [mf.mean, mf.mean + mf.users[0, -1], mf.mean + mf.movies[0, -1]]
    np.testing.assert_allclose(mf.predict(strangers), expected, atol=1e-6)


def test_mf_without_damping_leaves_what_nobody_rated_at_zero(tiny, tiny_indices):
    """Nobody rated 50: its regression has no row, and any bias would do. It is 0; of the others the errors sum to 0."""
    mf = BiasedMF(tiny.ratings, tiny_indices, factors=2, regularisation=1, damping_user=0, damping_movie=0)
    assert (mf.movies[4] == 0).all()
    rated = _rated(tiny.ratings, tiny_indices)
    stars = np.zeros_like(rated)
    places = tiny_indices.user_index(tiny.ratings["user_id"]), tiny_indices.movie_index(tiny.ratings["movie_id"])
    stars[places] = tiny.ratings["rating"]
    np.testing.assert_allclose((rated * mf(np.arange(6)) - stars).sum(axis=0), 0, atol=1e-5)


def test_what_is_not_positive_not_whole_or_not_finite_is_refused(tiny, tiny_indices):
    bad = [(name, 0) for name in ("factors", "sweeps", "regularisation")]
    for setting, value in [*bad, ("factors", 2.5), ("sweeps", 1.5), ("regularisation", np.inf)]:
        for model in (ImplicitAls, BiasedMF):
            with pytest.raises(ValueError, match=f"`{setting}` must be above 0 and .*, got {value}; leave it out"):
                model(tiny.ratings, tiny_indices, **{setting: value})
    with pytest.raises(ValueError, match="`alpha` must be above 0 and .*, got 0"):
        ImplicitAls(tiny.ratings, tiny_indices, alpha=0)
    with pytest.raises(ValueError, match="`regularisation` must be above 0 and .*, got 0"):
        Ease(tiny.ratings, tiny_indices, regularisation=0)
    for setting in ("damping_user", "damping_movie"):
        with pytest.raises(ValueError, match=f"`{setting}` must be 0 or more and finite, got -3"):
            BiasedMF(tiny.ratings, tiny_indices, **{setting: -3})
