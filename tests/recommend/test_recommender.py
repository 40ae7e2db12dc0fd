"""A trained model and an ensemble of the checkerboard.

Protected: stars and lists are as defined (against loops and closed forms), and seen films never come.
"""

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Indices, catalogue
from movierec.recommend import Ensemble
from movierec.recommend.people import COLUMNS, popular_lately
from movierec.recommend.pipeline import CANDIDATES, STARS_WEIGHT
from movierec.recommend.recommender import Hybrid

EVEN = {f"Film {number} ({1980 + number // 2})": 5.0 for number in (0, 4, 8, 12)}


def _parity(movie_ids):
    """0 for even films, 1 for odd ones: movie_id is 10 · (1 + number)."""
    return (np.asarray(movie_ids) // 10 - 1) % 2


def _pairs(*pairs, **columns):
    return pd.DataFrame(pairs, columns=["user_id", "movie_id"]).assign(**columns)


# ---- stars


def test_predictions_are_float32_stars_on_trains_scale_in_row_order_and_any_batches(fitted, split, monkeypatch):
    predicted = fitted.predict(split.test)
    assert predicted.dtype == np.float32 and predicted.shape == (44,) and fitted.predict(split.test[:0]).shape == (0,)
    assert 2 <= predicted.min() < 2.1 and 4.9 < predicted.max() <= 5  # the checkerboard has 2 and 5 stars only
    order = np.random.default_rng(0).permutation(44)
    monkeypatch.setattr("movierec.recommend.recommender.ROWS_PER_BATCH", 10)
    np.testing.assert_allclose(fitted.predict(split.test.iloc[order]), predicted[order], atol=1e-5)


def test_unknown_users_and_movies_get_the_biases_and_move_no_other_row(fitted, split):
    rows = split.test[["user_id", "movie_id", "timestamp"]].head(3)
    strangers = _pairs((9999, 10), (100, 9999), (9999, 9999), timestamp=0)
    predicted = fitted.predict(pd.concat([strangers[:1], rows[:2], strangers[1:], rows[2:]]))
    bias = fitted.bias
    expected = [bias.mean + bias.movie[0], bias.mean + bias.user[0], bias.mean]
    np.testing.assert_allclose(predicted[[0, 3, 4]], expected, atol=1e-6)
    np.testing.assert_allclose(predicted[[1, 2, 5]], fitted.predict(rows), atol=1e-6)


# ---- lists for known users


def test_the_score_is_retrievals_and_a_share_of_the_expected_stars(fitted):
    """From the definition, over the whole catalogue: here it is smaller than the number of candidates."""
    assert len(fitted.movies) < CANDIDATES
    table = fitted.recommend([101], k=30)
    assert list(table) == COLUMNS and table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["score"].is_monotonic_decreasing and table["movie_id"].is_unique
    index = fitted.indices.movie_index(table["movie_id"])
    assert table["title"].tolist() == fitted.movies["title"].iloc[index].tolist()
    stars = fitted.predict(table[["user_id", "movie_id"]])
    np.testing.assert_allclose(table["predicted_stars"], stars, atol=1e-5)
    np.testing.assert_allclose(table["score"], fitted.score(np.array([1]))[0, index] + STARS_WEIGHT * stars, atol=1e-4)


def test_ranking_looks_at_the_candidates_of_retrieval_however_short_the_list(fitted, monkeypatch):
    """Five candidates; stars weigh so much here that they change the order."""
    monkeypatch.setattr("movierec.recommend.pipeline.CANDIDATES", 5)
    monkeypatch.setattr("movierec.recommend.pipeline.STARS_WEIGHT", 50.0)
    few = Hybrid(fitted.model, fitted.indices, fitted.movies, fitted.weeks, fitted.bias, fitted.seen)
    retrieved = few.score(np.array([1]))[0]
    retrieved[few.indices.movie_index(few.seen.loc[few.seen["user_id"] == 101, "movie_id"])] = -np.inf
    best = few.indices.movie_ids[np.argsort(-retrieved)[:5]]
    long = few.recommend([101], k=5)["movie_id"].tolist()
    assert set(long) == set(best) and long != best.tolist()
    assert few.recommend([101], k=2)["movie_id"].tolist() == long[:2]


def test_a_users_list_does_not_depend_on_the_other_users_their_order_or_the_block(fitted, monkeypatch):
    users = fitted.indices.user_ids
    together = fitted.recommend(users, k=10)
    monkeypatch.setattr("movierec.recommend.recommender.USERS_PER_BLOCK", 7)
    in_blocks = fitted.recommend(users, k=10)
    assert in_blocks["movie_id"].tolist() == together["movie_id"].tolist()
    some = fitted.recommend([117, 100, 117], k=10)
    expected = pd.concat([together[together["user_id"] == user_id] for user_id in (117, 100, 117)], ignore_index=True)
    pd.testing.assert_frame_equal(some, expected, rtol=1e-5)
    assert fitted.recommend(100, k=np.int64(2))["movie_id"].tolist() == some["movie_id"][10:12].tolist()


def test_a_user_who_has_seen_nearly_all_gets_a_short_list_and_one_who_has_seen_all_an_empty_one(fitted):
    """User 100 has seen all films but 30 and 50, user 101 every one."""
    seen = [(100, movie) for movie in fitted.indices.movie_ids if movie not in (30, 50)]
    seen += [(101, movie) for movie in fitted.indices.movie_ids]
    model = Hybrid(fitted.model, fitted.indices, fitted.movies, fitted.weeks, fitted.bias, _pairs(*seen))
    table = model.recommend([101, 102, 100], k=3)
    assert table["user_id"].tolist() == [102, 102, 102, 100, 100] and table["rank"].tolist() == [1, 2, 3, 1, 2]
    assert sorted(table["movie_id"][3:]) == [30, 50]
    assert list(model.recommend([101], k=3, because=True)) == [*COLUMNS, "because"]
    stars = {int(movie_id): 5.0 for movie_id in fitted.indices.movie_ids[1:]}
    assert fitted.recommend_new(stars, k=10)["movie_id"].tolist() == [10]


def test_seen_films_are_never_in_a_list_and_all_others_can_be(fitted, split):
    users = fitted.indices.user_ids
    lists = fitted.recommend(users, k=30)  # all that is left
    seen = set(map(tuple, pd.concat([split.train, split.validation])[["user_id", "movie_id"]].to_numpy().tolist()))
    recommended = set(map(tuple, lists[["user_id", "movie_id"]].to_numpy().tolist()))
    assert not seen & recommended
    assert len(recommended) == len(lists) == 40 * 30 - len(seen)
    held_out = set(map(tuple, split.test[["user_id", "movie_id"]].to_numpy().tolist()))
    assert held_out < recommended  # what test holds is not seen


# ---- newcomers


def test_a_newcomer_gets_films_of_their_taste_without_their_own(fitted):
    table = fitted.recommend_new(EVEN, k=10)
    assert list(table) == COLUMNS and table["user_id"].isna().all() and table.attrs["based_on"] == "stars"
    assert table["rank"].tolist() == list(range(1, 11)) and not set(EVEN) & set(table["title"])
    assert (_parity(table["movie_id"]) == 0).mean() >= 0.8
    odd = fitted.recommend_new({title: 2.0 for title in EVEN}, k=10)  # the same films, disliked
    assert (_parity(odd["movie_id"]) == 0).mean() < (_parity(table["movie_id"]) == 0).mean()


def test_a_user_of_whom_nothing_is_known_gets_what_was_liked_lately_and_is_told_so(fitted):
    table = fitted.recommend_new(k=30)
    assert table.attrs["based_on"] == "popularity" and table["score"].is_monotonic_decreasing
    liked_lately = popular_lately(fitted.model.past, fitted.bias)[fitted.indices.movie_index(table["movie_id"])]
    assert table["score"].tolist() == liked_lately.tolist()


# ---- similar films


def test_similar_films_are_ordered_by_cosine_without_the_film_itself(fitted):
    table = fitted.similar("Film 4 (1982)", k=8)
    assert list(table) == ["rank", "movie_id", "title", "score"]
    assert 50 not in table["movie_id"].tolist()
    vectors = fitted.model.ranking.movie_vectors().numpy()
    cosine = [v @ vectors[4] / (np.linalg.norm(v) * np.linalg.norm(vectors[4])) for v in vectors]
    expected = sorted((number for number in range(30) if number != 4), key=lambda number: -cosine[number])[:8]
    assert table["movie_id"].tolist() == [10 * (number + 1) for number in expected]
    np.testing.assert_allclose(table["score"], np.array(cosine)[expected], atol=1e-5)
    assert (_parity(table["movie_id"]) == 0).mean() > 0.8
    pd.testing.assert_frame_equal(fitted.similar(50, k=8), table)


# ---- ensembles


def test_an_ensemble_is_the_mean_of_its_members(fitted, once, split, tiny):
    together, users = Ensemble([fitted, once]), np.arange(40)
    stars = [model.predict(split.test) for model in (together, fitted, once)]
    np.testing.assert_allclose(stars[0], (stars[1] + stars[2]) / 2)
    np.testing.assert_allclose(together.score(users), (fitted.score(users) + once.score(users)) / 2, rtol=1e-6)
    assert together.fit_seconds == pytest.approx(fitted.fit_seconds + once.fit_seconds)

    def scores(ask):
        tables = [ask(model).set_index("movie_id")["score"] for model in (together, fitted, once)]
        return [table.reindex(tables[0].index) for table in tables]

    for ask in (lambda model: model.recommend([100], k=30), lambda model: model.recommend_new(EVEN, k=26)):
        mean, *each = scores(ask)
        np.testing.assert_allclose(mean, sum(each) / 2, rtol=1e-4)
    assert len(together.similar(10, k=5)) == 5 and repr(together).startswith("Ensemble of 2: Hybrid(")
    with pytest.raises(ValueError, match="needs at least one member"):
        Ensemble([])
    with pytest.raises(ValueError, match="must differ: the mean of one model and itself"):
        Ensemble([fitted, once, fitted])
    other = movierec.Split(tiny.ratings[:10], None, tiny.ratings[10:])
    with pytest.raises(ValueError, match="the same users and movies"):
        Ensemble([fitted, movierec.fit_hybrid(other, stars_epochs=1, ranking_epochs=1)])


# ---- the catalogue


def test_the_catalogue_follows_the_indices_and_missing_titles_are_named_by_id(tiny):
    indices = Indices(np.array([1]), np.array([10, 30, 777]))
    table = catalogue(tiny.movies, indices, np.array([5, 4, 0]))
    assert table["title"].tolist() == ["Toy Story (1995)", "Fargo (1996)", "movie 777"]
    assert table["genres"].tolist() == ["Animation|Comedy", "Crime", ""]
    assert table["year"].tolist() == [1995, 1996, pd.NA] and table["popularity"].tolist() == [5, 4, 0]
    bare = catalogue(tiny.movies[["movie_id"]], indices, 0)
    pd.testing.assert_frame_equal(bare, catalogue(None, indices, 0))
    assert bare["title"].tolist() == ["movie 10", "movie 30", "movie 777"] and bare["year"].isna().all()
