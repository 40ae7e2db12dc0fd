"""Session features against loops over the ratings."""

import numpy as np
import pytest

from movierec.data import UNKNOWN
from movierec.models.history import History
from movierec.models.sessions import NUM_SESSION_FEATURES, SESSION_DAMPINGS, SESSION_SECONDS, session_features


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


def test_where_nothing_is_known_the_features_are_exactly_zero(busy):
    """No question, no user, no time, and a time that is far from all ratings."""
    assert session_features(busy, np.array([], int), np.array([])).shape == (0, NUM_SESSION_FEATURES)
    times = np.array([5.0, np.nan, 1e9, busy.timestamp[3]])
    features = session_features(busy, np.array([UNKNOWN, 0, 0, 0]), times)
    assert not features[:3].any() and features[3].any()


def test_gaps_of_years_between_bursts_do_not_blur_them():
    """The sum is one of logarithms of e^(time / 5 s), over 60 million seconds of time here; float16 is off by .001."""
    rng = np.random.default_rng(3)
    burst, n = 6, 600
    time = np.repeat(np.arange(n // burst) * 600_000, burst) + np.tile(np.arange(burst) * 3, n // burst)
    residual = rng.normal(size=n).astype(np.float32)
    history = History(np.zeros(n, np.int32), np.arange(n, dtype=np.int32), residual, time, 1, n, False)
    found = session_features(history)
    for row in (0, 7, n - 1):
        others = np.setdiff1d(np.arange(n), [row])
        np.testing.assert_allclose(found[row], _loop(history, others, time[others] - time[row]), atol=1e-6)
    np.testing.assert_allclose(session_features(history, dtype=np.float16), found, atol=1e-3)
