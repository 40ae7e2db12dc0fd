"""Learn from clicks while choosing what to show: use what is known now, or explore what could be learned?

Every policy has `slate`, which chooses the rows to show, and `learn`, which takes the clicks (`simulator.World.play`).
Taught in notebooks/11_learning_from_feedback.
"""

import numpy as np

TIE = 1e-9  # candidates that look alike, as all do at first, are shown in a random order


class InOrder:
    """Show the candidates with the largest value of the column `feature`, e.g. the hybrid's score; learn nothing."""

    def __init__(self, feature: int, places: int):
        self.feature, self.places = feature, places

    def slate(self, features: np.ndarray, left: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return int `[places]`, rows of `features` `[candidates, d]` that are `left`, the best first."""
        return best_left(features[:, self.feature], left, self.places)

    def learn(self, features: np.ndarray, clicks: np.ndarray, looks: np.ndarray) -> None:
        """Do nothing: this policy does not learn."""


class LinearBandit:
    """Greedy: θ̂ is the ridge regression of the clicks so far, and the largest θ̂ᵀx are shown.

    A = λ I + Σ (e x)(e x)ᵀ,  b = Σ (e x) click,  θ̂ = A⁻¹ b

    with e the chance that the place was looked at: E[click] = e · θᵀx, so a candidate shown far down is not blamed for
    having been overlooked. A⁻¹ is kept, and updated by the Sherman–Morrison formula.

    Args:
        dim, places: d, the features of a candidate; the length of a list.
        penalty: λ > 0.
        knows_places: whether e is known; else all are 1, and being on top is confused with being good.

    Source: Li et al. (2010), *A contextual-bandit approach to personalized news article recommendation*, with one θ
    for all films.
    """

    def __init__(self, dim: int, places: int, penalty: float = 1.0, knows_places: bool = True):
        if not penalty > 0:
            raise ValueError(f"`penalty` must be above 0, got {penalty}.")
        self.places, self.knows_places = places, knows_places
        self.inverse, self.b = np.eye(dim) / penalty, np.zeros(dim)

    @property
    def theta(self) -> np.ndarray:
        """Return θ̂, float64 `[d]`."""
        return self.inverse @ self.b

    def values(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the values that order the candidates, float64 `[candidates]`."""
        return features @ self.theta

    def slate(self, features: np.ndarray, left: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return int `[places]`, rows of `features` `[candidates, d]` that are `left`, the best first."""
        values = self.values(features, rng)
        return best_left(values + TIE * rng.random(len(values)), left, self.places)

    def learn(self, features: np.ndarray, clicks: np.ndarray, looks: np.ndarray) -> None:
        """Add a list to A and b: features `[places, d]`, clicks bool `[places]`, and e `[places]`."""
        for x, click, look in zip(features, clicks, looks, strict=True):
            x = look * x if self.knows_places else x
            moved = self.inverse @ x
            self.inverse -= np.outer(moved, moved) / (1 + x @ moved)
            self.b += x * click


class EpsilonGreedy(LinearBandit):
    """Greedy; but each place goes to any other candidate with probability ε, 0 to 1."""

    def __init__(self, dim: int, places: int, epsilon: float = 0.1, **settings):
        super().__init__(dim, places, **settings)
        if not 0 <= epsilon <= 1:
            raise ValueError(f"`epsilon` must be 0 to 1, got {epsilon}.")
        self.epsilon = epsilon

    def slate(self, features: np.ndarray, left: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the slate of `LinearBandit`, with other candidates at random places."""
        slate = super().slate(features, left, rng)
        explores = rng.random(self.places) < self.epsilon
        others = np.setdiff1d(np.flatnonzero(left), slate)
        count = min(int(explores.sum()), len(others))
        slate[np.flatnonzero(explores)[:count]] = rng.choice(others, count, replace=False)
        return slate


class LinUCB(LinearBandit):
    """The largest θ̂ᵀx + α √(xᵀ A⁻¹ x), α ≥ 0: uncertain candidates get the benefit of the doubt.

    Source: Li et al. (2010).
    """

    def __init__(self, dim: int, places: int, alpha: float = 0.5, **settings):
        super().__init__(dim, places, **settings)
        if not alpha >= 0:
            raise ValueError(f"`alpha` must be 0 or more, got {alpha}.")
        self.alpha = alpha

    def values(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return θ̂ᵀx + α √(xᵀ A⁻¹ x)."""
        variance = ((features @ self.inverse) * features).sum(axis=1)
        return features @ self.theta + self.alpha * np.sqrt(variance)


class ThompsonSampling(LinearBandit):
    """The largest θᵀx, with θ drawn from the posterior N(θ̂, width² A⁻¹): uncertainty explores.

    Source: Chapelle and Li (2011), *An empirical evaluation of Thompson sampling*; Agrawal and Goyal (2013).
    """

    def __init__(self, dim: int, places: int, width: float = 0.3, **settings):
        super().__init__(dim, places, **settings)
        if not width >= 0:
            raise ValueError(f"`width` must be 0 or more, got {width}.")
        self.width = width

    def values(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return θᵀx, with one θ for the whole list."""
        spread = np.linalg.cholesky(self.inverse)  # L Lᵀ = A⁻¹
        return features @ (self.theta + self.width * spread @ rng.standard_normal(len(self.b)))


def best_left(values: np.ndarray, left: np.ndarray, places: int) -> np.ndarray:
    """Return the rows of the largest values among those `left`, the best first; ties by row. int `[places]`."""
    return np.argsort(-np.where(left, values, -np.inf), kind="stable")[:places]
