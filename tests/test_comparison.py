"""Means, intervals and differences: on paper, against closed forms, and the bad cases."""

import numpy as np
import pandas as pd
import pytest

from movierec.comparison import bootstrap_interval, bootstrap_means, compare, holm, summarize


def _results(values, metric="ndcg", k=10):
    """A tidy result from {(model, seed): one value per user}."""
    tables = [
        pd.DataFrame(
            {"model": model, "seed": seed, "user_id": range(len(of_users)), "metric": metric, "value": of_users}
        )
        for (model, seed), of_users in values.items()
    ]
    return pd.concat(tables, ignore_index=True).assign(k=pd.array([k] * sum(map(len, tables)), dtype="Int64"))


# ---- intervals


def test_the_bootstrap_interval_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(5, 2, 1000)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(1000)  # .12
    assert low == pytest.approx(values.mean() - half, abs=0.012)
    assert high == pytest.approx(values.mean() + half, abs=0.012)


def test_the_bootstrap_interval_is_the_seeds():
    values = np.arange(20.0)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    assert bootstrap_interval(np.full(10, 3.0)) == (3.0, 3.0)


def test_resampling_is_drawing_users_with_replacement():
    """Of two users: both the first, both the second, or one of each: 1/4, 1/4, 1/2."""
    means = bootstrap_means(np.array([0.0, 1.0]))
    shares = [(means == value).mean() for value in (0, 0.5, 1)]
    assert shares == pytest.approx([1 / 4, 1 / 2, 1 / 4], abs=0.04)  # standard error .011
    assert set(means) == {0, 0.5, 1}


def test_all_columns_are_resampled_alike():
    values = np.random.default_rng(0).random(30)
    means = bootstrap_means(np.stack([values, values + 1, -values], axis=1))
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1)
    np.testing.assert_allclose(means[:, 2], -means[:, 0])
    np.testing.assert_allclose(means[:, 0], bootstrap_means(values))


def test_blocks_of_resamples_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(50)
    at_once = bootstrap_means(values)
    monkeypatch.setattr("movierec.comparison.VALUES_PER_BLOCK", 50 * 300)
    np.testing.assert_allclose(bootstrap_means(values), at_once)


def test_a_users_weight_is_its_number_of_ratings():
    """A user with weight 3 is three ratings that are drawn together: the weighted mean is theirs."""
    values, weights = np.array([1.0, 5.0]), np.array([3.0, 1.0])
    means = bootstrap_means(values, weights)
    np.testing.assert_allclose(sorted(set(means.round(9))), [1, 2, 5])  # (3·1 + 1·5) / 4 = 2
    low, high = bootstrap_interval(values, weights)
    assert (low, high) == (1, 5)


@pytest.mark.parametrize(("values", "found"), [([1.0, np.nan], "1 of 2 are NaN"), ([], "0 of 0")])
def test_a_value_that_is_missing_is_refused(values, found):
    with pytest.raises(ValueError, match=f"every user needs a value; {found}"):
        bootstrap_interval(np.array(values))


# ---- summaries


def test_a_summary_averages_seeds_within_users_and_reports_their_spread():
    results = _results({("a", 0): [0.0, 0.2], ("a", 1): [0.2, 0.4], ("b", 0): [1.0, 1.0]})
    table = summarize(results).set_index("model")
    assert list(table.index) == ["a", "b"]
    assert table.loc["a", ["mean", "users", "seeds"]].tolist() == pytest.approx([0.2, 2, 2])
    assert table.loc["a", "seed_deviation"] == pytest.approx(np.std([0.1, 0.3], ddof=1))
    # Users' means over seeds are .1 and .3: the interval ends there, not at 0 and .4.
    assert table.loc["a", ["low", "high"]].tolist() == pytest.approx([0.1, 0.3])
    assert table.loc["b", ["seed_deviation", "low", "high"]].tolist() == [0, 1, 1]


def test_a_metric_that_is_not_there_is_refused_with_those_that_are():
    results = pd.concat([_results({("a", 0): [0.1]}), _results({("a", 0): [0.1]}, "auc", None)])
    with pytest.raises(ValueError, match="no ndcg@5; it has auc, ndcg@10"):
        summarize(results, k=5)
    assert summarize(results, "auc", None)["mean"].tolist() == [0.1]


# ---- comparisons


def test_a_comparison_is_paired():
    """Users differ by far more than models do; each user still says the same: a is better by 0.01 or 0.03."""
    of_users = np.linspace(0, 1, 200)
    gain = np.where(np.arange(200) % 2 == 0, 0.01, 0.03)
    row = compare(_results({("a", 0): of_users + gain, ("b", 0): of_users}), "a").iloc[0]
    assert row["against"] == "b" and row["users"] == 200
    assert row["difference"] == pytest.approx(0.02)
    assert row["effect_size"] == pytest.approx(0.02 / gain.std(ddof=1))
    half = 1.96 * 0.01 / np.sqrt(200)
    assert [row["low"], row["high"]] == pytest.approx([0.02 - half, 0.02 + half], abs=0.0003)
    assert row["p"] == row["p_holm"] == 1 / 2001


def test_models_that_are_equal_differ_by_luck():
    rng = np.random.default_rng(0)
    rows = [
        compare(_results({("a", 0): rng.normal(size=60), ("b", 0): rng.normal(size=60)}), "a").iloc[0]
        for _ in range(100)
    ]
    below = np.mean([row["p"] < 0.1 for row in rows])
    assert 0.02 <= below <= 0.2  # a tenth is expected; standard error .03
    outside = np.mean([not row["low"] <= 0 <= row["high"] for row in rows])
    assert outside <= 0.13  # a twentieth is expected; standard error .022


def test_a_model_equal_to_the_other_has_no_effect():
    row = compare(_results({("a", 0): [0.1, 0.2], ("b", 0): [0.1, 0.2]}), "a").iloc[0]
    assert row[["difference", "low", "high", "effect_size"]].tolist() == [0, 0, 0, 0]
    assert row["p"] == 1


def test_every_other_model_is_compared_and_p_is_corrected():
    rng = np.random.default_rng(1)
    base = rng.normal(size=100)
    results = _results({(name, 0): base + rng.normal(shift, 1, 100) for name, shift in dict(a=0.4, b=0, c=0.3).items()})
    table = compare(results, "a")
    assert table["against"].tolist() == ["b", "c"]
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"]).tolist())


def test_models_measured_on_different_users_are_refused():
    results = _results({("a", 0): [0.1, 0.2, 0.3], ("b", 0): [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"same users; of 3 users, 'b' lacks 1, e.g. user_id \[2\]"):
        compare(results, "a")


def test_an_unknown_model_and_a_lonely_one_are_refused():
    results = _results({("a", 0): [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"must be one of \['a'\]; got 'z'"):
        compare(results, "z")
    with pytest.raises(ValueError, match="needs two models"):
        compare(results, "a")


def test_holm_by_hand():
    # Sorted .01, .02, .04: times 3, 2, 1 gives .03, .04, .04
    assert holm([0.02, 0.04, 0.01]).tolist() == pytest.approx([0.04, 0.04, 0.03])
    assert holm([0.5, 0.6]).tolist() == [1, 1]  # never above 1
    assert holm([0.03]).tolist() == [0.03]
    # .01 · 2 = .02 and .015 · 1 = .015: no p falls below a smaller one's
    assert holm([0.01, 0.015]).tolist() == pytest.approx([0.02, 0.02])
