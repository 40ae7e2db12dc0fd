"""The seven hybrids: each against its rule on paper, with two scorers whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Ease, burke
from movierec.data import make_indices

TRAIN = pd.DataFrame({"user_id": [1, 1, 1, 2, 3], "movie_id": [10, 20, 30, 10, 50]})
MOVIES = pd.DataFrame({"movie_id": [10, 20, 30, 40, 50, 60]})
INDICES = make_indices(TRAIN, MOVIES)
FIRST = np.array([[9, 8, 7, 6, 5, 4], [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]], np.float32)
SECOND = np.array([[0, 0, 0, 0, 10, 20], [6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6]], np.float32)
EVERYBODY = np.arange(3)


def first(user_index):
    return FIRST[user_index]


def second(user_index):
    return SECOND[user_index]


def _order(scores, seen=()):
    """Movie indices, best first, without those that are seen."""
    return [movie for movie in np.argsort(-scores, kind="stable").tolist() if movie not in seen]


def test_weighted_adds_scores_in_units_of_their_deviation():
    z_first = (FIRST[1] - 3.5) / np.sqrt(35 / 12)  # 1 to 6: variance (36 − 1) / 12
    z_second = -z_first
    scores = burke.Weighted(first, second, weight=0.75)(np.array([1]))[0]
    np.testing.assert_allclose(scores, 0.75 * z_first + 0.25 * z_second, rtol=1e-5)
    constant = burke.Weighted(first, lambda user: np.zeros((len(user), 6)), 0.5)(EVERYBODY)
    assert [_order(row) for row in constant] == [_order(row) for row in FIRST]  # a constant score changes nothing


def test_switching_asks_the_second_about_users_with_few_ratings():
    scores = burke.Switching(TRAIN, INDICES, first, second, at_least=2)(EVERYBODY)
    np.testing.assert_array_equal(scores, [FIRST[0], SECOND[1], SECOND[2]])  # three ratings, one, one


def test_mixed_lists_take_turns_and_no_movie_is_named_twice():
    scores = burke.Mixed(TRAIN, INDICES, first, second, turn=2)(EVERYBODY)
    # User 2 (index 1) saw movie 0. First: 5 4 3 2 1; second: 1 2 3 4 5. Turn about: 5 1 4 2 3.
    assert _order(scores[1], seen=[0]) == [5, 1, 4, 2, 3]
    scores = burke.Mixed(TRAIN, INDICES, first, second, turn=3)(EVERYBODY)
    assert _order(scores[1], seen=[0]) == [5, 4, 1, 3, 2]  # two of first, one of second


RATED = np.array([[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]], float)


def test_feature_combination_is_ease_with_genres_as_raters():
    genres = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1], [0, 0]], float)
    scores = burke.FeatureCombination(TRAIN, INDICES, genres, regularisation=0.5, weight=2.0)(EVERYBODY)
    expected = RATED @ Ease.solve(np.concatenate([RATED, 2 * genres.T]), 0.5)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)
    assert scores[0, 3] > 0 and RATED[:, 3].sum() == 0  # nobody rated it; its genre is known


def test_feature_augmentation_is_ease_on_filled_gaps():
    scores = burke.FeatureAugmentation(TRAIN, INDICES, second, regularisation=0.5, added=2, weight=0.1)(EVERYBODY)
    # The two best unrated movies of each user by `second`, as a share of the best: 20 and 10; 5 and 4; 6 and 4 (5 is
    # the rated movie 50).
    filled = RATED.copy()
    filled[0, [5, 4]] = 0.1, 0.05
    filled[1, [1, 2]] = 0.1, 0.08
    filled[2, [5, 3]] = 0.1, 0.1 * 4 / 6
    np.testing.assert_allclose(scores, filled @ Ease.solve(filled, 0.5), rtol=1e-4, atol=1e-6)


def test_cascade_sorts_the_short_list_of_the_first_by_the_second():
    scores = burke.Cascade(TRAIN, INDICES, first, second, short_list=3)(EVERYBODY)
    # User 2 saw movie 0. First's best three are 5, 4, 3; second has them 3, 4, 5; then first's others, 2, 1.
    assert _order(scores[1], seen=[0]) == [3, 4, 5, 2, 1]


def test_meta_level_asks_the_users_with_the_nearest_content_profile():
    profiles = np.array([[1.0, 0], [1, 1], [0, 2]])
    scores = burke.MetaLevel(TRAIN, INDICES, SimpleNamespace(profiles=profiles), neighbours=2, power=2)(EVERYBODY)
    # Squared cosines: 1 and 2: 1/2; 2 and 3: 1/2; 1 and 3: 0. User 1 hears user 2, who rated movie 0.
    np.testing.assert_allclose(scores[0], [0.5, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(scores[1], [0.5, 0.5, 0.5, 0, 0.5, 0], atol=1e-6)
    nearest = burke.MetaLevel(TRAIN, INDICES, SimpleNamespace(profiles=profiles), neighbours=1, power=2)(EVERYBODY)
    np.testing.assert_allclose(nearest[1], [0.5, 0.5, 0.5, 0, 0, 0], atol=1e-6)  # the first of equals
    profiles[1] = 0  # a user without a profile has no neighbour
    scores = burke.MetaLevel(TRAIN, INDICES, SimpleNamespace(profiles=profiles), neighbours=2)(EVERYBODY)
    assert (scores[1] == 0).all() and np.isfinite(scores).all()


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`weight` must be a share, 0 to 1; got nan"):
        burke.Weighted(first, second, np.nan)
    with pytest.raises(ValueError, match="`turn` must be 2 or more places, got 1"):
        burke.Mixed(TRAIN, INDICES, first, second, turn=1)
    with pytest.raises(ValueError, match="`short_list` must be 1 to 6, the movies; got 7"):
        burke.Cascade(TRAIN, INDICES, first, second, 7)
