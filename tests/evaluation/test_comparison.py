"""Means, intervals and differences: on paper, against closed forms, and the bad cases."""

import numpy as np
import pandas as pd
import pytest

from movierec.evaluation import bootstrap_interval, bootstrap_means, compare, leaders, pool_stars, rmse_interval
from movierec.evaluation.comparison import holm, pooled_rmse, stars_of, summarize, table_of_tasks, tidy, tidy_fits


def _results(values, metric="ndcg", k=10):
    """A tidy result from {(model, seed): one value per user}."""
    tables = [
        tidy(pd.DataFrame({f"{metric}@{k}" if k else metric: of_users}).rename_axis("user_id"), *fit)
        for fit, of_users in values.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_users_are_drawn_with_replacement_alike_for_all_columns_in_batches_of_any_size(monkeypatch):
    """Of two users: both the first, both the second, or one of each: 1/4, 1/4, 1/2."""
    means = bootstrap_means(np.array([0.0, 1.0]))
    shares = [(means == value).mean() for value in (0, 0.5, 1)]
    assert shares == pytest.approx([1 / 4, 1 / 2, 1 / 4], abs=0.04)  # standard error .011
    # A user with weight 3 is three ratings that are drawn together: (3·1 + 1·5) / 4 = 2.
    pair, weights = np.array([1.0, 5.0]), np.array([3.0, 1.0])
    np.testing.assert_allclose(sorted(set(bootstrap_means(pair, weights).round(9))), [1, 2, 5])
    assert bootstrap_interval(pair, weights) == (1, 5)
    values = np.random.default_rng(0).random(50)
    means = bootstrap_means(np.stack([values, values + 1, -values], axis=1))
    np.testing.assert_allclose(means - means[:, :1] * [1, 1, -1], np.tile([0, 1, 0], (2000, 1)), atol=1e-12)
    monkeypatch.setattr("movierec.evaluation.comparison.VALUES_PER_BATCH", 50 * 300)
    np.testing.assert_allclose(bootstrap_means(values), means[:, 0])
    first, again, other = (bootstrap_interval(values, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert bootstrap_interval(np.array([0.3])) == (0.3, 0.3) and (bootstrap_means([[1.0, 2.0]]) == [1, 2]).all()


@pytest.mark.parametrize(("values", "found"), [([1.0, np.nan], "1 of 2 are NaN"), ([], "0 of 0")])
def test_a_value_that_is_missing_is_refused(values, found):
    with pytest.raises(ValueError, match=f"every user needs a value; {found}"):
        bootstrap_interval(np.array(values))
    with pytest.raises(ValueError, match="every user needs a value; . of . are NaN"):
        leaders(pd.DataFrame({"a": values, "b": values}, dtype=float))


def test_a_tidy_result_has_one_row_a_value_and_none_for_a_missing_one():
    users = pd.Index([7, 9], name="user_id")
    table = pd.DataFrame({"ndcg@2": [0.5, 1.0], "auc": [0.7, np.nan], "movie_index": [[1, 2], [2, 1]]}, index=users)
    long = tidy(table, "fixed", seed=3)
    assert list(long) == ["model", "seed", "user_id", "metric", "k", "value"] and str(long["k"].dtype) == "Int64"
    rows = [[part if not pd.isna(part) else None for part in row] for row in long.to_numpy().tolist()]
    assert rows == [["fixed", 3, 7, "ndcg", 2, 0.5], ["fixed", 3, 9, "ndcg", 2, 1.0], ["fixed", 3, 7, "auc", None, 0.7]]
    wide = pd.DataFrame({"user_id": [7, 9], "with ids 0": [0.5, np.nan], "with ids 1": [0.25, 1.0]})  # a column a fit
    fits = tidy_fits(wide, "rmse", None)
    assert list(fits) == list(long) and fits["k"].isna().all() and tidy_fits(wide)["k"].tolist() == [10, 10, 10]
    rows = [["with ids", 0, 7, 0.5], ["with ids", 1, 7, 0.25], ["with ids", 1, 9, 1.0]]  # the last word is the seed
    assert fits[["model", "seed", "user_id", "value"]].to_numpy().tolist() == rows


def test_a_table_of_tasks_pools_stars_averages_lists_and_says_who_leads():
    """User 1: two ratings with error 1; user 2: one with error 2: pooled √((1 + 1 + 4) / 3) = √2."""
    users = pd.Index([1, 2, 3], name="user_id")
    both = pd.DataFrame({"square": [1.0, 4.0, np.nan], "ratings": [2, 1, 0]}, users)
    both = both.assign(**{"ndcg@10": [0.2, 0.4, np.nan], "recall@20": [1.0, 0.0, np.nan], "coverage": 0.3})
    lists = both[["ndcg@10", "recall@20", "coverage"]].assign(**{"ndcg@10": [0.1, 0.1, np.nan]})
    assert pooled_rmse(stars_of(both)) == pytest.approx(2**0.5) and list(stars_of(both).index) == [1, 2]
    table = table_of_tasks({"both": both, "worse": both.assign(square=[4.0, 9.0, np.nan]), "lists": lists})
    rows = table.set_index("model")
    assert rows.loc["both", ["rmse", "rmse low", "rmse high"]].tolist() == pytest.approx([2**0.5, 1, 2])
    assert rows.loc["lists", ["rmse", "rmse low", "rmse high"]].tolist() == ["--"] * 3
    assert rows.loc["both", ["ndcg@10", "low", "high", "recall@20", "coverage"]].tolist() == pytest.approx(
        [0.3, 0.2, 0.4, 0.5, 0.3]
    )
    best = {"ndcg@10": ["both", "worse"], "recall@20": ["both", "worse", "lists"], "rmse": ["both"]}
    assert table.attrs["best"] == best


def test_a_users_ratings_of_several_folds_are_one_users():
    """User 1: errors 1 and 1 in one fold, 2 in the other: mean square (1 + 1 + 4) / 3 = 2, mean error 4 / 3."""
    first = pd.DataFrame({"rmse": [1.0, 3.0], "mae": [1.0, 3.0], "ratings": [2, 1]}, pd.Index([1, 2], name="user_id"))
    second = pd.DataFrame({"rmse": [2.0], "mae": [2.0], "ratings": [1]}, pd.Index([1], name="user_id"))
    pooled = pool_stars([first, second])
    assert pooled["ratings"].tolist() == [3, 1]
    assert pooled["square"].tolist() == pytest.approx([2, 9]) and pooled["rmse"].tolist() == pytest.approx([2**0.5, 3])
    assert pooled["mae"].tolist() == pytest.approx([4 / 3, 3])


def test_a_summary_averages_seeds_within_users_and_reports_their_spread():
    results = _results({("a", 0): [0.0, 0.2], ("a", 1): [0.2, 0.4], ("b", 0): [1.0, 1.0]})
    table = summarize(results).set_index("model")
    assert list(table.index) == ["a", "b"]
    assert table.loc["a", ["mean", "users", "seeds"]].tolist() == pytest.approx([0.2, 2, 2])
    assert table.loc["a", "seed_deviation"] == pytest.approx(np.std([0.1, 0.3], ddof=1))
    # Users' means over seeds are .1 and .3: the interval ends there, not at 0 and .4.
    assert table.loc["a", ["low", "high"]].tolist() == pytest.approx([0.1, 0.3])
    assert table.loc["b", ["seed_deviation", "low", "high"]].tolist() == [0, 1, 1]
    both = pd.concat([results, _results({("a", 0): [0.1]}, "auc", None)])
    with pytest.raises(ValueError, match="no ndcg@5; it has auc, ndcg@10"):
        summarize(both, k=5)
    assert summarize(both, "auc", None)["mean"].tolist() == [0.1]


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
    table = compare(_results({("a", 0): [0.1, 0.2], ("b", 0): [0.1, 0.2], ("c", 0): [0.3, 0.1]}), "a")
    assert table["against"].tolist() == ["b", "c"] and table["p_holm"].tolist() == holm(table["p"]).tolist()
    assert table.iloc[0][["difference", "low", "high", "effect_size", "p"]].tolist() == [0, 0, 0, 0, 1]


def test_models_on_different_users_an_unknown_one_and_a_lonely_one_are_refused():
    results = _results({("a", 0): [0.1, 0.2, 0.3], ("b", 0): [0.1, 0.2]})
    for model, asked, message in (
        ("a", results, r"same users; of 3 users, 'b' lacks 1, e.g. user_id \[2\]"),
        ("z", results, r"must be one of \['a', 'b'\]; got 'z'"),
        ("a", results[:3], "needs two models"),
    ):
        with pytest.raises(ValueError, match=message):
            compare(asked, model)


def test_holm_by_hand():
    # Sorted .01, .02, .04: times 3, 2, 1 gives .03, .04, .04
    assert holm([0.02, 0.04, 0.01]).tolist() == pytest.approx([0.04, 0.04, 0.03])
    assert holm([0.5, 0.6]).tolist() == [1, 1]  # never above 1
    assert holm([0.03]).tolist() == [0.03]
    # .01 · 2 = .02 and .015 · 1 = .015: no p falls below a smaller one's
    assert holm([0.01, 0.015]).tolist() == pytest.approx([0.02, 0.02])


def _slow_interval(users, statistic):
    """The 95 % interval of a statistic of the drawn users."""
    rng = np.random.default_rng(0)
    return tuple(np.quantile([statistic(rng.integers(0, users, users)) for _ in range(2000)], [0.025, 0.975]))


def _slow_leaders(by_user, sign, weights):
    """The best, and each whose mean difference from it in 95 of 100 resamples is on both sides of 0, or at it."""
    best = max(by_user, key=lambda name: sign * np.average(by_user[name], weights=weights))
    d = {name: (by_user[name] - by_user[best]).to_numpy() for name in by_user}
    means = {
        name: _slow_interval(len(by_user), lambda users, d=d[name]: np.average(d[users], weights=weights[users]))
        for name in d
    }
    return [name for name, (low, high) in means.items() if low <= 0 <= high]


def test_equal_models_lead_together_and_an_interval_that_ends_in_zero_holds_it():
    """b is better for one user of 40, and equal for all others: (39 / 40)^40 = .36 of resamples lack that user."""
    better = np.zeros(40)
    better[0] = 1
    assert leaders(pd.DataFrame({"a": np.zeros(40), "b": better})) == ["a", "b"]
    # Of 10 such users of 40, (30 / 40)^40 = .00001 of resamples have none: the interval is above 0.
    assert leaders(pd.DataFrame({"a": np.zeros(40), "b": (np.arange(40) < 10) * 1.0})) == ["b"]
    table = pd.DataFrame({"z": [0.1, 0.2, 0.7], "a": [0.1, 0.2, 0.7], "worse": [0.0, 0.1, 0.6]})
    assert leaders(table) == ["z", "a"] and leaders(table, lowest=True) == ["worse"]


@pytest.mark.parametrize("lowest", [False, True])
def test_leaders_are_those_of_a_slow_loop(lowest):
    rng = np.random.default_rng(292)  # of a seed by which weights change the intervals, too
    ratings = rng.integers(1, 20, 30)
    shifts = {"a": 0, "b": 0.05, "c": 0.1, "d": 0.4, "e": 0.45, "f": -0.3, "g": -0.35}
    table = pd.DataFrame({name: rng.normal(shift, 0.4, 30) for name, shift in shifts.items()})
    by_users, by_ratings = (_slow_leaders(table, -1 if lowest else 1, w) for w in (np.ones(30), ratings))
    assert by_users != by_ratings and 1 < len(by_users) < len(table)
    assert leaders(table, lowest=lowest) == by_users
    assert leaders(table, lowest=lowest, weights=ratings) == by_ratings


def _errors_of(ratings_by_user):
    """As `evaluate_stars` tells of each user's errors."""
    rows = [(np.sqrt(np.mean(np.square(errors))), len(errors)) for errors in ratings_by_user]
    index = pd.Index(np.arange(len(rows)) + 100, name="user_id")
    return pd.DataFrame(rows, columns=["rmse", "ratings"], index=index)


def test_the_interval_of_an_rmse_is_that_of_the_ratings_of_users_drawn_again():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 30, 25)
    ours, theirs = ([rng.normal(0, spread, count) for count in counts] for spread in (0.9, 1.1))

    def rmse(model, users):  # the ratings of the drawn users laid side by side
        return np.sqrt(np.mean(np.square(np.concatenate([model[user] for user in users]))))

    expected = _slow_interval(25, lambda users: rmse(ours, users))
    assert rmse_interval(_errors_of(ours)) == pytest.approx(expected, abs=1e-12)
    difference = rmse_interval(_errors_of(ours), _errors_of(theirs))
    expected = _slow_interval(25, lambda users: rmse(theirs, users) - rmse(ours, users))
    assert difference == pytest.approx(expected, abs=1e-12)
    assert difference[0] > 0  # this model is better
    assert rmse_interval(_errors_of(ours), _errors_of(ours)) == (0, 0)  # paired
    # RMSE 1 over three ratings and 5 over one: a resample has 1, 5, or √((3 · 1 + 1 · 25) / 4) of both.
    assert rmse_interval(_errors_of([[1, -1, 1], [5]])) == (1, 5)
    errors = _errors_of([[1, 1], [2]])
    others = [errors.set_axis([100, 102]), errors.iloc[:1], errors.assign(ratings=[1, 2])]
    for other, users in zip(others, (2, 1, 2), strict=True):  # another user, one user less, other ratings
        with pytest.raises(ValueError, match=f"on the same ratings; found 2 and {users} users with 3 and"):
            rmse_interval(errors, other)
