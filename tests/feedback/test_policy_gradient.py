"""The policy gradient against finite differences, and what its corrections are for."""

import numpy as np
import pytest

from movierec.feedback import off_policy
from movierec.feedback.off_policy import Log
from movierec.feedback.policy_gradient import ascend, chance_in_list, gradient, softmax_policy

CONTEXTS, ACTIONS, DIM = 3, 4, 2


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(CONTEXTS, ACTIONS, DIM))


def everything(features, logging, chance):
    """A log in which each action of each context comes once, with reward chance · propensity · actions · contexts.

    Then the mean over rounds of w · reward is the exact value of the policy, and its slope the exact slope.
    """
    context, action = np.divmod(np.arange(CONTEXTS * ACTIONS), ACTIONS)
    propensity = logging[context, action]
    return Log(context, action, propensity, chance[context, action] * propensity * ACTIONS)


def slope_of(function, theta, step=1e-6):
    return np.array(
        [(function(theta + step * e) - function(theta - step * e)) / (2 * step) for e in np.eye(len(theta))]
    )


def test_a_softmax_is_one(features):
    theta = np.array([0.5, -1.0])
    logits = features @ theta
    np.testing.assert_allclose(
        softmax_policy(theta, features), np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    )


def test_with_the_weight_the_gradient_is_the_slope_of_the_policys_value(features):
    """Against finite differences of the exact mean reward, from a log of quite another policy."""
    rng = np.random.default_rng(1)
    logging, chance, theta = (
        rng.dirichlet(np.ones(ACTIONS), CONTEXTS),
        rng.random((CONTEXTS, ACTIONS)),
        rng.normal(size=DIM),
    )
    log = everything(features, logging, chance)
    expected = slope_of(lambda t: off_policy.true_value(softmax_policy(t, features), chance), theta)
    np.testing.assert_allclose(gradient(theta, features, log, clip=np.inf), expected, atol=1e-6)
    assert np.abs(gradient(theta, features, log, "none") - expected).max() > 0.01


def test_with_the_top_k_factor_it_is_the_slope_of_what_a_list_of_k_draws_shows(features):
    """Of Σ α · reward, α = 1 − (1 − π)^K: the chance to be in the list."""
    rng = np.random.default_rng(2)
    logging, chance, theta = (
        rng.dirichlet(np.ones(ACTIONS), CONTEXTS),
        rng.random((CONTEXTS, ACTIONS)),
        rng.normal(size=DIM),
    )
    log = everything(features, logging, chance)

    def shown(t):
        return (chance_in_list(softmax_policy(t, features), 3) * chance).sum(axis=1).mean()

    np.testing.assert_allclose(
        gradient(theta, features, log, "top-k", places=3, clip=np.inf), slope_of(shown, theta), atol=1e-6
    )
    one = gradient(theta, features, log, "top-k", places=1, clip=np.inf)
    np.testing.assert_allclose(one, gradient(theta, features, log, clip=np.inf))  # a list of one is one


def test_weights_are_clipped(features):
    log = Log(np.array([0]), np.array([1]), np.array([1e-6]), np.array([1.0]))
    theta = np.zeros(DIM)
    np.testing.assert_allclose(gradient(theta, features, log, clip=4.0), 4 * gradient(theta, features, log, "none"))


def test_climbing_from_a_log_finds_a_better_policy_than_the_logs_own():
    """Two films: the first is shown nine times in ten and clicked by 3 of 10, the second clicked by 8 of 10."""
    features, chance = np.eye(2)[None], np.array([[0.3, 0.8]])
    logging = np.array([[0.9, 0.1]])
    log = off_policy.draw_log(logging, chance, 20_000, seed=0)
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
