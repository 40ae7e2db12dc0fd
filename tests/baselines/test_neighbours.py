"""Neighbours against slow loops: of movies, of users, for lists and for stars."""

import math

import numpy as np
import pandas as pd
import pytest

from movierec.baselines.neighbours import ItemKnn, ItemKnnStars, MarkovChain, UserKnn, UserKnnStars, keep_largest
from movierec.baselines.popularity_and_bias import Bias
from movierec.data import make_indices


def _pairs(*pairs):
    return pd.DataFrame(pairs, columns=["user_id", "movie_id"])


def _random_train(seed=0, users=30, movies=14):
    rng = np.random.default_rng(seed)
    rows = [
        (user, movie, rng.integers(1, 6)) for user in range(users) for movie in rng.permutation(movies)[: 3 + user % 6]
    ]
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"]).astype({"rating": float})


@pytest.mark.parametrize("neighbours", [3, 13, None])
def test_item_knn_equals_a_slow_loop(neighbours):
    train = _random_train()
    indices = make_indices(train)
    raters = [set(train["user_id"][train["movie_id"] == movie]) for movie in range(14)]
    similarity = np.zeros((14, 14))
    for i in range(14):
        for j in range(14):
            if i != j:
                together = len(raters[i] & raters[j])
                similarity[i, j] = together / (math.sqrt(len(raters[i]) * len(raters[j])) + 2)
        for j in sorted(range(14), key=lambda j, i=i: -similarity[i, j])[neighbours or 14 :]:
            similarity[i, j] = 0
    expected = [[sum(similarity[i, j] for j in range(14) if u in raters[j]) for i in range(14)] for u in range(30)]
    scores = ItemKnn(train, indices, neighbours=neighbours, shrinkage=2)(np.arange(30))
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert scores.dtype == np.float32


def test_with_rarity_a_user_counts_by_the_logarithm_of_what_they_left_out(tiny, tiny_indices):
    """10 and 20 share users 1 and 2, who rated three of five movies; 5 and 3, of one of them, three; 8, of 10, one."""
    three, one = math.log(5 / 3) ** 2, math.log(5) ** 2
    expected = 2 * three / (math.sqrt((3 * three + one) * (3 * three)) + 1)
    knn = ItemKnn(tiny.ratings, tiny_indices, shrinkage=1, rarity=True)
    assert knn.similarity[0, 1] == pytest.approx(expected, rel=1e-5)
    assert knn(np.array([4]))[0].tolist() == pytest.approx(knn.similarity[0], abs=1e-6)  # votes count alike


def _loop_surprises(residual, neighbours, shrinkage, pull):
    """Σ s (r − b) / (Σ s + pull) over the most similar columns that the row has; residual is NaN where unrated."""

    def similarity(i, j):
        both = [row for row in residual if not np.isnan(row[i] + row[j])]
        if not both:
            return 0.0
        dot = sum(row[i] * row[j] for row in both)
        norms = [math.sqrt(sum(row[column] ** 2 for row in both)) for column in (i, j)]
        return max(dot / (norms[0] * norms[1]) * len(both) / (len(both) + shrinkage), 0.0)

    columns = range(residual.shape[1])
    similar = np.array([[similarity(i, j) if i != j else 0.0 for j in columns] for i in columns])
    surprise = np.zeros(residual.shape)
    for row, i in np.ndindex(residual.shape):
        others = [(similar[i, j], residual[row, j]) for j in columns if j != i and not np.isnan(residual[row, j])]
        best = sorted(others, key=lambda pair: -pair[0])[:neighbours]
        surprise[row, i] = sum(s * r for s, r in best) / (sum(s for s, _ in best) + pull)
    return surprise


@pytest.mark.parametrize(("model", "neighbours"), [(ItemKnnStars, 2), (ItemKnnStars, 40), (UserKnnStars, 4)])
def test_knn_for_stars_equals_a_slow_loop(model, neighbours):
    train = _random_train(1)
    every = _pairs(*[(user, movie) for user in range(30) for movie in range(14)])
    knn = model(train, make_indices(train), neighbours=neighbours, shrinkage=3, pull=0.5)
    residual = np.full((30, 14), np.nan)
    residual[train["user_id"], train["movie_id"]] = knn.bias.residuals(train)
    turn = np.transpose if model is UserKnnStars else np.asarray
    surprise = turn(_loop_surprises(turn(residual), neighbours, 3, 0.5))
    expected = (knn.bias.unclipped(every) + surprise.ravel()).clip(1, 5)
    shuffled = every.sample(frac=1, random_state=0)
    predicted = knn.predict(shuffled)
    np.testing.assert_allclose(predicted, expected[shuffled.index], atol=2e-5)
    assert predicted.dtype == np.float32 and np.abs(surprise).max() > 0.1  # the neighbours do say something


