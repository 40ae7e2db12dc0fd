"""One row a user: who is counted, what is relevant, every column by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from movierec.data import Indices, Split, make_indices
from movierec.evaluation import evaluate_ranking, evaluate_ranks, evaluate_stars, held_out_ranks, ranking

INDICES = Indices(np.array([1, 2, 3]), np.array([10, 20, 30, 40, 50]))
SCORES = np.array([[5, 4, 3, 2, 1], [1, 2, 3, 4, 5], [0, 0, 7, 0, 0]], np.float32)


def scorer(user_index):
    return SCORES[user_index]


def table_of(*rows):
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])


SPLIT = Split(
    train=table_of((1, 10, 5.0, 1), (2, 50, 2.0, 1), (3, 30, 4.0, 1)),
    validation=table_of((1, 20, 4.0, 2), (2, 10, 1.0, 2)),
    # 1 liked 30 and 50, not 40; 2 liked 30; 3 liked nothing; 4 is not in train
    test=table_of(
        *[(1, 30, 4.0, 3), (1, 40, 3.5, 3), (1, 50, 5.0, 3), (2, 30, 4.5, 3), (3, 10, 3.0, 3), (4, 10, 5.0, 3)],
    ),
)


def test_every_column_by_hand():
    table = evaluate_ranking(scorer, SPLIT, INDICES, k=2, genres=np.eye(5))
    # User 1 has seen 10 and 20; the list is 30, 40; relevant are 30 and 50. User 2 has seen 50 and 10: 40, 30; 30.
    assert table.index.tolist() == [1, 2] and table.index.name == "user_id"
    assert [lists.tolist() for lists in table["movie_index"]] == [[2, 3], [3, 2]]
    names = ["recall@2", "precision@2", "hit_rate@2", "mrr@2", "map@2"]
    assert table[names].to_numpy().tolist() == [[1 / 2, 1 / 2, 1, 1, 1 / 2], [1, 1 / 2, 1, 1 / 2, 1 / 2]]
    # 1 / (1 + 1/log2(3)) = 1 / 1.63092975; and (1/log2(3)) / 1
    assert table["ndcg@2"].tolist() == pytest.approx([0.61314719, 0.63092975], abs=1e-8)
    # User 1: unseen 30, 40, 50 with scores 3, 2, 1; 30 beats 40, the only other that is not relevant, 50 does not.
    assert table["auc"].tolist() == [1 / 2, 1 / 2]  # user 2: 20, 30, 40 with 2, 3, 4; 30 beats 20 and loses to 40
    # Train has one rating each of 10, 50 and 30, by three users: −log2(1/3) for all, rated or not.
    assert table["novelty@2"].tolist() == pytest.approx([np.log2(3)] * 2)
    # The lists are 30, 40 and 40, 30: half a rating a movie; both users watched a movie with one.
    assert table["popularity_lift@2"].tolist() == [-1 / 2, -1 / 2]
    assert table["diversity@2"].tolist() == [1, 1]  # no two movies share a genre
    assert (table["miscalibration@2"] > 4).all()  # nor list and history: KL = log(1 / .01) = 4.6
    assert not {"diversity@2", "miscalibration@2"} & set(evaluate_ranking(scorer, SPLIT, INDICES, k=2))
    # Times 0, 0, 0, 2, 2: Gini is (2·2 + 4·2) / (5 · 4). User 4 is unknown, user 3 liked nothing.
    unmeasured = {"users_unknown": 1, "users_without_relevant": 1, "movies_unknown": 0}
    assert table.attrs == pytest.approx({"coverage": 2 / 5, "gini": 3 / 5} | unmeasured)


def test_liked_from_is_where_relevance_begins():
    loose = evaluate_ranking(scorer, SPLIT, INDICES, k=3, liked_from=3.5)
    assert loose["recall@3"].loc[1] == 1  # 30, 40 and 50 are relevant now and make the list
    strict = evaluate_ranking(scorer, SPLIT, INDICES, k=3, liked_from=5)
    assert strict.index.tolist() == [1] and strict["mrr@3"].tolist() == [1 / 3]  # only 50, at rank 3
    assert evaluate_ranking(scorer, SPLIT, INDICES, k=2, liked_from=0).attrs["users_without_relevant"] == 0


def test_validation_is_measured_with_train_seen_and_test_with_both():
    table = evaluate_ranking(scorer, SPLIT, INDICES, part="validation", k=2)
    assert table.index.tolist() == [1]  # user 2 liked nothing in validation
    assert table["movie_index"].loc[1].tolist() == [1, 2]  # 20, of validation, is not seen yet
    assert table["mrr@2"].loc[1] == 1
    without = Split(SPLIT.train, None, SPLIT.test)
    assert evaluate_ranking(scorer, without, INDICES, k=2)["movie_index"].loc[1].tolist() == [1, 2]


def test_a_relevant_movie_outside_the_catalogue_counts_as_missed_and_places_without_a_movie_are_no_hits():
    for test, recall in ((table_of((1, 30, 5.0, 3), (1, 999, 5.0, 3)), 1 / 2), (table_of((1, 999, 5.0, 3)), 0)):
        table = evaluate_ranking(scorer, Split(SPLIT.train, None, test), INDICES, k=5)
        assert table["recall@5"].tolist() == [recall] and table.attrs["movies_unknown"] == 1
    train = table_of(*[(1, movie, 3.0, 0) for movie in (10, 20, 30, 40)])  # only the last movie is left to recommend
    table = evaluate_ranking(scorer, Split(train, None, table_of((1, 50, 5.0, 1))), INDICES, k=3)
    assert table["movie_index"].loc[1].tolist() == [4, -1, -1]
    assert table["recall@3"].tolist() == [1] and table["precision@3"].tolist() == [1 / 3]


class Constant:
    def __init__(self, stars):
        self.stars = stars

    def predict(self, ratings):
        return self.stars if isinstance(self.stars, list) else np.full(len(ratings), self.stars)


LOW = Split(SPLIT.train, None, SPLIT.test.assign(rating=2.0))
NEW = Split(SPLIT.train, None, table_of((901, 40, 5.0, 99), (902, 40, 5.0, 99)))
PAIR = table_of((1, 40, 3.0, 1), (2, 40, 3.0, 1))


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (
            evaluate_ranking,
            (scorer, LOW, INDICES),
            "a movie of at least 4.0 .*4 users have 6 rat.*rating is 2, and 3 of",
        ),
        (evaluate_ranking, (scorer, LOW, INDICES, "validation"), "no validation part; `split_by_user_time"),
        (evaluate_ranking, (scorer, SPLIT, INDICES, "train"), '"validation" or "test"; got \'train\''),
        (evaluate_ranking, (scorer, SPLIT, INDICES, "test", 0), "k must be a whole number, 1 or more; got 0"),
        (evaluate_ranking, (scorer, NEW, INDICES), "2 users have 2 ratings in test, but none of the users has"),
        (evaluate_ranks, (np.ones(3), PAIR, INDICES), r"one number per rating, shape .*\(2,\); got \(3,\)"),
        (
            evaluate_ranks,
            (np.ones(2), PAIR, INDICES),
            "2 users have 2 ratings in the later part, but the highest .* is 3",
        ),
        (evaluate_stars, (Constant(np.nan), SPLIT), r"one number per rating, .*; got shape \(6,\) with 6 NaN"),
        (evaluate_stars, (Constant([3.0]), SPLIT), r"shape \(6,\); got shape \(1,\) with 0 NaN"),
    ],
)
def test_what_cannot_be_measured_is_refused(function, given, message):
    with pytest.raises(ValueError, match=message):
        function(*given)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_blocks_change_nothing_and_ranks_have_the_same_accuracy_as_lists(monkeypatch, split, k):
    indices = make_indices(split.train)
    scores = np.random.default_rng(0).integers(0, 4, (indices.num_users, indices.num_movies)).astype(np.float32)
    scores[:5, :20] = -np.inf  # never recommended to some
    genres = np.random.default_rng(1).integers(0, 2, (30, 3)).astype(float)
    strangers = table_of((split.test["user_id"].iloc[0], 999, 5.0, 1), (999, 10, 5.0, 1))
    split = Split(split.train, split.validation, pd.concat([split.test, strangers]))
    at_once = evaluate_ranking(lambda user: scores[user], split, indices, k=k, genres=genres)
    monkeypatch.setattr(ranking, "USERS_PER_BLOCK", 7)
    in_blocks = evaluate_ranking(lambda user: scores[user], split, indices, k=k, genres=genres)
    lists = [np.stack(table.pop("movie_index")) for table in (at_once, in_blocks)]
    np.testing.assert_array_equal(*lists)
    pd.testing.assert_frame_equal(in_blocks, at_once)
    assert in_blocks.attrs == at_once.attrs
    seen = pd.concat([split.train, split.validation])
    ranks = held_out_ranks(lambda user: scores[user], split.test, seen, indices)
    table = evaluate_ranks(ranks, split.test, indices, k)
    assert list(table) == [f"{name}@{k}" for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")]
    pd.testing.assert_frame_equal(table, at_once[list(table)], rtol=0, atol=1e-14)
    assert table.attrs == {name: at_once.attrs[name] for name in table.attrs} and table.attrs["movies_unknown"] == 1


def test_star_errors_by_hand():
    table = evaluate_stars(Constant(4.0), SPLIT)
    # User 1 gave 4, 3.5, 5: squares 0, .25, 1. User 2: 4.5; 3: 3; 4: 5, and 4 counts although unknown to train.
    assert table.index.tolist() == [1, 2, 3, 4] and table["ratings"].tolist() == [3, 1, 1, 1]
    assert table["rmse"].tolist() == pytest.approx([np.sqrt(1.25 / 3), 0.5, 1, 1])
    assert table["mae"].tolist() == pytest.approx([0.5, 0.5, 1, 1])
    assert table.attrs == pytest.approx({"rmse": np.sqrt((1.25 + 0.25 + 1 + 1) / 6), "mae": 4 / 6})
