"""Ids as published, row numbers from 0."""

import numpy as np
import pytest

from movierec.data import indices as indices_module
from movierec.data.indices import UNKNOWN, Indices, make_indices

INDICES = Indices(np.array([3, 7, 12]), np.array([10, 20]))


def test_ids_become_their_position_and_unknown_ones_minus_one():
    # below, first, between, middle, last, above
    np.testing.assert_array_equal(INDICES.user_index([1, 3, 5, 7, 12, 99]), [-1, 0, -1, 1, 2, -1])
    np.testing.assert_array_equal(INDICES.movie_index([20, 10, 15]), [1, 0, -1])
    assert UNKNOWN == -1


def test_an_index_has_the_shape_of_the_ids_and_int32():
    assert INDICES.user_index([[3, 7], [12, 4]]).tolist() == [[0, 1], [2, -1]]
    assert INDICES.user_index(7).shape == ()
    assert INDICES.user_index([]).shape == (0,)
    assert INDICES.user_index([3]).dtype == INDICES.movie_index([10]).dtype == np.int32


def test_going_back_gives_the_ids(tiny, tiny_indices):
    ids = tiny.ratings["user_id"]
    np.testing.assert_array_equal(tiny_indices.user_ids[tiny_indices.user_index(ids)], ids)


@pytest.mark.parametrize("ids", [["3", "7"], [3.0, 7.0], [3.5], [True]])
def test_ids_that_are_not_whole_numbers_are_refused_and_shown(ids):
    with pytest.raises(ValueError, match="whole numbers") as error:
        INDICES.user_index(ids)
    assert str(ids[0]) in str(error.value)
    assert str(np.asarray(ids).dtype) in str(error.value)


def test_movies_that_nobody_rated_have_an_index_if_the_table_of_movies_has_them(tiny):
    assert make_indices(tiny.ratings).movie_ids.tolist() == [10, 20, 30, 40]
    assert make_indices(tiny.ratings, tiny.movies).movie_ids.tolist() == [10, 20, 30, 40, 50]


def test_a_rated_movie_that_the_table_lacks_has_an_index_too(tiny):
    assert make_indices(tiny.ratings, tiny.movies[:1]).movie_ids.tolist() == [10, 20, 30, 40]


def test_users_are_those_of_train_in_ascending_order(tiny):
    shuffled = tiny.ratings.sample(frac=1, random_state=0)
    indices = make_indices(shuffled, tiny.movies)
    assert indices.user_ids.tolist() == [1, 2, 3, 5, 8, 9]
    assert (indices.num_users, indices.num_movies) == (6, 5)
    assert repr(indices) == "Indices(6 users, 5 movies)"


# ---- many ids at once, which are looked up in a table


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64])
@pytest.mark.parametrize("low", [1, 100])
def test_many_ids_have_the_indices_of_a_dictionary(dtype, low):
    rng = np.random.default_rng(0)
    known = low + np.sort(rng.choice(300, 200, replace=False))
    asked = rng.integers(0, 120, (40, 50)).astype(dtype)
    expected = {user_id: index for index, user_id in enumerate(known.tolist())}
    found = Indices(known, known).user_index(asked)
    assert found.tolist() == [[expected.get(user_id, UNKNOWN) for user_id in row] for row in asked.tolist()]
    assert found.dtype == np.int32


def test_ids_far_out_of_range_are_unknown_in_a_table_too():
    ends = np.iinfo(np.int64)
    asked = np.array([ends.min, ends.max, -1, 0, 2, 13, 2**32 + 3, 3, 12] * 10)
    assert INDICES.user_index(asked)[:9].tolist() == [-1] * 7 + [0, 2]
    negative = Indices(np.array([-5, -3, 4]), np.array([1]))
    assert negative.user_index(np.array([-6, -5, -4, -3, 4, 5, ends.min] * 10))[:7].tolist() == [
        -1,
        0,
        -1,
        1,
        2,
        -1,
        -1,
    ]


def test_blocks_of_ids_change_nothing(monkeypatch):
    monkeypatch.setattr(indices_module, "BLOCK", 7)
    asked = np.random.default_rng(0).integers(0, 15, 100)
    expected = [{3: 0, 7: 1, 12: 2}.get(user_id, UNKNOWN) for user_id in asked.tolist()]
    assert INDICES.user_index(asked).tolist() == expected


def test_ids_far_apart_make_no_table():
    far = Indices(np.array([1, 2**62]), np.array([1]))
    assert far.user_index(np.array([2**62, 1, 2] * 100))[:3].tolist() == [1, 0, -1]


def test_indices_hold_64_bits_whatever_the_tables_have(tiny):
    indices = make_indices(tiny.ratings.astype({"user_id": "int32", "movie_id": "int32"}), tiny.movies)
    assert indices.user_ids.dtype == indices.movie_ids.dtype == np.int64
