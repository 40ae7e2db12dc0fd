"""Terms, their weights, and the profiles they make: on paper."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines.content import ContentBased, describe, genre_matrix, known_tags, tf_idf
from movierec.baselines.popularity_and_bias import Bias


def test_genres_are_columns_in_alphabetical_order(tiny, tiny_indices):
    # Animation, Comedy, Crime
    expected = [[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert genre_matrix(tiny.movies, tiny_indices).tolist() == expected
    turned = genre_matrix(tiny.movies[::-1], tiny_indices)  # rows go by movie_id, not by place
    assert turned.tolist() == expected
    without_fargo = genre_matrix(tiny.movies[tiny.movies["movie_id"] != 30], tiny_indices)
    assert without_fargo.tolist() == [*expected[:2], [0, 0, 0], *expected[3:]]


def test_a_movie_is_described_by_genres_decade_and_tags(tiny, tiny_indices):
    tags = pd.DataFrame({"movie_id": [30, 30, 10, 999], "tag": ["Snow", "snow", "toys", "lost"]})
    terms = describe(tiny.movies, tiny_indices, tags)
    assert list(terms) == [
        *["genre=Animation", "genre=Comedy", "genre=Crime", "decade=1990", "tag=snow", "tag=toys"],
    ]
    assert terms.loc[30].tolist() == [0, 0, 1, 1, 2, 0]
    assert terms.loc[50].tolist() == [0] * 6
    assert list(describe(tiny.movies, tiny_indices)) == list(terms)[:4]


def test_tf_idf_by_hand():
    # Four movies; the first term is said of two, once and twice; the second of all, and weighs nothing.
    terms = np.array([[1, 1, 0], [2, 1, 0], [0, 1, 3], [0, 1, 0]], float)
    vectors = tf_idf(terms)
    assert vectors.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    both = tf_idf(np.array([[2, 1], [0, 1], [0, 0], [0, 0]], float))[0]
    expected = np.array([(1 + np.log(2)) * np.log(4), np.log(2)])
    np.testing.assert_allclose(both, expected / np.linalg.norm(expected))


def test_a_profile_is_the_sum_of_what_was_watched_and_a_score_its_cosine(tiny, tiny_indices):
    content = ContentBased(tiny.ratings, tiny_indices, tiny.movies)
    np.testing.assert_allclose(content.profiles[0], content.vectors[[0, 1, 2]].sum(axis=0))  # user 1: 10, 20, 30
    profile = content.profiles[0] / np.linalg.norm(content.profiles[0])
    scores = content(np.array([4, 0]))
    np.testing.assert_allclose(scores[1], content.vectors @ profile, atol=1e-6)
    # User 8 watched Toy Story alone: itself 1, Aladdin by animation, Fargo and The Usual Suspects share its decade.
    assert scores[0, 0] == pytest.approx(1) and scores[0, 1] > scores[0, 2] == scores[0, 3] > scores[0, 4] == 0
    assert scores.dtype == np.float32


def test_stars_above_expectation_weigh_more_and_none_weighs_less_than_nothing(tiny, tiny_indices):
    content = ContentBased(tiny.ratings, tiny_indices, tiny.movies, stars_weight=2.0)
    mine = (tiny.ratings["user_id"] == 5).to_numpy()
    weight = np.maximum(1 + 2 * Bias(tiny.ratings, tiny_indices).residuals(tiny.ratings)[mine], 0)
    assert weight.min() == 0 < 1 < weight.max()  # user 5 gave Toy Story one star
    movies = tiny_indices.movie_index(tiny.ratings["movie_id"][mine])
    np.testing.assert_allclose(content.profiles[3], weight @ content.vectors[movies])


def test_a_user_of_whom_nothing_is_known_is_told_nothing(tiny, tiny_indices):
    nameless = tiny.movies.assign(genres="", year=pd.NA)
    scores = ContentBased(tiny.ratings, tiny_indices, nameless)(np.arange(6))
    assert (scores == 0).all()


@pytest.mark.parametrize("column", ["movie_id", "genres", "year"])
def test_a_table_of_movies_that_lacks_a_column_is_refused(tiny, tiny_indices, column):
    with pytest.raises(ValueError, match=f"`movies` needs movie_id, genres, year; {column} is missing"):
        ContentBased(tiny.ratings, tiny_indices, tiny.movies.drop(columns=column))


def test_a_negative_weight_of_stars_is_refused(tiny, tiny_indices):
    with pytest.raises(ValueError, match="`stars_weight` must be 0 or more, got -1"):
        ContentBased(tiny.ratings, tiny_indices, tiny.movies, stars_weight=-1)


def test_tags_are_read_up_to_each_users_last_rating_in_train(tiny, tiny_indices):
    """User 8 rated on day 4, user 1 on days 0, 5 and 10, all on day 13 last; user 9's second tag is of day 7."""
    day = tiny.ratings["timestamp"].min() + 86_400 * np.arange(15)
    rows = [(8, 4), (8, 5), (1, 10), (1, 11), (9, 6), (9, 7), (99, 13), (99, 14)]
    tags = pd.DataFrame([(user, 10, f"{user}-{when}", day[when]) for user, when in rows])
    tags.columns = ["user_id", "movie_id", "tag", "timestamp"]
    assert known_tags(tags, tiny.ratings)["tag"].tolist() == ["8-4", "1-10", "9-6", "99-13"]
    content = ContentBased(tiny.ratings, tiny_indices, tiny.movies, tags)
    early = ContentBased(tiny.ratings, tiny_indices, tiny.movies, known_tags(tags, tiny.ratings))
    np.testing.assert_array_equal(content.vectors, early.vectors)
    assert content.vectors.shape == (5, 4 + 4)  # genres and decade, and the four tags


def test_a_missing_tag_is_not_counted(tiny, tiny_indices):
    tags = pd.DataFrame({"movie_id": [10, 20], "tag": ["toys", None]})
    assert list(describe(tiny.movies, tiny_indices, tags))[4:] == ["tag=toys"]


@pytest.mark.parametrize("column", ["user_id", "movie_id", "tag", "timestamp"])
def test_a_table_of_tags_that_lacks_a_column_is_refused(tiny, tiny_indices, column):
    tags = pd.DataFrame({"user_id": [1], "movie_id": [10], "tag": ["toys"], "timestamp": [0]}).drop(columns=column)
    with pytest.raises(ValueError, match=f"`tags` needs user_id, movie_id, tag, timestamp; {column} is missing"):
        ContentBased(tiny.ratings, tiny_indices, tiny.movies, tags)
