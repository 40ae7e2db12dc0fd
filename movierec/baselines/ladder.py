"""Fit every recommender of the related work in one way: how it is fitted, what may be tuned, how often it is repeated.

`Problem(train, data, settings).fit("EASE")` is a fitted scorer; `chosen("by_user_time")` are tuned settings for it.
Every model gets the same number of trials on validation: baselines that were not tuned are the commonest way to make a
new model look good, Ferrari Dacrema et al. (2019). Random search: Bergstra and Bengio (2012). Taught in notebook 08.
"""

import itertools
import json
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.baselines import burke
from movierec.baselines.content import ContentBased, genre_matrix
from movierec.baselines.factors import BiasedMF, Ease, ImplicitAls
from movierec.baselines.neighbours import ItemKnn, ItemKnnStars, UserKnn, UserKnnStars
from movierec.baselines.popularity_and_bias import Bias, Popularity
from movierec.data import MovieLens, make_indices, splits
from movierec.evaluation import LIKED_FROM_STARS
from movierec.record import recorded

BUDGET_TRIALS = 20  # for every model
PROTOCOLS = {  # name -> how to split, and what counts as liked
    "by_user_time": (splits.split_by_user_time, LIKED_FROM_STARS),
    "by_time": (splits.split_by_time, LIKED_FROM_STARS),
    "leave_last": (splits.split_leave_last, 0),
    "stratified": (splits.split_stratified, 0),
    "random5": (splits.split_random5, 0),
}


class Recommender(NamedTuple):
    """One rung of the ladder; one that predicts stars is judged by "rmse", even if it also ranks."""

    fit: Callable  # (problem, seed, **settings) -> model
    space: dict = {}  # setting -> values to try
    seeds: int = 1  # fits whose mean is reported; 1 where nothing is random
    judged_by: str = "ndcg@10"


def _random_order(problem: "Problem", seed: int) -> Callable:
    """Return a scorer of noise: what a model without any knowledge reaches."""
    shape = problem.indices.num_users, problem.indices.num_movies
    return np.random.default_rng(seed).random(shape, np.float32).__getitem__


def _fits(model: Callable, *parts: str | Callable, seeded: bool = False) -> Callable:
    """Return the `fit` of a model made as `model(train, indices, *parts, **settings)`.

    A part is the name of a recommender, which is fitted, or a function of the problem.
    """

    def fit(problem: "Problem", seed: int, **settings):
        if seeded:
            settings["seed"] = seed
        given = [part(problem) if callable(part) else problem.base(part) for part in parts]
        return model(problem.train, problem.indices, *given, **settings)

    return fit


# 20 trials fit every grid that is small enough; of the larger ones a random part is tried.
REGULARISATION = [50, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1500]  # of EASE, in ratings
KNN = {"neighbours": [50, 100, 200, 400, None], "shrinkage": [1, 100], "rarity": [False, True]}
STARS_KNN = {"neighbours": [20, 40, 60], "shrinkage": [50, 100, 200]}
STARS_KNN |= {"damping_movie": [3, 5, 10], "damping_user": [5, 10], "passes": [2]}  # of the biases
BIAS = {"damping_movie": [2, 3, 5, 10], "damping_user": [3, 5, 10], "passes": [1, 5]}
MF = {"factors": [16, 32], "regularisation": [11, 13, 15, 17, 20]}
MF |= {"damping_user": [3, 5, 10], "damping_movie": [2, 3, 5]}
ALS = {"factors": [16, 32, 48, 64], "alpha": [1, 2, 3, 4], "regularisation": [10, 20, 30, 50]}
COMBINED = {"weight": [0.3, 0.5, 1.0, 2.0, 3.0, 5.0], "regularisation": REGULARISATION}
AUGMENTED = {"weight": [0.05, 0.1, 0.2, 0.4], "added": [10, 20, 50, 100], "regularisation": [200, 300, 400, 600, 800]}
SHORT_LISTS = [100, 200, 300, 400, 600, 800, 1000, 1200, 1400]  # of the cascade, in movies
PROFILE_KNN = {"neighbours": [25, 50, 100, 200, 400], "power": [1.0, 2.0, 4.0, 8.0]}
TWO = ("EASE", "content-based")
RECOMMENDERS = {
    "random order": Recommender(_random_order, seeds=3),
    "popularity": Recommender(_fits(Popularity)),
    "user and movie bias": Recommender(_fits(Bias), BIAS, judged_by="rmse"),
    "user-kNN for stars": Recommender(_fits(UserKnnStars), STARS_KNN, judged_by="rmse"),
    "item-kNN for stars": Recommender(_fits(ItemKnnStars), STARS_KNN, judged_by="rmse"),
    "biased MF": Recommender(_fits(BiasedMF, seeded=True), MF, seeds=3, judged_by="rmse"),
    "content-based": Recommender(
        _fits(ContentBased, lambda problem: problem.data.movies, lambda problem: problem.data.tags),
        {"stars_weight": [0.0, 0.25, 0.5, 1.0, 2.0]},
    ),
    "user-kNN": Recommender(_fits(UserKnn), KNN),
    "item-kNN": Recommender(_fits(ItemKnn), KNN),
    "implicit ALS": Recommender(_fits(ImplicitAls, seeded=True), ALS, seeds=3),
    "EASE": Recommender(_fits(Ease), {"regularisation": REGULARISATION}),
    "weighted": Recommender(
        lambda problem, seed, **settings: burke.Weighted(*map(problem.base, TWO), **settings),
        {"weight": [0.98, 0.95, 0.92, 0.9, 0.87, 0.85, 0.8, 0.75, 0.7, 0.6]},
    ),
    "switching": Recommender(_fits(burke.Switching, *TWO), {"at_least": [0, 10, 12, 15, 18, 20, 25, 30, 50]}),
    "mixed": Recommender(_fits(burke.Mixed, *TWO), {"turn": [2, 3, 4, 5, 6, 8, 10]}),
    "feature combination": Recommender(_fits(burke.FeatureCombination, lambda problem: problem.genres), COMBINED),
    "cascade": Recommender(_fits(burke.Cascade, *reversed(TWO)), {"short_list": SHORT_LISTS}),
    "feature augmentation": Recommender(_fits(burke.FeatureAugmentation, "content-based"), AUGMENTED),
    "meta-level": Recommender(_fits(burke.MetaLevel, "content-based"), PROFILE_KNN),
}
STAR_PREDICTORS = [name for name, one in RECOMMENDERS.items() if one.judged_by == "rmse"]
RANKERS = [name for name in RECOMMENDERS if not name.endswith("for stars")]  # the other two predict asked pairs only
CHEAP_RANKERS = ["popularity", "item-kNN", "user-kNN", "implicit ALS", "EASE"]


