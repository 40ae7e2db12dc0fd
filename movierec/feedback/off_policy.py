"""What would another policy have earned? Answers from the log of the one that was there, with intervals.

Each estimator takes what was logged, one value a round `[N]`, and gives an `Estimate` of the mean reward that the other
policy would have had. Taught in notebooks/09_learning_from_feedback.
"""

from typing import NamedTuple

import numpy as np


class Log(NamedTuple):
    """Rounds of a policy that drew its actions.

    Attributes:
        context: int `[N]`, the row of who came.
        action: int `[N]`, what was shown.
        propensity: float `[N]`, with which probability, above 0.
        reward: float `[N]`, 1 for a click.
    """

    context: np.ndarray
    action: np.ndarray
    propensity: np.ndarray
    reward: np.ndarray


class Estimate(NamedTuple):
    """A value with its 95 % interval, and how many rounds it rests on.

    Attributes:
        value: mean reward a round.
        low, high: value ± 1.96 standard errors.
        rounds: effective ones, (Σ w)² / Σ w² of the weights.
    """

    value: float
    low: float
    high: float
    rounds: float


def draw_log(policy: np.ndarray, chance: np.ndarray, rounds: int, seed: int) -> Log:
    """A `Log` of `policy`, float `[contexts, actions]` whose rows sum to 1, in a world of click chances alike.

    Raises:
        ValueError: if the shapes differ, or a row does not sum to 1.
    """
    _check_policy(policy, chance.shape)
    rng = np.random.default_rng(seed)
    context = rng.integers(0, len(policy), rounds)
    action = (rng.random(rounds)[:, None] > np.cumsum(policy[context], axis=1)).sum(axis=1)
    action = np.minimum(action, policy.shape[1] - 1)  # where the sum of a row is a little below 1
    reward = (rng.random(rounds) < chance[context, action]).astype(float)
    return Log(context, action, policy[context, action], reward)


def true_value(policy: np.ndarray, chance: np.ndarray) -> float:
    """Mean over contexts of Σ_a π(a | context) · chance: what no log knows, and a simulator does."""
    _check_policy(policy, chance.shape)
    return float((policy * chance).sum(axis=1).mean())


def replay(log: Log, choice: np.ndarray) -> Estimate:
    """The mean reward of the rounds in which the log happened to show `choice` `[contexts]`, a deterministic policy's.

    Right only if the log drew all actions alike; honest and wasteful: of A actions it keeps a round in A.

    Source: Li et al. (2011), *Unbiased offline evaluation of contextual-bandit-based news article recommendation*.
    """
    agree = log.action == choice[log.context]
    if not agree.any():
        raise ValueError(f"none of {len(agree):,} logged rounds shows what the policy would. Log more, or use `ips`.")
    reward = log.reward[agree]
    return _estimate(reward, np.ones(len(reward)))


def weights(log: Log, policy: np.ndarray, clip: float = np.inf) -> np.ndarray:
    """w = min(π(a | x) / propensity, clip), float `[N]`: how much more the other policy would show it.

    Raises:
        ValueError: if a propensity is not above 0.
    """
    if not (log.propensity > 0).all():
        raise ValueError(
            f"every propensity must be above 0; {(~(log.propensity > 0)).sum():,} of {len(log.propensity):,} are not. "
            "What a policy cannot show, its log cannot tell."
        )
    return np.minimum(policy[log.context, log.action] / log.propensity, clip)


def ips(log: Log, policy: np.ndarray, clip: float = np.inf) -> Estimate:
    """Mean of w · reward.

    Unbiased where the log could show all that the policy would; clipping trades bias for variance.

    Source: Horvitz and Thompson (1952); Bottou et al. (2013), *Counterfactual reasoning and learning systems*.
    """
    w = weights(log, policy, clip)
    return _estimate(w * log.reward, w)


def snips(log: Log, policy: np.ndarray, clip: float = np.inf) -> Estimate:
    """Σ w · reward / Σ w: cannot leave the range of the rewards, a little biased, much calmer.

    Source: Swaminathan and Joachims (2015), *The self-normalized estimator for counterfactual learning*.
    """
    w = weights(log, policy, clip)
    value = (w @ log.reward) / w.sum()
    error = np.sqrt(w**2 @ (log.reward - value) ** 2) / w.sum()  # of a ratio, by the delta method
    return Estimate(float(value), float(value - 1.96 * error), float(value + 1.96 * error), _rounds(w))


def direct(log: Log, policy: np.ndarray, expected: np.ndarray) -> Estimate:
    """Mean over the log's contexts of Σ_a π(a | x) · expected: as good as the model of rewards `[contexts, actions]`.

    Its interval knows of who came, and not of the model's mistakes.
    """
    by_context = (policy * expected).sum(axis=1)
    return _estimate(by_context[log.context], np.ones(len(log.context)))


def doubly_robust(log: Log, policy: np.ndarray, expected: np.ndarray, clip: float = np.inf) -> Estimate:
    """Mean of Σ_a π · expected + w · (reward − expected of what was shown): the model's answer, its mistakes mended.

    Right if the model or the propensities are. `expected` must come from other rounds than the log's.

    Source: Dudík, Langford and Li (2011), *Doubly robust policy evaluation and learning*.
    """
    w = weights(log, policy, clip)
    by_context = (policy * expected).sum(axis=1)
    mended = by_context[log.context] + w * (log.reward - expected[log.context, log.action])
    return _estimate(mended, w)


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
