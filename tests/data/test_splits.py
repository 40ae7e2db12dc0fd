"""Who may learn from what: every split against a loop, a count or a published number."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data.splits import (
    Split,
    check_ratings,
    split_by_time,
    split_by_user_time,
    split_leave_last,
    split_random5,
    split_stratified,
)

PAIR = ["user_id", "movie_id"]


def _table(*rows):
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])


def _one_user(timestamps, user_id=1):
    return _table(*[(user_id, movie, 3.0, time) for movie, time in enumerate(timestamps)])


def _random_table(seed, users=25):
    """Users with 1 to 40 ratings in random order of rows, and few distinct times, so that many tie."""
    rng = np.random.default_rng(seed)
    rows = [
        (user * 3, movie, rng.integers(1, 6), rng.integers(0, 8))
        for user in range(users)
        for movie in rng.permutation(50)[: rng.integers(1, 41)]
    ]
    return _table(*rows).sample(frac=1, random_state=seed).reset_index(drop=True)


def _loop_by_user_time(ratings, validation, test):
    """Row numbers of train, validation and test, one user after the other."""
    parts = [], [], []
    for user in ratings["user_id"].unique():
        rows = [row for row in range(len(ratings)) if ratings["user_id"].iloc[row] == user]
        rows.sort(key=lambda row: (ratings["timestamp"].iloc[row], row))
        n_test, n_validation = int(test * len(rows)), int(validation * len(rows))
        first_test = len(rows) - n_test
        parts[0].extend(rows[: first_test - n_validation])
        parts[1].extend(rows[first_test - n_validation : first_test])
        parts[2].extend(rows[first_test:])
    return [sorted(part) for part in parts]


# ---- by user and time


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.25, 0.125), (0.0, 0.25)])
def test_by_user_time_equals_a_slow_loop(seed, validation, test):
    ratings = _random_table(seed)
    split = split_by_user_time(ratings, validation, test)
    train_rows, validation_rows, test_rows = _loop_by_user_time(ratings, validation, test)
    pd.testing.assert_frame_equal(split.train, ratings.iloc[train_rows])
    pd.testing.assert_frame_equal(split.test, ratings.iloc[test_rows])
    if validation:
        pd.testing.assert_frame_equal(split.validation, ratings.iloc[validation_rows])
    else:
        assert split.validation is None


@pytest.mark.parametrize(
    ("n", "train", "validation", "test"),
    [(10, 8, 1, 1), (19, 17, 1, 1), (20, 16, 2, 2), (9, 9, 0, 0), (1, 1, 0, 0), (737, 591, 73, 73)],
)
def test_a_users_shares_are_rounded_down_and_the_rest_is_train(n, train, validation, test):
    twenty = _one_user(range(20), user_id=99)  # so that validation and test are not empty
    split = split_by_user_time(pd.concat([_one_user(range(n)), twenty], ignore_index=True))
    sizes = [(part["user_id"] == 1).sum() for part in (split.train, split.validation, split.test)]
    assert sizes == [train, validation, test]


def test_shares_are_rounded_down_as_decimals_not_as_floats():
    assert 0.29 * 100 < 29  # 28.999999999999996
    assert len(split_by_user_time(_one_user(range(100)), 0.29, 0.29).test) == 29


def test_the_oldest_train_and_the_newest_test_whatever_the_order_of_rows():
    split = split_by_user_time(_one_user([9, 3, 5, 1, 7, 2, 8, 4, 6, 0]))
    assert split.test["timestamp"].tolist() == [9]
    assert split.validation["timestamp"].tolist() == [8]
    assert split.train["timestamp"].tolist() == [3, 5, 1, 7, 2, 4, 6, 0]  # in the order of the table


def test_ties_in_time_keep_the_order_of_the_table():
    split = split_by_user_time(_one_user([5] * 10))
    assert split.train["movie_id"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert split.validation["movie_id"].tolist() == [8]
    assert split.test["movie_id"].tolist() == [9]


def test_every_row_is_in_one_part_and_the_table_is_left_alone():
    ratings = _random_table(3)
    before = ratings.copy()
    split = split_by_user_time(ratings)
    pd.testing.assert_frame_equal(ratings, before)
    rows = pd.concat([split.train, split.validation, split.test]).sort_index()
    pd.testing.assert_frame_equal(rows, ratings)


def test_the_same_table_gives_the_same_split_whatever_its_row_labels():
    ratings = _random_table(4)
    first, again = split_by_user_time(ratings), split_by_user_time(ratings)
    relabelled = split_by_user_time(ratings.set_axis([7] * len(ratings)))
    for part in ("train", "validation", "test"):
        pd.testing.assert_frame_equal(getattr(first, part), getattr(again, part))
        np.testing.assert_array_equal(getattr(first, part), getattr(relabelled, part))


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.1), (0.1, 0.5), (-0.1, 0.1), (0.1, 0.0), (np.nan, 0.1)])
def test_shares_off_the_scale_are_refused_with_what_was_found_and_an_example(validation, test):
    with pytest.raises(ValueError, match="shares") as error:
        split_by_user_time(_one_user(range(20)), validation, test)
    assert f"got {validation} and {test}" in str(error.value)
    assert "Try 0.1 and 0.1" in str(error.value)


def test_users_with_too_few_ratings_to_test_anyone_are_an_error():
    with pytest.raises(ValueError, match="needs a user with 10 ratings, and the 1 users here have 9 at most"):
        split_by_user_time(_one_user(range(9)))


def test_the_sizes_on_ml100k(ml100k):
    split = split_by_user_time(ml100k.ratings)
    assert repr(split) == "Split(train 80,808, validation 9,596, test 9,596 ratings)"
    assert split.test["user_id"].nunique() == 943


# ---- by time


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.25, 0.125), (0.0, 0.25)])
def test_by_time_equals_a_sort(seed, validation, test):
    ratings = _random_table(seed)
    split = split_by_time(ratings, validation, test)
    rows = sorted(range(len(ratings)), key=lambda row: (ratings["timestamp"].iloc[row], row))
    n_test, n_validation = int(test * len(rows)), int(validation * len(rows))
    first_test = len(rows) - n_test
    pd.testing.assert_frame_equal(split.test, ratings.iloc[sorted(rows[first_test:])])
    pd.testing.assert_frame_equal(split.train, ratings.iloc[sorted(rows[: first_test - n_validation])])
    if validation:
        expected = ratings.iloc[sorted(rows[first_test - n_validation : first_test])]
        pd.testing.assert_frame_equal(split.validation, expected)
    else:
        assert split.validation is None


def test_by_time_refuses_shares_off_the_scale():
    with pytest.raises(ValueError, match="got 0.1 and 0.6. Try 0.1 and 0.1"):
        split_by_time(_one_user(range(20)), 0.1, 0.6)


def test_by_time_on_ml100k_tests_few_users_who_are_known(ml100k):
    split = split_by_time(ml100k.ratings)
    assert repr(split) == "Split(train 80,000, validation 10,000, test 10,000 ratings)"
    known = set(split.train["user_id"]) & set(split.test["user_id"])
    liked = set(split.test["user_id"][split.test["rating"] >= 4])
    assert (len(known), len(known & liked)) == (69, 57)


# ---- the last rating of each user


def test_leave_last_by_hand():
    ratings = pd.concat([_one_user([5, 9, 7, 9]), _one_user([3, 1], user_id=2), _one_user([4], user_id=3)])
    split = split_leave_last(ratings)
    assert split.test[PAIR].to_numpy().tolist() == [[1, 3], [2, 0]]  # of two ratings at 9, the later row
    assert split.validation[PAIR].to_numpy().tolist() == [[1, 1]]
    assert split.train[PAIR].to_numpy().tolist() == [[1, 0], [1, 2], [2, 1], [3, 0]]


def test_leave_last_on_ml100k_tests_everybody_once(ml100k):
    split = split_leave_last(ml100k.ratings)
    assert repr(split) == "Split(train 98,114, validation 943, test 943 ratings)"
    newest = ml100k.ratings.groupby("user_id")["timestamp"].max()
    assert split.test.set_index("user_id")["timestamp"].sort_index().tolist() == newest.tolist()


def test_leave_last_of_users_with_one_rating_has_nobody_to_test():
    with pytest.raises(ValueError, match="`test` has no row"):
        split_leave_last(_one_user([1]))


# ---- types and order


@pytest.mark.parametrize("how", [split_by_user_time, split_by_time, split_leave_last])
def test_ids_of_32_bits_and_large_ones_split_alike(how):
    """The product of such a user_id and movie_id does not fit in 32 bits, nor do two of them in 63."""
    ratings = _random_table(10)
    expected = how(ratings)
    for dtype, most in (("int32", 2**31 - 1), ("int64", 2**62)):
        other = ratings.assign(user_id=most - ratings["user_id"], movie_id=most - ratings["movie_id"])
        split = how(other.astype({"user_id": dtype, "movie_id": dtype}))
        for part in ("train", "validation", "test"):
            assert getattr(split, part).index.tolist() == getattr(expected, part).index.tolist()
            assert getattr(split, part)["user_id"].dtype == dtype


@pytest.mark.parametrize("dtype", ["float64", "Int64", "Float64"])
@pytest.mark.parametrize("how", [split_by_user_time, split_by_time, split_leave_last])
def test_timestamps_of_other_types_split_alike(how, dtype):
    ratings = _random_table(11)
    expected, split = how(ratings), how(ratings.astype({"timestamp": dtype}))
    for part in ("train", "validation", "test"):
        assert getattr(split, part).index.tolist() == getattr(expected, part).index.tolist()


def test_a_pair_in_two_parts_of_other_types_is_found():
    train, test = _table((2**31 - 1, 2**31 - 1, 3.0, 1)), _table((2**31 - 1, 2**31 - 1, 3.0, 2))
    with pytest.raises(ValueError, match="train and test must be disjoint"):
        Split(train.astype({"user_id": "int32", "movie_id": "int32"}), None, test)
    far = _table((2**62, 1, 3.0, 1), (0, 2**62, 3.0, 1))  # no number of 63 bits holds both
    with pytest.raises(ValueError, match="train and test must be disjoint"):
        Split(far, None, far[1:])
    assert repr(Split(far[:1], None, far[1:])) == "Split(train 1, test 1 ratings)"


# ---- the future, and the cold


def test_a_split_by_user_refuses_a_users_later_rating_in_train():
    train = _table((1, 10, 3.0, 5), (2, 10, 3.0, 9), (3, 10, 3.0, 99))  # user 3 is not tested: any time will do
    test = _table((1, 20, 3.0, 5), (2, 20, 3.0, 8))  # user 1: a tie is allowed; user 2: newer in train
    message = "1 of its 3 ratings, of 1 users, e.g. user_id [2], are newer than the same user's first rating in test"
    with pytest.raises(ValueError, match="train must not know the future of test") as error:
        Split(train, None, test, in_time="user")
    assert message in str(error.value)
    assert Split(train, None, test).in_time is None  # a random split promises nothing


def test_a_split_in_time_refuses_anybodys_later_rating_in_train():
    train = _table((1, 10, 3.0, 5), (3, 10, 3.0, 99), (4, 10, 3.0, 8))
    test = _table((1, 20, 3.0, 8), (2, 20, 3.0, 9))
    with pytest.raises(ValueError, match=r"1 of its 3 ratings, of 1 users, e.g. user_id \[3\]"):
        Split(train, None, test, in_time="everyone")
    Split(train, None, test, in_time="user")  # nobody's own future is known


def test_validation_is_held_to_it_as_well():
    train, test = _table((1, 10, 3.0, 1)), _table((1, 30, 3.0, 3))
    with pytest.raises(ValueError, match="validation must not know the future of test"):
        Split(train, _table((1, 20, 3.0, 4)), test, in_time="user")


def test_an_unknown_promise_is_refused():
    with pytest.raises(ValueError, match="`in_time` must be one of .*got 'global'"):
        Split(_table((1, 10, 3.0, 1)), None, _table((1, 30, 3.0, 3)), in_time="global")


def test_each_split_says_what_it_promises():
    ratings = _random_table(9)
    assert split_by_time(ratings).in_time == "everyone"
    assert split_by_user_time(ratings).in_time == split_leave_last(ratings).in_time == "user"
    assert split_stratified(ratings).in_time is split_random5(ratings)[0].in_time is None


def test_cold_users_and_movies_are_counted_and_kept():
    train = _table((1, 10, 3.0, 1), (2, 20, 3.0, 1))
    validation = _table((1, 20, 3.0, 2))
    test = _table((1, 30, 3.0, 3), (3, 10, 3.0, 3), (3, 30, 3.0, 3), (2, 10, 3.0, 3))
    split = Split(train, validation, test)
    assert split.cold().to_dict("index") == {
        "validation": {"ratings": 1, "users": 1, "cold_users": 0, "cold_movies": 0, "cold_ratings": 0},
        "test": {"ratings": 4, "users": 3, "cold_users": 1, "cold_movies": 1, "cold_ratings": 3},
    }
    assert len(split.test) == 4


@pytest.mark.parametrize("column", ["user_id", "movie_id"])
def test_ids_must_be_whole_numbers(column):
    ratings = _one_user(range(20)).astype({column: str})
    with pytest.raises(ValueError, match=f"{column} in `ratings` must be whole numbers; found .* pandas.factorize"):
        split_by_user_time(ratings)


# ---- five random folds


def test_random5_tests_each_row_once():
    ratings = _random_table(5)
    splits = split_random5(ratings)
    assert len(splits) == 5
    tested = pd.concat([split.test for split in splits])
    pd.testing.assert_frame_equal(tested.sort_index(), ratings)
    for split in splits:
        assert split.validation is None
        pd.testing.assert_frame_equal(pd.concat([split.train, split.test]).sort_index(), ratings)


def test_random5_is_the_permutation_of_seed_0(ml100k):
    first_row = int(np.random.default_rng(0).permutation(100_000)[0])
    folds = split_random5(ml100k.ratings)
    assert [first_row in fold.test.index for fold in folds] == [True, False, False, False, False]
    assert [len(fold.test) for fold in folds] == [20_000] * 5


# ---- Microsoft's


def test_stratified_has_their_number_of_rows(ml100k):
    split = split_stratified(ml100k.ratings)
    assert (len(split.train), len(split.test)) == (75_066, 24_934)  # as their published notebook prints
    assert split.test["user_id"].nunique() == 943
    assert split.validation is None


def test_stratified_equals_a_slow_loop():
    ratings = _random_table(6)
    np.random.seed(42)
    number = np.random.rand(len(ratings))  # as they draw it, from the global generator
    train_rows = []
    for movie in ratings["movie_id"].unique():
        rows = sorted(np.nonzero((ratings["movie_id"] == movie).to_numpy())[0], key=lambda row: number[row])
        train_rows += rows[: round(0.75 * len(rows))]
    split = split_stratified(ratings)
    pd.testing.assert_frame_equal(split.train, ratings.iloc[sorted(train_rows)])
    assert len(split.test) == len(ratings) - len(train_rows)


def test_stratified_does_not_touch_numpys_global_generator():
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    split_stratified(_random_table(6))
    assert np.random.rand() == expected


# ---- what is refused

GOOD = _table((1, 10, 4.0, 1), (1, 20, 3.0, 2), (2, 10, 5.0, 3))
TEST = _table((2, 20, 4.0, 4))


def test_a_split_of_disjoint_tables_is_accepted_without_validation_too():
    assert repr(Split(GOOD, None, TEST)) == "Split(train 3, test 1 ratings)"
    assert repr(Split(train=GOOD[:2], validation=GOOD[2:], test=TEST)) == "Split(train 2, validation 1, test 1 ratings)"


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "validation"), ("validation", "test")])
def test_overlap_is_refused_with_the_count_of_users_and_examples(parts):
    tables = {"train": GOOD, "validation": _table((9, 10, 1.0, 1)), "test": _table((9, 20, 1.0, 1))}
    first, second = parts
    leak = tables[first].assign(rating=1.0, timestamp=99)  # another time and other stars: the same rating still
    tables[second] = pd.concat([tables[second], leak])
    with pytest.raises(ValueError, match=f"{first} and {second} must be disjoint") as error:
        Split(**tables)
    users = tables[first]["user_id"].unique().tolist()
    assert f"{len(users)} of {len(users)} users" in str(error.value)
    assert f"user_id {users}" in str(error.value)
    assert "split_by_user_time" in str(error.value)


@pytest.mark.parametrize("column", ["user_id", "movie_id", "rating", "timestamp"])
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_missing_column_is_named_with_its_table(column, part):
    tables = {"train": GOOD, "validation": _table((9, 10, 1.0, 1)), "test": TEST}
    tables[part] = tables[part].drop(columns=column)
    with pytest.raises(ValueError, match=f"`{part}` needs user_id.*`{column}` is missing") as error:
        Split(**tables)
    assert 'movierec.load("ml-100k")' in str(error.value)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_an_empty_table_is_named(part):
    tables = {"train": GOOD, "validation": _table((9, 10, 1.0, 1)), "test": TEST}
    with pytest.raises(ValueError, match=f"`{part}` has no row"):
        Split(**tables | {part: tables[part][:0]})


@pytest.mark.parametrize("column", ["rating", "timestamp"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, pd.NA])
def test_values_that_are_no_numbers_are_counted_and_shown(column, value):
    bad = GOOD.astype({column: "Float64"} if value is pd.NA else {column: "float64"})
    bad.loc[1, column] = value
    with pytest.raises(ValueError, match=f"every {column} in `train` must be a number.*1 of 3 are not") as error:
        Split(bad, None, TEST)
    assert str(value).lower() in str(error.value).lower()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("rating", ["four", "3", "5"]),
        ("timestamp", pd.to_datetime(["1998-01-01"] * 3)),  # read as nanoseconds, it would give nonsense weeks
    ],
)
def test_columns_of_text_or_dates_are_refused(column, values):
    with pytest.raises(ValueError, match=f"every {column} in `ratings` must be a number.*3 of 3"):
        check_ratings(GOOD.assign(**{column: values}))


def test_a_rating_that_is_there_twice_is_refused_and_the_call_that_mends_it_mends_it():
    twice = pd.concat([GOOD, GOOD[:1].assign(rating=1.0)], ignore_index=True)
    with pytest.raises(ValueError, match=r"once; 1 of 4 rows repeat one, e.g. \[\[1, 10\]\]") as error:
        Split(twice, None, TEST)
    assert 'ratings.drop_duplicates(["user_id", "movie_id"], keep="last")' in str(error.value)
    check_ratings(twice.drop_duplicates(["user_id", "movie_id"], keep="last"))


@pytest.mark.parametrize("split", [split_by_user_time, split_random5, split_stratified])
def test_every_split_refuses_what_is_not_a_table(split):
    with pytest.raises(ValueError, match="must be a DataFrame, got list"):
        split([1, 2, 3])
    with pytest.raises(ValueError, match="`timestamp` is missing"):
        split(GOOD.drop(columns="timestamp"))


def test_a_split_cannot_be_changed_by_accident(split):
    with pytest.raises(AttributeError):
        split.test = split.train
    assert isinstance(split, movierec.Split)
