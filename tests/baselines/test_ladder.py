"""Every rung is fitted through one door, scores the whole catalogue, and is tuned on validation alone."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec import record
from movierec.baselines import ladder
from movierec.baselines.ladder import RANKERS, RECOMMENDERS, STAR_PREDICTORS, Problem
from movierec.data import Split
from movierec.evaluation import evaluate_ranking

SMALL = {  # settings for forty users and thirty movies
    **{name: {"neighbours": 5} for name in ("user-kNN", "item-kNN", "user-kNN for stars", "item-kNN for stars")},
    "implicit ALS": {"factors": 2, "regularisation": 1},
    "biased MF": {"factors": 2, "regularisation": 1},
    "EASE": {"regularisation": 5},
    "feature combination": {"regularisation": 5},
    "feature augmentation": {"regularisation": 5},
    "cascade": {"short_list": 10},
    "NeuMF": {"epochs": 1, "dim": 4},
    "deep hybrid": {"epochs": 1, "dim": 4},
}


@pytest.fixture(scope="module")
def problem(split, checkerboard):
    return Problem(split.train, checkerboard, SMALL)


def test_the_ladder_has_every_recommender_of_the_related_work():
    burke = ["weighted", "switching", "mixed", "feature combination", "cascade", "feature augmentation", "meta-level"]
    others = ["popularity", "user and movie bias", "content-based", "user-kNN", "item-kNN", "biased MF", "implicit ALS"]
    assert set(RANKERS) == {"random order", *others, "EASE", *burke, "NeuMF", "deep hybrid"}
    assert set(STAR_PREDICTORS) == {"user and movie bias", "user-kNN for stars", "item-kNN for stars", "biased MF"}


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_scores_the_whole_catalogue(problem, name):
    scores = problem.fit(name)(np.array([3, 0]))
    assert scores.shape == (2, 30) and scores.dtype == np.float32 and np.isfinite(scores).all()


@pytest.mark.parametrize("name", STAR_PREDICTORS)
def test_every_star_predictor_predicts_on_the_scale(problem, split, name):
    stars = problem.fit(name).predict(split.test)
    assert stars.shape == (len(split.test),) and 2 <= stars.min() <= stars.max() <= 5


@pytest.mark.parametrize("name", [name for name, one in RECOMMENDERS.items() if one.seeds > 1])
def test_what_is_reported_over_seeds_depends_on_the_seed_and_on_nothing_else(problem, name):
    first, again, other = (problem.fit(name, seed)(np.array([3])) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_hybrids_share_what_they_are_made_of(problem):
    assert problem.base("EASE") is problem.base("EASE")
    assert problem.fit("weighted").first is problem.base("EASE")


def test_an_unknown_name_is_refused_with_the_names(problem):
    with pytest.raises(ValueError, match="`name` must be one of .*'popularity'.*; got 'SLIM'"):
        problem.fit("SLIM")


def test_the_random_order_is_the_same_however_users_are_asked(problem):
    model = problem.fit("random order")
    np.testing.assert_array_equal(model(np.arange(40))[[7, 3]], model(np.array([7, 3])))


# ---- tuning


def test_a_split_without_validation_gets_one_from_its_train(split):
    assert with_validation(split) is split
    plain = Split(split.train, None, split.test)
    inner = with_validation(plain)
    assert len(inner.train) + len(inner.validation) == len(split.train)
    pd.testing.assert_frame_equal(inner.test, split.test)


def test_settings_are_chosen_on_validation_whatever_test_says(split, checkerboard):
    spoilt = Split(split.train, split.validation, split.test.assign(rating=1.0))
    problem = Problem(split.train, checkerboard)
    for name in ("user and movie bias", "EASE"):
        trials = tuning.tune_recommender(name, problem, split, liked_from=5)
        again = tuning.tune_recommender(name, problem, spoilt, liked_from=5)
        pd.testing.assert_frame_equal(trials.drop(columns="cpu_seconds"), again.drop(columns="cpu_seconds"))
        assert trials["chosen"].sum() == 1 and set(trials["model"]) == {name}
        assert 1 < len(trials) <= ladder.BUDGET_TRIALS
    assert set(trials["metric"]) == {"ndcg@10"}
    best = Problem(split.train, checkerboard, {"EASE": ladder.best_settings(trials)})
    table = evaluate_ranking(best.fit("EASE"), split, best.indices, "validation", liked_from=5)
    assert table["ndcg@10"].mean() == trials["value"].max()


def test_a_recommender_that_is_tuned_again_leaves_the_others_as_they_were(tmp_path, monkeypatch, checkerboard):
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    names = ["popularity", "EASE", "content-based", "weighted"]
    by_user_time, liked_from, _ = ladder.PROTOCOLS["by_user_time"]
    monkeypatch.setitem(ladder.PROTOCOLS, "by_user_time", (by_user_time, liked_from, names))
    tuning.tune_and_record("by_user_time", checkerboard)
    path = tmp_path / "results/tuning_by_user_time.csv"
    first = record.read_table(path)[0]
    assert list(dict.fromkeys(first["model"])) == ["popularity", "content-based", "EASE", "weighted"]
    monkeypatch.setattr(tuning, "BUDGET_TRIALS", 3)
    monkeypatch.setattr(ladder.tune, "__kwdefaults__", {**ladder.tune.__kwdefaults__, "budget": 3})
    tuning.tune_and_record("by_user_time", checkerboard, only=["weighted"])
    again = record.read_table(path)[0]
    pd.testing.assert_frame_equal(again[again["model"] != "weighted"], first[first["model"] != "weighted"])
    assert (again["model"] == "weighted").sum() == 3
    assert set(ladder.chosen("by_user_time")) == set(names)


def test_what_was_chosen_is_read_by_protocol_and_fold(tmp_path):
    trials = pd.DataFrame(
        {
            "model": ["EASE", "EASE", "EASE", "popularity"],
            "trial": [1, 2, 1, 1],
            "value": [0.1, 0.2, 0.3, 0.1],
            "cpu_seconds": [1.0, 1.0, 1.0, 0.0],
            "settings": [json.dumps({"regularisation": value}) for value in (1, 2, 3)] + ["{}"],
            "chosen": [False, True, True, True],
            "fold": [0, 0, 1, 0],
        }
    )
    record.Recorder("tuning", folder=tmp_path).table("tuning_random_five", trials)
    record.keep("tuning_random_five", tmp_path)
    assert ladder.chosen("random5", folder=tmp_path) == {"EASE": {"regularisation": 2}, "popularity": {}}
    assert ladder.chosen("random5", fold=1, folder=tmp_path) == {"EASE": {"regularisation": 3}}
    with pytest.raises(FileNotFoundError, match="no trials for 'by_time': `make tune`"):
        ladder.chosen("by_time", folder=tmp_path)
    with pytest.raises(ValueError, match="`protocol` must be one of .*got 'random'"):
        ladder.chosen("random")


@pytest.mark.parametrize("protocol", ladder.PROTOCOLS)
def test_what_is_recorded_is_one_choice_a_model_within_the_budget(protocol):
    _, _, names = ladder.PROTOCOLS[protocol]
    for fold in range(5 if protocol == "random5" else 1):
        chosen = ladder.chosen(protocol, fold)
        assert set(chosen) == set(names)
        for name, settings in chosen.items():
            assert settings in ladder.settings_to_try(ladder.RECOMMENDERS[name].space), name
