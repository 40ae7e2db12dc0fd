"""Tables in, arrays and batches out, on tables small enough to write the answer beside them."""

import numpy as np
import pandas as pd
import pytest

from movierec.data import (
    batches,
    catalogue,
    make_indices,
    make_weeks,
    movie_features,
    rating_rows,
    table_features,
    user_features,
)
from movierec.data.features import Weeks
from movierec.data.indices import Indices
from movierec.keras2 import tf
from movierec.models import deterministic_ops

WEEK = 7 * 24 * 3600  # seconds


# ---- what is known of movies and users


def test_genres_are_shares_and_years_are_bins_of_five(tiny, tiny_indices):
    features = movie_features(tiny.movies, tiny_indices)
    assert features.names == ["genre=Animation", "genre=Comedy", "genre=Crime", "year=1990", "year=1995"]
    expected = [
        [1 / 2, 1 / 2, 0, 0, 1],  # Animation|Comedy, 1995
        [1, 0, 0, 1, 0],  # Animation, 1992
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0],  # neither genres nor a year
    ]
    np.testing.assert_array_equal(features.values, np.array(expected, np.float32))
    assert features.values.dtype == np.float32


def test_a_movie_that_the_table_lacks_has_zeros_and_rows_follow_the_indices(tiny):
    features = movie_features(tiny.movies.iloc[[3, 0]], Indices(np.array([1]), np.array([10, 30, 40])))
    assert features.names == ["genre=Animation", "genre=Comedy", "genre=Crime", "year=1995"]
    assert features.values.tolist() == [[0.5, 0.5, 0, 1], [0, 0, 0, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("dtype", [pd.StringDtype("python", na_value=np.nan), pd.StringDtype("pyarrow"), "object"])
def test_features_are_the_same_whatever_holds_the_text(tiny, tiny_indices, dtype):
    movies = tiny.movies.assign(genres=tiny.movies["genres"].where(tiny.movies["movie_id"] != 30).astype(dtype))
    users = tiny.users.astype({"gender": dtype, "occupation": dtype})
    features = movie_features(movies, tiny_indices)
    assert features.names == ["genre=Animation", "genre=Comedy", "genre=Crime", "year=1990", "year=1995"]
    assert features.values[:, :3].tolist() == [[0.5, 0.5, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    for years in ("Int64", "float64", "object"):
        found = movie_features(tiny.movies.assign(year=tiny.movies["year"].astype(years)), tiny_indices)
        assert found.values[:, 3:].tolist() == [[0, 1], [1, 0], [0, 1], [0, 1], [0, 0]]
    for mine, expected in zip(user_features(users, tiny_indices), user_features(tiny.users, tiny_indices), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert features.values.dtype == user_features(users, tiny_indices).values.dtype == np.float32


def test_age_groups_gender_and_occupation(tiny, tiny_indices):
    features = user_features(tiny.users, tiny_indices)
    names = ["age=0-17", "age=18-24", "age=56-199", "gender=F", "gender=M"]
    assert features.names == [*names, "occupation=other", "occupation=student", "occupation=writer"]
    expected = [
        [1, 0, 0, 1, 0, 0, 0, 1],  # user 1: 17, F, writer
        [0, 1, 0, 0, 1, 0, 1, 0],  # 18 begins a group …
        [0, 1, 0, 1, 0, 0, 0, 1],  # … and 24 ends it
        [0, 0, 1, 0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0, 1, 0, 0],  # user 8: no age
        [0, 0, 0, 0, 0, 0, 0, 0],  # user 9 is not in the table
    ]
    assert features.values.tolist() == expected
    assert features.values.dtype == np.float32
    as_text = tiny.users.assign(age=["17", "18", "24", "56", "unknown"])
    assert user_features(as_text, tiny_indices).values.tolist() == expected


def test_any_column_and_any_table_may_be_missing(tiny, tiny_indices):
    assert user_features(tiny.users[["user_id", "gender"]], tiny_indices).names == ["gender=F", "gender=M"]
    assert movie_features(tiny.movies.drop(columns="genres"), tiny_indices).names == ["year=1990", "year=1995"]
    for users in (tiny.users[["user_id"]], None):
        assert user_features(users, tiny_indices).values.shape == (6, 0)
    for movies in (tiny.movies[["movie_id", "title"]], None):
        assert movie_features(movies, tiny_indices).values.shape == (5, 0)


def test_a_table_without_its_id_or_with_one_twice_is_refused(tiny, tiny_indices):
    with pytest.raises(ValueError, match="`movies` needs movie_id; it has title, year, genres"):
        movie_features(tiny.movies.drop(columns="movie_id"), tiny_indices)
    with pytest.raises(ValueError, match="`users` needs user_id; it has age, gender, occupation"):
        user_features(tiny.users.drop(columns="user_id"), tiny_indices)
    with pytest.raises(ValueError, match=r"row for each user_id; 5 of 10 rows .* them: users.drop_duplicates..user_id"):
        user_features(pd.concat([tiny.users, tiny.users]), tiny_indices)


# ---- weeks


def test_weeks_count_from_the_first_rating_and_stop_at_the_last():
    weeks = make_weeks(pd.DataFrame({"timestamp": [1000 + 2 * WEEK, 1000, 1000 + WEEK - 1]}))
    assert weeks == Weeks(1000, 3)
    times = [1000, 1000 + WEEK - 1, 1000 + WEEK, 1000 + 2 * WEEK, 1000 + 99 * WEEK, 0]
    index = weeks.index(pd.DataFrame({"timestamp": times}))
    assert index.tolist() == [0, 0, 1, 2, 2, 0]  # later ones are the last week, earlier ones the first
    assert index.dtype == np.int32
    assert weeks.index(pd.DataFrame({"user_id": [1, 2]})).tolist() == [-1, -1]  # unknown
    for dtype in ("float64", "Int64"):
        times = pd.Series([1000, None, 1000 + 2 * WEEK], dtype=dtype)
        assert weeks.index(pd.DataFrame({"timestamp": times})).tolist() == [0, -1, 2]


def test_weeks_of_times_in_other_forms_and_of_a_train_part_without_times():
    weeks = Weeks(1_142_812_800, 9)  # 2006-03-20
    times = pd.DataFrame({"timestamp": ["2006-03-20 22:55:35", None, "2006-03-27"]})
    assert weeks.index(times).tolist() == [0, -1, 1]
    assert weeks.seconds(times)[::2].tolist() == [1_142_895_335, 1_143_417_600]
    with pytest.warns(UserWarning, match="milliseconds"):
        assert weeks.index(pd.DataFrame({"timestamp": [1_143_417_600_000]})).tolist() == [1]
    timeless = make_weeks(pd.DataFrame({"timestamp": [7, 7, 7]}))
    assert timeless.count == 0 and timeless.index(pd.DataFrame({"timestamp": [7, 8, 9]})).tolist() == [-1, -1, -1]


# ---- rows and batches


def test_rating_rows_have_the_columns_that_the_model_reads(tiny, tiny_indices):
    weeks = make_weeks(tiny.ratings)
    rows = rating_rows(tiny.ratings, tiny_indices, weeks, np.arange(14.0))
    assert list(rows) == ["user_index", "movie_index", "week_index", "rating", "residual"]
    assert rows["user_index"].tolist() == [0, 1, 2, 3, 4, 0, 5, 1, 2, 3, 0, 1, 2, 3]
    assert rows["movie_index"].tolist() == [0, 0, 1, 0, 0, 1, 2, 1, 2, 2, 2, 3, 3, 3]
    assert rows["week_index"].tolist() == [0] * 7 + [1] * 7  # one a day
    assert [column.dtype for column in rows.values()] == [np.int32] * 3 + [np.float32] * 2
    pairs = tiny.ratings[["user_id", "movie_id"]]
    assert list(rating_rows(pairs, tiny_indices, weeks)) == ["user_index", "movie_index", "week_index"]


def _steps(num_rows, batch_size, seed, count):
    rows = {"user_index": np.arange(num_rows, dtype=np.int32), "rating": np.arange(num_rows, dtype=np.float32) * 10}
    return [
        {name: column.tolist() for name, column in batch.items()}
        for batch in batches(rows, batch_size, seed).take(count).as_numpy_iterator()
    ]


def test_every_epoch_covers_each_row_once_in_another_order_and_columns_stay_together():
    steps = _steps(12, 4, seed=0, count=9)  # three epochs
    epochs = [sum((batch["user_index"] for batch in steps[start : start + 3]), []) for start in (0, 3, 6)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(12))
    assert list(range(12)) not in epochs
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert _steps(12, 4, seed=0, count=9) == steps != _steps(12, 4, seed=2, count=9)
    for batch in steps:
        assert batch["rating"] == [10.0 * user for user in batch["user_index"]]


def test_an_incomplete_last_batch_is_left_out_and_its_rows_come_back():
    steps = [set(batch["user_index"]) for batch in _steps(11, 4, seed=0, count=2 * 40)]
    seen = [one | other for one, other in zip(steps[::2], steps[1::2], strict=True)]
    assert {len(rows) for rows in seen} == {8}  # 8 of 11 rows in an epoch, none twice …
    assert set.union(*seen) == set(range(11))  # … and all of them in the long run
    (batch,) = _steps(5, 100, seed=0, count=1)
    assert sorted(batch["user_index"]) == [0, 1, 2, 3, 4]


def test_batches_read_the_variable_that_they_are_given_and_no_copy_of_it():
    """Copies of the columns of 16 million ratings took 0.6 GB; what the variable has later is what a batch has."""
    column = tf.Variable(np.zeros(12, np.float32), trainable=False)
    with deterministic_ops():
        stream = iter(batches({"rating": column}, 4, seed=0))
        column.assign(np.full(12, 5, np.float32))
        assert [next(stream)["rating"].numpy().tolist() for _ in range(6)][3:] == [[5.0] * 4] * 3  # two are prefetched


def test_whole_groups_are_shuffled_and_a_training_goes_on_where_it_was_interrupted():
    groups = np.array([0, 3, 4, 8, 12])  # four users with 3, 1, 4 and 4 ratings
    rows = {"rating": np.arange(12, dtype=np.float32)}

    def steps(first_step, count):
        stream = batches(rows, 6, 0, groups=groups, first_step=first_step)
        return [batch["rating"].tolist() for batch in stream.take(count).as_numpy_iterator()]

    whole = steps(0, 6)
    assert steps(3, 3) == whole[3:]
    for epoch in (whole[0] + whole[1], whole[2] + whole[3]):
        users = [int(np.searchsorted(groups, row, side="right")) for row in epoch]
        assert sorted(epoch) == list(range(12))
        assert len([user for user, before in zip(users, [0, *users], strict=False) if user != before]) == 4  # unbroken


# ---- a table of one's own

MINE = pd.DataFrame(
    {
        "movie_id": [30, 10, 99],
        "minutes": [100.0, 80.0, 1.0],
        "language": ["en|fr", "en", "de"],
        "colour": [True, False, True],
        "tag=1": [0.5, np.nan, 7.0],
    }
)


def test_numbers_are_standardised_text_is_a_feature_a_value_and_lists_are_shared(tiny_indices):
    found = table_features(MINE, "movie_id", tiny_indices.movie_ids)
    assert found.names == ["minutes", "language=en", "language=fr", "colour=False", "colour=True", "tag=1"]
    expected = [
        [-1, 1, 0, 1, 0, 0],  # 80 minutes: mean 90, deviation 10
        [0, 0, 0, 0, 0, 0],  # not in the table
        [1, 0.5, 0.5, 0, 1, 0.5],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]  # movie 99 is not in the catalogue: neither its minutes nor its language count
    np.testing.assert_allclose(found.values, expected)
    assert found.values.dtype == np.float32


def test_what_is_missing_is_zero_and_a_constant_says_nothing(tiny_indices):
    mine = pd.DataFrame({"movie_id": [10, 20, 30], "minutes": [80, None, 100], "sort": 3, "studio": ["A", None, "A"]})
    found = table_features(mine.astype({"minutes": "Int64"}), "movie_id", tiny_indices.movie_ids)
    assert found.values.tolist() == [[-1, 0, 1], [0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_a_table_stands_beside_what_is_known_already(tiny, tiny_indices):
    found = movie_features(tiny.movies, tiny_indices, MINE[["movie_id", "language"]])
    assert found.names[3:] == ["year=1990", "year=1995", "language=en", "language=fr"]
    np.testing.assert_array_equal(found.values[:, :5], movie_features(tiny.movies, tiny_indices).values)
    people = pd.DataFrame({"user_id": [1, 5], "city": ["Bonn", "Kyoto"]})
    assert user_features(None, tiny_indices, people).names == ["city=Bonn", "city=Kyoto"]
    assert user_features(tiny.users, tiny_indices, people).values.shape == (6, 10)


@pytest.mark.parametrize(
    ("mine", "says"),
    [
        (MINE.drop(columns="movie_id"), "`about_movies` needs movie_id; it has minutes, language"),
        (MINE.assign(movie_id=[30, 30, 10]), "one row for each movie_id; 1 of 3 rows repeat one, e.g. \\[30\\]"),
        (MINE.assign(movie_id=[1, 2, 3]), "of the 5 rows by their movie_id, .* of its 3, e.g. \\[1, 2, 3\\], none"),
        (MINE.assign(minutes=[1, np.inf, 2]), "finite numbers; minutes has 1 infinite"),
        (MINE.assign(cast=[["a"], ["b"], ["c"]]), "numbers or text; cast has 2 others"),
        (MINE.assign(genre="Crime"), "of other names; 1 are there already, e.g. \\['genre=Crime'\\]"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused(tiny, tiny_indices, mine, says):
    with pytest.raises(ValueError, match=says):
        movie_features(tiny.movies, tiny_indices, mine)


def test_tables_by_an_index_and_genres_as_lists_are_the_same_tables(tiny, tiny_indices):
    """What pandas users make: `set_index("movie_id")`, and a column of lists or tuples."""
    lists = tiny.movies.assign(genres=[genres.split("|") if genres else [] for genres in tiny.movies["genres"]])
    expected = movie_features(tiny.movies, tiny_indices)
    for movies in (lists.set_index("movie_id"), lists.assign(genres=lists["genres"].map(tuple))):
        found = movie_features(movies, tiny_indices)
        assert found.names == expected.names and (found.values == expected.values).all()
        assert catalogue(movies, tiny_indices, 0)["genres"].tolist() == tiny.movies["genres"].tolist()
        assert make_indices(tiny.ratings, movies).movie_ids.tolist() == tiny_indices.movie_ids.tolist()
    about = pd.DataFrame({"movie_id": [10, 20], "minutes": [81, 90]}).set_index("movie_id")
    assert movie_features(None, tiny_indices, about).values[:2, 0].tolist() == [-1, 1]  # (81 − 85.5) / 4.5
