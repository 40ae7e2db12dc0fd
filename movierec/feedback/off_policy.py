"""Estimate what another policy would have earned, from the log of the one that was there; and improve a policy by it.

Each estimator takes what was logged, one value a round `[N]`, and gives an `Estimate` of the mean reward that the other
policy would have had. Taught in notebooks/11_learning_from_feedback.
"""

from typing import NamedTuple

import numpy as np

CORRECTIONS = ("none", "off-policy", "top-k")  # of the policy gradient


class Log(NamedTuple):
    """Rounds of a policy that drew its actions; one value a round `[N]`."""

    context: np.ndarray  # int, the row of the visitor
    action: np.ndarray  # int, what was shown
    propensity: np.ndarray  # its probability under the logging policy, above 0
    reward: np.ndarray  # 1 for a click


class Estimate(NamedTuple):
    """A value with its 95 % interval, and how many rounds it rests on."""

    value: float  # mean reward a round; NaN where the log says nothing
    low: float  # value ± 1.96 standard errors
    high: float
    rounds: float  # effective ones, (Σ w)² / Σ w² of the weights


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


def replay(log: Log, choice: np.ndarray) -> Estimate:
    """Estimate the value of a deterministic policy, `choice` `[contexts]`, by the rounds that happened to show it.

    Right only if the log drew all actions with equal probability; of A actions it keeps one round in A.

    Source: Li et al. (2011), *Unbiased offline evaluation of contextual-bandit-based news article recommendation*.
    """
    agree = log.action == choice[log.context]
    if not agree.any():
        raise ValueError(f"none of {len(agree):,} logged rounds shows what the policy would. Log more, or use `ips`.")
    reward = log.reward[agree]
    return _estimate(reward, np.ones(len(reward)))


def weights(log: Log, policy: np.ndarray, clip: float = np.inf) -> np.ndarray:
    """Return w = min(π(a | x) / propensity, clip), float `[N]`: how much more often the other policy would show it."""
    if not (log.propensity > 0).all():
        raise ValueError(
            f"every propensity must be above 0; {(~(log.propensity > 0)).sum():,} of {len(log.propensity):,} are not. "
            "What a policy cannot show, its log cannot tell."
        )
    return np.minimum(policy[log.context, log.action] / log.propensity, clip)


def ips(log: Log, policy: np.ndarray, clip: float = np.inf) -> Estimate:
    """Estimate the value by the mean of w · reward, inverse propensity scoring.

    Unbiased if the log could show everything that the policy would; clipping trades bias for variance.

    Source: Horvitz and Thompson (1952); Bottou et al. (2013), *Counterfactual reasoning and learning systems*.
    """
    w = weights(log, policy, clip)
    return _estimate(w * log.reward, w)


def snips(log: Log, policy: np.ndarray, clip: float = np.inf) -> Estimate:
    """Estimate the value by Σ w · reward / Σ w: within the range of the rewards, a little biased, much less variance.

    If the log shows nothing that the policy would, it has no answer, 0 / 0: value and interval are NaN, with 0 rounds.

    Source: Swaminathan and Joachims (2015), *The self-normalized estimator for counterfactual learning*.
    """
    w = weights(log, policy, clip)
    if not w.any():
        return Estimate(np.nan, np.nan, np.nan, 0.0)
    value = (w @ log.reward) / w.sum()
    error = np.sqrt(w**2 @ (log.reward - value) ** 2) / w.sum()  # of a ratio, by the delta method
    return Estimate(float(value), float(value - 1.96 * error), float(value + 1.96 * error), _rounds(w))


def direct(log: Log, policy: np.ndarray, expected: np.ndarray) -> Estimate:
    """Estimate the value by a model of rewards, `expected` `[contexts, actions]`: mean of Σ_a π(a | x) · expected.

    The interval covers which contexts came, and not the mistakes of the model.
    """
    by_context = (policy * expected).sum(axis=1)
    return _estimate(by_context[log.context], np.ones(len(log.context)))


