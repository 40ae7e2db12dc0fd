"""A trained model and an ensemble of the checkerboard.

Protected: stars and lists are as defined (against loops and closed forms), seen films never come, wrong questions are
refused with the corrected call.
"""

import re

import numpy as np
import pandas as pd
import pytest

import movierec
from movierec.data import Indices, catalogue
from movierec.models import Entries
from movierec.recommend import Ensemble
from movierec.recommend.people import POPULAR_DAYS
from movierec.recommend.pipeline import CANDIDATES, STARS_WEIGHT
from movierec.recommend.recommender import COLUMNS, Hybrid

EVEN = {f"Film {number} ({1980 + number // 2})": 5.0 for number in (0, 4, 8, 12)}


def _parity(movie_ids):
    """0 for even films, 1 for odd ones: movie_id is 10 · (1 + number)."""
    return (np.asarray(movie_ids) // 10 - 1) % 2


def _pairs(*pairs, **columns):
    return pd.DataFrame(pairs, columns=["user_id", "movie_id"]).assign(**columns)


# ---- stars


def test_predictions_are_float32_stars_on_trains_scale_in_row_order(fitted, split):
    predicted = fitted.predict(split.test)
    assert predicted.dtype == np.float32 and predicted.shape == (44,)
    assert predicted.min() >= 2 and predicted.max() <= 5  # the checkerboard has 2 and 5 stars only
    assert predicted.max() > 4.9 and predicted.min() < 2.1
    order = np.random.default_rng(0).permutation(44)
    np.testing.assert_allclose(fitted.predict(split.test.iloc[order]), predicted[order], atol=1e-6)


def test_stars_can_be_predicted_without_a_time(fitted, split):
    timed, untimed = fitted.predict(split.test), fitted.predict(split.test[["user_id", "movie_id"]])
    assert not np.array_equal(timed, untimed)  # the week does say something …
    assert np.abs(timed - untimed).max() < 1.5  # … and its absence is no week at all
    one_missing = split.test.assign(timestamp=split.test["timestamp"].astype(float))
    one_missing.iloc[0, one_missing.columns.get_loc("timestamp")] = np.nan
    mixed = fitted.predict(one_missing)
    np.testing.assert_allclose(mixed[0], untimed[0], atol=1e-6)
    np.testing.assert_allclose(mixed[1:], timed[1:], atol=1e-6)


def test_unknown_users_and_movies_get_the_biases_and_move_no_other_row(fitted, split):
    rows = split.test[["user_id", "movie_id", "timestamp"]].head(3)
    strangers = _pairs((9999, 10), (100, 9999), (9999, 9999), timestamp=0)
    predicted = fitted.predict(pd.concat([strangers[:1], rows[:2], strangers[1:], rows[2:]]))
    bias = fitted.bias
    expected = [bias.mean + bias.movie[0], bias.mean + bias.user[0], bias.mean]
    np.testing.assert_allclose(predicted[[0, 3, 4]], expected, atol=1e-6)
    np.testing.assert_allclose(predicted[[1, 2, 5]], fitted.predict(rows), atol=1e-6)


def test_predicting_in_batches_changes_nothing(fitted, split, monkeypatch):
    whole = fitted.predict(split.train)
    monkeypatch.setattr("movierec.recommend.recommender.ROWS_PER_BATCH", 100)
    np.testing.assert_allclose(fitted.predict(split.train), whole, atol=1e-5)
    assert fitted.predict(split.test[:0]).shape == (0,)


# ---- lists for known users


def test_a_list_has_its_columns_ranks_and_scores_in_order(fitted):
    table = fitted.recommend([101], k=7)
    assert list(table) == COLUMNS
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert table["score"].is_monotonic_decreasing
    assert table["movie_id"].is_unique
    titles = dict(zip(fitted.movies["movie_id"], fitted.movies["title"], strict=True))
    assert table["title"].tolist() == [titles[movie_id] for movie_id in table["movie_id"]]


def test_the_score_is_retrievals_and_a_share_of_the_expected_stars(fitted):
    """From the definition, over the whole catalogue: here it is smaller than the number of candidates."""
    assert len(fitted.movies) < CANDIDATES
    table = fitted.recommend([101], k=30)
    index = fitted.indices.movie_index(table["movie_id"])
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
    assert some["user_id"].tolist() == [117] * 10 + [100] * 10 + [117] * 10
    assert some["rank"].tolist() == 3 * list(range(1, 11))
    for first, user_id in ((0, 117), (10, 100), (20, 117)):
        own = together[together["user_id"] == user_id]
        assert some["movie_id"][first : first + 10].tolist() == own["movie_id"].tolist()
        np.testing.assert_allclose(some["score"][first : first + 10], own["score"], rtol=1e-5)
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


def test_without_a_stars_head_lists_are_in_the_order_of_retrieval(split, checkerboard, small):
    lists = movierec.fit_hybrid(split, checkerboard.movies, heads=("ranking",), epochs=1, **small)
    table = lists.recommend([101], k=5)
    assert table["predicted_stars"].isna().all()
    scores = lists.score(np.array([1]))[0]
    np.testing.assert_allclose(table["score"], scores[lists.indices.movie_index(table["movie_id"])], atol=1e-5)


def test_seen_films_are_never_in_a_list_and_all_others_can_be(fitted, split):
    users = fitted.indices.user_ids
    lists = fitted.recommend(users, k=30)  # all that is left
    seen = set(map(tuple, pd.concat([split.train, split.validation])[["user_id", "movie_id"]].to_numpy().tolist()))
    recommended = set(map(tuple, lists[["user_id", "movie_id"]].to_numpy().tolist()))
    assert not seen & recommended
    assert len(recommended) == len(lists) == 40 * 30 - len(seen)
    held_out = set(map(tuple, split.test[["user_id", "movie_id"]].to_numpy().tolist()))
    assert held_out < recommended  # what test holds is not seen


def test_unknown_users_are_counted_and_shown_with_the_way_for_newcomers(fitted):
    with pytest.raises(ValueError, match=r"3 of 5 are unknown, e.g. user_id \[7, 8, 9\]") as error:
        fitted.recommend([100, 7, 8, 101, 9])
    assert 'recommend_new({"Toy Story (1995)": 5.0})' in str(error.value)


# ---- what is refused


@pytest.mark.parametrize("k", [0, 31, 2.5, "10", None])
def test_k_must_be_a_whole_number_of_movies(fitted, k):
    asks = (lambda: fitted.recommend([100], k), lambda: fitted.recommend_new(EVEN, k), lambda: fitted.similar(10, k))
    for ask in asks:
        with pytest.raises(ValueError, match=f"k must be a whole number, 1 to 30 .*; got {k!r}"):
            ask()


@pytest.mark.parametrize("value", [1.9, 5.5, float("nan"), "5", None])
def test_stars_off_the_scale_are_refused_with_the_film_and_the_scale(fitted, value):
    text = f"stars must be 2 to 5, the scale of this data set; 'Film 0 (1980)' has {value!r}"
    with pytest.raises(ValueError, match=re.escape(text)):
        fitted.recommend_new({"Film 0 (1980)": value})


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda model: model.recommend([]), r"`user_ids` is empty.*recommend\(\[1, 42\]\)"),
        (lambda model: model.recommend(["100"]), "whole numbers"),
        (lambda model: model.recommend_new({"Film 0 (1980)": 5.0, 10: 2.0}), r"once; \['Film 0 \(1980\)', 10\] names"),
        (lambda model: model.recommend_new({9999: 5.0}), "movie_id 9999 is not in the catalogue of 30; see `.movies`"),
        (lambda model: model.recommend_new({"Flim 1 (1980)": 5.0}), r"'Film 1 \(1980\)' \(movie_id 20\)"),
        (lambda model: model.recommend_new(genres=("Drama", "Comedi")), r"\['Comedi'\] is not: .* Comedy, Drama"),
        (lambda model: model.similar(9999), "movie_id 9999 is not in the catalogue"),
        (lambda model: model.similar("xyzzy"), "None is near"),
        (lambda model: model.predict(_pairs((1, 2))[["movie_id"]]), "user_id is missing. Try split.test"),
        (lambda model: model.predict(_pairs((1, 2))[["user_id"]]), "movie_id is missing. Try split.test"),
        (lambda model: Ensemble([]), "needs at least one member"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(fitted, ask, says):
    with pytest.raises(ValueError, match=says):
        ask(fitted)


def test_genres_of_a_model_without_them_and_members_of_another_catalogue_are_refused(fitted, plain, tiny):
    with pytest.raises(ValueError, match="this model was fitted without genres"):
        plain.recommend_new(genres="Comedy")
    ratings = tiny.ratings
    other = movierec.fit_hybrid(movierec.Split(ratings[:10], None, ratings[10:]), stars_epochs=1, ranking_epochs=1)
    with pytest.raises(ValueError, match="the same users and movies"):
        Ensemble([fitted, other])


# ---- newcomers


def test_a_newcomer_gets_films_of_their_taste_without_their_own(fitted):
    table = fitted.recommend_new(EVEN, k=10)
    assert list(table) == COLUMNS and table["user_id"].isna().all() and table.attrs["based_on"] == "stars"
    assert table["rank"].tolist() == list(range(1, 11))
    assert table["score"].is_monotonic_decreasing
    assert not set(EVEN) & set(table["title"])
    assert (_parity(table["movie_id"]) == 0).mean() >= 0.8
    odd = fitted.recommend_new({title: 2.0 for title in EVEN}, k=10)  # the same films, disliked
    assert (_parity(odd["movie_id"]) == 0).mean() < (_parity(table["movie_id"]) == 0).mean()


def test_a_newcomers_residuals_are_against_their_own_bias(fitted):
    """From the definition: stars less μ + b_i, less the newcomer's own damped mean of that."""
    rated = {10: 5.0, 50: 4.0, 20: 2.0}
    index = fitted.indices.movie_index(list(rated))
    above = np.array(list(rated.values())) - fitted.bias.mean - fitted.bias.movie[index]
    residual = (above - above.sum() / (fitted.bias.damping_user + 3)).astype(np.float32)
    nobody, zeros = np.array([-1]), np.zeros(3, np.float32)
    scores = fitted.model.ranking.score_people(Entries(np.zeros(3, int), index, residual, zeros), nobody).numpy()[0]
    table = fitted.recommend_new(rated, k=5)
    best = fitted.indices.movie_index(table["movie_id"])
    expected = scores[best] + STARS_WEIGHT * table["predicted_stars"]
    np.testing.assert_allclose(table["score"], expected, atol=1e-4)


def test_a_film_may_be_named_by_title_or_by_id(fitted):
    by_title = fitted.recommend_new({"Film 0 (1980)": 5.0, "film 3": 2}, k=5)
    by_id = fitted.recommend_new({10: 5.0, np.int64(40): 2.0}, k=5)
    pd.testing.assert_frame_equal(by_title, by_id)


def test_a_user_of_whom_nothing_is_known_gets_what_was_liked_lately_and_is_told_so(fitted, split):
    table = fitted.recommend_new(k=30)
    assert table.attrs["based_on"] == "popularity"
    train = split.train
    days = (train["timestamp"].max() - train["timestamp"]) / 86_400
    weight = np.where(train["rating"] > train["rating"].mean(), np.exp(-days / POPULAR_DAYS), 0)
    expected = pd.Series(weight).groupby(train["movie_id"].to_numpy()).sum()
    scores = table.set_index("movie_id")["score"]
    np.testing.assert_allclose(scores, expected.reindex(scores.index, fill_value=0), rtol=1e-4)
    assert scores.is_monotonic_decreasing


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


def test_an_ensemble_is_the_mean_of_its_members(fitted, once, split):
    together, users = Ensemble([fitted, once]), np.arange(40)
    np.testing.assert_allclose(
        together.predict(split.test), (fitted.predict(split.test) + once.predict(split.test)) / 2
    )
    np.testing.assert_allclose(together.score(users), (fitted.score(users) + once.score(users)) / 2, rtol=1e-6)
    assert together.fit_seconds == pytest.approx(fitted.fit_seconds + once.fit_seconds)

    def scores(ask):
        tables = [ask(model).set_index("movie_id")["score"] for model in (together, fitted, once)]
        return [table.reindex(tables[0].index) for table in tables]

    for ask in (lambda model: model.recommend([100], k=30), lambda model: model.recommend_new(EVEN, k=26)):
        mean, *each = scores(ask)
        np.testing.assert_allclose(mean, sum(each) / 2, rtol=1e-4)
    assert len(together.similar(10, k=5)) == 5 and repr(together).startswith("Ensemble of 2: Hybrid(")


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
