"""Combine two recommenders in Burke's seven ways, with a few lines each over scorers that are there already.

Each is a scorer `user_index [U] -> float32 [U, num_movies]`; `first` and `second` are scorers fitted on the same train.
Taught in notebooks/08_evaluation.

Source: Burke (2002), *Hybrid recommender systems: survey and experiments*; the classes keep his names.
"""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

from movierec.baselines.content import ContentBased
from movierec.baselines.factors import Ease
from movierec.baselines.neighbours import UserKnn, keep_largest
from movierec.baselines.popularity_and_bias import rated_matrix
from movierec.data import Indices
from movierec.evaluation.metrics import unit_rows


class Weighted:
    """score = w · z(first) + (1 − w) · z(second): the scores of both are added.

    z is each user's score with mean 0 and deviation 1 over the catalogue, since two models have two units. `weight` is
    a share, 0 to 1.
    """

    def __init__(self, first, second, weight: float = 0.8):
        if not 0 <= weight <= 1:
            raise ValueError(f"`weight` must be a share, 0 to 1; got {weight}.")
        self.first = first
        self.second = second
        self.weight = weight

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        z_first, z_second = (standardised(model(user_index)) for model in (self.first, self.second))
        return self.weight * z_first + (1 - self.weight) * z_second


class Switching:
    """score = first for users with `at_least` ratings in train, second for the others."""

    def __init__(self, train: pd.DataFrame, indices: Indices, first, second, at_least: int = 20):
        self.first, self.second = first, second
        ratings = np.bincount(indices.user_index(train["user_id"]), minlength=indices.num_users)
        self.asks_first = ratings >= at_least

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        first = self.asks_first[user_index][:, None]
        return np.where(first, self.first(user_index), self.second(user_index)).astype(np.float32)


class Mixed:
    """Both lists side by side: of every `turn` places (2 or more), `second` fills one and `first` the others."""

    def __init__(self, train: pd.DataFrame, indices: Indices, first, second, turn: int = 5):
        if turn < 2:
            raise ValueError(f"`turn` must be 2 or more places, got {turn}.")
        self.first = first
        self.second = second
        self.turn = turn
        self.seen = rated_matrix(train, indices)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        seen = self.seen[user_index].toarray() > 0
        firsts, seconds = (places(np.where(seen, -np.inf, model(user_index))) for model in (self.first, self.second))
        # first's n-th movie stands at place n + n // (turn − 1), second's at every turn-th; the earlier place counts.
        at_first = firsts + firsts // (self.turn - 1)
        at_second = seconds * self.turn + self.turn - 1
        return -np.minimum(at_first, at_second).astype(np.float32)


class FeatureCombination(Ease):
    """Genres enter the collaborative model as more raters: EASE on the ratings with one row added a feature.

    X' = [X; weight · Fᵀ], F = `vectors` `[num_movies, features]`: a genre is a user who "rated" its movies.

    Source: also Jeunen et al. (2020), *Closed-form models for collaborative filtering with side-information*.
    """

    def __init__(self, train, indices: Indices, vectors: np.ndarray, regularisation: float = 150, weight: float = 0.3):
        self.rated = rated_matrix(train, indices)
        self.weights = self.solve(sparse.vstack([self.rated, sparse.csr_array(weight * vectors.T)]), regularisation)


class Cascade:
    """`first` chooses a short list, `second` puts it in order; all others come after, in the order of `first`."""

    def __init__(self, train: pd.DataFrame, indices: Indices, first, second, short_list: int = 200):
        if not 1 <= short_list <= indices.num_movies:
            raise ValueError(f"`short_list` must be 1 to {indices.num_movies:,}, the movies; got {short_list}.")
        self.first = first
        self.second = second
        self.short_list = short_list
        self.seen = rated_matrix(train, indices)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        seen = self.seen[user_index].toarray() > 0
        place = places(np.where(seen, -np.inf, self.first(user_index)))
        second = places(self.second(user_index))
        return -np.where(place < self.short_list, second, second.shape[1] + place).astype(np.float32)


class FeatureAugmentation(Ease):
    """The output of one model is the other's data: EASE on ratings whose gaps are filled by the content model.

    X' = X + weight · (the `added` best content scores of each user, scaled to 0..1).

    Source: also Melville et al. (2002), content-boosted collaborative filtering.
    """

    def __init__(self, train, indices: Indices, second, regularisation: float = 200, added: int = 50, weight=0.2):
        rated = rated_matrix(train, indices).toarray()
        expected = np.where(rated > 0, 0, second(np.arange(indices.num_users))).clip(min=0)
        keep_largest(expected, added)
        largest = expected.max(axis=1, keepdims=True)
        self.rated = sparse.csr_array(rated + weight * expected / np.where(largest > 0, largest, 1))
        self.weights = self.solve(self.rated, regularisation)


class MetaLevel(UserKnn):
    """The model that one learns is the other's input: users are neighbours if their content profiles are similar.

    score(u, i) = Σ_{v near u} cosine(profile_u, profile_v)^power · rated_vi, with the profiles of a `ContentBased`

    Source: also Pazzani (1999), collaboration via content.
    """

    def __init__(self, train, indices: Indices, content: ContentBased, neighbours: int = 100, power: float = 2.0):
        self.rated = rated_matrix(train, indices)
        unit = unit_rows(content.profiles)
        self.similarity = (unit @ unit.T).clip(min=0) ** power  # [num_users, num_users]
        np.fill_diagonal(self.similarity, 0)
        keep_largest(self.similarity, neighbours)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Return each row with mean 0 and deviation 1; a constant row becomes 0. float32, the shape of `scores`."""
    deviation = scores.std(axis=1, keepdims=True)
    return ((scores - scores.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def places(scores: np.ndarray) -> np.ndarray:
    """Return the place of each movie in its row's ranking, 0 for the best; ties go by the index. int `[U, M]`."""
    return rankdata(-scores, "ordinal", axis=1).astype(np.int64) - 1
