"""Gaps between groups, against numbers counted by hand and a second way to the same answer; and hidden films."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from movierec.baselines import Popularity
from movierec.data import make_indices, split_by_user_time
from movierec.evaluation import evaluate_ranking
from movierec.evaluation.groups import by_group, evaluate_hidden, gap_given, guess_group, hidden_share, hide_movies

RNG = np.random.default_rng(0)
VALUES = pd.Series(np.r_[RNG.normal(0, 1, 300), RNG.normal(1, 1, 100), RNG.normal(0, 1, 100)], np.arange(500) * 3)
GROUPS = pd.Series(["a"] * 300 + ["b"] * 100 + ["c"] * 100, VALUES.index)


def test_a_difference_is_that_of_the_users_inside_and_outside_and_a_true_gap_is_found():
    table = by_group(pd.Series([1.0, 2, 6, 9], [1, 2, 3, 4]), pd.Series(["x", "x", "y", "y"], [1, 2, 3, 4]), fewest=2)
    assert table["group"].tolist() == ["x", "y"] and table["users"].tolist() == [2, 2]
    assert table["mean"].tolist() == [1.5, 7.5] and table["difference"].tolist() == [-6, 6]
    table = by_group(VALUES, GROUPS).set_index("group")
    assert table.loc["b", "p_holm"] < 0.01 and table.loc["b", "difference_low"] > 0.5
    assert table.loc["b", "low"] < 1 < table.loc["b", "high"]
    # The standard error of a difference, in closed form: half of the interval is about 1.96 of them.
    inside, outside = VALUES[GROUPS == "b"], VALUES[GROUPS != "b"]
    error = np.sqrt(inside.var() / len(inside) + outside.var() / len(outside))
    half = (table.loc["b", "difference_high"] - table.loc["b", "difference_low"]) / 2
    assert half == pytest.approx(1.96 * error, rel=0.08)


def test_two_groups_are_one_comparison_seen_from_both_sides():
    two = by_group(VALUES, GROUPS.replace({"c": "a"}))
    assert two["difference"].tolist() == [-two["difference"][1], two["difference"][1]]
    assert two["difference_low"][0] == -two["difference_high"][1] and two["p"][0] == two["p"][1] == two["p_holm"][0]
    three = by_group(VALUES, GROUPS)
    assert (three["p_holm"] >= three["p"]).all() and three["p_holm"].max() > three["p"].min()


def test_small_groups_have_no_row_but_are_among_the_others_and_unnamed_users_are_left_out():
    groups = GROUPS.copy()
    groups.iloc[:10] = "rare"
    table = by_group(VALUES, groups).set_index("group")
    assert list(table.index) == ["a", "b", "c"]
    assert table.loc["b", "difference"] == pytest.approx(VALUES[groups == "b"].mean() - VALUES[groups != "b"].mean())
    nameless = by_group(VALUES, GROUPS.iloc[:400])
    assert nameless["users"].sum() == 400
    with pytest.raises(ValueError, match="two groups of 20 users or more; found 1"):
        by_group(VALUES, GROUPS.where(GROUPS == "a"))


def test_what_explains_a_gap_takes_it_away():
    rng = np.random.default_rng(1)
    inside = pd.Series(np.arange(400) < 200)
    cause = pd.DataFrame({"length": rng.normal(inside.astype(float), 1)})
    values = 2 * cause["length"] + rng.normal(0, 0.1, 400)
    bare, given = gap_given(values, inside, cause).itertuples()
    assert bare.given == "nothing" and given.given == "length"
    assert bare.gap == pytest.approx(values[:200].mean() - values[200:].mean()) and bare.low > 1
    assert abs(given.gap) < 0.05 and given.low < 0.03
    reverse = gap_given(values, inside, pd.DataFrame({"noise": rng.normal(size=400)}))
    assert reverse["gap"][1] == pytest.approx(reverse["gap"][0], abs=0.15)
    with pytest.raises(ValueError, match=r"each of the 400 users .*; 1 have none, e.g. user_id \[1\]"):
        gap_given(values, inside, cause.drop(index=1))
    with pytest.raises(ValueError, match="for some users and not for others; it holds for 400"):
        gap_given(values, inside | True, cause)


def test_the_guess_is_the_penalised_logistic_regression():
    rng = np.random.default_rng(2)
    rated, is_group = rng.random((40, 6)) < 0.5, np.arange(40) % 3 == 0
    guess = guess_group(rated, is_group, folds=4, pull=0.5, seed=3)
    x = rated / np.maximum(np.linalg.norm(rated, axis=1, keepdims=True), 1e-12)
    fold = np.random.default_rng(3).permutation(np.arange(40) % 4)
    learn, ask = fold != 2, fold == 2

    def loss(w):  # SciPy's minimiser, of the docstring's equation
        odds = w[0] + x[learn] @ w[1:]
        return np.logaddexp(0, odds).sum() - odds[is_group[learn]].sum() + 0.25 * w[1:] @ w[1:]

    w = minimize(loss, np.zeros(7), tol=1e-10).x
    np.testing.assert_allclose(guess[ask], w[0] + x[ask] @ w[1:], atol=1e-3)


def test_nobody_is_guessed_by_their_own_answer():
    rng = np.random.default_rng(4)
    rated, is_group = rng.random((200, 300)) < 0.1, rng.random(200) < 0.5
    guess = guess_group(rated, is_group)
    above = (guess[is_group][:, None] > guess[~is_group][None]).mean()
    assert 0.35 < above < 0.65  # groups by lot cannot be guessed, though 300 films would tell 200 users apart
    with pytest.raises(ValueError, match="users of both kinds to learn from; 0 are in it"):
        guess_group(rated, is_group & False)
    # Where a film tells the groups apart, the likelihood alone has no maximum, and plain Newton steps diverge.
    guess = guess_group(is_group[:, None] | [[False, True]], is_group, pull=1e-6)
    assert np.isfinite(guess).all() and guess[is_group].min() > 5 and guess[~is_group].max() < -5


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
    split = split_by_user_time(checkerboard.ratings)
    draws = [hide_movies(split, 0.2, seed).movie_ids.tolist() for seed in (1, 1, 2)]
    assert hidden.movie_ids.tolist() == draws[0] == draws[1] != draws[2]
    count = split.train["movie_id"].value_counts()
    fewest = int(count.median())
    assert (count[hide_movies(split, 0.9, fewest=fewest).movie_ids] >= fewest).all()
    for share in (0, 1, -0.1, 0.001, np.nan):
        with pytest.raises(ValueError, match=r"`share` must hide one movie or more .*, 0 < share < 1; .* of 30"):
            hide_movies(split, share)


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
    first = np.isin(indices.movie_ids, hidden.movie_ids)
    table = evaluate_ranking(lambda users: np.tile(first.astype(np.float32), (len(users), 1)), hidden.split, indices)
    np.testing.assert_allclose(hidden_share(table, hidden, indices), 6 / 10)  # all six, in lists of ten
    none = evaluate_ranking(Popularity(hidden.split.train, indices), hidden.split, indices, k=3)
    assert (hidden_share(none, hidden, indices) == 0).all()
