"""Every recommender of the related work behind one door: how it is fitted, what may be tuned, how often it is repeated.

`Problem(train, data, settings).fit("EASE")` is a fitted scorer; `tuning.chosen("by_user_time")` are settings for it.
Taught in notebooks/03_baselines.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.baselines import burke
from movierec.baselines.content import ContentBased, genre_matrix
from movierec.baselines.factors import BiasedMF, Ease, ImplicitAls
from movierec.baselines.neighbours import ItemKnn, ItemKnnStars, UserKnn, UserKnnStars
from movierec.baselines.popularity_and_bias import Bias, Popularity
from movierec.data import Indices, MovieLens, make_indices


class Recommender(NamedTuple):
    """One rung of the ladder.

    Attributes:
        fit: `(problem, seed, **settings) -> model`.
        space: setting -> values to try.
        seeds: fits whose mean is reported; 1 where nothing is random.
        judged_by: what its settings are chosen by: "ndcg@10", or "rmse" for what predicts stars, even if it also ranks.
    """

    fit: Callable
    space: dict = {}
    seeds: int = 1
    judged_by: str = "ndcg@10"


class Problem:
    """A train part, and all that a recommender may be fitted on; the same for every one of them.

    Args:
        train: user_id, movie_id, rating, timestamp.
        data: for its movies, users and tags; its ratings are not looked at.
        settings: name -> settings, as `chosen` returns them; a recommender without any has its defaults.
    """

    def __init__(self, train: pd.DataFrame, data: MovieLens, settings: dict[str, dict] | None = None):
        self.train, self.data, self.settings = train, data, settings if settings is not None else {}
        self.indices = make_indices(train, data.movies)
        self.genres = genre_matrix(data.movies, self.indices)
        self._fitted = {}

    def fit(self, name: str, seed: int = 0):
        """The recommender with the settings of this problem, fitted on train: a scorer, or what has `predict`."""
        if name not in RECOMMENDERS:
            raise ValueError(f"`name` must be one of {list(RECOMMENDERS)}; got {name!r}.")
        return RECOMMENDERS[name].fit(self, seed, **self.settings.get(name, {}))

    def base(self, name: str):
        """The same, fitted once: what the seven hybrids are made of."""
        if name not in self._fitted:
            self._fitted[name] = self.fit(name)
        return self._fitted[name]


class RandomOrder:
    """score(u, i) is noise: the zero of the ruler."""

    def __init__(self, indices: Indices, seed: int):
        shape = indices.num_users, indices.num_movies
        self.scores = np.random.default_rng(seed).random(shape, dtype=np.float32)

    def __call__(self, user_index: np.ndarray) -> np.ndarray:
        return self.scores[user_index]


def _ncf(name: str):
    """NeuMF or DeepHybrid; TensorFlow is loaded when the first is fitted."""

    def fit(problem: Problem, seed: int, **settings):
        from movierec.models import ncf  # here: everything else works without TensorFlow

        if name == "NeuMF":
            return ncf.NeuMF(problem.train, problem.indices, seed=seed, **settings)
        tables = problem.data.movies, problem.data.users
        return ncf.DeepHybrid(problem.train, problem.indices, *tables, seed=seed, **settings)

    return fit


def _plain(model: Callable, *, seeded: bool = False):
    """For a recommender that is fitted as `model(train, indices, **settings)`."""

    def fit(problem: Problem, seed: int, **settings):
        return model(problem.train, problem.indices, **settings, **({"seed": seed} if seeded else {}))

    return fit


def _over_two(hybrid: Callable):
    """For one of Burke's hybrids of EASE, which is first, and content, which is second."""

    def fit(problem: Problem, seed: int, **settings):
        return hybrid(problem, problem.base("EASE"), problem.base("content-based"), **settings)

    return fit