@pytest.mark.parametrize("model", [ItemKnnStars, UserKnnStars])
def test_knn_for_stars_falls_back_to_the_biases_whose_settings_are_its_own(tiny, tiny_indices, model):
    knn = model(tiny.ratings, tiny_indices, damping_movie=1, damping_user=2, passes=3)
    expected = Bias(tiny.ratings, tiny_indices, damping_movie=1, damping_user=2, passes=3)
    np.testing.assert_array_equal(knn.bias.user, expected.user)
    strangers = _pairs((99, 10), (1, 999), (99, 999), (1, 50))  # 50 is known and has no neighbours
    np.testing.assert_allclose(knn.predict(strangers), knn.bias.predict(strangers), atol=1e-6)
    knn = model(tiny.ratings, tiny_indices, pull=0)  # 0 / 0 neighbours add nothing, either
    np.testing.assert_allclose(knn.predict(strangers), knn.bias.predict(strangers), atol=1e-6)
    assert np.isfinite(knn.predict(tiny.ratings)).all()


@pytest.mark.parametrize("neighbours", [3, None])
def test_user_knn_is_item_knn_of_the_turned_table(neighbours):
    train = _random_train(2)
    turned = train.rename(columns={"user_id": "movie_id", "movie_id": "user_id"})
    by_user = UserKnn(train, make_indices(train), neighbours, shrinkage=2)
    by_movie = ItemKnn(turned, make_indices(turned), neighbours, shrinkage=2)
    np.testing.assert_allclose(by_user.similarity, by_movie.similarity)
    np.testing.assert_allclose(by_user(np.arange(30)), by_movie(np.arange(14)).T, rtol=1e-5)


@pytest.mark.parametrize("model", [ItemKnn, UserKnn, ItemKnnStars, UserKnnStars])
def test_settings_out_of_range_are_refused_when_it_is_made(tiny, tiny_indices, model):
    with pytest.raises(ValueError, match="`neighbours` must be 1 or more, got 0"):
        model(tiny.ratings, tiny_indices, neighbours=0)
    with pytest.raises(ValueError, match="`shrinkage` must be 0 or more and finite, got -1; leave it out"):
        model(tiny.ratings, tiny_indices, shrinkage=-1)
    if model in (ItemKnnStars, UserKnnStars):
        with pytest.raises(ValueError, match="`pull` must be 0 or more and finite, got nan"):
            model(tiny.ratings, tiny_indices, pull=np.nan)


@pytest.mark.parametrize("count", [2, 4])
def test_keep_largest_keeps_the_first_of_equal_entries_and_short_rows_whole(count):
    rows = np.array([[0.5, 0.9, 0.1, 0.5], [1.0, 1.0, 1.0, 1.0], [-3.0, -1.0, -2.0, -4.0]])
    whole = rows.copy()
    keep_largest(rows, count)
    assert rows.tolist() == ([[0.5, 0.9, 0, 0], [1, 1, 0, 0], [0, -1, -2, 0]] if count == 2 else whole.tolist())


def test_the_chain_counts_what_followed_the_newest_film():
    """User 1 watched 10, 20, 30, 40, 50; user 2 watched 20, 30; user 3 watched 10 alone. Rows are not in order.

    After 20 came 30 twice and nothing else; 8 ratings, 2 of films 10, 20 and 30, 1 of 40 and 50.
    """
    rows = [(1, 10, 100), (1, 20, 100), (1, 30, 130), (1, 40, 200), (1, 50, 300), (2, 20, 5), (2, 30, 4000), (3, 10, 7)]
    train = pd.DataFrame(rows, columns=["user_id", "movie_id", "timestamp"]).sort_values("movie_id", kind="stable")
    indices = make_indices(train)
    chain = MarkovChain(train, indices, damping=2.0)
    share = np.array([2, 2, 2, 1, 1]) / 8
    chance = chain.after(np.arange(5))
    np.testing.assert_allclose(chance[1], (np.array([0, 0, 2, 0, 0]) + 2 * share) / (2 + 2), atol=1e-6)
    np.testing.assert_allclose(chance[4], share, atol=1e-6)  # nothing followed film 50
    np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(chain(np.array([1, 0])), chance[[2, 4]])  # the newest of user 2 is 30, of 1 50
    assert chain(np.array([0])).dtype == np.float32
    chance = MarkovChain(train, indices, damping=0).after(np.arange(5))
    assert chance[4].tolist() == [0] * 5 and chance[1].tolist() == [0, 0, 1, 0, 0]
    with pytest.raises(ValueError, match="`damping` must be 0 or more"):
        MarkovChain(train, indices, damping=-1)
