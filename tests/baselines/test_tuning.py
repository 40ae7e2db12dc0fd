"""Equal budgets, every trial kept, the best chosen: and nothing but validation asked."""

import json

import numpy as np
import pytest

from movierec.baselines.tuning import BUDGET_TRIALS, best_settings, settings_to_try, tune

SPACE = {"depth": [1, 2, 3], "width": [10, 20]}


def test_a_small_grid_is_tried_whole_in_its_order():
    expected = [dict(depth=depth, width=width) for depth in (1, 2, 3) for width in (10, 20)]
    assert settings_to_try(SPACE) == expected
    assert settings_to_try({}) == [{}]  # nothing to choose: one trial


def test_of_a_large_grid_each_setting_is_tried_once_at_most():
    space = {"a": list(range(30)), "b": list(range(30))}
    tried = settings_to_try(space, budget=25, seed=1)
    assert len(tried) == 25 and len({tuple(settings.values()) for settings in tried}) == 25
    assert tried == settings_to_try(space, budget=25, seed=1) != settings_to_try(space, budget=25, seed=2)
    assert len({settings["a"] for settings in tried}) > 10  # spread over the grid, not its first corner
    assert len(settings_to_try(space)) == BUDGET_TRIALS


@pytest.mark.parametrize(
    ("lower_is_better", "best"), [(False, {"depth": 3, "width": 20}), (True, {"depth": 1, "width": 10})]
)
def test_the_best_trial_is_chosen_and_all_are_kept(lower_is_better, best):
    trials = tune(lambda depth, width: depth * width, float, SPACE, lower_is_better=lower_is_better)
    assert trials["value"].tolist() == [10, 20, 20, 40, 30, 60]
    assert trials["trial"].tolist() == [1, 2, 3, 4, 5, 6] and (trials["cpu_seconds"] >= 0).all()
    assert trials["chosen"].sum() == 1 and best_settings(trials) == best
    assert [json.loads(settings) for settings in trials["settings"]] == settings_to_try(SPACE)


def test_of_equal_trials_the_first_is_chosen():
    assert best_settings(tune(lambda depth, width: 1, float, SPACE)) == {"depth": 1, "width": 10}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_cannot_be_compared_names_its_setting(value):
    with pytest.raises(ValueError, match=r"trial 2 with {'depth': 1, 'width': 20} has the value (nan|inf)"):
        tune(lambda depth, width: value if width == 20 else 1.0, float, SPACE)


def test_a_budget_or_a_space_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`budget` must be 1 trial or more, got 0"):
        settings_to_try(SPACE, budget=0)
    with pytest.raises(ValueError, match=r"every setting needs a value to try; \['width'\]"):
        settings_to_try({"depth": [1], "width": []})
