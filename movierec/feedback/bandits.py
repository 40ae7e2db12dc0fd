"""Learn from clicks while choosing what to show: use what is known now, or explore what could be learned?

Every policy has `slate`, which chooses the films to show, and `learn`, which takes the clicks (`simulator.World.play`).
The learning ones are typed, word by word, in notebooks/11_learning_from_feedback.
"""

import numpy as np


class InOrder:
    """Show the candidates with the largest value of the column `feature`, e.g. the hybrid's score; learn nothing."""

    def __init__(self, feature: int, places: int):
        self.feature, self.places = feature, places

    def slate(self, x: np.ndarray, left: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return int `[places]`, rows of `x` `[candidates, dim]` that are `left`, the best first; ties by row."""
        return np.argsort(-np.where(left, x[:, self.feature], -np.inf), kind="stable")[: self.places]

    def learn(self, x: np.ndarray, clicks: np.ndarray) -> None:
        """Do nothing: this policy does not learn."""


class RidgeBandit:
    """Greedy: predict clicks by a ridge regression, and show the largest predictions."""

    def __init__(self, dim, looks, penalty=1.0):
        self.looks = looks  # how likely each place is looked at, as the learner believes
        self.A, self.b = penalty * np.eye(dim), np.zeros(dim)

    def values(self, x, rng):
        """Predict a click on each candidate, if it is looked at, [candidates]."""
        return x @ np.linalg.solve(self.A, self.b)

    def slate(self, x, left, rng):
        """Choose the best candidates that are left, [places]; draw between equals."""
        values = self.values(x, rng) + 1e-9 * rng.random(len(x))
        return np.argsort(-np.where(left, values, -np.inf))[: len(self.looks)]

    def learn(self, x, clicks):
        """Add a list, [places, dim], and its clicks, [places]."""
        seen = self.looks[:, None] * x
        self.A += seen.T @ seen
        self.b += seen.T @ clicks


class LinUCB(RidgeBandit):
    """Add to each prediction how uncertain it is (Li et al. 2010)."""

    def __init__(self, dim, looks, alpha=0.5, **settings):
        super().__init__(dim, looks, **settings)
        self.alpha = alpha

    def values(self, x, rng):
        """Return the upper end of what is believed, [candidates]."""
        inverse = np.linalg.inv(self.A)
        variance = ((x @ inverse) * x).sum(axis=1)
        return x @ (inverse @ self.b) + self.alpha * np.sqrt(variance)


class ThompsonSampling(RidgeBandit):
    """Draw theta from what is believed, and trust it (Chapelle and Li 2011)."""

    def __init__(self, dim, looks, width=0.3, **settings):
        super().__init__(dim, looks, **settings)
        self.width = width

    def values(self, x, rng):
        """Predict with one theta for the whole list, [candidates]."""
        inverse = np.linalg.inv(self.A)
        noise = np.linalg.cholesky(inverse) @ rng.standard_normal(len(self.b))
        return x @ (inverse @ self.b + self.width * noise)
