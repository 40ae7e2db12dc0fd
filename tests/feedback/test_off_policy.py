"""Estimators from a log, against literals, sums and the Open Bandit Pipeline; the gradient against differences."""

import numpy as np
import pytest

from movierec.feedback import off_policy
from movierec.feedback.off_policy import Log, ascend, chance_in_list, gradient, softmax_policy

# Four rounds, two contexts, two actions. The new policy: row 0 shows action 1 with .8; row 1 with .5.
LOG = Log(
    np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), np.array([0.5, 0.5, 0.25, 0.75]), np.array([1.0, 0.0, 1.0, 1.0])
)
POLICY = np.array([[0.2, 0.8], [0.5, 0.5]])
MODEL = np.array([[0.5, 0.25], [0.5, 1.0]])
W = [0.4, 1.6, 2.0, 2 / 3]  # .2/.5, .8/.5, .5/.25, .5/.75


def test_weights_and_estimates_by_hand():
    """w·r = .4, 0, 2, 2/3: their mean is 23/30, their sum over that of w, 14/3, is .65714.

    These values, .525 and .55833 are what the Open Bandit Pipeline 0.4.1 returns.
    """
    np.testing.assert_allclose(off_policy.weights(LOG, POLICY), W)
    np.testing.assert_allclose(off_policy.weights(LOG, POLICY, clip=1.0), [0.4, 1.0, 1.0, 2 / 3])
    assert off_policy.ips(LOG, POLICY).value == pytest.approx(23 / 30)
    assert off_policy.ips(LOG, POLICY, clip=1.0).value == pytest.approx((0.4 + 1 + 2 / 3) / 4)
    assert off_policy.snips(LOG, POLICY).value == pytest.approx((0.4 + 2 + 2 / 3) / (0.4 + 1.6 + 2 + 2 / 3))
    effective = sum(W) ** 2 / sum(w * w for w in W)
    assert off_policy.ips(LOG, POLICY).rounds == pytest.approx(effective)
    assert off_policy.snips(LOG, POLICY).rounds == pytest.approx(effective)
    # By context the model says .2·.5 + .8·.25 = .3 and .75; what was shown had .5, .25, 1, .5 by the model.
    assert off_policy.direct(LOG, POLICY, MODEL).value == pytest.approx((0.3 + 0.3 + 0.75 + 0.75) / 4)
    mended = [0.3 + 0.4 * 0.5, 0.3 + 1.6 * -0.25, 0.75 + 2 * 0, 0.75 + 2 / 3 * 0.5]
    assert off_policy.doubly_robust(LOG, POLICY, MODEL).value == pytest.approx(np.mean(mended))
    half = 1.96 * np.std([0.4, 0.0, 2.0, 2 / 3], ddof=1) / 2  # an interval is two standard errors
    assert off_policy.ips(LOG, POLICY)[1:3] == pytest.approx((23 / 30 - half, 23 / 30 + half))
    w, value = np.array(W), off_policy.snips(LOG, POLICY).value
    error = np.sqrt((w**2 * (LOG.reward - value) ** 2).sum()) / w.sum()
    assert off_policy.snips(LOG, POLICY).high == pytest.approx(value + 1.96 * error)


def test_without_overlap_ips_is_zero_and_snips_does_not_know():
    """The log shows nothing that the policy would: 0 / 0 has no answer, and gives no warning."""
    log = Log(np.array([0, 0]), np.array([0, 0]), np.array([1.0, 1.0]), np.array([1.0, 0.0]))
    never = np.array([[0.0, 1.0]])
    assert off_policy.ips(log, never) == (0, 0, 0, 0)
    found = off_policy.snips(log, never)
    assert np.isnan(found[:3]).all() and found.rounds == 0


def test_replay_keeps_the_rounds_that_agree():
    """The choice 1 in both contexts agrees with rounds 1 and 2, whose rewards are 0 and 1."""
    found = off_policy.replay(LOG, np.array([1, 1]))
    assert (found.value, found.rounds) == (0.5, 2)
    with pytest.raises(ValueError, match="none of 2 logged rounds shows what the policy would"):
        off_policy.replay(Log(*(column[:2] for column in LOG)), np.array([2, 2]))


@pytest.fixture(scope="module")
def world():
    """Three contexts, four actions; a log that leans the other way than the policy."""
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.1, 0.9, (3, 4))
    logging, policy = rng.dirichlet(np.ones(4) * 2, 3), rng.dirichlet(np.ones(4) * 2, 3)
    return chance, logging, policy


def test_a_log_is_drawn_from_its_policy_and_the_truth_is_a_sum(world):
    chance, logging, policy = world
    log = off_policy.draw_log(logging, chance, 200_000, seed=1)
    shown = np.zeros((3, 4))
    np.add.at(shown, (log.context, log.action), 1)
    np.testing.assert_allclose(shown / shown.sum(axis=1, keepdims=True), logging, atol=0.01)
    np.testing.assert_array_equal(log.propensity, logging[log.context, log.action])
    expected = sum(policy[x, a] * chance[x, a] for x in range(3) for a in range(4)) / 3
    assert off_policy.true_value(policy, chance) == pytest.approx(expected)


