"""Every rung is fitted through one door, scores the whole catalogue and has an equal budget; the best is chosen."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec.baselines import ladder
from movierec.baselines.ladder import RANKERS, RECOMMENDERS, STAR_PREDICTORS, Problem, settings_to_try, tune
from movierec.models.ncf import NETWORKS

EVERY = RECOMMENDERS | NETWORKS
SMALL = {  # settings for forty users and thirty movies
    **{name: {"neighbours": 5} for name in ("user-kNN", "item-kNN", "user-kNN for stars", "item-kNN for stars")},
    **dict.fromkeys(["implicit ALS", "biased MF"], {"factors": 2, "regularisation": 1}),
    **dict.fromkeys(["EASE", "feature combination", "feature augmentation"], {"regularisation": 5}),
    "cascade": {"short_list": 10},
    **dict.fromkeys(NETWORKS, {"epochs": 1, "dim": 4}),
}
SPACE = {"depth": [1, 2, 3], "width": [10, 20]}


@pytest.fixture(scope="module")
def problem(split, checkerboard):
    return Problem(split.train, checkerboard, SMALL, EVERY)


def test_the_ladder_has_every_recommender_of_the_related_work():
    burke = ["weighted", "switching", "mixed", "feature combination", "cascade", "feature augmentation", "meta-level"]
    others = ["popularity", "user and movie bias", "content-based", "user-kNN", "item-kNN", "biased MF", "implicit ALS"]
    assert set(RANKERS) == {"random order", *others, "EASE", *burke}
    assert set(STAR_PREDICTORS) == {"user and movie bias", "user-kNN for stars", "item-kNN for stars", "biased MF"}
    assert list(NETWORKS) == ["NeuMF", "deep hybrid"]


@pytest.mark.parametrize("name", EVERY)
def test_each_scores_the_catalogue_or_predicts_on_the_scale_and_depends_on_its_seed_alone(problem, split, name):
    model = problem.fit(name)
    if name in STAR_PREDICTORS:
        stars = model.predict(split.test)
        assert stars.shape == (len(split.test),) and 2 <= stars.min() <= stars.max() <= 5
    if name not in [*RANKERS, *NETWORKS]:
        return
    first, everybody = model(np.array([3, 0])), model(np.arange(40))
    assert first.shape == (2, 30) and first.dtype == np.float32 and np.isfinite(first).all()
    np.testing.assert_allclose(first, everybody[[3, 0]], rtol=1e-4, atol=1e-5)  # in any order of users
    if EVERY[name].seeds > 1 and name != "deep hybrid":  # its fit is NeuMF's
        assert not np.array_equal(first, problem.fit(name, 1)(np.array([3, 0])))
    if EVERY[name].seeds > 1 and name not in NETWORKS:  # for these: tests/models/test_ncf.py
        np.testing.assert_array_equal(first, problem.fit(name, 0)(np.array([3, 0])))


def test_hybrids_share_what_they_are_made_of_and_an_unknown_name_is_refused(problem):
    assert problem.fit("weighted").first is problem.base("EASE") is problem.base("EASE")
    with pytest.raises(ValueError, match="`name` must be one of .*'popularity'.*; got 'SLIM'"):
        problem.fit("SLIM")


def test_a_small_grid_is_tried_whole_and_of_a_large_one_each_setting_once_at_most():
    assert settings_to_try(SPACE) == [dict(depth=depth, width=width) for depth in (1, 2, 3) for width in (10, 20)]
    assert settings_to_try({}) == [{}]  # nothing to choose: one trial
    space = {"a": list(range(30)), "b": list(range(30))}
    tried = settings_to_try(space, budget=25, seed=1)
    assert len(tried) == 25 and len({tuple(settings.values()) for settings in tried}) == 25
    assert tried == settings_to_try(space, budget=25, seed=1) != settings_to_try(space, budget=25, seed=2)
    assert len({settings["a"] for settings in tried}) > 10  # spread over the grid, not its first corner
    assert len(settings_to_try(space)) == ladder.BUDGET_TRIALS


def test_the_first_of_the_best_trials_is_chosen_and_all_are_kept():
    for lower_is_better, best in ((False, {"depth": 3, "width": 20}), (True, {"depth": 1, "width": 10})):
        trials = tune(lambda depth, width: depth * width, float, SPACE, lower_is_better=lower_is_better)
        assert trials["value"].tolist() == [10, 20, 20, 40, 30, 60] and (trials["cpu_seconds"] >= 0).all()
        assert trials["trial"].tolist() == [1, 2, 3, 4, 5, 6]
        assert trials["chosen"].sum() == 1 and ladder.best_settings(trials) == best
        assert [json.loads(settings) for settings in trials["settings"]] == settings_to_try(SPACE)
    assert ladder.best_settings(tune(lambda depth, width: 1, float, SPACE)) == {"depth": 1, "width": 10}


def test_a_value_that_cannot_be_compared_and_a_budget_or_space_of_nothing_are_refused():
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"trial 2 with {'depth': 1, 'width': 20} has the value (nan|inf)"):
            tune(lambda depth, width, value=value: value if width == 20 else 1.0, float, SPACE)
    with pytest.raises(ValueError, match="`budget` must be 1 trial or more, got 0"):
        settings_to_try(SPACE, budget=0)
    with pytest.raises(ValueError, match=r"every setting needs a value to try; \['width'\]"):
        settings_to_try({"depth": [1], "width": []})


def test_what_was_chosen_is_read_by_protocol_and_fold(tmp_path, monkeypatch):
    monkeypatch.setenv("MOVIEREC_REPORT", str(tmp_path))
    (tmp_path / "results").mkdir()
    settings = [json.dumps({"regularisation": value}) for value in (1, 2, 3)] + ["{}"]
    trials = pd.DataFrame({"model": ["EASE"] * 3 + ["popularity"], "trial": [1, 2, 1, 1], "settings": settings})
    trials = trials.assign(chosen=[False, True, True, True], fold=[0, 0, 1, 0])
    (tmp_path / "results/tuning_random_five.csv").write_text("# {}\n" + trials.to_csv(index=False))
    assert ladder.chosen("random5") == {"EASE": {"regularisation": 2}, "popularity": {}}
    assert ladder.chosen("random5", fold=1) == {"EASE": {"regularisation": 3}}
    with pytest.raises(FileNotFoundError, match="no trials for 'by_time': `make tune`"):
        ladder.chosen("by_time")
    with pytest.raises(ValueError, match="`protocol` must be one of .*got 'random'"):
        ladder.chosen("random")
