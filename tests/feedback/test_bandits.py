"""Policies that learn from clicks: their algebra by hand, and what each of them is for."""

import numpy as np
import pytest

from movierec.feedback.bandits import EpsilonGreedy, InOrder, LinearBandit, LinUCB, ThompsonSampling, best_left

LEFT = np.ones(6, bool)


def taught(policy, seed=0, rounds=30):
    """The policy after some rounds, and what it was told: x [n, 3], clicks, looks."""
    rng = np.random.default_rng(seed)
    told = []
    for _ in range(rounds):
        x, looks = rng.normal(size=(2, 3)), np.array([1.0, 0.5])
        clicks = rng.random(2) < 0.5
        policy.learn(x, clicks, looks)
        told += [(*row, click, look) for row, click, look in zip(x, clicks, looks, strict=True)]
    told = np.array(told)
    return policy, told[:, :3], told[:, 3], told[:, 4]


def test_the_best_that_are_left_come_first():
    assert best_left(np.array([1.0, 5.0, 3.0, 4.0]), np.array([True, False, True, True]), 2).tolist() == [3, 2]
    assert InOrder(1, 2).slate(np.array([[9.0, 1.0], [0.0, 3.0], [0.0, 2.0]]), LEFT[:3], None).tolist() == [1, 2]


@pytest.mark.parametrize("knows_places", [True, False])
def test_theta_is_the_ridge_regression_of_all_clicks(knows_places):
    """(λ I + Σ e² x xᵀ)⁻¹ Σ e x click, solved in one go."""
    policy, x, clicks, looks = taught(LinearBandit(3, 2, penalty=2.0, knows_places=knows_places))
    x = x * looks[:, None] if knows_places else x
    expected = np.linalg.solve(2 * np.eye(3) + x.T @ x, x.T @ clicks)
    np.testing.assert_allclose(policy.theta, expected, atol=1e-10)
    np.testing.assert_allclose(policy.inverse, np.linalg.inv(2 * np.eye(3) + x.T @ x), atol=1e-10)


def test_greedy_shows_the_largest_and_ties_in_a_random_order():
    policy, rng = LinearBandit(2, 3), np.random.default_rng(0)
    features = np.random.default_rng(1).normal(size=(6, 2))
    firsts = {policy.slate(features, LEFT, rng)[0] for _ in range(50)}
    assert len(firsts) == 6  # nothing is known, so all are alike
    policy.b[:] = [1.0, -2.0]
    assert policy.slate(features, LEFT, rng).tolist() == np.argsort(-features @ [1.0, -2.0])[:3].tolist()


def test_epsilon_is_the_share_of_places_that_go_to_others():
    policy, rng = EpsilonGreedy(1, 2, epsilon=0.3), np.random.default_rng(0)
    policy.b[:] = 1
    features, left = np.arange(6.0)[:, None], np.array([True] * 5 + [False])
    lists = np.array([policy.slate(features, left, rng) for _ in range(3000)])
    explored = (lists != [4, 3]).mean(axis=0)
    np.testing.assert_allclose(explored, [0.3, 0.3], atol=0.03)
    assert all(len(set(row)) == 2 for row in lists) and not (lists == 5).any()
    assert {0, 1, 2} <= set(lists.ravel())
    assert EpsilonGreedy(1, 2, epsilon=1.0).slate(features[:2], LEFT[:2], rng).tolist() in ([0, 1], [1, 0])  # no others


def test_lin_ucb_adds_what_is_uncertain():
    policy, x, *_ = taught(LinUCB(3, 2, alpha=1.5))
    features = np.random.default_rng(3).normal(size=(4, 3))
    expected = [row @ policy.theta + 1.5 * np.sqrt(row @ policy.inverse @ row) for row in features]
    np.testing.assert_allclose(policy.values(features, None), expected, atol=1e-10)
    unknown, known = np.eye(2)
    fresh = LinUCB(2, 1, alpha=1.0)
    for _ in range(200):
        fresh.learn(known[None], np.array([False]), np.array([1.0]))
    assert fresh.slate(np.array([known, unknown]), LEFT[:2], np.random.default_rng(0))[0] == 1


def test_thompson_draws_theta_from_its_belief():
    policy, *_ = taught(ThompsonSampling(3, 2, width=0.5))
    rng = np.random.default_rng(0)
    drawn = np.array([policy.values(np.eye(3), rng) for _ in range(20_000)])
    np.testing.assert_allclose(drawn.mean(axis=0), policy.theta, atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), 0.25 * policy.inverse, atol=0.002)


def test_bad_settings_are_refused():
    for policy, settings, message in (
        (LinearBandit, {"penalty": 0}, "`penalty` must be above 0"),
        (EpsilonGreedy, {"epsilon": 1.1}, "`epsilon` must be 0 to 1"),
        (LinUCB, {"alpha": -1}, "`alpha` must be 0 or more"),
        (ThompsonSampling, {"width": float("nan")}, "`width` must be 0 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            policy(2, 1, **settings)
