"""Popularity and biases on paper, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines.popularity_and_bias import Bias, Popularity
from movierec.data import make_indices


def _pairs(*pairs):
    return pd.DataFrame(pairs, columns=["user_id", "movie_id"])


def test_popularity_counts_and_says_the_same_to_everybody(tiny, tiny_indices):
    scores = Popularity(tiny.ratings, tiny_indices)(np.array([0, 5]))
    assert scores.tolist() == [[4, 3, 4, 3, 0]] * 2
    assert scores.dtype == np.float32


def test_bias_on_paper(tiny, tiny_indices):
    """Damping 1 for movies and 2 for users. The mean is 3.5, so 10 has residuals 1.5, .5, −2.5, 1.5: 1 / (1 + 4)."""
    bias = Bias(tiny.ratings, tiny_indices, damping_movie=1, damping_user=2)
    assert bias.mean == 3.5
    np.testing.assert_allclose(bias.movie, [1 / 5, -0.5 / 4, -1 / 5, 0.5 / 4, 0], atol=1e-12)
    # User 1: 5 − 3.5 − .2 = 1.3, 4 − 3.5 + .125 = .625, 1 − 3.5 + .2 = −2.3; sum −.375 over 2 + 3.
    assert bias.user[0] == pytest.approx(-0.075, abs=1e-12)
    assert bias.user[4] == pytest.approx(1.3 / 3, abs=1e-12)  # user 8, with one rating
    predicted = bias.predict(_pairs((1, 20), (8, 10)))
    np.testing.assert_allclose(predicted, [3.5 - 0.125 - 0.075, 3.5 + 0.2 + 1.3 / 3], atol=1e-6)
    assert predicted.dtype == np.float32
    strangers = bias.predict(_pairs((99, 10), (1, 999), (99, 999), (1, 50)))  # what is unknown has bias 0
    np.testing.assert_allclose(strangers, [3.7, 3.425, 3.5, 3.425], atol=1e-6)


def test_more_passes_come_to_the_minimum_of_the_ridge_regression(tiny, tiny_indices):
    """At the minimum of Σ (r − μ − b_u − b_i)² + 3 Σ b_i² + 2 Σ b_u² both derivatives are 0."""
    bias = Bias(tiny.ratings, tiny_indices, damping_movie=3, damping_user=2, passes=200)
    residual = bias.residuals(tiny.ratings)
    user, movie = tiny_indices.user_index(tiny.ratings["user_id"]), tiny_indices.movie_index(tiny.ratings["movie_id"])
    np.testing.assert_allclose(np.bincount(movie, residual, minlength=5), 3 * bias.movie, atol=1e-9)
    np.testing.assert_allclose(np.bincount(user, residual, minlength=6), 2 * bias.user, atol=1e-9)
    assert abs(bias.user - Bias(tiny.ratings, tiny_indices, damping_movie=3, damping_user=2).user).max() > 0.01


@pytest.mark.parametrize(("setting", "value"), [("damping_movie", -1), ("damping_user", np.nan), ("passes", 0)])
def test_settings_out_of_range_are_refused(tiny, tiny_indices, setting, value):
    with pytest.raises(ValueError, match=f"`{setting}` must be .*, got {value}; leave it out for the default"):
        Bias(tiny.ratings, tiny_indices, **{setting: value})


def test_stars_are_clipped_to_trains_scale_and_scores_are_not():
    train = pd.DataFrame({"user_id": [1, 1, 2, 2], "movie_id": [1, 2, 1, 2], "rating": [5.0, 4, 4, 1]})
    indices = make_indices(train)
    bias = Bias(train, indices, damping_movie=0, damping_user=0)
    # 3.5 ± 1 for the movies, ± 1 for the users: 5.5, 3.5, 3.5, 1.5
    np.testing.assert_allclose(bias(np.array([0, 1])), [[5.5, 3.5], [3.5, 1.5]], atol=1e-6)
    np.testing.assert_allclose(bias.predict(train), [5, 3.5, 3.5, 1.5], atol=1e-6)
    np.testing.assert_allclose(bias.residuals(train), [-0.5, 0.5, 0.5, -0.5], atol=1e-6)
