"""One sortable number for two columns: against numpy's own sort of both, at the ends of what fits."""

import numpy as np
import pandas as pd
import pytest

from movierec.data.keys import each_pair_once, order_by_user_and_time, pair_key

BIG = 2**31 - 1


def test_a_key_by_hand():
    # first from 3, second from -1 to 2, hence 4 columns: 4 · (first − 3) + (second + 1)
    assert pair_key(np.array([3, 5, 3]), np.array([-1, 2, 0])).tolist() == [0, 11, 1]


def test_int32_ids_do_not_overflow():
    user, movie = np.array([1, BIG, BIG, 1], np.int32), np.array([BIG, 1, BIG, 1], np.int32)
    # BIG columns: 0·BIG + BIG−1, (BIG−1)·BIG, (BIG−1)·BIG + BIG−1, 0
    assert pair_key(user, movie).tolist() == [BIG - 1, (BIG - 1) * BIG, (BIG - 1) * BIG + BIG - 1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64, float])
def test_order_equals_a_stable_sort_of_both_columns(dtype):
    rng = np.random.default_rng(0)
    user, time = rng.integers(0, 9, 500).astype(dtype), rng.integers(0, 9, 500).astype(dtype)  # many ties
    expected = sorted(range(500), key=lambda row: (user[row], time[row]))
    assert order_by_user_and_time(user, time).tolist() == expected
    assert order_by_user_and_time(user[expected], time[expected]).tolist() == list(range(500))


@pytest.mark.parametrize("time", [[5, np.nan, 3, 3], [5.5, np.nan, 3, 3], [np.nan] * 4, [np.inf, 0, -np.inf, 1]])
def test_times_with_fractions_and_holes_order_as_lexsort_does(time):
    user = np.array([2, 1, 2, 1])
    assert order_by_user_and_time(user, np.array(time)).tolist() == np.lexsort((time, user)).tolist()


def test_what_does_not_fit_in_63_bits_has_no_key_and_is_ordered_all_the_same():
    user, time = np.array([2**62, -(2**62), 0]), np.array([0, 2**40, 5])
    assert pair_key(user, time) is None
    assert order_by_user_and_time(user, time).tolist() == [1, 2, 0]
    assert pair_key(np.array([2**64 - 1], np.uint64), np.array([0])) is None
    assert pair_key(np.array([], int), np.array([], int)) is None
    assert pair_key(np.array(["a"]), np.array([1])) is None


def test_a_float_that_cannot_be_told_from_the_next_has_no_key():
    assert pair_key(np.array([0, 0]), np.array([2.0**53, np.nan])) is None


def test_pairs_are_compared_across_tables():
    first = pd.DataFrame({"user_id": [1, 1], "movie_id": [10, 20]}, dtype="int32")
    second = pd.DataFrame({"user_id": [2, 1], "movie_id": [10, 30]})
    assert each_pair_once([first, second]) is True
    assert each_pair_once([first, second, first[1:]]) is False
    assert each_pair_once([first[:1], first[:1]]) is False
    assert each_pair_once([first.astype({"user_id": str})]) is None
