"""Show other lists now and then, with a known chance: what makes a log of lists fit for estimates.

Taught in notebooks/12_serving.
"""

import numpy as np

CANDIDATES = 30  # films that a list is drawn from where it explores, those of the model's own list among them


def explore(num: int, k: int, epsilon: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which of `num` candidates, best first, stand at the k places, and the propensity of each; `[k]` both.

    With probability 1 − ε the list is the model's own. Otherwise it is k of the candidates in a random order, each as
    likely at each place. The propensity of a film is its chance to stand at this place, 1 − ε + ε / num for that of the
    model's own list, and ε / num for any other. `epsilon` outside 0 to 1 is a ValueError.
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"`epsilon` must be 0 or more and below 1, got {epsilon}.")
    own = np.arange(min(k, num))
    rows = rng.permutation(num)[:k] if rng.random() < epsilon else own
    return rows, epsilon / max(num, 1) + (1 - epsilon) * (rows == own)
