"""Metrics against sums on paper; what other libraries say is in test_ruler."""

import math

import numpy as np
import pytest

from movierec.evaluation import metrics

# Lists of four. Users have hits at ranks 1 and 3 of 3 relevant movies; none of 1; nothing relevant at all; at ranks 2
# and 4 of 9, more than a list can hold; and everywhere, of 4.
HITS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]], bool)
NUM_RELEVANT = np.array([3, 1, 0, 9, 4])
NDCG = [1.5 / 2.13092975, (0.63092975 + 0.43067656) / 2.56160631]  # 1/log2 of 2, 3, 4, 5: 1, .6309, .5, .4307


@pytest.mark.parametrize(
    ("name", "first", "fourth", "tolerance"),
    [
        ("precision", 2 / 4, 2 / 4, 0),
        ("recall", 2 / 3, 2 / 9, 0),
        ("hit_rate", 1, 1, 0),
        ("reciprocal_rank", 1, 1 / 2, 0),
        ("average_precision", (1 / 1 + 2 / 3) / 3, (1 / 2 + 2 / 4) / 9, 1e-15),
        ("ndcg", *NDCG, 1e-8),
    ],
)
def test_metric_equals_its_value_on_paper(name, first, fourth, tolerance):
    values = getattr(metrics, name)(HITS, NUM_RELEVANT)
    # A user whose list misses counts, as 0; one without a relevant movie does not.
    np.testing.assert_allclose(values, [first, 0, math.nan, fourth, 1], rtol=0, atol=tolerance)
    assert values.shape == (5,) and values.dtype == np.float64


def test_star_errors_on_paper():
    predicted, actual = [1.0, 2.0, 5.0, 3.0], [2.0, 2.0, 3.0, 4.0]  # errors −1, 0, 2, −1
    assert metrics.rmse(predicted, actual) == pytest.approx(math.sqrt(6 / 4), abs=1e-15)
    # In float32, 100,000 squares of .1 sum to a mean that is off in the sixth digit.
    predicted = np.full(100_000, 0.1, np.float32)
    assert metrics.rmse(predicted, np.zeros(100_000, np.float32)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_auc_by_hand():
    """Movie 2 beats movie 1, ties with 3, loses to 0: 1.5 of 3. Half of that if another relevant one is never shown."""
    scores, relevant = np.array([[3.0, 1, 2, 2, -np.inf]]), np.array([[0, 0, 1, 0, 0]], bool)
    assert metrics.auc(scores, relevant, np.array([1])) == 1.5 / 3
    assert metrics.auc(scores, relevant, np.array([2])) == 1.5 / 6  # the other is outside the catalogue
    assert metrics.auc(scores, relevant | np.isneginf(scores), np.array([2])) == 1.5 / 6  # or has the score -inf
    relevant = np.array([[1, 0, 0, 1, 0]], bool)
    assert [metrics.auc(sign * relevant.astype(float), relevant, np.array([2]))[0] for sign in (0, 1, -1)] == [
        0.5,
        1,
        0,
    ]
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


def test_novelty_and_popularity_lift_by_hand():
    # −log2 of 8/16, 4/16, 2/16, 1/16 is 1, 2, 3, 4
    assert metrics.novelty(LISTS, COUNTS, 16).tolist() == [1.5, 3, 3]
    assert metrics.novelty(np.array([[4, 4], [-1, -1]]), COUNTS, 16)[0] == 4  # unrated: as if one user had
    assert np.isnan(metrics.novelty(np.array([[-1, -1]]), COUNTS, 16)[0])
    history = np.array([[0, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
    lift = metrics.popularity_lift(LISTS, COUNTS, history)
    assert lift[:2].tolist() == [6 / 2 - 1, 2.5 / 6 - 1] and np.isnan(lift[2])


def test_diversity_and_miscalibration_by_hand():
    genres = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], float)
    lists = np.array([[0, 1, 2], [0, 1, -1], [0, 3, -1], [2, -1, -1]])
    # Cosines: 0 and 1: 0; 2 and each of both: 1 / √2; a film without genres is like no other.
    expected = [1 - math.sqrt(2) / 3, 1, 1, math.nan]
    np.testing.assert_allclose(metrics.diversity(lists, 3 * genres), expected, rtol=0, atol=1e-12)
    history = np.array([[1, 1, 0, 0]] * 4, bool)  # half of each genre
    lists = np.array([[0, 1], [2, -1], [0, -1], [3, -1]])
    # Half of each; half of each; only the first genre, q̃ = (.995, .005); a list without a genre.
    only_first = 0.5 * math.log(0.5 / 0.995) + 0.5 * math.log(0.5 / 0.005)
    values = metrics.miscalibration(lists, history, genres)
    np.testing.assert_allclose(values, [0, 0, only_first, math.nan], rtol=0, atol=1e-12)
    assert np.isnan(metrics.miscalibration(lists[:1], np.zeros((1, 4), bool), genres)[0])  # no history
