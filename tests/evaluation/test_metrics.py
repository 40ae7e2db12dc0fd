"""Metrics against sums on paper, and against a slow loop over random lists."""

import itertools
import math

import numpy as np
import pytest

from movierec.evaluation import metrics

# Three users, k = 4. The first has hits at ranks 1 and 3 of 3 relevant movies, the second none of 1, the third nothing
# relevant at all.
HITS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
NUM_RELEVANT = np.array([3, 1, 0])

LITERALS = {"precision": 2 / 4, "recall": 2 / 3, "hit_rate": 1.0, "reciprocal_rank": 1 / 1}
LITERALS["average_precision"] = 5 / 9  # (1/1 + 2/3) / 3
LITERALS["ndcg"] = 0.70391809  # (1/log2(2) + 1/log2(4)) / (1/log2(2) + 1/log2(3) + 1/log2(4)) = 1.5 / 2.13092975


def _loop(name, hits, num_relevant):
    """One user, written from the definitions."""
    k = len(hits)
    if num_relevant == 0:
        return math.nan
    ranks = [rank for rank in range(1, k + 1) if hits[rank - 1]]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, num_relevant) + 1))
    return {
        "precision": len(ranks) / k,
        "recall": len(ranks) / num_relevant,
        "hit_rate": 1.0 if ranks else 0.0,
        "reciprocal_rank": 1 / ranks[0] if ranks else 0.0,
        "average_precision": sum(sum(other <= rank for other in ranks) / rank for rank in ranks) / num_relevant,
        "ndcg": sum(1 / math.log2(rank + 1) for rank in ranks) / ideal,
    }[name]


@pytest.mark.parametrize("name", LITERALS)
def test_metric_equals_its_value_on_paper(name):
    values = getattr(metrics, name)(HITS, NUM_RELEVANT)
    assert values[0] == pytest.approx(LITERALS[name], abs=1e-8)
    assert values[1] == 0  # a user whose list misses counts, as 0 …
    assert math.isnan(values[2])  # … a user without a relevant movie does not
    assert values.shape == (3,) and values.dtype == np.float64


@pytest.mark.parametrize("name", LITERALS)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_metric_equals_a_slow_loop(name, k):
    rng = np.random.default_rng(k)
    hits = rng.random((300, k)) < 0.3
    num_relevant = hits.sum(axis=1) + rng.integers(0, 12, 300)  # from "all in the list" to "few of many"
    assert (num_relevant == 0).any() and (num_relevant > k).any()
    expected = [_loop(name, *user) for user in zip(hits, num_relevant, strict=True)]
    np.testing.assert_allclose(getattr(metrics, name)(hits, num_relevant), expected, rtol=0, atol=1e-12)


