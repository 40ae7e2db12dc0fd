"""BanditPanel, driven as a student drives it."""

import numpy as np
import pytest

from movierec.feedback import EpsilonGreedy, InOrder, LinearBandit, LinUCB, ThompsonSampling, World
from movierec.play import bandit_panel
from movierec.play.bandit_panel import BanditPanel


@pytest.fixture
def panel():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 20, 3))
    chance = 1 / (1 + np.exp(-features @ [1.0, 0.0, -2.0]))
    return BanditPanel(World(chance, places=2), features, rounds=60)


def test_run_plays_what_is_chosen_beside_one_fixed_order(panel):
    panel.policy.value, panel.amount.value, panel.seed.value = "LinUCB", 0.5, 3
    panel.run_button.click()
    mine = panel.world.play(LinUCB(3, 2, alpha=0.5), panel.features, 60, 3)
    fixed = panel.world.play(InOrder(1, 2), panel.features, 60, 3)
    np.testing.assert_array_equal(panel.curves["LinUCB"], mine["regret"].cumsum())
    np.testing.assert_array_equal(panel.curves["one fixed order"], fixed["regret"].cumsum())
    row = panel.runs.iloc[0]
    assert (row["policy"], row["amount"], row["places"], row["seed"]) == ("LinUCB", "0.5", "known", 3)
    assert row["clicks"] == round(mine["clicks"].mean(), 3) and row["regret"] == round(mine["regret"].sum(), 1)
    assert "LinUCB" in panel.list.value and "<img" in panel.picture.value and "Regret by visits" in panel.picture.value


def test_every_run_is_a_row_and_the_same_seed_the_same_run(panel):
    for _ in range(2):
        panel.run()
    panel.knows_places.value = False
    panel.run()
    assert panel.runs["regret"].tolist()[0] == panel.runs["regret"].tolist()[1] != panel.runs["regret"].tolist()[2]
    assert panel.runs["places"].tolist() == ["known", "known", "not known"] and set(panel.runs["amount"]) == {"–"}
    assert repr(panel).startswith("BanditPanel: how a policy explores")


def test_each_policy_is_made_with_its_amount():
    kinds = {"greedy": LinearBandit, "ε-greedy": EpsilonGreedy, "LinUCB": LinUCB, "Thompson sampling": ThompsonSampling}
    made = {name: bandit_panel.make(name, 4, 2, 0.25, knows_places=False) for name in bandit_panel.POLICIES}
    assert {name: type(policy) for name, policy in made.items()} == kinds
    assert (made["ε-greedy"].epsilon, made["LinUCB"].alpha, made["Thompson sampling"].width) == (0.25, 0.25, 0.25)
    assert not any(policy.knows_places for policy in made.values())
    with pytest.raises(
        ValueError, match="`policy` must be one of greedy, ε-greedy, LinUCB, Thompson sampling; got 'best'"
    ):
        bandit_panel.make("best", 4, 2, 0.1)
