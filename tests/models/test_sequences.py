"""Windows, against histories small enough to be read."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Bias
from movierec.data import make_indices
from movierec.models.history import make_history
from movierec.models.sequences import NUM_GAPS, gaps, newest, windows

DAY = 86_400


@pytest.fixture
def train():
    """User 1 watched 10, 20, 30, 40, 50; user 2 watched 20, 30; user 3 watched 10 alone. Rows are not in order."""
    rows = [
        *[(1, 10, 100), (1, 20, 100), (1, 30, 130), (1, 40, 130 + DAY), (1, 50, 130 + 30 * DAY)],
        *[(2, 20, 5), (2, 30, 4000)],
        (3, 10, 7),
    ]
    table = pd.DataFrame(rows, columns=["user_id", "movie_id", "timestamp"]).assign(rating=3.0)
    return table.sort_values("movie_id", ascending=True, kind="stable").reset_index(drop=True)


@pytest.fixture
def indices(train):
    return make_indices(train)  # rows 0 to 4 are films 10 to 50


@pytest.fixture
def history(train, indices):
    return make_history(train, indices, Bias(train, indices), in_order=True)


def test_a_gap_says_how_long_before_the_users_last_rating_was(history):
    """The edges are 1 s, 1 min, 10 min, 1 h, 1 day, 1 week; a user's first rating has the longest gap."""
    first = NUM_GAPS - 1
    assert gaps(history).tolist() == [first, 0, 1, 5, 6, first, 4, first]
    assert NUM_GAPS == 7


def test_windows_ask_for_each_film_but_the_first_once(history):
    """With length 2: user 1 has [30 40] -> [40 50] and [10 20] -> [20 30], user 2 [20] -> [30]; 5 is no film."""
    rows = windows(history, 2)
    assert rows.film.tolist() == [[2, 3], [0, 1], [5, 1]]
    assert rows.next_film.tolist() == [[3, 4], [1, 2], [5, 2]]
    assert rows.gap.tolist() == [[1, 5], [6, 0], [6, 6]]
    assert {array.dtype for array in rows} == {np.dtype(np.int32)}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 50])
def test_windows_of_any_length_ask_the_same(history, length):
    rows = windows(history, length)
    is_asked = rows.next_film < 5
    pairs = sorted(zip(rows.film[is_asked].tolist(), rows.next_film[is_asked].tolist(), strict=True))
    assert pairs == [(0, 1), (1, 2), (1, 2), (2, 3), (3, 4)]
    np.testing.assert_array_equal(rows.film == 5, rows.next_film == 5)


def test_who_has_one_film_has_no_window_and_nobody_with_two_is_refused(history, train, indices):
    assert len(windows(history, 50).film) == 2
    alone = train[train["user_id"] == 3]
    lonely = make_history(alone, indices, Bias(alone, indices), in_order=True)
    with pytest.raises(ValueError, match="somebody must have two films.*the 3 users"):
        windows(lonely, 50)


def test_the_newest_films_end_at_the_right(history):
    film, gap = newest(history, 3)
    assert film.tolist() == [[2, 3, 4], [5, 1, 2], [5, 5, 0]]
    assert gap.tolist() == [[1, 5, 6], [6, 6, 4], [6, 6, 6]]
