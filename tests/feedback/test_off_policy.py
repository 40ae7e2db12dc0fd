"""Estimators from a log, against literals, sums and the Open Bandit Pipeline; the gradient against differences."""

import numpy as np
import pytest

from movierec.feedback import off_policy
from movierec.feedback.off_policy import Log, policy_gradient, softmax_policy

# Four rounds. The policy would show the same with .2, .8, .5 and .5. A model of rewards guesses .5, .25, 1 and .5 for
# what was shown, and .3, .3, .75 and .75 under the policy.
REWARD, PROPENSITY, TARGET = [1, 0, 1, 1], [0.5, 0.5, 0.25, 0.75], [0.2, 0.8, 0.5, 0.5]
GUESS, EXPECTED = [0.5, 0.25, 1.0, 0.5], [0.3, 0.3, 0.75, 0.75]
W = [0.4, 1.6, 2.0, 2 / 3]  # .2/.5, .8/.5, .5/.25, .5/.75


def test_weights_and_estimates_by_hand():
    """w·r = .4, 0, 2, 2/3: their mean is 23/30, their sum over that of w, 14/3, is .65714.

    These values and .55833 are what the Open Bandit Pipeline 0.4.1 returns.
    """
    log = REWARD, PROPENSITY, TARGET
    np.testing.assert_allclose(off_policy.weights(PROPENSITY, TARGET), W)
    assert off_policy.ips(*log).value == pytest.approx(23 / 30)
    assert off_policy.snips(*log).value == pytest.approx((0.4 + 2 + 2 / 3) / (0.4 + 1.6 + 2 + 2 / 3))
    corrected = [0.3 + 0.4 * 0.5, 0.3 + 1.6 * -0.25, 0.75 + 2 * 0, 0.75 + 2 / 3 * 0.5]
    assert off_policy.doubly_robust(*log, GUESS, EXPECTED).value == pytest.approx(np.mean(corrected))
    half = 1.96 * np.std([0.4, 0.0, 2.0, 2 / 3], ddof=1) / 2  # an interval is two standard errors
    assert off_policy.ips(*log)[1:] == pytest.approx((23 / 30 - half, 23 / 30 + half))
    w, value = np.array(W), off_policy.snips(*log).value
    error = np.sqrt((w**2 * (np.array(REWARD) - value) ** 2).sum()) / w.sum() * np.sqrt(4 / 3)
    assert off_policy.snips(*log).high == pytest.approx(value + 1.96 * error)


def test_without_overlap_ips_is_zero_and_snips_does_not_know():
    """The log shows nothing that the policy would: 0 / 0 has no answer, and gives no warning."""
    log = [1, 0], [1, 1], [0, 0]
    assert off_policy.ips(*log) == (0, 0, 0)
    assert np.isnan(off_policy.snips(*log)).all()
    value, low, high = off_policy.ips([1], [0.5], [1])
    assert value == 2 and np.isnan([low, high]).all()  # one round says nothing about the spread


def columns(log, policy, model=None):
    """Return what a log table has for the estimators; with a model also its guess, and what it expects."""
    given = log.reward, log.propensity, policy[log.context, log.action]
    if model is None:
        return given
    return *given, model[log.context, log.action], (policy * model).sum(axis=1)[log.context]


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
        lambda log: off_policy.ips(*columns(log, policy)),
        lambda log: off_policy.snips(*columns(log, policy)),
        lambda log: off_policy.doubly_robust(*columns(log, policy, model)),
        lambda log: off_policy.mean_of((policy * chance).sum(axis=1)[log.context]),  # the direct method
    ):
        found = [estimate(off_policy.draw_log(logging, chance, 2000, seed)) for seed in range(200)]
        values = np.array([one.value for one in found])
        assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(200)
        assert 0.9 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_bad_logs_and_policies_are_refused(world):
    chance, logging, policy = world
    with pytest.raises(ValueError, match="every propensity must be above 0; 1 of 4 are not"):
        off_policy.ips(REWARD, [0.5, 0.0, 0.25, 0.75], TARGET)
    with pytest.raises(ValueError, match="`policy` must have the shape of `chance`"):
        off_policy.true_value(policy[:2], chance)
    with pytest.raises(ValueError, match="probabilities that sum to 1; they sum to 2 to 2"):
        off_policy.draw_log(2 * logging, chance, 10, seed=0)


CONTEXTS, ACTIONS, DIM = 3, 4, 2


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(CONTEXTS, ACTIONS, DIM))


def test_with_the_weight_the_gradient_is_the_slope_of_the_policys_value(features):
    """Against finite differences of the exact mean reward, from a log of quite another policy.

    Each action of each context comes once, with reward chance · propensity · actions: then the mean over rounds of
    w · reward is the exact value of the policy, and the gradient its exact slope.
    """
    rng = np.random.default_rng(1)
    logging, chance = rng.dirichlet(np.ones(ACTIONS), CONTEXTS), rng.random((CONTEXTS, ACTIONS))
    context, action = np.divmod(np.arange(CONTEXTS * ACTIONS), ACTIONS)
    propensity = logging[context, action]
    log = Log(context, action, propensity, chance[context, action] * propensity * ACTIONS)
    theta, step = rng.normal(size=DIM), 1e-6
    value = lambda t: off_policy.true_value(softmax_policy(t, features), chance)  # noqa: E731
    expected = [(value(theta + step * e) - value(theta - step * e)) / (2 * step) for e in np.eye(DIM)]
    np.testing.assert_allclose(policy_gradient(theta, features, log, most=np.inf), expected, atol=1e-6)
    assert np.abs(policy_gradient(theta, features, log, weighted=False) - expected).max() > 0.01


def test_weights_are_at_most_so_large(features):
    log, theta = Log(np.array([0]), np.array([1]), np.array([1e-6]), np.array([1.0])), np.zeros(DIM)
    unweighted = policy_gradient(theta, features, log, weighted=False)
    np.testing.assert_allclose(policy_gradient(theta, features, log, most=4.0), 4 * unweighted)
