"""Data like MovieLens from a seed: the shape that it promises, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import synthetic
from movierec.data.movielens import MovieLens
from movierec.data.synthetic import make_movielens, write_csv
from tests.data.conftest import assert_same


@pytest.fixture(scope="module")
def data():
    return make_movielens(2_000, 800, 100_000, num_tags=300, seed=1)


def test_its_tables_are_those_of_load_and_have_as_many_of_everything_as_is_asked_for(data, ml100k):
    assert list(data.ratings) == list(ml100k.ratings) and (data.ratings.dtypes == ml100k.ratings.dtypes).all()
    assert list(data.movies) == list(ml100k.movies) and data.movies["year"].dtype == ml100k.movies["year"].dtype
    assert list(data.tags) == ["user_id", "movie_id", "tag", "timestamp"] and data.users is None
    assert len(movierec.split_by_user_time(data.ratings).train) > 70_000  # checks that each pair is there once
    assert abs(len(data.ratings) - 100_000) < 2_000 and len(data.tags) == 300
    assert data.movies["movie_id"].tolist() == list(range(1, 801))
    counts = data.ratings["user_id"].value_counts()
    assert len(counts) == 2_000 and counts.min() >= 20 and counts.max() <= 400


def test_a_few_movies_and_a_few_users_have_most_ratings(data):
    for column in ("movie_id", "user_id"):
        counts = data.ratings[column].value_counts().to_numpy()
        assert counts[: len(counts) // 10].sum() > 0.25 * counts.sum()


def test_stars_are_halves_and_a_favourite_genre_is_watched_more_and_rated_higher(data):
    stars = data.ratings["rating"]
    assert set(stars * 2) <= set(range(1, 11)) and 3 < stars.mean() < 4
    genre = data.ratings["movie_id"].map(data.movies.set_index("movie_id")["genres"])
    favourite = genre.groupby(data.ratings["user_id"]).agg(lambda genres: genres.value_counts().index[0])
    own = (genre == data.ratings["user_id"].map(favourite)).to_numpy()
    # own: 0.30 with any seed, 0.12 if nobody had a favourite
    assert own.mean() > 0.27 and stars[own].mean() > stars[~own].mean() + 0.3


def test_each_users_ratings_come_in_their_order_of_time(data):
    by_user = data.ratings.groupby("user_id")["timestamp"]
    assert by_user.is_monotonic_increasing.all() and (by_user.max() - by_user.min()).median() < 86_400


def test_the_same_seed_gives_the_same_tables_and_another_others(data):
    again, other = (make_movielens(2_000, 800, 100_000, num_tags=300, seed=seed) for seed in (1, 2))
    assert_same(data, again)
    assert not np.array_equal(other.ratings["movie_id"][:1000], data.ratings["movie_id"][:1000])


@pytest.mark.parametrize("num_ratings", [199, 2_000 * 20 - 1, 400_001])
def test_too_few_or_too_many_ratings_are_refused(num_ratings):
    with pytest.raises(ValueError, match=f"40,000 to 400,000 here; got {num_ratings:,}"):
        make_movielens(2_000, 800, num_ratings)


def test_blocks_of_users_are_put_together(monkeypatch):
    monkeypatch.setattr(synthetic, "USERS_PER_BLOCK", 7)
    ratings = make_movielens(30, 200, 1_500, seed=3).ratings
    assert ratings["user_id"].is_monotonic_increasing and set(ratings["user_id"]) == set(range(1, 31))
    assert ratings["movie_id"].between(1, 200).all() and not ratings.duplicated(["user_id", "movie_id"]).any()
    assert ratings.groupby("user_id")["timestamp"].is_monotonic_increasing.all()


# ---- as files


def test_files_are_as_grouplens_writes_them(tmp_path):
    ratings = pd.DataFrame(
        {"user_id": [1, 1, 9], "movie_id": [7, 8, 7], "rating": [3.5, 4.0, 0.5], "timestamp": [5, 6, 7]}
    )
    movies = pd.DataFrame({"movie_id": [7, 8], "title": ['Good, the "Bad"', "Pi"], "genres": ["War|Drama", ""]})
    tags = pd.DataFrame({"user_id": [1], "movie_id": [7], "tag": ["é, x"], "timestamp": [9]})
    folder = write_csv(
        MovieLens(ratings.astype({"rating": "float32"}), movies, None, tags), tmp_path / "new" / "folder"
    )
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {
        "ratings.csv": "userId,movieId,rating,timestamp\n1,7,3.5,5\n1,8,4.0,6\n9,7,0.5,7\n",
        "movies.csv": 'movieId,title,genres\n7,"Good, the ""Bad""",War|Drama\n8,Pi,(no genres listed)\n',
        "tags.csv": 'userId,movieId,tag,timestamp\n1,7,"é, x",9\n',
    }
    write_csv(MovieLens(ratings[:1], movies), folder)
    assert (folder / "ratings.csv").read_text() == "userId,movieId,rating,timestamp\n1,7,3.5,5\n"


def test_what_is_written_is_read_again(data, tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    folder = write_csv(data, tmp_path / "raw" / "ml-latest-small")
    names = ("ratings.csv", "movies.csv")
    for again in (movierec.load("ml-latest-small"), movierec.read(*(folder / name for name in names), step=0.5)):
        pd.testing.assert_frame_equal(again.ratings, data.ratings)
        pd.testing.assert_frame_equal(again.movies, data.movies)
    pd.testing.assert_frame_equal(movierec.load("ml-latest-small").tags, data.tags)
