"""Ids as published, row numbers from 0; and pairs of columns as one number, against a loop and NumPy's own sort."""

import numpy as np
import pandas as pd
import pytest

from movierec.data.indices import UNKNOWN, Indices, make_indices, order_by_user_and_time, pair_key, pair_repeats

INDICES = Indices(np.array([3, 7, 12]), np.array([10, 20]))
BIG = 2**31 - 1


def test_ids_become_their_position_in_their_shape_and_unknown_ones_minus_one():
    # below, first, between, middle, last, above
    assert INDICES.user_index([[1, 3, 5], [7, 12, 99]]).tolist() == [[-1, 0, -1], [1, 2, -1]]
    assert INDICES.movie_index([20, 10, 15]).tolist() == [1, 0, -1] and UNKNOWN == -1
    assert INDICES.user_index(7).shape == () and INDICES.user_index([]).shape == (0,)
    for dtype in (np.int8, np.int32, np.int64, np.uint8, np.uint64):
        assert INDICES.user_index(np.array([3, 4, 7], dtype)).tolist() == [0, -1, 1]
    assert INDICES.user_index([3]).dtype == INDICES.user_index([]).dtype == np.int32


@pytest.mark.parametrize("ids", [["3", "7"], [3.0, 7.0], [True]])
def test_ids_that_are_not_whole_numbers_are_refused_and_shown(ids):
    with pytest.raises(ValueError, match="whole numbers") as error:
        INDICES.user_index(ids)
    assert str(ids[0]) in str(error.value) and str(np.asarray(ids).dtype) in str(error.value)


def test_ids_far_out_of_range_are_unknown():
    ends = np.iinfo(np.int64)
    assert INDICES.user_index(np.array([ends.min, ends.max, -1, 2**32 + 3, 3])).tolist() == [-1, -1, -1, -1, 0]
    assert INDICES.user_index(np.array([2**64 - 1, 7], np.uint64)).tolist() == [-1, 1]
    far = Indices(np.array([-5, 1, 2**62]), np.array([1]))
    assert far.user_index(np.array([2**62, 1, 2, -5, ends.min])).tolist() == [2, 1, -1, 0, -1]


def test_users_are_those_of_train_and_movies_those_of_train_and_of_the_table(tiny):
    shuffled = tiny.ratings.sample(frac=1, random_state=0).astype({"user_id": "int32", "movie_id": "int32"})
    indices = make_indices(shuffled, tiny.movies)
    assert indices.user_ids.tolist() == [1, 2, 3, 5, 8, 9]
    assert repr(indices) == "Indices(6 users, 5 movies)"
    assert indices.user_ids.dtype == indices.movie_ids.dtype == np.int64
    np.testing.assert_array_equal(indices.user_ids[indices.user_index(shuffled["user_id"])], shuffled["user_id"])
    # movie 50 is in the table only, 20 to 40 are in train only
    assert make_indices(tiny.ratings).movie_ids.tolist() == [10, 20, 30, 40]
    assert make_indices(tiny.ratings, tiny.movies.iloc[[0, 4]]).movie_ids.tolist() == [10, 20, 30, 40, 50]


# ---- pairs


def test_a_key_by_hand():
    # first from 3, second from -1 to 2, hence 4 columns: 4 · (first − 3) + (second + 1)
    assert pair_key(np.array([3, 5, 3]), np.array([-1, 2, 0])).tolist() == [0, 11, 1]
    # int32 does not overflow; BIG columns: 0·BIG + BIG−1, (BIG−1)·BIG, (BIG−1)·BIG + BIG−1, 0
    user = np.array([1, BIG, BIG, 1], np.int32)
    movie = np.array([BIG, 1, BIG, 1], np.int32)
    assert pair_key(user, movie).tolist() == [BIG - 1, (BIG - 1) * BIG, (BIG - 1) * BIG + BIG - 1, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint64, float])
def test_order_equals_a_stable_sort_of_both_columns(dtype):
    rng = np.random.default_rng(0)
    user = rng.integers(0, 9, 500).astype(dtype)
    time = rng.integers(0, 9, 500).astype(dtype)  # many ties
    expected = sorted(range(500), key=lambda row: (user[row], time[row]))
    assert order_by_user_and_time(user, time).tolist() == expected
    assert order_by_user_and_time(user[expected], time[expected]).tolist() == list(range(500))


def test_what_has_no_key_is_ordered_all_the_same():
    far = np.array([2**62, -(2**62), 0])
    assert pair_key(far, np.array([0, 2**40, 5])) is None  # more than 63 bits
    assert order_by_user_and_time(far, np.array([0, 2**40, 5])).tolist() == [1, 2, 0]
    holes = np.array([5.5, np.nan, 3, 3])
    assert order_by_user_and_time(np.array([2, 1, 2, 1]), holes).tolist() == [3, 1, 2, 0]  # NaN last
    assert order_by_user_and_time(np.array([], int), np.array([], int)).tolist() == []


@pytest.mark.parametrize("ids", [[1, 2], [BIG - 1, BIG], [2**62, 2**61]])
@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64"])
def test_pairs_that_repeat_are_found_whatever_their_ids_are(ids, dtype):
    once = pd.DataFrame({"user_id": [*ids, ids[0]], "movie_id": [*ids, ids[1]]}, dtype=dtype)
    assert pair_repeats(once) is False and pair_repeats(once[:0]) is False
    assert pair_repeats(pd.concat([once, once[2:]])) is True
