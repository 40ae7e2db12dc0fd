"""Several hybrids as one, and what a saved folder is loaded as.

Taught in notebooks/06_training and 07_recommendations.
"""

import numpy as np
import pandas as pd

from movierec.recommend.recommender import Hybrid
from movierec.recommend.storage import load_members

IDS = ("user_ids", "movie_ids")


class Ensemble(Hybrid):
    """Hybrids that differ in their seed: the mean of their stars and of their scores.

    What a model learned by the chance of its seed cancels out. Fitting and asking take as many times the work.

    Args:
        members: At least one `Hybrid`, all fitted on the same train part.

    Raises:
        ValueError: If there is none, or they know other users or movies.
    """

    def __init__(self, members: list[Hybrid]):
        if not members:
            raise ValueError("an Ensemble needs at least one member; fit_ensemble(split, seeds=(0, 1, 2)) makes three.")
        first = members[0]
        for other in members[1:]:
            if not all(np.array_equal(getattr(first.indices, ids), getattr(other.indices, ids)) for ids in IDS):
                raise ValueError("all members must be fitted on the same users and movies; fit_ensemble takes care.")
        super().__init__(first.model, first.indices, first.movies, first.weeks, first.bias, first.seen)
        self._members = list(members)
        self.best_epochs = first.best_epochs
        self.fit_seconds = sum(member.fit_seconds or 0 for member in members)

    @property
    def members(self) -> list[Hybrid]:
        """The models."""
        return self._members

    def __repr__(self) -> str:
        return f"Ensemble of {len(self.members)}: {self.members[0]!r}"

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return the mean of the members' stars; see `Hybrid.predict`."""
        return np.mean([member.predict(ratings) for member in self.members], axis=0)

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """Return the mean of the members' scores; see `Hybrid.score`."""
        return np.mean([member.score(user_index) for member in self.members], axis=0)


def load_model(folder) -> Hybrid:
    """Return the `Hybrid` or `Ensemble` that `save` wrote: same predictions, same lists.

    Raises:
        FileNotFoundError: If `folder` has no saved model.
        ValueError: If it has another format, or was cut short or changed.
    """
    members = []
    for parts, attributes in load_members(folder):
        members.append(Hybrid(*parts))
        vars(members[-1]).update(attributes)
    return members[0] if len(members) == 1 else Ensemble(members)
