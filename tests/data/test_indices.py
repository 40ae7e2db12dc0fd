"""Ids as published, row numbers from 0; and the order of two columns, by hand and against Python's own sort."""

import numpy as np
import pandas as pd
import pytest

from movierec.data.indices import (
    UNKNOWN,
    Indices,
    is_one_rated_twice,
    make_indices,
    order_by_user_and_time,
    published_ids,
)

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


NAMED = Indices(np.array(["U1", "U10", "U2"]), np.array(["007", "7"]))


def test_text_ids_become_their_position_as_they_are_written():
    assert NAMED.user_index([["U2", "U1"], ["U3", "u1"]]).tolist() == [[2, 0], [-1, -1]]
    assert NAMED.movie_index("7").tolist() == 1 and NAMED.movie_index(pd.Series(["007", "07"])).tolist() == [0, -1]
    assert NAMED.user_index([]).dtype == np.int32
    assert INDICES.user_index([3.0, 12]).tolist() == [0, 2]  # whole floats, as pandas makes them of a gap in a column


@pytest.mark.parametrize(
    "index, ids, said",
    [
        (INDICES.user_index, ["3", "7"], r"user_id is a whole number here, e.g. 3; got \['3', '7'\]. Write \[3, 7\]."),
        (INDICES.user_index, "12", r"got \['12'\]. Write 12."),
        (INDICES.user_index, "anna", r"got \['anna'\]. Ask with the ids as in the table of ratings."),
        *[(INDICES.user_index, ids, "got .*Ask") for ids in ([True], [3.5], [3, None], np.nan)],
        (INDICES.user_index, [3, "anna"], r"got \[3, 'anna'\]"),
        (NAMED.movie_index, 7, r"movie_id is text here, e.g. '007'; got \[7\]. Write '7'."),
        (NAMED.user_index, ["U1", 1], r"user_id is text here, e.g. 'U1'; got \['U1', 1\]. Ask with"),
    ],
)
def test_ids_of_the_other_kind_are_refused_with_what_was_meant(index, ids, said):
    with pytest.raises(ValueError, match=said):
        index(ids)


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


def test_users_and_movies_have_each_their_own_kind_of_id(tiny):
    ratings = tiny.ratings.assign(user_id="U" + tiny.ratings["user_id"].astype(str))
    indices = make_indices(ratings, tiny.movies)
    assert indices.user_ids.tolist() == ["U1", "U2", "U3", "U5", "U8", "U9"]
    assert indices.movie_ids.tolist() == [10, 20, 30, 40, 50]
    as_text = tiny.movies.astype({"movie_id": str})
    with pytest.raises(
        ValueError, match="movie_id .* it is text, e.g. '10', in `movies`, but whole numbers, e.g. 10, in"
    ):
        make_indices(ratings, as_text)
    assert make_indices(ratings.astype({"movie_id": str}), as_text).movie_ids.tolist() == ["10", "20", "30", "40", "50"]


# ---- a column of ids


def _column(values, dtype=None):
    return pd.Series(values, name="user_id", dtype=dtype)


@pytest.mark.parametrize(
    "column, expected",
    [
        (_column([3, 7], "int32"), [3, 7]),
        (_column([3, 7], "uint64"), [3, 7]),
        (_column([3, 7], "Int64"), [3, 7]),
        (_column([3, 7], object), [3, 7]),
        (_column([7, 3, 7], "category"), [7, 3, 7]),
        (_column([-1, 2**63 - 1]), [-1, 2**63 - 1]),
        (_column(["007", "7"]), ["007", "7"]),
        (_column(["b", "a"], object), ["b", "a"]),
        (_column(["b", "a"], "category"), ["b", "a"]),
    ],
)
def test_ids_are_numbers_or_text_whatever_they_are_kept_in(column, expected):
    found = published_ids(column, "ratings")
    assert found.tolist() == expected and found.dtype in ("int64", "int32", "str")
    assert published_ids(found, "ratings") is found  # what is right is not copied


