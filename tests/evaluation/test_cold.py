"""Hidden films: nothing of them is left in train, chance is one half, and the ridge is solved another way."""

import numpy as np
import pytest
from movierec.evaluation.cold import FromContent, evaluate_hidden, hidden_share, hide_movies

from movierec.baselines import ImplicitAls, Popularity
from movierec.data import make_indices, split_by_user_time
from movierec.evaluation.ranking import evaluate_ranking


@pytest.fixture(scope="module")
def hidden(checkerboard):
    return hide_movies(split_by_user_time(checkerboard.ratings), share=0.2, seed=1)


@pytest.fixture(scope="module")
def indices(hidden, checkerboard):
    return make_indices(hidden.split.train, checkerboard.movies)


def test_hidden_movies_are_gone_from_train_and_validation_and_all_their_ratings_are_asked(checkerboard, hidden):
    assert len(hidden.movie_ids) == 6  # 0.2 of 30
    for part in (hidden.split.train, hidden.split.validation):
        assert not part["movie_id"].isin(hidden.movie_ids).any()
    all_of_them = checkerboard.ratings[checkerboard.ratings["movie_id"].isin(hidden.movie_ids)]
    assert len(hidden.ratings) == len(all_of_them)
    assert hidden.ratings["rating"].sum() == all_of_them["rating"].sum()
    assert hidden.split.in_time == "user"


def test_who_is_no_longer_in_train_is_not_asked(tiny):
    split = split_by_user_time(tiny.ratings, validation=0.0, test=0.34)
    asked = {}
    for seed in range(8):
        hidden = hide_movies(split, share=0.5, seed=seed, fewest=1)
        assert set(hidden.ratings["user_id"]) <= set(hidden.split.train["user_id"])
        asked[tuple(hidden.movie_ids.tolist())] = set(hidden.ratings["user_id"])
    # User 8 rated 10 only and user 9 rated 30 only: where the film is hidden, nothing is left of them.
    assert all(8 not in users for movies, users in asked.items() if 10 in movies)
    assert any(10 in movies for movies in asked)


def test_the_same_seed_hides_the_same_and_another_others(checkerboard):
    split = split_by_user_time(checkerboard.ratings)
    draws = [hide_movies(split, 0.2, seed).movie_ids.tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_movies_with_few_ratings_are_not_hidden(checkerboard):
    split = split_by_user_time(checkerboard.ratings)
    count = split.train["movie_id"].value_counts()
    fewest = int(count.median())
    found = hide_movies(split, 0.9, fewest=fewest).movie_ids
    assert (count[found] >= fewest).all()


@pytest.mark.parametrize("share", [0, 1, -0.1, 0.001, np.nan])
def test_a_share_that_hides_nothing_or_all_is_refused(checkerboard, share):
    with pytest.raises(ValueError, match=r"`share` must hide one movie or more .*, 0 < share < 1; .* of 30"):
        hide_movies(split_by_user_time(checkerboard.ratings), share)


def test_among_hidden_films_a_tie_is_one_half_and_the_answer_is_one(hidden, indices):
    tie = evaluate_hidden(Popularity(hidden.split.train, indices), hidden, indices)
    np.testing.assert_allclose(tie["auc"], 0.5)  # all of them have 0 ratings

    def even_for_even(user_index):  # the checkerboard's rule; the scores of films with ratings must not matter
        parity = (indices.user_ids[user_index] % 2)[:, None] == (indices.movie_ids // 10 - 1) % 2
        return np.where(np.isin(indices.movie_ids, hidden.movie_ids), parity, 99).astype(np.float32)

    known = evaluate_hidden(even_for_even, hidden, indices)
    assert set(known["movie_index"].explode()) <= {*indices.movie_index(hidden.movie_ids).tolist(), -1}
    liked = hidden.ratings[hidden.ratings["rating"] >= 4]
    assert known.index.tolist() == sorted(liked["user_id"].unique())
    assert (known["hit_rate@10"] == 1).all() and known["auc"].min() > 0.5


def test_the_share_of_hidden_films_in_lists(hidden, indices):
    first = np.isin(indices.movie_ids, hidden.movie_ids)
    table = evaluate_ranking(lambda users: np.tile(first.astype(np.float32), (len(users), 1)), hidden.split, indices)
    np.testing.assert_allclose(hidden_share(table, hidden, indices), 6 / 10)  # all six, in lists of ten
    none = evaluate_ranking(Popularity(hidden.split.train, indices), hidden.split, indices, k=3)
    assert (hidden_share(none, hidden, indices) == 0).all()


def test_for_products_of_vectors_it_is_the_ridge_regression_from_content_to_vectors(hidden, indices):
    als = ImplicitAls(hidden.split.train, indices, factors=3)
    rng = np.random.default_rng(0)
    content = rng.normal(size=(indices.num_movies, 4))
    rated = ~np.isin(indices.movie_ids, hidden.movie_ids)
    scores = FromContent(als, content, rated, 2.0)(np.arange(5))
    # Gantner: y = ȳ + (x − x̄) A, A the ridge regression of the vectors, by least squares with rows added for the pull.
    x, y = content[rated] - content[rated].mean(axis=0), als.movies[rated]
    left, right = np.vstack([x, np.sqrt(2) * np.eye(4)]), np.vstack([y - y.mean(axis=0), np.zeros((4, 3))])
    a = np.linalg.lstsq(left, right, rcond=None)[0]
    new = y.mean(axis=0) + (content[~rated] - content[rated].mean(axis=0)) @ a
    np.testing.assert_allclose(scores[:, ~rated], als.users[:5] @ new.T, atol=1e-5)
    np.testing.assert_array_equal(scores[:, rated], als(np.arange(5))[:, rated])  # what is known stays


def test_with_much_pull_or_the_same_content_a_new_film_has_the_mean():
    scorer = lambda users: np.tile(np.array([1, 3, 9], np.float32), (len(users), 1))  # noqa: E731
    rated = np.array([True, True, False])
    same = FromContent(scorer, np.ones((3, 2)), rated)
    assert same(np.array([0]))[0].tolist() == [1, 3, 2]  # (1 + 3) / 2
    far = FromContent(scorer, np.array([[0.0], [1], [5]]), rated, regularisation=1e9)
    assert far(np.array([0]))[0, 2] == pytest.approx(2, abs=1e-5)
    straight = FromContent(scorer, np.array([[0.0], [1], [5]]), rated, regularisation=1e-9)
    assert straight(np.array([0]))[0, 2] == pytest.approx(11, abs=1e-4)  # 1 + 2 x at x = 5


def test_of_any_content_is_as_if_it_were_in_the_catalogue():
    rng = np.random.default_rng(1)
    content, table = rng.normal(size=(6, 2)), rng.normal(size=(4, 6)).astype(np.float32)
    rated = np.array([True] * 5 + [False])
    scorer = FromContent(lambda users: table[users], content, rated)
    np.testing.assert_allclose(scorer.of(content[5:], table)[:, 0], scorer(np.arange(4))[:, 5], atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "rated", "pull", "says"),
    [
        (3, [True, False], 1, "found 3 rows, 2 and 1 rated"),
        (2, [False, False], 1, "0 rated"),
        (2, [True, False], 0, "`regularisation` must be above 0 movies, got 0"),
        (2, [True, False], np.nan, "`regularisation` must be above 0"),
    ],
)
def test_bad_content_is_refused(rows, rated, pull, says):
    with pytest.raises(ValueError, match=says):
        FromContent(None, np.zeros((rows, 1)), np.array(rated), pull)
