"""A policy that is a softmax, moved along the gradient of the reward that a log of another policy tells.

Taught in notebooks/09_learning_from_feedback.
"""

import numpy as np

from movierec.feedback.off_policy import Log

CORRECTIONS = ("none", "off-policy", "top-k")


def softmax_policy(theta: np.ndarray, features: np.ndarray) -> np.ndarray:
    """π(a | x) = exp(θᵀx_a) / Σ_b exp(θᵀx_b), float64 `[contexts, actions]`, of features `[contexts, actions, d]`."""
    logits = features @ theta
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def chance_in_list(policy: np.ndarray, places: int) -> np.ndarray:
    """α = 1 − (1 − π)^K: that an action is among K draws from the policy. The shape of `policy`."""
    return 1 - (1 - policy) ** places


def gradient(
    theta: np.ndarray, features: np.ndarray, log: Log, correction: str = "off-policy", places: int = 1,
    clip: float = 10.0,
) -> np.ndarray:  # fmt: skip
    """REINFORCE from a log, float64 `[d]`: mean over rounds of weight · reward · ∇ log π(a | x).

    ∇ log π(a | x) = x_a − Σ_b π(b | x) x_b

    none        weight = 1: what was shown often is learned often, whether it is good or was only shown
    off-policy  weight = min(π / propensity, clip): as if π had shown it
    top-k       the same times λ = K (1 − π)^(K − 1): what is sure to be in a list of K already needs no more

    Args:
        theta: `[d]`.
        features: `[contexts, actions, d]`.
        log: of the policy that was there.
        places: K of the list, for "top-k".

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
    """θ after `steps` along the `gradient`, each of at most the length `rate`; from `theta`, or 0.

    Raises:
        ValueError: if steps or rate are not above 0.
    """
    if not (steps > 0 and rate > 0):
        raise ValueError(f"`steps` and `rate` must be above 0; got {steps} and {rate}.")
    theta = np.zeros(features.shape[2]) if theta is None else np.array(theta, float)
    for _ in range(steps):
        slope = gradient(theta, features, log, correction, places, clip)
        length = np.linalg.norm(slope)
        theta += rate * slope * min(1.0, 1.0 / max(length, 1e-12))
    return theta
