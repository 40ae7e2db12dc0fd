"""Estimate from the log of one policy what another would have earned, and improve a policy by its gradient.

The estimators take columns of a log, one value a round `[N]`, and return a mean with the ends of its 95 % interval.
`propensity` is the probability with which the log's policy showed what it showed, and `target` the probability with
which the other policy would have. Typed in notebooks/11_learning_from_feedback.
"""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean a round, and the ends of its 95 % interval, ± 1.96 standard errors."""

    value: float
    low: float
    high: float


class Log(NamedTuple):
    """Rounds of a policy that drew its actions; one value a round `[N]`."""

    context: np.ndarray  # int, the row of the visitor
    action: np.ndarray  # int, what was shown
    propensity: np.ndarray  # its probability under the logging policy, above 0
    reward: np.ndarray  # 1 for a click


def mean_of(values) -> Estimate:
    """Return the mean of independent rounds with its interval, which is NaN for a single round."""
    values = np.asarray(values, float)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Estimate(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def weights(propensity, target) -> np.ndarray:
    """Return w = target / propensity, float `[N]`; raise ValueError unless every propensity is above 0."""
    propensity, target = np.asarray(propensity, float), np.asarray(target, float)
    if not (propensity > 0).all():
        raise ValueError(
            f"every propensity must be above 0; {(~(propensity > 0)).sum():,} of {len(propensity):,} are not. "
            "What a policy cannot show, its log cannot tell."
        )
    return target / propensity


def ips(reward, propensity, target) -> Estimate:
    """Estimate by the mean of w · reward, inverse propensity scoring.

    Unbiased if the log could show everything that the other policy would.

    Source: Horvitz and Thompson (1952); Bottou et al. (2013), *Counterfactual reasoning and learning systems*.
    """
    return mean_of(weights(propensity, target) * np.asarray(reward, float))


def snips(reward, propensity, target) -> Estimate:
    """Estimate by Σ w · reward / Σ w: within the range of the rewards, a little biased, mostly less variance.

    If the log shows nothing that the other policy would, it has no answer: all three values are NaN.

    Source: Swaminathan and Joachims (2015), *The self-normalized estimator for counterfactual learning*.
    """
    w, reward = weights(propensity, target), np.asarray(reward, float)
    if not w.any():
        return Estimate(np.nan, np.nan, np.nan)
    value = (w * reward).sum() / w.sum()
    return mean_of(value + w * (reward - value) / w.mean())  # the error of a ratio, by the delta method


def doubly_robust(reward, propensity, target, guess, expected) -> Estimate:
    """Estimate by the mean of expected + w · (reward − guess).

    A model of rewards, learned from other rounds, says both: `guess` for what was shown, and `expected`, its mean
    under the other policy in the same context. Right if the model or the propensities are.

    Source: Dudík, Langford and Li (2011), *Doubly robust policy evaluation and learning*.
    """
    errors = np.asarray(reward, float) - np.asarray(guess, float)
    return mean_of(np.asarray(expected, float) + weights(propensity, target) * errors)


def softmax_policy(theta, x):
    """Return the shares of exp(θᵀx), [contexts, actions]."""
    logits = x @ theta
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def policy_gradient(theta, x, log, weighted=True, most=10.0):
    """Return the mean of w · reward · ∇ log π(a | x), [dim]; w = 1 if not weighted."""
    policy = softmax_policy(theta, x)
    shown = policy[log.context, log.action]
    w = np.minimum(shown / log.propensity, most) if weighted else np.ones(len(shown))
    mean = np.einsum("ca,cad->cd", policy, x)
    direction = x[log.context, log.action] - mean[log.context]
    return (w * log.reward) @ direction / len(shown)


def draw_log(policy: np.ndarray, chance: np.ndarray, rounds: int, seed: int) -> Log:
    """Draw a `Log` of `policy`, float `[contexts, actions]` whose rows sum to 1, in a world of click chances alike."""
    _check_policy(policy, chance.shape)
    rng = np.random.default_rng(seed)
    context = rng.integers(0, len(policy), rounds)
    action = (rng.random(rounds)[:, None] > np.cumsum(policy[context], axis=1)).sum(axis=1)
    action = np.minimum(action, policy.shape[1] - 1)  # where the sum of a row is a little below 1
    reward = (rng.random(rounds) < chance[context, action]).astype(float)
    return Log(context, action, policy[context, action], reward)


def true_value(policy: np.ndarray, chance: np.ndarray) -> float:
    """Return the mean over contexts of Σ_a π(a | context) · chance, which only a simulator knows."""
    _check_policy(policy, chance.shape)
    return float((policy * chance).sum(axis=1).mean())


def _check_policy(policy: np.ndarray, shape: tuple) -> None:
    if policy.shape != shape:
        raise ValueError(f"`policy` must have the shape of `chance`, {shape}; found {policy.shape}.")
    total = policy.sum(axis=1)
    if not np.allclose(total, 1) or (policy < 0).any():
        raise ValueError(
            "every row of `policy` must be probabilities that sum to 1; they sum to "
            f"{total.min():.3g} to {total.max():.3g}. Divide by policy.sum(axis=1, keepdims=True)."
        )
