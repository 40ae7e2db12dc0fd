"""Histories against loops over the ratings."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Bias
from movierec.data import UNKNOWN, make_indices
from movierec.models import history as histories
from movierec.models.history import (
    NUM_SESSION_FEATURES,
    SESSION_DAMPINGS,
    SESSION_SECONDS,
    History,
    make_history,
    session_features,
)


@pytest.fixture
def history(tiny, tiny_indices):
    return make_history(tiny.ratings, tiny_indices, Bias(tiny.ratings, tiny_indices))


def test_a_history_is_user_by_user_and_oldest_first(history, tiny, tiny_indices):
    by_user = tiny.ratings.sort_values(["user_id", "timestamp"])
    assert tiny_indices.user_ids[history.user_index].tolist() == by_user["user_id"].tolist()
    assert tiny_indices.movie_ids[history.movie_index].tolist() == by_user["movie_id"].tolist()
    assert history.timestamp.tolist() == by_user["timestamp"].tolist()
    np.testing.assert_allclose(history.residual, Bias(tiny.ratings, tiny_indices).residuals(by_user), rtol=1e-6)


def test_ties_stay_in_the_order_of_the_file(tiny, tiny_indices):
    ratings = tiny.ratings.assign(timestamp=7)
    history = make_history(ratings, tiny_indices, Bias(ratings, tiny_indices))
    first = ratings.loc[ratings["user_id"] == 1, "movie_id"].tolist()
    assert tiny_indices.movie_ids[history.movie_index[:3]].tolist() == first


def test_starts_and_ages_equal_loops(history):
    for user in range(history.num_users):
        rows = np.flatnonzero(history.user_index == user)
        assert list(range(history.starts[user], history.starts[user + 1])) == rows.tolist()
        assert history.age[rows].tolist() == list(range(len(rows)))[::-1]


def test_matrices_have_a_one_and_a_residual_where_rated(history):
    rated, residual = history.matrices()
    assert rated.shape == residual.shape == (6, 5) and rated.sum() == 14
    for user, movie, value in zip(history.user_index, history.movie_index, history.residual, strict=True):
        assert rated[user, movie] == 1 and residual[user, movie] == value
    assert not residual[rated == 0].any()


# ---- sessions


@pytest.fixture(params=[False, True], ids=["both sides", "in order"])
def busy(request):
    """Four users; the first rates in bursts, with ties, the last but once."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 400, 30))
    users = np.repeat([0, 1, 2, 3], [16, 8, 5, 1])
    time = np.concatenate([np.sort(seconds[users == user]) for user in range(4)])
    time[3:6] = time[3]
    residual = rng.normal(size=30).astype(np.float32)
    return History(users.astype(np.int32), np.arange(30, dtype=np.int32), residual, time, 4, 30, request.param)


def _loop(history, others, gaps):
    """The docstring's sum over the rows `others`, `gaps` seconds away."""
    found = []
    for seconds in SESSION_SECONDS:
        k = np.exp(-np.abs(gaps) / seconds)
        found += [(k * history.residual[others]).sum() / (damping + k.sum()) for damping in SESSION_DAMPINGS]
    return found


def test_own_ratings_see_the_others_and_not_themselves(busy):
    features = session_features(busy)
    assert features.shape == (30, NUM_SESSION_FEATURES) and features.dtype == np.float32
    for row in range(30):
        others = np.flatnonzero(busy.user_index == busy.user_index[row])
        others = others[others < row] if busy.in_order else others[others != row]
        expected = _loop(busy, others, busy.timestamp[others] - busy.timestamp[row])
        np.testing.assert_allclose(features[row], expected, atol=1e-6)
    assert not features[29].any()  # of a user with one rating there is nothing to see


def test_questions_see_all_ratings_or_those_until_now(busy):
    users, times = np.array([0, 2, 0, 1, 3]), busy.timestamp[[4, 26, 10, 20, 29]] + np.array([0, 3, -1, 500, 0.5])
    features = session_features(busy, users, times)
    for row, (user, time) in enumerate(zip(users, times, strict=True)):
        others = np.flatnonzero((busy.user_index == user) & ((busy.timestamp <= time) | (not busy.in_order)))
        np.testing.assert_allclose(features[row], _loop(busy, others, busy.timestamp[others] - time), atol=1e-6)
    np.testing.assert_array_equal(session_features(busy, users[2:3], times[2:3]), features[2:3])  # each for itself


@pytest.mark.parametrize("rows", [1, 9, 17])
def test_blocks_of_rows_change_nothing(busy, monkeypatch, rows):
    users, times = np.array([0, 2, 0, 1, 3, UNKNOWN]), np.array([3.5, 300, np.nan, 20, 399, 7])
    own, asked = session_features(busy), session_features(busy, users, times)
    monkeypatch.setattr(histories, "ROWS_PER_BLOCK", rows)
    np.testing.assert_array_equal(session_features(busy), own)
    np.testing.assert_array_equal(session_features(busy, users, times), asked)


def test_no_question_has_no_features(busy):
    assert session_features(busy, np.array([], int), np.array([])).shape == (0, NUM_SESSION_FEATURES)


def test_nobody_and_never_are_zeros(busy):
    features = session_features(busy, np.array([UNKNOWN, 0, 0]), np.array([5.0, np.nan, busy.timestamp[3]]))
    assert not features[:2].any() and features[2].any()


def test_a_rating_far_away_in_time_says_nothing(busy):
    assert not session_features(busy, np.array([0]), np.array([1e9])).any()


def test_one_stern_minute_is_a_stern_feature():
    ratings = pd.DataFrame(
        {"user_id": 1, "movie_id": range(6), "rating": [5, 5, 5, 1, 1, 1.0], "timestamp": [0, 1, 2, 9000, 9001, 9002]}
    )
    indices = make_indices(ratings)
    history = make_history(ratings, indices, Bias(ratings, indices), in_order=True)
    warm, stern = session_features(history, np.array([0, 0]), np.array([3.0, 9003.0]))
    assert (warm > 0).all() and (stern[:4] < 0).all()
