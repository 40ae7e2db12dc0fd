"""Learn from clicks while choosing what to show: use what is known now, or explore what could be learned?

Every policy has `slate`, which chooses the films to show, and `learn`, which takes the clicks (`simulator.World.play`).
`half_a_year` is the feedback loop: EASE is trained each month on the clicks that its own lists brought
(`tests/benchmarks/feedback_loop.py` runs every arm). Typed, word by word, in notebooks/11_learning_from_feedback.
"""

import numpy as np

from movierec.baselines import Ease


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


# ---- the feedback loop

ARMS = {  # of the experiment: settings of `half_a_year`
    "neither": {},
    "explore": {"explored": 2},
    "weight": {"weighted": True},
    "both": {"explored": 2, "weighted": True},
    "shuffled": {"weighted": True, "shuffled": True},
    "explore, shuffled": {"explored": 2, "weighted": True, "shuffled": True},
    "training only": {"weighted": True, "profile": False},
}


def lists_of(scores, places, explored, rng, short=200):
    """Choose each user's best films; explored places get others of the short list."""
    order = np.argsort(-scores, axis=1)[:, :short]
    drawn = rng.random((len(order), short - places)).argsort(axis=1)[:, :explored]
    others = np.take_along_axis(order, places + drawn, axis=1)
    return np.concatenate([order[:, : places - explored], others], axis=1)


def half_a_year(before, likes, looks, seed, explored=0, weighted=False, shuffled=False, profile=True):
    """Return clicks a visit and the share of films ever clicked, [6 months, 2]."""
    rng, seen, months = np.random.default_rng(seed), before.copy(), []
    history, ever = before.astype(np.float32), np.zeros(before.shape[1], bool)
    for _ in range(6):
        item_item, clicks = Ease.solve(history, 300.0), 0
        for _ in range(3):  # visits of everybody
            served = history if profile else (history > 0).astype(np.float32)
            scores = np.where(seen, -np.inf, served @ item_item)
            slates = lists_of(scores, len(looks), explored, rng)
            wanted = looks * np.take_along_axis(likes, slates, axis=1)
            who, place = np.nonzero(rng.random(slates.shape) < wanted)
            film, counts = slates[who, place], 1 / looks[place] if weighted else 1
            counts = rng.permuted(counts) if shuffled else counts
            seen[who, film], history[who, film], ever[film] = True, counts, True
            clicks += len(film)
        months.append((clicks / len(seen) / 3, ever.mean()))
    return np.array(months)
