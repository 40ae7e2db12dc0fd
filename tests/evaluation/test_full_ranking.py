"""Ranking the catalogue: what is left out, how ties fall, who is counted, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import Bias
from movierec.data import Indices, Split, make_indices
from movierec.evaluation.ranking import evaluate_ranking, evaluate_stars, metrics, rank, recommend_top_k, tidy

INDICES = Indices(np.array([1, 2, 3]), np.array([10, 20, 30, 40, 50]))
SCORES = np.array(
    [
        [5, 4, 3, 2, 1],
        [1, 2, 3, 4, 5],
        [0, 0, 7, 0, 0],
    ],
    np.float32,
)


def scorer(user_index):
    return SCORES[user_index]


def _table(*rows):
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])


NOTHING_SEEN = _table().astype({"user_id": int, "movie_id": int})
SPLIT = Split(
    train=_table((1, 10, 5.0, 1), (2, 50, 2.0, 1), (3, 30, 4.0, 1)),
    validation=_table((1, 20, 4.0, 2), (2, 10, 1.0, 2)),
    # 1 liked 30 and 50, not 40; 2 liked 30; 3 liked nothing; 4 is not in train
    test=_table(
        *[(1, 30, 4.0, 3), (1, 40, 3.5, 3), (1, 50, 5.0, 3), (2, 30, 4.5, 3), (3, 10, 3.0, 3), (4, 10, 5.0, 3)],
    ),
)


# ---- lists


@pytest.mark.parametrize("k", [0, -1, 6])
def test_k_out_of_range_is_refused_with_the_range(k):
    with pytest.raises(ValueError, match=f"k must be 1 to 5, the number of movies; got {k}"):
        evaluate_ranking(scorer, SPLIT, INDICES, k=k)


def test_seen_movies_are_left_out_whatever_their_score():
    seen = _table((1, 10, 1.0, 0), (1, 30, 1.0, 0), (3, 30, 1.0, 0))
    lists = recommend_top_k(scorer, np.array([0, 1, 2]), seen, INDICES, 3)
    assert lists.tolist() == [[1, 3, 4], [4, 3, 2], [0, 1, 3]]


def test_a_list_ends_with_minus_one_when_no_movie_is_left():
    seen = _table(*[(1, movie, 3.0, 0) for movie in (10, 20, 40, 50)])
    assert recommend_top_k(scorer, np.array([0]), seen, INDICES, 3).tolist() == [[2, -1, -1]]


def test_seen_movies_and_users_outside_the_indices_do_not_matter():
    seen = _table((99, 10, 1.0, 0), (1, 999, 1.0, 0))
    assert recommend_top_k(scorer, np.array([0]), seen, INDICES, 2).tolist() == [[0, 1]]


def test_users_in_any_order_and_named_twice_get_their_own_list():
    seen = _table((1, 10, 1.0, 0), (3, 30, 1.0, 0))
    lists = recommend_top_k(scorer, np.array([2, 0, 1, 0]), seen, INDICES, 2)
    assert lists.tolist() == [[0, 1], [1, 2], [4, 3], [1, 2]]


def test_blocks_of_users_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (60, 20)).astype(np.float32)  # many ties
    seen = _table(*[(user, movie, 3.0, 0) for user in range(60) for movie in rng.permutation(20)[:6]])
    indices = Indices(np.arange(60), np.arange(20))
    asked = rng.permutation(60)
    at_once = recommend_top_k(lambda user: scores[user], asked, seen, indices, 5)
    monkeypatch.setattr(evaluation, "USERS_PER_BLOCK", 7)
    np.testing.assert_array_equal(recommend_top_k(lambda user: scores[user], asked, seen, indices, 5), at_once)
    for row, user in zip(at_once, asked, strict=True):  # a loop: sort the unseen by (−score, index)
        unseen = set(range(20)) - set(seen["movie_id"][seen["user_id"] == user])
        assert row.tolist() == sorted(unseen, key=lambda movie, user=user: (-scores[user, movie], movie))[:5]


def test_the_scorers_own_array_is_not_changed():
    before = SCORES.copy()
    recommend_top_k(lambda user_index: SCORES, np.arange(3), SPLIT.train, INDICES, 2)
    np.testing.assert_array_equal(SCORES, before)


def test_a_scorer_with_nan_is_refused_with_the_count():
    def broken(user_index):
        scores = SCORES[user_index].copy()
        scores[1:, 3] = np.nan
        return scores

    with pytest.raises(ValueError, match=r"NaN for 2 of 3 users, e.g. user_id \[2, 3\]"):
        recommend_top_k(broken, np.arange(3), NOTHING_SEEN, INDICES, 2)


@pytest.mark.parametrize("shape", [(3, 4), (2, 5), (5, 3), (3,)])
def test_a_scorer_of_another_shape_is_refused_with_both_shapes(shape):
    with pytest.raises(ValueError, match="one row per user and one column per movie") as error:
        recommend_top_k(lambda user_index: np.zeros(shape), np.arange(3), NOTHING_SEEN, INDICES, 2)
    assert "(3, 5)" in str(error.value) and str(shape) in str(error.value)


@pytest.mark.parametrize("user_index", [[0, -1], [3]])
def test_an_unknown_user_is_refused_not_served_somebody_elses_list(user_index):
    with pytest.raises(ValueError, match="`user_index` must be 0 to 2") as error:
        recommend_top_k(scorer, np.array(user_index), NOTHING_SEEN, INDICES, 2)
    assert "indices.user_index(user_ids)" in str(error.value)


# ---- measuring


def test_ranking_by_hand():
    table = evaluate_ranking(scorer, SPLIT, INDICES, k=2)
    # User 1 has seen 10 and 20; the list is 30, 40; relevant are 30 and 50. User 2 has seen 50 and 10: 40, 30; 30.
    assert table.index.tolist() == [1, 2] and table.index.name == "user_id"
    assert [lists.tolist() for lists in table["movie_index"]] == [[2, 3], [3, 2]]
    assert table["recall@2"].tolist() == [1 / 2, 1]
    assert table["precision@2"].tolist() == [1 / 2, 1 / 2]
    assert table["hit_rate@2"].tolist() == [1, 1]
    assert table["mrr@2"].tolist() == [1, 1 / 2]
    assert table["map@2"].tolist() == [1 / 2, 1 / 2]
    # 1 / (1 + 1/log2(3)) = 1 / 1.63092975; and (1/log2(3)) / 1
    assert table["ndcg@2"].tolist() == pytest.approx([0.61314719, 0.63092975], abs=1e-8)


def test_users_that_cannot_be_measured_are_counted():
    table = evaluate_ranking(scorer, SPLIT, INDICES, k=2)
    assert table.attrs["users_unknown"] == table.attrs["users_without_relevant"] == 1
    assert table.attrs["movies_unknown"] == 0
    assert evaluate_ranking(scorer, SPLIT, INDICES, k=2, liked_from=0).attrs["users_without_relevant"] == 0


def test_liked_from_is_where_relevance_begins():
    loose = evaluate_ranking(scorer, SPLIT, INDICES, k=3, liked_from=3.5)
    assert loose["recall@3"].loc[1] == 1  # 30, 40 and 50 are relevant now and make the list
    strict = evaluate_ranking(scorer, SPLIT, INDICES, k=3, liked_from=5)
    assert strict.index.tolist() == [1] and strict["mrr@3"].tolist() == [1 / 3]  # only 50, at rank 3


def test_validation_is_measured_with_train_seen_and_test_with_both():
    table = evaluate_ranking(scorer, SPLIT, INDICES, part="validation", k=2)
    assert table.index.tolist() == [1]  # user 2 liked nothing in validation
    assert table["movie_index"].loc[1].tolist() == [1, 2]  # 20, of validation, is not seen yet
    assert table["mrr@2"].loc[1] == 1
    without = Split(SPLIT.train, None, SPLIT.test)
    assert evaluate_ranking(scorer, without, INDICES, k=2)["movie_index"].loc[1].tolist() == [1, 2]


def test_a_relevant_movie_outside_the_catalogue_counts_as_missed():
    test = _table((1, 30, 5.0, 3), (1, 999, 5.0, 3))
    table = evaluate_ranking(scorer, Split(SPLIT.train, None, test), INDICES, k=5)
    assert table["recall@5"].tolist() == [1 / 2]
    assert table.attrs["movies_unknown"] == 1


def test_a_user_whose_only_relevant_movie_is_outside_the_catalogue_counts_as_zero():
    table = evaluate_ranking(scorer, Split(SPLIT.train, None, _table((1, 999, 5.0, 3))), INDICES, k=5)
    assert table["recall@5"].tolist() == table["ndcg@5"].tolist() == [0]


def test_places_without_a_movie_are_no_hits():
    """Only the last movie of the catalogue is left to recommend: one hit, and the -1 behind it are not that movie."""
    train = _table(*[(1, movie, 3.0, 0) for movie in (10, 20, 30, 40)])
    table = evaluate_ranking(scorer, Split(train, None, _table((1, 50, 5.0, 1))), INDICES, k=3)
    assert table["movie_index"].loc[1].tolist() == [4, -1, -1]
    assert table["recall@3"].tolist() == [1] and table["precision@3"].tolist() == [1 / 3]


def test_nobody_to_measure_is_an_error_that_says_why():
    low = Split(SPLIT.train, None, SPLIT.test.assign(rating=2.0))
    with pytest.raises(
        ValueError,
        match="6 ratings of 4 users were looked at, the highest of 2 stars. `liked_from`",
    ):
        evaluate_ranking(scorer, low, INDICES)


def test_a_part_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no validation part; `split_by_user_time"):
        evaluate_ranking(scorer, Split(SPLIT.train, None, SPLIT.test), INDICES, part="validation", k=2)
    with pytest.raises(ValueError, match='"validation" or "test"; got \'train\''):
        evaluate_ranking(scorer, SPLIT, INDICES, part="train", k=2)


def test_a_random_scorer_has_the_recall_of_its_closed_form():
    """k of the M − s movies that are not seen: recall is k / (M − s), 6 / 30 here; 6 / 40 if seen ones were left in."""
    rng = np.random.default_rng(0)
    train, test = [], []
    for user in range(600):
        order = rng.permutation(40)
        train += [(user, movie, 5.0, 0) for movie in order[:10]]
        test += [(user, movie, 5.0, 1) for movie in order[10:15]]
    split = Split(_table(*train), None, _table(*test))
    indices = make_indices(split.train)
    assert indices.num_movies == 40
    table = evaluate_ranking(lambda user: rng.random((len(user), 40)), split, indices, k=6)
    # Standard error: √(.2 · .8 / 5 · 25/29 / 600) = .0068
    assert table["recall@6"].mean() == pytest.approx(6 / 30, abs=0.02)


def test_an_oracle_has_the_highest_value_of_every_metric():
    relevant = np.zeros((3, 5), np.float32)
    liked = SPLIT.test[(SPLIT.test["rating"] >= 4) & (SPLIT.test["user_id"] < 4)]
    relevant[INDICES.user_index(liked["user_id"]), INDICES.movie_index(liked["movie_id"])] = 1
    table = evaluate_ranking(lambda user: relevant[user], SPLIT, INDICES, k=2)
    assert (table[["ndcg@2", "recall@2", "map@2", "mrr@2", "hit_rate@2"]] == 1).all(axis=None)


def test_the_table_holds_every_ranking_metric_of_metrics():
    names = {"precision", "recall", "hit_rate", "reciprocal_rank", "average_precision", "ndcg"}
    assert {metric.__name__ for metric in evaluation.RANKING_METRICS.values()} == names
    assert all(getattr(metrics, metric.__name__) is metric for metric in evaluation.RANKING_METRICS.values())


# ---- beyond accuracy, in the table


def test_the_lists_scores_come_with_them_and_end_with_minus_infinity():
    seen = _table(*[(1, movie, 3.0, 0) for movie in (10, 20, 40, 50)])
    lists, scores = rank(scorer, np.array([0, 2]), seen, INDICES, 2)
    assert lists.tolist() == [[2, -1], [2, 0]]
    assert scores.tolist() == [[3, -np.inf], [7, 0]]


def test_a_bar_is_shown_only_when_asked_for(capsys):
    evaluate_ranking(scorer, SPLIT, INDICES, k=2)
    assert capsys.readouterr() == ("", "")
    evaluate_ranking(scorer, SPLIT, INDICES, k=2, progress=True)
    assert "1/1" in capsys.readouterr().err


def test_blocks_of_users_change_no_metric(monkeypatch, checkerboard, split):
    indices = make_indices(split.train)
    scores = np.random.default_rng(0).integers(0, 4, (40, 30)).astype(float)
    genres = np.random.default_rng(1).integers(0, 2, (30, 3)).astype(float)
    at_once = evaluate_ranking(lambda user: scores[user], split, indices, k=4, genres=genres)
    monkeypatch.setattr(evaluation, "USERS_PER_BLOCK", 7)
    in_blocks = evaluate_ranking(lambda user: scores[user], split, indices, k=4, genres=genres)
    pd.testing.assert_frame_equal(in_blocks.drop(columns="movie_index"), at_once.drop(columns="movie_index"))
    np.testing.assert_array_equal(np.stack(in_blocks["movie_index"]), np.stack(at_once["movie_index"]))
    assert in_blocks.attrs == at_once.attrs


def test_the_table_has_what_the_lists_are_like():
    genres = np.eye(5)
    table = evaluate_ranking(scorer, SPLIT, INDICES, k=2, genres=genres)
    # User 1: unseen 30, 40, 50 with scores 3, 2, 1; 30 beats 40, the only other that is not relevant, 50 does not.
    assert table["auc"].tolist() == [1 / 2, 1 / 2]  # user 2: 20, 30, 40 with 2, 3, 4; 30 beats 20 and loses to 40
    # Train has one rating each of 10, 50 and 30, by three users: −log2(1/3) for all, rated or not.
    assert table["novelty@2"].tolist() == pytest.approx([np.log2(3)] * 2)
    # The lists are 30, 40 and 40, 30: half a rating a movie; both users watched a movie with one.
    assert table["popularity_lift@2"].tolist() == [-1 / 2, -1 / 2]
    assert table["diversity@2"].tolist() == [1, 1]  # no two movies share a genre
    assert (table["miscalibration@2"] > 4).all()  # nor list and history: KL = log(1 / .01) = 4.6
    assert table.attrs["coverage"] == 2 / 5
    assert table.attrs["gini"] == pytest.approx(3 / 5)  # times 0, 0, 0, 2, 2: (2·2 + 4·2) / (5 · 4)
    assert not {"diversity@2", "miscalibration@2"} & set(evaluate_ranking(scorer, SPLIT, INDICES, k=2))


# ---- stars


class Constant:
    def __init__(self, stars):
        self.stars = stars

    def predict(self, ratings):
        return np.full(len(ratings), self.stars)


def test_star_errors_by_hand():
    table = evaluate_stars(Constant(4.0), SPLIT)
    # User 1 gave 4, 3.5, 5: squares 0, .25, 1. User 2: 4.5; 3: 3; 4: 5, and 4 counts although unknown to train.
    assert table.index.tolist() == [1, 2, 3, 4] and table["ratings"].tolist() == [3, 1, 1, 1]
    assert table["rmse"].tolist() == pytest.approx([np.sqrt(1.25 / 3), 0.5, 1, 1])
    assert table["mae"].tolist() == pytest.approx([0.5, 0.5, 1, 1])
    assert table.attrs["rmse"] == pytest.approx(np.sqrt((1.25 + 0.25 + 1 + 1) / 6))
    assert table.attrs["mae"] == pytest.approx(4 / 6)
    per_rating = np.sqrt(np.average(table["rmse"] ** 2, weights=table["ratings"]))
    assert per_rating == pytest.approx(table.attrs["rmse"])


def test_star_errors_are_those_of_metrics(checkerboard, split):
    bias = Bias(split.train, make_indices(split.train))
    table = evaluate_stars(bias, split, part="validation")
    predicted, actual = bias.predict(split.validation), split.validation["rating"]
    assert table.attrs["rmse"] == pytest.approx(metrics.rmse(predicted, actual), abs=1e-12)
    assert table.attrs["mae"] == pytest.approx(metrics.mae(predicted, actual), abs=1e-12)


def test_predictions_that_are_not_one_number_a_rating_are_refused():
    with pytest.raises(ValueError, match=r"one number per rating, shape \(6,\); got shape \(6,\) with 6 NaN"):
        evaluate_stars(Constant(np.nan), SPLIT)

    class TooShort:
        def predict(self, ratings):
            return np.zeros(5)

    with pytest.raises(ValueError, match=r"shape \(6,\); got shape \(5,\) with 0 NaN"):
        evaluate_stars(TooShort(), SPLIT)


# ---- tidy


def test_a_tidy_result_has_one_row_a_value():
    table = evaluate_ranking(scorer, SPLIT, INDICES, k=2)
    long = tidy(table, "fixed", seed=7)
    assert list(long) == ["model", "seed", "user_id", "metric", "k", "value"]
    assert len(long) == 2 * 9 and set(long["model"]) == {"fixed"} and set(long["seed"]) == {7}
    ndcg = long[(long["metric"] == "ndcg") & (long["k"] == 2)].set_index("user_id")["value"]
    assert ndcg.to_dict() == table["ndcg@2"].to_dict()
    assert long[long["metric"] == "auc"]["k"].isna().all()
    stars = tidy(evaluate_stars(Constant(4.0), SPLIT), "constant")
    assert set(stars["metric"]) == {"rmse", "mae", "ratings"} and stars["k"].isna().all()


def test_a_user_without_a_value_has_no_row():
    table = evaluate_ranking(scorer, SPLIT, INDICES, k=1, genres=np.eye(5))  # one movie has no pair to differ from
    assert table["diversity@1"].isna().all()
    assert "diversity" not in set(tidy(table, "fixed")["metric"])


def test_a_users_ratings_of_several_folds_are_one_users():
    """User 1: errors 1 and 1 in one fold, 2 in the other: mean square (1 + 1 + 4) / 3 = 2, mean error 4 / 3."""
    first = pd.DataFrame({"rmse": [1.0, 3.0], "mae": [1.0, 3.0], "ratings": [2, 1]}, pd.Index([1, 2], name="user_id"))
    second = pd.DataFrame({"rmse": [2.0], "mae": [2.0], "ratings": [1]}, pd.Index([1], name="user_id"))
    pooled = evaluation.pool_stars([first, second])
    assert pooled["ratings"].tolist() == [3, 1]
    assert pooled["square"].tolist() == pytest.approx([2, 9]) and pooled["rmse"].tolist() == pytest.approx([2**0.5, 3])
    assert pooled["mae"].tolist() == pytest.approx([4 / 3, 3])
