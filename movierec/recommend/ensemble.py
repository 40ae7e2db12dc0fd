"""Several hybrids as one: better, and as many times as slow.

Taught in notebooks/06_training.
"""

import numpy as np
import pandas as pd

from movierec.recommend.recommender import Hybrid

IDS = ("user_ids", "movie_ids")


class Ensemble(Hybrid):
    """Hybrids that differ in their seed: the mean of their stars, and the mean of their scores.

    What a seed happened to learn cancels out, what all have learned stays. Costs as many fits, and as many times the
    work for each answer.

    Args:
        members: at least one `Hybrid`, all fitted on the same train part.

    Raises:
        ValueError: if there is none, or they know other users or movies.
    """

    def __init__(self, members: list[Hybrid]):
        if not members:
            raise ValueError("an Ensemble needs at least one member; fit_ensemble(split, seeds=(0, 1, 2)) makes three.")
        first = members[0]
        for other in members[1:]:
            same = (np.array_equal(getattr(first.indices, ids), getattr(other.indices, ids)) for ids in IDS)
            if not all(same):
                raise ValueError("all members must be fitted on the same users and movies; fit_ensemble takes care.")
        super().__init__(first.model, first.indices, first.movies, first.weeks, first.bias, first.seen)
        self._members, self.best_epochs = list(members), first.best_epochs
        self.fit_seconds = sum(member.fit_seconds or 0 for member in members)

    @property
    def members(self) -> list:
        """The models."""
        return self._members

    def __repr__(self) -> str:
        return f"Ensemble of {len(self.members)}: {self.members[0]!r}"

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """The mean of the members' stars; see `Hybrid.predict`."""
        return np.mean([member.predict(ratings) for member in self.members], axis=0)

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """The mean of the members' scores; see `Hybrid.score`."""
        return np.mean([member.score(user_index) for member in self.members], axis=0)

    def save(self, folder) -> None:
        """Not there yet: save each of `members` to a folder of its own, and make an Ensemble of what was loaded."""
        raise NotImplementedError("save each of .members to a folder of its own; Ensemble([load_model(f) for f in …]).")
