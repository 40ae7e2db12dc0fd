"""Data like MovieLens from a seed: the shape that it promises, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.synthetic import LEAST_RATINGS, make_movielens


@pytest.fixture(scope="module")
def data():
    return make_movielens(2_000, 800, 100_000, num_tags=300, seed=1)


def test_its_tables_are_those_of_load(data, ml100k):
    assert list(data.ratings) == list(ml100k.ratings) and (data.ratings.dtypes == ml100k.ratings.dtypes).all()
    assert list(data.movies) == list(ml100k.movies) and data.movies["year"].dtype == ml100k.movies["year"].dtype
    assert list(data.tags) == ["user_id", "movie_id", "tag", "timestamp"] and data.users is None
    split = movierec.split_by_user_time(data.ratings)  # checks that each pair is there once
    assert len(split.train) > 70_000


def test_it_has_as_many_of_everything_as_it_is_asked_for(data):
    assert abs(len(data.ratings) - 100_000) < 2_000 and len(data.tags) == 300
    assert data.movies["movie_id"].tolist() == list(range(1, 801))
    counts = data.ratings["user_id"].value_counts()
    assert len(counts) == 2_000 and counts.min() >= LEAST_RATINGS and counts.max() <= 400


def test_a_few_movies_and_a_few_users_have_most_ratings(data):
    for column, share in (("movie_id", 0.25), ("user_id", 0.25)):
        counts = data.ratings[column].value_counts().to_numpy()
        assert counts[: len(counts) // 10].sum() > share * counts.sum()


def test_stars_are_halves_and_a_favourite_genre_is_watched_more_and_rated_higher(data):
    stars = data.ratings["rating"]
    assert set(stars * 2) <= set(range(1, 11)) and 3 < stars.mean() < 4
    genre = data.ratings["movie_id"].map(data.movies.set_index("movie_id")["genres"])
    favourite = genre.groupby(data.ratings["user_id"]).agg(lambda genres: genres.value_counts().index[0])
    own = (genre == data.ratings["user_id"].map(favourite)).to_numpy()
    assert own.mean() > 0.3 and stars[own].mean() > stars[~own].mean() + 0.3


def test_each_users_ratings_come_in_their_order_of_time(data):
    by_user = data.ratings.groupby("user_id")["timestamp"]
    assert by_user.is_monotonic_increasing.all() and (by_user.max() - by_user.min()).median() < 86_400


def test_the_same_seed_gives_the_same_tables_and_another_others(data):
    again, other = (make_movielens(2_000, 800, 100_000, num_tags=300, seed=seed) for seed in (1, 2))
    for one, two in zip(data, again, strict=True):
        assert one is two is None or pd.testing.assert_frame_equal(one, two) is None
    assert not np.array_equal(other.ratings["movie_id"][:1000], data.ratings["movie_id"][:1000])


@pytest.mark.parametrize("num_ratings", [199, 2_000 * 20 - 1, 400_001])
def test_too_few_or_too_many_ratings_are_refused(num_ratings):
    with pytest.raises(ValueError, match=f"40,000 to 400,000 here; got {num_ratings:,}"):
        make_movielens(2_000, 800, num_ratings)
