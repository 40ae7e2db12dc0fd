"""Show other films now and then, with a known chance: what makes a log of lists fit for estimates.

Taught in notebooks/12_serving.
"""

import numpy as np

CANDIDATES = 30  # films that a place may be given to, the list's own among them


def explore(num: int, k: int, epsilon: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which of `num` candidates, best first, stand at the k places, and the propensity of each; `[k]` both.

    Each place keeps the film that the model has put there with probability 1 − ε. Otherwise it is given to one of the
    `num` − k films behind the list, all with the same chance and none of them twice. The propensity of a film is its
    chance to stand at this place: 1 − ε, or ε / (num − k). With fewer films behind the list than in it, nothing is
    explored. `epsilon` outside 0 to 1 is a ValueError.
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"`epsilon` must be 0 or more and below 1, got {epsilon}.")
    rows = np.arange(min(k, num))
    others = num - len(rows)
    epsilon = epsilon if others >= len(rows) else 0.0
    is_explored = rng.random(len(rows)) < epsilon
    if count := is_explored.sum():
        rows[is_explored] = len(rows) + rng.choice(others, count, replace=False)
    return rows, np.where(is_explored, epsilon / max(others, 1), 1 - epsilon)