@pytest.mark.parametrize(
    "values, expected, said",
    [
        (
            [1.0, 9e8],
            [1, 900_000_000],
            "user_id in `ratings` has floats that are whole numbers: 1.0 is understood as 1",
        ),
        (["a", " b", "c "], ["a", "b", "c"], "2 of 3 user_id in `ratings` had spaces around them"),
    ],
)
def test_what_is_understood_is_said_at_the_line_of_the_caller(values, expected, said):
    with pytest.warns(UserWarning, match=said) as caught:
        assert published_ids(_column(values), "ratings").tolist() == expected
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "values, said",
    [
        ([1, None, 3], r"must be given .*; 1 of 3 are not, e.g. \[nan\]. .*ratings.dropna\(subset=\"user_id\"\)"),
        (["a", None], "must be given .*; 1 of 2 are not"),
        (["a", "", " "], r"must hold more than spaces; 2 of 3 are not, e.g. \['', ' '\]"),
        ([1, 2.5, 3], r"must be a whole number.*; 1 of 3 are not, e.g. \[2.5\]"),
        ([2.0**53 + 2], "at most 2⁵³ as a float; 1 of 1"),
        ([1, "U1", 2], r"all of one kind; 1 of 3 are not, e.g. \['U1'\]. .* = ratings\[\"user_id\"\].astype\(str\)"),
        ([True, False], "all of one kind; 2 of 2 are not"),
        ([2**63], "must be below 2⁶³; 1 of 1 are not"),
        (pd.to_datetime(["1998-01-01"]), "all of one kind; 1 of 1"),
    ],
)
def test_a_column_that_holds_no_ids_is_refused_with_a_count_and_the_way_out(values, said):
    with pytest.raises(ValueError, match="user_id in `ratings` must .*" + said.removeprefix("must ")):
        published_ids(_column(values), "ratings")


# ---- order


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint64, float])
def test_order_equals_a_stable_sort_of_both_columns(dtype):
    rng = np.random.default_rng(0)
    user = rng.integers(0, 9, 500).astype(dtype)
    time = rng.integers(0, 9, 500).astype(dtype)  # many ties
    expected = sorted(range(500), key=lambda row: (user[row], time[row]))
    assert order_by_user_and_time(user, time).tolist() == expected
    assert order_by_user_and_time(user[expected], time[expected]).tolist() == list(range(500))


@pytest.mark.parametrize(
    ("user", "time", "expected"),
    [
        ([3, 5, 3, 3], [-1, 2, 0, -1], [0, 3, 2, 1]),
        (np.array([1, BIG, BIG, 1], "int32"), np.array([BIG, 1, -BIG, 1], "int32"), [3, 0, 2, 1]),
        ([2**62, -(2**62), 0], [0, 2**40, 5], [1, 2, 0]),  # more than 63 bits
        ([2, 1, 2, 1], [5.5, np.nan, 3, 3], [3, 1, 2, 0]),  # NaN last
        (np.array([], int), np.array([], int), []),
        (np.array(["U2", "U1", "U10", "U1"], object), [4, 3, 2, 1], [3, 1, 2, 0]),  # "U1" < "U10" < "U2"
        (["U2", "U1", "U10", "U1"], np.array(["é", "z", "a", "a"], object), [3, 1, 2, 0]),
    ],
)
def test_the_order_by_hand(user, time, expected):
    assert order_by_user_and_time(np.asarray(user), np.asarray(time)).tolist() == expected


@pytest.mark.parametrize(
    ("users", "movies"),
    [
        ([1, 1, 2], [5, 6, 5]),
        ([-3, -3, 7], [-1, 2, -1]),
        ([0, 1, 2**62], [2**62, 0, 1]),  # too large for one number
        (["a", "ab", "b"], ["bc", "c", "bc"]),
    ],
)
def test_a_movie_that_a_user_rated_twice_is_found_in_one_table_and_in_two(users, movies):
    once = pd.DataFrame({"user_id": users, "movie_id": movies})
    assert not is_one_rated_twice(once) and not is_one_rated_twice(once[:1], once[1:])
    assert is_one_rated_twice(once, once[2:]) and is_one_rated_twice(pd.concat([once, once[:1]]))