def test_estimates_are_right_on_average_and_their_intervals_as_often_as_they_say(world):
    chance, logging, policy = world
    truth, model = off_policy.true_value(policy, chance), np.full((3, 4), 0.5)
    for estimate in (
        lambda log: off_policy.ips(log, policy),
        lambda log: off_policy.snips(log, policy),
        lambda log: off_policy.doubly_robust(log, policy, model),
        lambda log: off_policy.direct(log, policy, chance),
    ):
        found = [estimate(off_policy.draw_log(logging, chance, 2000, seed)) for seed in range(200)]
        values = np.array([one.value for one in found])
        assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(200)
        assert 0.9 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_doubly_robust_is_right_if_either_half_is(world):
    """A wrong model with right propensities, and a right model with wrong propensities; IPS with those is off."""
    chance, logging, policy = world
    truth, log = off_policy.true_value(policy, chance), off_policy.draw_log(logging, chance, 100_000, seed=2)
    assert abs(off_policy.doubly_robust(log, policy, np.zeros((3, 4))).value - truth) < 0.02
    lying = log._replace(propensity=np.full(len(log.action), 0.5))
    assert abs(off_policy.doubly_robust(lying, policy, chance).value - truth) < 0.02
    assert abs(off_policy.ips(lying, policy).value - truth) > 0.05


def test_bad_logs_and_policies_are_refused(world):
    chance, logging, policy = world
    with pytest.raises(ValueError, match="every propensity must be above 0; 1 of 4 are not"):
        off_policy.ips(LOG._replace(propensity=np.array([0.5, 0.0, 0.25, 0.75])), POLICY)
    with pytest.raises(ValueError, match="`policy` must have the shape of `chance`"):
        off_policy.true_value(policy[:2], chance)
    with pytest.raises(ValueError, match="probabilities that sum to 1; they sum to 2 to 2"):
        off_policy.draw_log(2 * logging, chance, 10, seed=0)


CONTEXTS, ACTIONS, DIM = 3, 4, 2


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(CONTEXTS, ACTIONS, DIM))


@pytest.fixture(scope="module")
def everything(features):
    """Chances, and a log in which each action of each context comes once, with reward chance · propensity · actions.

    Then the mean over rounds of w · reward is the exact value of the policy, and its slope the exact slope.
    """
    rng = np.random.default_rng(1)
    logging, chance = rng.dirichlet(np.ones(ACTIONS), CONTEXTS), rng.random((CONTEXTS, ACTIONS))
    context, action = np.divmod(np.arange(CONTEXTS * ACTIONS), ACTIONS)
    propensity = logging[context, action]
    return (
        chance,
        Log(context, action, propensity, chance[context, action] * propensity * ACTIONS),
        rng.normal(size=DIM),
    )


def slope_of(function, theta, step=1e-6):
    return np.array(
        [(function(theta + step * e) - function(theta - step * e)) / (2 * step) for e in np.eye(len(theta))]
    )


def test_with_the_weight_the_gradient_is_the_slope_of_the_policys_value(features, everything):
    """Against finite differences of the exact mean reward, from a log of quite another policy."""
    chance, log, theta = everything
    expected = slope_of(lambda t: off_policy.true_value(softmax_policy(t, features), chance), theta)
    np.testing.assert_allclose(gradient(theta, features, log, clip=np.inf), expected, atol=1e-6)
    assert np.abs(gradient(theta, features, log, "none") - expected).max() > 0.01


def test_with_the_top_k_factor_it_is_the_slope_of_what_a_list_of_k_draws_shows(features, everything):
    """Of Σ α · reward, α = 1 − (1 − π)^K: the chance to be in the list."""
    chance, log, theta = everything
    shown = lambda t: (chance_in_list(softmax_policy(t, features), 3) * chance).sum(axis=1).mean()  # noqa: E731
    found = gradient(theta, features, log, "top-k", places=3, clip=np.inf)
    np.testing.assert_allclose(found, slope_of(shown, theta), atol=1e-6)


def test_weights_are_clipped(features):
    log = Log(np.array([0]), np.array([1]), np.array([1e-6]), np.array([1.0]))
    theta = np.zeros(DIM)
    np.testing.assert_allclose(gradient(theta, features, log, clip=4.0), 4 * gradient(theta, features, log, "none"))


def test_climbing_from_a_log_finds_a_better_policy_than_the_logs_own():
    """Two films: the first is shown nine times in ten and clicked by 3 of 10, the second clicked by 8 of 10."""
    features = np.eye(2)[None]
    log = off_policy.draw_log(np.array([[0.9, 0.1]]), np.array([[0.3, 0.8]]), 20_000, seed=0)
    learned = {name: softmax_policy(ascend(features, log, name), features)[0] for name in ("none", "off-policy")}
    assert learned["off-policy"][1] > 0.9  # the better film
    assert learned["none"][0] > 0.7  # what was shown most was clicked most


def test_bad_settings_are_refused(features):
    log = Log(np.array([0]), np.array([0]), np.array([1.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="`correction` must be one of none, off-policy, top-k; got 'all'"):
        gradient(np.zeros(DIM), features, log, "all")
    for bad in ({"steps": 0}, {"rate": -1}):
        with pytest.raises(ValueError, match="`steps` and `rate` must be above 0"):
            ascend(features, log, **bad)
