"""The tuner: settings come from validation alone, and tuning one recommender again leaves the others as they were."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from movierec.baselines import ladder
from movierec.data import Split
from movierec.evaluation import evaluate_ranking
from movierec.record import recorded


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import tune_baselines

    yield tune_baselines
    del sys.modules["tune_baselines"]


def test_a_split_without_validation_gets_one_from_its_train(script, split):
    assert script.with_validation(split) is split
    inner = script.with_validation(Split(split.train, None, split.test))
    assert len(inner.train) + len(inner.validation) == len(split.train)
    pd.testing.assert_frame_equal(inner.test, split.test)


def test_settings_are_chosen_on_validation_whatever_test_says(script, split, checkerboard):
    spoilt = Split(split.train, split.validation, split.test.assign(rating=1.0))
    problem = ladder.Problem(split.train, checkerboard)
    for name in ("user and movie bias", "EASE"):
        trials = script.tune_recommender(name, problem, split, liked_from=5)
        again = script.tune_recommender(name, problem, spoilt, liked_from=5)
        pd.testing.assert_frame_equal(trials.drop(columns="cpu_seconds"), again.drop(columns="cpu_seconds"))
        assert trials["chosen"].sum() == 1 and 1 < len(trials) <= ladder.BUDGET_TRIALS
    best = ladder.Problem(split.train, checkerboard, {"EASE": ladder.best_settings(trials)})
    table = evaluate_ranking(best.fit("EASE"), split, best.indices, "validation", liked_from=5)
    assert table["ndcg@10"].mean() == trials["value"].max()


def test_one_recommender_is_tuned_without_recorded_trials_and_again_beside_others(
    script, tmp_path, monkeypatch, checkerboard
):
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    monkeypatch.setitem(script.TUNED, "by_user_time", ["popularity", "EASE", "content-based", "weighted"])
    script.tune_and_record("by_user_time", checkerboard, only=["EASE"])  # nothing is recorded yet
    assert list(ladder.chosen("by_user_time")) == ["EASE"]
    script.tune_and_record("by_user_time", checkerboard)
    first = recorded("tuning_by_user_time")
    assert list(dict.fromkeys(first["model"])) == ["popularity", "content-based", "EASE", "weighted"]
    monkeypatch.setitem(script.EVERY, "weighted", script.EVERY["weighted"]._replace(space={"weight": [0.9, 0.8]}))
    script.tune_and_record("by_user_time", checkerboard, only=["weighted"])
    again = recorded("tuning_by_user_time")
    pd.testing.assert_frame_equal(again[again["model"] != "weighted"], first[first["model"] != "weighted"])
    assert (again["model"] == "weighted").sum() == 2
    with pytest.raises(SystemExit):
        script.main(["by_time", "--only", "SLIM"])


def test_what_is_recorded_is_one_choice_a_model_within_the_budget(script):
    folds = [(protocol, fold) for protocol in ladder.PROTOCOLS for fold in range(5 if protocol == "random5" else 1)]
    for protocol, fold in folds:
        chosen = ladder.chosen(protocol, fold)
        assert set(chosen) == set(script.TUNED[protocol])
        for name, settings in chosen.items():
            assert settings in ladder.settings_to_try(script.EVERY[name].space), (protocol, name)
