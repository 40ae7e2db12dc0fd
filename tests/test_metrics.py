"""Metrics against sums on paper, and against a slow loop over random lists."""

import math

import numpy as np
import pytest

from movierec import metrics

# Three users, k = 4. The first has hits at ranks 1 and 3 of 3 relevant movies, the second none of 1, the third nothing
# relevant at all.
HITS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
NUM_RELEVANT = np.array([3, 1, 0])

LITERALS = {
    "precision": 2 / 4,
    "recall": 2 / 3,
    "hit_rate": 1.0,
    "reciprocal_rank": 1 / 1,
    "average_precision": 5 / 9,  # (1/1 + 2/3) / 3
    "ndcg": 0.70391809,  # (1/log2(2) + 1/log2(4)) / (1/log2(2) + 1/log2(3) + 1/log2(4)) = 1.5 / 2.13092975
}


def _loop(name, hits, num_relevant):
    """One user, written from the definitions."""
    k = len(hits)
    if num_relevant == 0:
        return math.nan
    ranks = [rank for rank in range(1, k + 1) if hits[rank - 1]]
    if name == "precision":
        return len(ranks) / k
    if name == "recall":
        return len(ranks) / num_relevant
    if name == "hit_rate":
        return 1.0 if ranks else 0.0
    if name == "reciprocal_rank":
        return 1 / ranks[0] if ranks else 0.0
    if name == "average_precision":
        return sum(sum(other <= rank for other in ranks) / rank for rank in ranks) / num_relevant
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, num_relevant) + 1))
    return sum(1 / math.log2(rank + 1) for rank in ranks) / ideal


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


@pytest.mark.parametrize("name", LITERALS)
def test_a_perfect_list_has_one_and_a_later_hit_is_worth_no_more(name):
    metric = getattr(metrics, name)
    assert metric(np.ones((1, 5), bool), np.array([5])) == pytest.approx(1, abs=1e-12)
    one_hit = metric(np.eye(5, dtype=bool), np.ones(5, int))  # row r has its only hit at rank r + 1
    assert (np.diff(one_hit) <= 0).all()
    by_rank = name in ("reciprocal_rank", "average_precision", "ndcg")
    assert (one_hit[4] < one_hit[0]) == by_rank


def test_ndcg_is_one_when_all_relevant_movies_lead_the_list_or_fill_it():
    assert metrics.ndcg(np.array([[1, 1, 0, 0]], bool), np.array([2])) == pytest.approx(1, abs=1e-12)
    assert metrics.ndcg(np.ones((1, 4), bool), np.array([99])) == pytest.approx(1, abs=1e-12)


def test_average_precision_divides_by_the_relevant_movies_not_by_the_list():
    # Two hits in a list of two, of four relevant movies: (1 + 1) / 4, as Microsoft Recommenders does; not / min(2, 4).
    assert metrics.average_precision(np.ones((1, 2), bool), np.array([4])) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("k", [5, 20])
def test_random_order_has_the_recall_and_precision_of_its_closed_form(k):
    num_movies, relevant, users = 50, 5, 4000
    rng = np.random.default_rng(1)
    hits = np.argsort(rng.random((users, num_movies)), axis=1)[:, :k] < relevant  # movies 0 … 4 are relevant
    num_relevant = np.full(users, relevant)
    # Standard error of recall: √(.4 · .6 / 5 / 4000) = .0035 at most
    assert metrics.recall(hits, num_relevant).mean() == pytest.approx(k / num_movies, abs=0.01)
    assert metrics.precision(hits, num_relevant).mean() == pytest.approx(relevant / num_movies, abs=0.01)


def test_star_errors_on_paper():
    predicted, actual = [1.0, 2.0, 5.0, 3.0], [2.0, 2.0, 3.0, 4.0]  # errors −1, 0, 2, −1
    assert metrics.rmse(predicted, actual) == pytest.approx(math.sqrt(6 / 4), abs=1e-15)
    assert metrics.mae(predicted, actual) == 1.0
    assert isinstance(metrics.rmse(predicted, actual), float)


def test_star_errors_are_summed_in_double_precision():
    # In float32, 100,000 squares of .1 sum to a mean that is off in the sixth digit.
    predicted = np.full(100_000, 0.1, np.float32)
    assert metrics.rmse(predicted, np.zeros(100_000, np.float32)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)
