"""What a model may learn from: every split against a slow loop or a published number, and what a `Split` refuses."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Split, split_by_time, split_by_user_time, split_leave_last, split_random5, split_stratified

PAIR = ["user_id", "movie_id"]
PARTS = ("train", "validation", "test")
ALL = [split_by_user_time, split_by_time, split_leave_last, split_random5, split_stratified]


def table(*rows):
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])


def one_user(timestamps, user_id=1):
    return table(*[(user_id, movie, 3.0, time) for movie, time in enumerate(timestamps)])


def random_table(seed, users=25):
    """Users with 1 to 40 ratings in random order of rows, and few distinct times, so that many tie."""
    rng = np.random.default_rng(seed)
    rows = [
        (user * 3, movie, rng.integers(1, 6), rng.integers(0, 8))
        for user in range(users)
        for movie in rng.permutation(50)[: rng.integers(1, 41)]
    ]
    return table(*rows).sample(frac=1, random_state=seed).reset_index(drop=True)


def slow_loop(ratings, by_user, validation, test):
    users = ratings["user_id"].unique()
    groups = [np.flatnonzero(ratings["user_id"] == user) for user in users] if by_user else [range(len(ratings))]
    parts = [], [], []
    for group in groups:
        rows = sorted(group, key=lambda row: (ratings["timestamp"].iloc[row], row))
        first_test = len(rows) - int(test * len(rows))
        first_validation = first_test - int(validation * len(rows))
        parts[0].extend(rows[:first_validation])
        parts[1].extend(rows[first_validation:first_test])
        parts[2].extend(rows[first_test:])
    return parts


# ---- in time


@pytest.mark.parametrize("how", [split_by_user_time, split_by_time])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.25, 0.125), (0.0, 0.25)])
def test_splits_in_time_equal_a_slow_loop_and_leave_the_table_alone(how, seed, validation, test):
    ratings = random_table(seed)
    before = ratings.copy()
    split = how(ratings, validation, test)
    for part, rows in zip(PARTS, slow_loop(ratings, how is split_by_user_time, validation, test), strict=True):
        if rows:
            pd.testing.assert_frame_equal(getattr(split, part), ratings.iloc[sorted(rows)])
        else:
            assert split.validation is None and part == "validation"
    pd.testing.assert_frame_equal(ratings, before)


@pytest.mark.parametrize("how", [split_by_user_time, split_by_time])
def test_shares_are_rounded_down_as_decimals_and_refused_off_the_scale(how):
    assert 0.29 * 100 < 29  # 28.999999999999996
    assert len(how(one_user(range(100)), 0.29, 0.29).test) == 29
    for validation, test in [(0.5, 0.1), (0.1, 0.5), (-0.1, 0.1), (0.1, 0.0), (np.nan, 0.1)]:
        with pytest.raises(ValueError, match=f"shares .* got {validation} and {test}. Try 0.1 and 0.1"):
            how(one_user(range(20)), validation, test)


def test_leave_last_by_hand():
    ratings = pd.concat([one_user([5, 9, 7, 9]), one_user([3, 1], user_id=2), one_user([4], user_id=3)])
    split = split_leave_last(ratings)
    assert split.test[PAIR].to_numpy().tolist() == [[1, 3], [2, 0]]  # of two ratings at 9, the later row
    assert split.validation[PAIR].to_numpy().tolist() == [[1, 1]]
    assert split.train[PAIR].to_numpy().tolist() == [[1, 0], [1, 2], [2, 1], [3, 0]]


def test_the_sizes_on_ml100k(ml100k):
    hows = (split_by_user_time, split_by_time, split_leave_last, split_stratified)
    by_user, by_time, last, stratified = (how(ml100k.ratings) for how in hows)
    assert repr(by_user) == "Split(train 80,808, validation 9,596, test 9,596 ratings)"
    assert repr(by_time) == "Split(train 80,000, validation 10,000, test 10,000 ratings)"
    assert repr(last) == "Split(train 98,114, validation 943, test 943 ratings)"
    assert repr(stratified) == "Split(train 75,066, test 24,934 ratings)"  # as Microsoft's notebook prints
    assert by_user.test["user_id"].nunique() == stratified.test["user_id"].nunique() == 943
    known = set(by_time.train["user_id"]) & set(by_time.test["user_id"])
    liked = set(by_time.test["user_id"][by_time.test["rating"] >= 4])
    assert (len(known), len(known & liked)) == (69, 57)


# ---- times in other units, and no times

SECONDS = 1_387_670_400  # 2013-12-22 00:00:00 UTC


def real_times(seed=0):
    """25 users with 1 to 40 ratings, an hour apart, no two at once."""
    ratings = random_table(seed)
    return ratings.assign(timestamp=SECONDS + 3600 * np.arange(len(ratings)))


def same_parts(one, other, columns=PAIR):
    return all(getattr(one, part)[columns].equals(getattr(other, part)[columns]) for part in PARTS)


@pytest.mark.parametrize("how", [split_by_user_time, split_by_time, split_leave_last])
def test_neither_types_of_ids_nor_units_of_times_nor_labels_of_rows_matter(how):
    """The product of two large int32 ids does not fit in 32 bits, that of two large int64 ids not in 63."""
    ratings = real_times()
    time = ratings["timestamp"]
    expected = how(ratings)
    largest = {"int32": 2**31 - 1, "int64": 2**62}
    rest = ratings[["rating", "timestamp"]]
    tables = [(most - ratings[PAIR]).astype(dtype).join(rest) for dtype, most in largest.items()]
    dates = pd.to_datetime(time, unit="s")
    given = [dates, dates.astype("datetime64[ms]"), dates.dt.tz_localize("UTC"), dates.astype(str)]
    tables += [ratings.assign(timestamp=times) for times in (*given, time.astype("float64"), time.astype("Int64"))]
    for factor, unit in ((10**3, "milli"), (10**6, "micro"), (10**9, "nano")):
        with pytest.warns(UserWarning, match=f"timestamp in `ratings` is in {unit}seconds") as said:
            assert same_parts(how(ratings.assign(timestamp=time * factor)), expected)
        assert said[0].filename == __file__
    for other in tables:  # a date says itself what it is: no warning
        split = how(other)
        for part in PARTS:
            assert getattr(split, part).index.tolist() == getattr(expected, part).index.tolist()
            assert getattr(split, part)["timestamp"].tolist() == getattr(expected, part)["timestamp"].tolist()
    relabelled = how(ratings.set_axis([7] * len(ratings)))
    for part in PARTS:
        np.testing.assert_array_equal(getattr(relabelled, part), getattr(expected, part))


def test_a_table_that_is_right_is_not_copied():
    ratings = real_times()
    split = Split(ratings[:50], None, ratings[50:])
    for column in ratings:
        assert np.shares_memory(split.train[column].to_numpy(), ratings[column].to_numpy())


@pytest.mark.parametrize("how", [split_by_user_time, split_leave_last])
@pytest.mark.parametrize("times", ["no column", "empty", "all 0", "all the same", "one a user"])
def test_without_times_the_parts_are_drawn_by_user_whatever_the_order_of_the_rows(how, times):
    """Sorted by stars, the last rows are the best ratings: taken for the newest, they would all be tested."""
    rng = np.random.default_rng(0)
    ratings = table(
        *[(user, movie, stars, 0) for user in range(20) for movie, stars in enumerate([1.0] * 20 + [5] * 20)]
    )
    filled = {"empty": np.nan, "all 0": 0, "all the same": SECONDS, "one a user": SECONDS + ratings["user_id"] * 3600}
    ratings = ratings.assign(timestamp=filled.get(times))
    ratings = ratings.drop(columns="timestamp") if times == "no column" else ratings
    found = "20 of 20 users have one time" if times == "one a user" else "no times, or all the same one"
    with pytest.warns(UserWarning, match=found + ".*drawn at random .in_time=None.") as said:
        split = how(ratings)
    assert said[0].filename == __file__ and len(said) == 1
    assert split.in_time is None
    sizes = (640, 80, 80) if how is split_by_user_time else (760, 20, 20)
    assert tuple(len(getattr(split, part)) for part in PARTS) == sizes
    assert split.test["user_id"].value_counts().eq(4 if how is split_by_user_time else 1).all()
    assert abs(split.test["rating"].mean() - 3) < 1  # of 1 and 5; the last rows have 5
    with pytest.warns(UserWarning):
        shuffled = how(ratings.sample(frac=1, random_state=rng))
    assert same_parts(shuffled, split)


def test_without_times_no_cut_in_time_is_made_or_promised():
    timeless = GOOD.drop(columns="timestamp")
    with pytest.raises(ValueError, match="cuts at a moment, and the 3 ratings have no times.*split_by_user_time"):
        split_by_time(timeless)
    with pytest.warns(UserWarning, match="in_time='user' became None"):
        assert Split(timeless, None, TEST.assign(timestamp=0), in_time="user").in_time is None
    assert Split(timeless, None, TEST.drop(columns="timestamp")).train["timestamp"].tolist() == [0, 0, 0]


FEW = pd.concat([one_user(range(20), 99), *(one_user(range(3), user) for user in range(20))])
ONE_EACH = [(user, user % 7, 4.0, SECONDS + user) for user in range(200)]


@pytest.mark.parametrize(
    ("how", "ratings", "shares", "said"),
    [
        (split_by_time, table(*ONE_EACH), (), "none of its 20 users, who have 20 ratings there, has one in train"),
        (split_by_time, one_user(range(10)), (0, 0.1), "test is a single rating of 10"),
        (split_by_user_time, FEW, (), "only 1 of 21 users are tested: a test share of 0.1 needs a user with 10"),
        (split_by_user_time, one_user(range(9)), (0.1, 0.4), "validation is None: nobody has 10 ratings"),
        (split_leave_last, pd.concat([one_user([3, 1], 1), one_user([3, 1], 2)]), (), "None: nobody has three"),
    ],
)
def test_what_cannot_be_measured_is_said_at_the_split(how, ratings, shares, said):
    with pytest.warns(UserWarning, match=said) as caught:
        how(ratings, *shares)
    assert {one.filename for one in caught} == {__file__}


@pytest.mark.parametrize(
    ("how", "ratings", "message"),
    [
        (split_by_user_time, one_user(range(9)), "needs a user with 10 ratings, and the 1 users here have 9 at most"),
        (split_by_user_time, table(*ONE_EACH), "nobody can be tested.*each user has one rating"),
        (split_leave_last, table(*ONE_EACH), "nobody can be tested: `test` has no row. Each user has one rating"),
        *[(how, one_user([1]).drop(columns="movie_id"), "`movie_id` is missing") for how in ALL],
    ],
)
def test_what_cannot_be_split_is_refused(how, ratings, message):
    with pytest.raises(ValueError, match=f"(?i){message}"):
        how(ratings)


# ---- at random


def test_random5_tests_each_row_once_by_the_permutation_of_seed_0():
    ratings = random_table(5)
    splits = split_random5(ratings)
    pd.testing.assert_frame_equal(pd.concat([split.test for split in splits]).sort_index(), ratings)
    for split in splits:
        assert split.validation is None
        pd.testing.assert_frame_equal(pd.concat([split.train, split.test]).sort_index(), ratings)
    first_row = int(np.random.default_rng(0).permutation(len(ratings))[0])
    assert [first_row in split.test.index for split in splits] == [True, False, False, False, False]


def test_stratified_equals_a_slow_loop_and_does_not_touch_numpys_global_generator():
    ratings = random_table(6)
    np.random.seed(42)
    number = np.random.rand(len(ratings))  # as they draw it, from the global generator
    train_rows = []
    for movie in ratings["movie_id"].unique():
        rows = sorted(np.flatnonzero(ratings["movie_id"] == movie), key=lambda row: number[row])
        train_rows += rows[: round(0.75 * len(rows))]
    state = np.random.get_state()[2]
    split = split_stratified(ratings)
    assert np.random.get_state()[2] == state
    pd.testing.assert_frame_equal(split.train, ratings.iloc[sorted(train_rows)])
    assert len(split.test) == len(ratings) - len(train_rows)


# ---- what a split promises and refuses

GOOD = table((1, 10, 4.0, 1), (1, 20, 3.0, 2), (2, 10, 5.0, 3))
OTHER = table((9, 10, 1.0, 1))
TEST = table((2, 20, 4.0, 4))


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "validation"), ("validation", "test")])
def test_overlap_is_refused_with_the_count_of_users_and_examples(parts):
    tables = {"train": GOOD, "validation": OTHER, "test": table((9, 20, 1.0, 1))}
    first, second = parts
    leak = tables[first].assign(rating=1.0, timestamp=99)  # another time and other stars: the same rating still
    tables[second] = pd.concat([tables[second], leak])
    users = tables[first]["user_id"].unique().tolist()
    with pytest.raises(ValueError, match=f"{first} and {second} must be disjoint; {len(users)} of") as error:
        Split(**tables)
    assert f"of {len(users)} users" in str(error.value) and f"user_id {users}" in str(error.value)
    assert "split_by_user_time" in str(error.value)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_checked_and_named(part):
    """Every way in which ratings are refused: tests/data/test_cleaning.py."""
    tables = {"train": GOOD, "validation": OTHER, "test": TEST}
    mixed = pd.concat([real_times()[:3], real_times()[3:4].assign(timestamp=SECONDS * 1000)])
    for bad, says in [
        (tables[part].drop(columns="user_id"), f"`{part}` needs user_id.*`user_id` is missing"),
        (pd.concat([tables[part]] * 2), f"`{part}` must hold each user's rating of a movie once"),
        (mixed, f"timestamp in `{part}` .* 1 of 4 are not: milliseconds, e.g. {SECONDS * 1000} in row 3"),
    ]:
        with pytest.raises(ValueError, match=says):
            Split(**tables | {part: bad})


def test_a_split_in_time_refuses_a_later_rating_in_an_earlier_part():
    """ "user": only a user's own future counts, and a tie is allowed; "everyone": anybody's; None: a random split."""
    train = table((1, 10, 3.0, 5), (2, 10, 3.0, 9), (3, 10, 3.0, 99))  # user 3 is not tested: any time will do
    test = table((1, 20, 3.0, 5), (2, 20, 3.0, 8))
    for in_time, found in [
        ("user", r"1 of its 3 ratings, of 1 users, e.g. user_id \[2\], are newer than the same user's first rating in"),
        ("everyone", r"2 of its 3 ratings, of 2 users, e.g. user_id \[2, 3\], are newer than the first rating in test"),
    ]:
        with pytest.raises(ValueError, match="train must not know the future of test; " + found):
            Split(train, None, test, in_time)
    with pytest.raises(ValueError, match="validation must not know the future of test"):
        Split(train[:1], table((1, 30, 3.0, 10)), test, in_time="user")
    Split(train[::2], None, test, in_time="user")
    assert repr(Split(train, None, test)) == "Split(train 3, test 2 ratings)"


def test_each_split_says_what_it_promises(split):
    ratings = random_table(9)
    assert split_by_time(ratings).in_time == "everyone"
    assert split_by_user_time(ratings).in_time == split_leave_last(ratings).in_time == "user"
    assert split_stratified(ratings).in_time is split_random5(ratings)[0].in_time is None
    with pytest.raises(ValueError, match="`in_time` must be one of .*got 'global'"):
        Split(GOOD, None, TEST, in_time="global")
    with pytest.raises(AttributeError):
        split.test = split.train
    assert isinstance(split, movierec.Split)


def test_cold_users_and_movies_are_counted_and_kept():
    train = table((1, 10, 3.0, 1), (2, 20, 3.0, 1))
    test = table((1, 30, 3.0, 3), (3, 10, 3.0, 3), (3, 30, 3.0, 3), (2, 10, 3.0, 3))
    split = Split(train, table((1, 20, 3.0, 2)), test)
    assert split.cold().to_dict("index") == {
        "validation": {"ratings": 1, "users": 1, "cold_users": 0, "cold_movies": 0, "cold_ratings": 0},
        "test": {"ratings": 4, "users": 3, "cold_users": 1, "cold_movies": 1, "cold_ratings": 3},
    }
    assert len(split.test) == 4
