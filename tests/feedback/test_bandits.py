"""Policies that learn from clicks: their algebra by hand, and what each of them is for."""

import numpy as np
import pytest

from movierec.feedback.bandits import InOrder, LinUCB, RidgeBandit, ThompsonSampling

LEFT = np.ones(6, bool)
LOOKS = np.array([1.0, 0.5])


def taught(policy, seed=0, rounds=30):
    """Return the policy after some rounds, and what it was told: x [n, 3] and clicks [n]."""
    rng = np.random.default_rng(seed)
    lists, clicks = rng.normal(size=(rounds, 2, 3)), rng.random((rounds, 2)) < 0.5
    for x, clicked in zip(lists, clicks, strict=True):
        policy.learn(x, clicked)
    return policy, lists.reshape(-1, 3), clicks.ravel()


def test_the_best_that_are_left_come_first():
    x = np.array([[9.0, 1.0], [0.0, 5.0], [0.0, 3.0], [0.0, 4.0]])
    assert InOrder(1, 2).slate(x, np.array([True, False, True, True]), None).tolist() == [3, 2]
    greedy = RidgeBandit(2, LOOKS)
    greedy.b[:] = [0.0, 1.0]
    assert greedy.slate(x, np.array([True, False, True, True]), np.random.default_rng(0)).tolist() == [3, 2]


@pytest.mark.parametrize("looks", [LOOKS, np.ones(2)])
def test_predictions_are_of_the_ridge_regression_of_all_clicks_on_what_was_looked_at(looks):
    """θ = (λ I + Σ e² x xᵀ)⁻¹ Σ e x click, solved in one go."""
    policy, x, clicks = taught(RidgeBandit(3, looks, penalty=2.0))
    seen = x * np.tile(looks, 30)[:, None]
    theta = np.linalg.solve(2 * np.eye(3) + seen.T @ seen, seen.T @ clicks)
    np.testing.assert_allclose(policy.values(np.eye(3), None), theta, atol=1e-10)


def test_greedy_shows_the_largest_and_ties_in_a_random_order():
    policy, rng = RidgeBandit(2, np.ones(3)), np.random.default_rng(0)
    x = np.random.default_rng(1).normal(size=(6, 2))
    firsts = {policy.slate(x, LEFT, rng)[0] for _ in range(50)}
    assert len(firsts) == 6  # nothing is known, so all are alike
    policy.b[:] = [1.0, -2.0]
    assert policy.slate(x, LEFT, rng).tolist() == np.argsort(-x @ [1.0, -2.0])[:3].tolist()


def test_lin_ucb_adds_what_is_uncertain():
    policy, *_ = taught(LinUCB(3, LOOKS, alpha=1.5))
    x, inverse = np.random.default_rng(3).normal(size=(4, 3)), np.linalg.inv(policy.A)
    expected = [row @ inverse @ policy.b + 1.5 * np.sqrt(row @ inverse @ row) for row in x]
    np.testing.assert_allclose(policy.values(x, None), expected, atol=1e-10)
    unknown, known = np.eye(2)
    fresh = LinUCB(2, np.ones(1), alpha=1.0)
    for _ in range(200):
        fresh.learn(known[None], np.array([False]))
    assert fresh.slate(np.array([known, unknown]), LEFT[:2], np.random.default_rng(0))[0] == 1


def test_thompson_draws_theta_from_its_belief():
    policy, *_ = taught(ThompsonSampling(3, LOOKS, width=0.5))
    rng, inverse = np.random.default_rng(0), np.linalg.inv(policy.A)
    drawn = np.array([policy.values(np.eye(3), rng) for _ in range(20_000)])
    np.testing.assert_allclose(drawn.mean(axis=0), inverse @ policy.b, atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), 0.25 * inverse, atol=0.002)