# 20 trials fit every grid that is small enough; of the larger ones a random part is tried (`tuning`).
REGULARISATION = [50, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1500]  # of EASE, in ratings
KNN = {"neighbours": [50, 100, 200, 400, None], "shrinkage": [1, 100], "rarity": [False, True]}
STARS_KNN = {
    "neighbours": [20, 40, 60],
    "shrinkage": [50, 100, 200],
    "damping_movie": [3, 5, 10],
    "damping_user": [5, 10],
    "passes": [2],
}
MF = {
    "factors": [16, 32],
    "regularisation": [11, 13, 15, 17, 20],
    "damping_user": [3, 5, 10],
    "damping_movie": [2, 3, 5],
}
NCF = {
    "dim": [16, 32, 64],
    "hidden": [[16], [32, 16], [64, 32, 16]],
    "penalty": [0.003, 0.005, 0.01],
    "learning_rate": [0.002, 0.003, 0.005],
    "epochs": [8, 12, 18],
}
RECOMMENDERS = {
    "random order": Recommender(lambda problem, seed: RandomOrder(problem.indices, seed), seeds=3),
    "popularity": Recommender(_plain(Popularity)),
    "user and movie bias": Recommender(
        _plain(Bias), {"damping_movie": [2, 3, 5, 10], "damping_user": [3, 5, 10], "passes": [1, 5]}, judged_by="rmse"
    ),
    "user-kNN for stars": Recommender(_plain(UserKnnStars), STARS_KNN, judged_by="rmse"),
    "item-kNN for stars": Recommender(_plain(ItemKnnStars), STARS_KNN, judged_by="rmse"),
    "biased MF": Recommender(_plain(BiasedMF, seeded=True), MF, seeds=3, judged_by="rmse"),
    "content-based": Recommender(
        lambda problem, seed, **settings: ContentBased(
            problem.train, problem.indices, problem.data.movies, problem.data.tags, **settings
        ),
        {"stars_weight": [0.0, 0.25, 0.5, 1.0, 2.0]},
    ),
    "user-kNN": Recommender(_plain(UserKnn), KNN),
    "item-kNN": Recommender(_plain(ItemKnn), KNN),
    "implicit ALS": Recommender(
        _plain(ImplicitAls, seeded=True),
        {"factors": [16, 32, 48, 64], "alpha": [1, 2, 3, 4], "regularisation": [10, 20, 30, 50]},
        seeds=3,
    ),
    "EASE": Recommender(_plain(Ease), {"regularisation": REGULARISATION}),
    "weighted": Recommender(
        _over_two(lambda problem, first, second, **settings: burke.Weighted(first, second, **settings)),
        {"weight": [0.98, 0.95, 0.92, 0.9, 0.87, 0.85, 0.8, 0.75, 0.7, 0.6]},
    ),
    "switching": Recommender(
        _over_two(lambda problem, *two, **settings: burke.Switching(problem.train, problem.indices, *two, **settings)),
        {"at_least": [0, 10, 12, 15, 18, 20, 25, 30, 50]},
    ),
    "mixed": Recommender(
        _over_two(lambda problem, *two, **settings: burke.Mixed(problem.train, problem.indices, *two, **settings)),
        {"turn": [2, 3, 4, 5, 6, 8, 10]},
    ),
    "feature combination": Recommender(
        lambda problem, seed, **settings: burke.FeatureCombination(
            problem.train, problem.indices, problem.genres, **settings
        ),
        {"weight": [0.3, 0.5, 1.0, 2.0, 3.0, 5.0], "regularisation": REGULARISATION},
    ),
    "cascade": Recommender(
        _over_two(
            lambda problem, ease, content, **settings: burke.Cascade(
                problem.train, problem.indices, content, ease, **settings
            )
        ),
        {"short_list": [100, 200, 300, 400, 600, 800, 1000, 1200, 1400]},
    ),
    "feature augmentation": Recommender(
        lambda problem, seed, **settings: burke.FeatureAugmentation(
            problem.train, problem.indices, problem.base("content-based"), **settings
        ),
        {"weight": [0.05, 0.1, 0.2, 0.4], "added": [10, 20, 50, 100], "regularisation": [200, 300, 400, 600, 800]},
    ),
    "meta-level": Recommender(
        lambda problem, seed, **settings: burke.MetaLevel(
            problem.train, problem.indices, problem.base("content-based"), **settings
        ),
        {"neighbours": [25, 50, 100, 200, 400], "power": [1.0, 2.0, 4.0, 8.0]},
    ),
    "NeuMF": Recommender(_ncf("NeuMF"), NCF, seeds=3),
    "deep hybrid": Recommender(_ncf("DeepHybrid"), NCF, seeds=3),
}
STAR_PREDICTORS = [name for name, one in RECOMMENDERS.items() if one.judged_by == "rmse"]
RANKERS = [name for name in RECOMMENDERS if not name.endswith("for stars")]  # the other two predict asked pairs only
CHEAP_RANKERS = ["popularity", "item-kNN", "user-kNN", "implicit ALS", "EASE"]
