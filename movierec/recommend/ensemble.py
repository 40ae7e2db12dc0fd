"""Several trained models as one, and models loaded from a folder.

Taught in notebooks/08_evaluation and 07_recommendations.
"""

import numpy as np
import pandas as pd

from movierec.calls import check_keywords
from movierec.recommend.recommender import Hybrid
from movierec.recommend.storage import load_members


class Ensemble(Hybrid):
    """The mean stars and scores of hybrids that differ in their seed: what one learned by chance cancels out."""

    members: list[Hybrid] = ()  # an attribute here

    def __init__(self, members: list[Hybrid]):
        if not members:
            raise ValueError("an Ensemble needs at least one member; fit_ensemble(split, seeds=(0, 1, 2)) makes three.")
        first = members[0]
        for ids in ("user_ids", "movie_ids"):
            if not all(np.array_equal(getattr(m.indices, ids), getattr(first.indices, ids)) for m in members):
                raise ValueError("all members must be fitted on the same users and movies; fit_ensemble takes care.")
        super().__init__(first.model, first.indices, first.movies, first.weeks, first.bias, first.seen, first.scale)
        self.members = list(members)
        self.best_epochs = first.best_epochs
        self.fit_seconds = sum(member.fit_seconds or 0 for member in members)

    def __repr__(self) -> str:
        return f"Ensemble of {len(self.members)}: {self.members[0]!r}"

    def predict(self, ratings: pd.DataFrame) -> np.ndarray:
        """Return the mean of the members' stars; see `Hybrid.predict`."""
        return np.mean([member.predict(ratings) for member in self.members], axis=0)

    def score(self, user_index: np.ndarray) -> np.ndarray:
        """Return the mean of the members' scores; see `Hybrid.score`."""
        return np.mean([member.score(user_index) for member in self.members], axis=0)


@check_keywords()
def load_model(folder) -> Hybrid:
    """Return the `Hybrid` or `Ensemble` that `save` wrote, with the same lists; raise as `storage.checked`."""
    members = []
    for parts, attributes in load_members(folder):
        members.append(Hybrid(*parts))
        vars(members[-1]).update(attributes)
    return members[0] if len(members) == 1 else Ensemble(members)