class Problem:
    """A train part, and all that a recommender may be fitted on; the same for every one of them.

    Of `data`, movies, users and tags are used; its ratings are not. `settings` are as `chosen` returns them, else the
    defaults; `RECOMMENDERS | models.ncf.NETWORKS` adds NeuMF and the deep hybrid.
    """

    def __init__(
        self, train: pd.DataFrame, data: MovieLens, settings: dict[str, dict] | None = None,
        recommenders: dict[str, Recommender] = RECOMMENDERS,
    ):  # fmt: skip
        self.train, self.data = train, data
        self.settings = {} if settings is None else settings
        self.recommenders = recommenders
        self.indices = make_indices(train, data.movies)
        self.genres = genre_matrix(data.movies, self.indices)
        self._fitted = {}

    def fit(self, name: str, seed: int = 0):
        """Return the recommender with the settings of this problem, fitted on train: a scorer, or it has `predict`."""
        if name not in self.recommenders:
            raise ValueError(f"`name` must be one of {list(self.recommenders)}; got {name!r}.")
        return self.recommenders[name].fit(self, seed, **self.settings.get(name, {}))

    def base(self, name: str):
        """Return the same, fitted once: the hybrids are made of it."""
        if name not in self._fitted:
            self._fitted[name] = self.fit(name)
        return self._fitted[name]


def settings_to_try(space: dict[str, list], budget: int = BUDGET_TRIALS, seed: int = 0) -> list[dict]:
    """Return at most `budget` different settings: the whole grid where it is small enough, else a random part of it.

    `space` is setting -> the values to try; empty: one trial, {}. A budget below 1, or a setting without a value, is a
    ValueError.
    """
    if budget < 1:
        raise ValueError(f"`budget` must be 1 trial or more, got {budget}.")
    empty = [name for name, values in space.items() if not len(values)]
    if empty:
        raise ValueError(f"every setting needs a value to try; {empty} has none of them in `space`.")
    grid = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    wanted = np.random.default_rng(seed).permutation(len(grid))[:budget]
    return [grid[place] for place in sorted(wanted)]


def tune(
    fit: Callable, measure: Callable[[object], float], space: dict[str, list], *, budget: int = BUDGET_TRIALS,
    seed: int = 0, lower_is_better: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Return one row a trial: trial (from 1), settings (JSON), value, cpu_seconds, chosen (True for the first best).

    `fit(**settings)` returns a model fitted on train, with each of `settings_to_try(space, budget, seed)`, and
    `measure(model)` its value on *validation*, e.g. NDCG@10; one that is not finite is a ValueError.
    """
    rows = []
    for trial, settings in enumerate(settings_to_try(space, budget, seed), start=1):
        started = time.process_time()
        value = float(measure(fit(**settings)))
        if not math.isfinite(value):
            raise ValueError(f"trial {trial} with {settings} has the value {value}; take that setting out of `space`.")
        rows.append((trial, json.dumps(settings), value, time.process_time() - started))
    trials = pd.DataFrame(rows, columns=["trial", "settings", "value", "cpu_seconds"])
    best = trials["value"].idxmin() if lower_is_better else trials["value"].idxmax()
    return trials.assign(chosen=trials.index == best)


def best_settings(trials: pd.DataFrame) -> dict:
    """Return the settings of the chosen trial."""
    return json.loads(trials.loc[trials["chosen"], "settings"].iloc[0])


def chosen(protocol: str, fold: int = 0) -> dict[str, dict]:
    """Return name -> the settings that `make tune` recorded for a protocol, in report/results/tuning_*.csv.

    In "random5", each `fold`, 0 to 4, has settings of its own, from its own train. A protocol not in `PROTOCOLS` is a
    ValueError, and one without records a FileNotFoundError.
    """
    try:
        trials = recorded(name_of_trials(protocol))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"report/results has no trials for {protocol!r}: `make tune`, half an hour.") from error
    best = trials[trials["chosen"] & (trials["fold"] == fold)]
    return {row.model: json.loads(row.settings) for row in best.itertuples()}


def name_of_trials(protocol: str) -> str:
    """Return the name of the recorded table of trials, e.g. "tuning_by_time"."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"`protocol` must be one of {list(PROTOCOLS)}; got {protocol!r}.")
    return "tuning_" + protocol.replace("5", "_five")