def doubly_robust(log: Log, policy: np.ndarray, expected: np.ndarray, clip: float = np.inf) -> Estimate:
    """Estimate the value by the mean of Σ_a π · expected + w · (reward − expected of the shown action).

    Right if the model or the propensities are. `expected` must be learned from other rounds than the log's.

    Source: Dudík, Langford and Li (2011), *Doubly robust policy evaluation and learning*.
    """
    w = weights(log, policy, clip)
    by_context = (policy * expected).sum(axis=1)
    corrected = by_context[log.context] + w * (log.reward - expected[log.context, log.action])
    return _estimate(corrected, w)


def softmax_policy(theta: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return π(a | x) = exp(θᵀx_a) / Σ_b exp(θᵀx_b), `[contexts, actions]`, of features `[contexts, actions, d]`."""
    logits = features @ theta
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def chance_in_list(policy: np.ndarray, places: int) -> np.ndarray:
    """Return α = 1 − (1 − π)^K, the chance that an action is among K draws from the policy."""
    return 1 - (1 - policy) ** places


def gradient(
    theta: np.ndarray, features: np.ndarray, log: Log, correction: str = "off-policy", places: int = 1,
    clip: float = 10.0,
) -> np.ndarray:  # fmt: skip
    """Return the REINFORCE gradient from a log, float64 `[d]`: mean over rounds of weight · reward · ∇ log π(a | x).

    ∇ log π(a | x) = x_a − Σ_b π(b | x) x_b

    none        weight = 1: an action that was shown often is learned often, good or not
    off-policy  weight = min(π / propensity, clip): as if π had shown it
    top-k       the same times λ = K (1 − π)^(K − 1): an action that is sure to be in a list of K needs no more

    `features` are `[contexts, actions, d]`, and `places` is K of the list, for "top-k".

    Source: Williams (1992) for REINFORCE; Chen et al. (2019), *Top-K off-policy correction for a REINFORCE recommender
    system*, equations 2, 5 and 6.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"`correction` must be one of {', '.join(CORRECTIONS)}; got {correction!r}.")
    policy = softmax_policy(theta, features)
    shown = policy[log.context, log.action]  # [N]
    weight = np.ones(len(shown))
    if correction != "none":
        weight = np.minimum(shown / log.propensity, clip)
    if correction == "top-k":
        weight = weight * places * (1 - shown) ** (places - 1)
    mean = np.einsum("ca,cad->cd", policy, features)  # Σ_b π x_b of each context
    direction = features[log.context, log.action] - mean[log.context]  # [N, d]
    return (weight * log.reward) @ direction / len(shown)


def ascend(
    features: np.ndarray, log: Log, correction: str = "off-policy", places: int = 1, *, theta: np.ndarray | None = None,
    steps: int = 200, rate: float = 0.5, clip: float = 10.0,
) -> np.ndarray:  # fmt: skip
    """Return θ after `steps` along the `gradient`, each of at most the length `rate`; from `theta`, or 0."""
    if not (steps > 0 and rate > 0):
        raise ValueError(f"`steps` and `rate` must be above 0; got {steps} and {rate}.")
    theta = np.zeros(features.shape[2]) if theta is None else np.array(theta, float)
    for _ in range(steps):
        slope = gradient(theta, features, log, correction, places, clip)
        length = np.linalg.norm(slope)
        theta += rate * slope * min(1.0, 1.0 / max(length, 1e-12))
    return theta


def _estimate(values: np.ndarray, w: np.ndarray) -> Estimate:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    mean = values.mean()
    return Estimate(float(mean), float(mean - 1.96 * error), float(mean + 1.96 * error), _rounds(w))


def _rounds(w: np.ndarray) -> float:
    return float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0


def _check_policy(policy: np.ndarray, shape: tuple) -> None:
    if policy.shape != shape:
        raise ValueError(f"`policy` must have the shape of `chance`, {shape}; found {policy.shape}.")
    total = policy.sum(axis=1)
    if not np.allclose(total, 1) or (policy < 0).any():
        raise ValueError(
            "every row of `policy` must be probabilities that sum to 1; they sum to "
            f"{total.min():.3g} to {total.max():.3g}. Divide by policy.sum(axis=1, keepdims=True)."
        )
