"""Terms, their weights and the profiles they make, on paper; movies without ratings, by a second way to the ridge."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Bias, ContentBased, FromContent, ImplicitAls
from movierec.baselines.content import describe, genre_matrix, known_tags, tag_table, tf_idf, title_words
from movierec.data import make_indices

TITLES = pd.DataFrame(
    {
        "movie_id": [7, 3, 9, 4],
        "title": ["The Love Story (1990)", "Love, Love (1994)", None, "Murder at 1600 (1997)"],
    },
    index=[5, 6, 7, 8],
)


def test_words_of_titles_are_shares_without_little_words_numbers_the_year_and_words_of_few_titles():
    words = title_words(TITLES, fewest=1)
    assert list(words) == ["movie_id", "word=love", "word=murder", "word=story"]
    assert words["movie_id"].tolist() == [7, 3, 9, 4] and words.index.tolist() == [0, 1, 2, 3]
    # "the", "at" and 1600 are no words; a word that is there twice is one word; no title is no word.
    assert words.iloc[:, 1:].to_numpy().tolist() == [[0.5, 0, 0.5], [1, 0, 0], [0, 0, 0], [0, 1, 0]]
    words = title_words(TITLES, fewest=2)
    assert list(words) == ["movie_id", "word=love"] and words["word=love"].tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="`movies` needs movie_id, title; `title` is missing"):
        title_words(TITLES[["movie_id"]])


@pytest.mark.parametrize("dtype", ["object", "str", "string[pyarrow]"])
def test_genres_are_columns_in_alphabetical_order(tiny, tiny_indices, dtype):
    """Whatever kind of text pandas keeps: Arrow's own split of an empty text would add a column ""."""
    tiny.movies["genres"] = tiny.movies["genres"].astype(dtype)
    # Animation, Comedy, Crime
    expected = [[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert genre_matrix(tiny.movies, tiny_indices).tolist() == expected
    assert genre_matrix(tiny.movies[::-1], tiny_indices).tolist() == expected  # rows go by movie_id, not by place
    without_fargo = genre_matrix(tiny.movies[tiny.movies["movie_id"] != 30], tiny_indices)
    assert without_fargo.tolist() == [*expected[:2], [0, 0, 0], *expected[3:]]


def test_a_movie_is_described_by_genres_decade_and_tags(tiny, tiny_indices):
    tags = pd.DataFrame({"movie_id": [30, 30, 10, 999, 20], "tag": ["Snow", "snow", "toys", "lost", None]})
    terms = describe(tiny.movies, tiny_indices, tags)
    expected = ["genre=Animation", "genre=Comedy", "genre=Crime", "decade=1990", "tag=snow", "tag=toys"]
    assert list(terms) == expected
    assert terms.loc[30].tolist() == [0, 0, 1, 1, 2, 0]
    assert terms.loc[50].tolist() == [0] * 6
    assert list(describe(tiny.movies, tiny_indices)) == expected[:4]


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
    nameless = ContentBased(tiny.ratings, tiny_indices, tiny.movies.assign(genres="", year=pd.NA))
    assert (nameless(np.arange(6)) == 0).all()


def test_stars_above_expectation_weigh_more_and_none_weighs_less_than_nothing(tiny, tiny_indices):
    content = ContentBased(tiny.ratings, tiny_indices, tiny.movies, stars_weight=2.0)
    mine = (tiny.ratings["user_id"] == 5).to_numpy()
    weight = np.maximum(1 + 2 * Bias(tiny.ratings, tiny_indices).residuals(tiny.ratings)[mine], 0)
    assert weight.min() == 0 < 1 < weight.max()  # user 5 gave Toy Story one star
    movies = tiny_indices.movie_index(tiny.ratings["movie_id"][mine])
    np.testing.assert_allclose(content.profiles[3], weight @ content.vectors[movies])


def test_tags_are_read_up_to_each_users_last_rating_in_train_and_counted_in_lower_case(tiny, tiny_indices):
    """User 8 rated on day 4, user 1 on days 0, 5 and 10, all on day 13 last; user 9's second tag is of day 7."""
    day = tiny.ratings["timestamp"].min() + 86_400 * np.arange(15)
    rows = [(8, 4), (8, 5), (1, 10), (1, 11), (9, 6), (9, 7), (99, 13), (99, 14)]
    tags = pd.DataFrame([(user, 10, f"{user}-{when}", day[when]) for user, when in rows])
    tags.columns = ["user_id", "movie_id", "tag", "timestamp"]
    known = known_tags(tags, tiny.ratings)
    assert known["tag"].tolist() == ["8-4", "1-10", "9-6", "99-13"]
    content, early = (ContentBased(tiny.ratings, tiny_indices, tiny.movies, given) for given in (tags, known))
    np.testing.assert_array_equal(content.vectors, early.vectors)
    assert content.vectors.shape == (5, 4 + 4)  # genres and decade, and the four tags
    tags = tags.assign(movie_id=[10, 10, 20, 20, 20, 20, 20, 20], tag=["Noir", "noir", "noir", "slow"] + ["NOIR"] * 4)
    table = tag_table(tags, tiny.ratings, fewest=2)
    assert table.to_dict("index") == {10: {"noir": 1}, 20: {"noir": 3}}
    with pytest.raises(ValueError, match="`tags` needs user_id, .*; `tag` is missing"):
        known_tags(tags.drop(columns="tag"), tiny.ratings)


def test_tables_that_lack_a_column_and_settings_out_of_range_are_refused(tiny, tiny_indices):
    with pytest.raises(ValueError, match="`movies` needs movie_id, genres, year; `year` is missing"):
        ContentBased(tiny.ratings, tiny_indices, tiny.movies.drop(columns="year"))
    with pytest.raises(ValueError, match="`tags` needs movie_id, tag; `tag` is missing"):
        describe(tiny.movies, tiny_indices, pd.DataFrame({"movie_id": [10]}))
    with pytest.raises(ValueError, match="`stars_weight` must be 0 or more and finite, got -1"):
        ContentBased(tiny.ratings, tiny_indices, tiny.movies, stars_weight=-1)
    for rows, rated, says in ((3, [True, False], "found 3 rows, 2 and 1 rated"), (2, [False, False], "0 rated")):
        with pytest.raises(ValueError, match=says):
            FromContent(None, np.zeros((rows, 1)), np.array(rated))
    with pytest.raises(ValueError, match="`regularisation` must be above 0 and finite, got nan"):
        FromContent(None, np.zeros((2, 1)), np.array([True, False]), np.nan)


def test_for_products_of_vectors_it_is_the_ridge_regression_from_content_to_vectors(split, checkerboard):
    train = split.train[split.train["movie_id"] > 60]
    indices = make_indices(train, checkerboard.movies)
    als = ImplicitAls(train, indices, factors=3)
    rng = np.random.default_rng(0)
    content = rng.normal(size=(indices.num_movies, 4))
    rated = indices.movie_ids > 60
    scores = FromContent(als, content, rated, 2.0)(np.arange(5))
    # Gantner: y = ȳ + (x − x̄) A, A the ridge regression of the vectors, by least squares with rows added for the pull.
    x, y = content[rated] - content[rated].mean(axis=0), als.movies[rated]
    left, right = np.vstack([x, np.sqrt(2) * np.eye(4)]), np.vstack([y - y.mean(axis=0), np.zeros((4, 3))])
    a = np.linalg.lstsq(left, right, rcond=None)[0]
    new = y.mean(axis=0) + (content[~rated] - content[rated].mean(axis=0)) @ a
    np.testing.assert_allclose(scores[:, ~rated], als.users[:5] @ new.T, atol=1e-5)
    np.testing.assert_array_equal(scores[:, rated], als(np.arange(5))[:, rated])  # what is known stays
