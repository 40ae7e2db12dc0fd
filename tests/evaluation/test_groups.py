"""Gaps between groups, against numbers counted by hand and a second way to the same answer; and hidden films."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Popularity
from movierec.data import make_indices, split_by_user_time
from movierec.evaluation import evaluate_ranking
from movierec.evaluation.groups import by_group, evaluate_hidden, hidden_share, hide_movies, hide_newest

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


def test_what_is_new_at_a_date_was_rated_by_nobody_before_and_is_asked_of_people_with_a_history():
    """Users 1 to 6 rate eight old films, one after the other; then the films 90 and 91 come out."""
    rows = [(user, 10 + film, 4.0, 100 * film + user) for film in range(8) for user in range(1, 7)]
    rows += [(1, 90, 5.0, 801), (2, 91, 2.0, 802), (1, 10 + 8, 4.0, 803), (7, 12, 3.0, 804), (7, 90, 4.0, 805)]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    train, hidden = hide_newest(ratings, cut=48 / (len(ratings) - 1))
    assert train.equals(ratings[:48])  # the date is that of the first rating of 90
    assert hidden.movie_ids.tolist() == [18, 90, 91]  # 18 is new, too
    pairs = hidden.ratings[["user_id", "movie_id"]].to_numpy().tolist()
    assert pairs == [[1, 90], [2, 91], [1, 18]]  # 7 had rated a single film before
    assert len(hidden.split.train) == 48 and hidden.split.validation is None
    assert not hidden.split.train["movie_id"].isin(hidden.movie_ids).any()
    earlier, hidden = hide_newest(ratings, cut=30 / (len(ratings) - 1))
    assert len(earlier) == 30 and hidden.movie_ids.tolist() == [15, 16, 17, 18, 90, 91]
    assert hidden.split.test["user_id"].nunique() == 6  # all had rated five films by then; 7 joined later
    assert hidden.split.test["timestamp"].min() >= 501
    with pytest.raises(ValueError, match="nobody rated 5 older movies and then one of the .* new ones; found 53"):
        hide_newest(ratings, cut=0.1)