def test_star_errors_on_paper():
    predicted, actual = [1.0, 2.0, 5.0, 3.0], [2.0, 2.0, 3.0, 4.0]  # errors −1, 0, 2, −1
    assert metrics.rmse(predicted, actual) == pytest.approx(math.sqrt(6 / 4), abs=1e-15)
    assert metrics.mae(predicted, actual) == 1.0
    # In float32, 100,000 squares of .1 sum to a mean that is off in the sixth digit.
    predicted = np.full(100_000, 0.1, np.float32)
    assert metrics.rmse(predicted, np.zeros(100_000, np.float32)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def _loop_auc(scores, relevant, num_relevant):
    unseen = [movie for movie in range(len(scores)) if scores[movie] > -math.inf]
    good = [movie for movie in unseen if relevant[movie]]
    others = [movie for movie in unseen if not relevant[movie]]
    won = sum((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for i in good for j in others)
    return won / (num_relevant * len(others))


@pytest.mark.parametrize("relevant_movies", [1, 9, 200])
def test_auc_of_few_and_of_many_relevant_movies_equals_a_slow_loop(relevant_movies):
    rng = np.random.default_rng(relevant_movies)
    scores = rng.integers(0, 30, (4, 250)).astype(np.float32)
    relevant = np.zeros((4, 250), bool)
    relevant[:, :relevant_movies] = True
    scores[:, 240:] = -np.inf  # seen
    scores[1:, 0] = -np.inf  # relevant, and never recommended: beats nobody
    num_relevant = relevant_movies + np.array([0, 1, 0, 1])  # some have one more, outside the catalogue
    expected = [_loop_auc(*user) for user in zip(scores, relevant, num_relevant, strict=True)]
    np.testing.assert_allclose(metrics.auc(scores, relevant, num_relevant), expected, rtol=0, atol=1e-12)


def test_auc_of_a_model_that_says_nothing_is_one_half():
    relevant = np.array([[1, 0, 0, 1, 0]], bool)
    assert metrics.auc(np.zeros((1, 5)), relevant, np.array([2])) == 0.5
    assert metrics.auc(relevant.astype(float), relevant, np.array([2])) == 1
    assert metrics.auc(-relevant.astype(float), relevant, np.array([2])) == 0
    assert np.isnan(metrics.auc(np.zeros((1, 5)), np.zeros((1, 5), bool), np.array([0])))
    assert metrics.auc(np.array([[1.0, -np.inf]]), np.array([[True, False]]), np.array([1])) == 1  # nobody to beat


LISTS = np.array([[0, 1], [1, 3], [2, -1]])  # of a catalogue of five; the third user has one movie left
COUNTS = np.array([8, 4, 2, 1, 0])  # ratings in train, of 16 users


def test_coverage_and_gini_by_hand_and_at_its_ends():
    assert metrics.coverage(LISTS, 5) == 4 / 5
    assert metrics.coverage(np.array([[0, -1], [0, -1]]), 10) == 1 / 10  # -1 is no movie
    # Times 1, 2, 1, 1, 0; sorted 0, 1, 1, 1, 2: (−4·0 − 2·1 + 0·1 + 2·1 + 4·2) / (5 · 5)
    assert metrics.gini(LISTS, 5) == pytest.approx(8 / 25)
    assert metrics.gini(np.arange(6).reshape(3, 2), 6) == 0
    assert metrics.gini(np.zeros((7, 1), int), 6) == pytest.approx(1 - 1 / 6)


def test_novelty_by_hand():
    # −log2 of 8/16, 4/16, 2/16, 1/16 is 1, 2, 3, 4
    assert metrics.novelty(LISTS, COUNTS, 16).tolist() == [1.5, 3, 3]
    assert metrics.novelty(np.array([[4, 4], [-1, -1]]), COUNTS, 16)[0] == 4  # unrated: as if one user had
    assert np.isnan(metrics.novelty(np.array([[-1, -1]]), COUNTS, 16)[0])


def test_popularity_lift_by_hand():
    history = np.array([[0, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    lift = metrics.popularity_lift(LISTS, COUNTS, history)
    assert lift[:2].tolist() == [6 / 2 - 1, 2.5 / 6 - 1] and np.isnan(lift[2])


def test_diversity_equals_a_slow_loop():
    rng = np.random.default_rng(0)
    vectors, lists = rng.random((12, 4)), np.array([rng.permutation(12)[:5] for _ in range(20)])
    lists[:5, 4] = -1
    unit = [vector / np.linalg.norm(vector) for vector in vectors]
    expected = [1 - np.mean([unit[i] @ unit[j] for i, j in itertools.combinations(of[of >= 0], 2)]) for of in lists]
    np.testing.assert_allclose(metrics.diversity(lists, vectors), expected, rtol=0, atol=1e-12)
    vectors[:] = 0
    assert metrics.diversity(np.array([[0, 1]]), vectors) == 1  # a film without genres is like no other
    assert np.isnan(metrics.diversity(np.array([[2, -1]]), vectors)[0])


def test_miscalibration_by_hand():
    genres = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], float)
    history = np.array([[1, 1, 0, 0]] * 4, bool)  # half of each genre
    lists = np.array([[0, 1], [2, -1], [0, -1], [3, -1]])
    values = metrics.miscalibration(lists, history, genres)
    assert values[:2].tolist() == pytest.approx([0, 0], abs=1e-12)  # half of each as well
    # Only the first genre: q̃ = (.99 + .005, .005): .5 log(.5 / .995) + .5 log(.5 / .005)
    assert values[2] == pytest.approx(0.5 * math.log(0.5 / 0.995) + 0.5 * math.log(100), abs=1e-12)
    assert np.isnan(values[3])  # a list without a genre
    assert np.isnan(metrics.miscalibration(lists[:1], np.zeros((1, 4), bool), genres)[0])  # no history
