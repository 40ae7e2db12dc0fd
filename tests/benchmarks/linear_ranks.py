"""What the linear path (EASE) of the ranking head is worth: whole, in part, and left out.

    python tests/benchmarks/linear_ranks.py        about fifteen CPU minutes; report/results/linear_ranks.csv

Two data sets, MovieLens-100K (three seeds) and MovieLens latest-small (one), `split_by_user_time`. The linear path is
not trained with the rest, so other weights are put into the same trained head: the number of directions is swept on
validation, and `RANK_BEYOND` is measured on test. "popular only" solves EASE exactly for as many popular films as give
a matrix of the same memory. "taken away" is the trained head without the path, "without" another head whose epoch was
chosen without it. Differences are to the whole path, user by user, means over the seeds, with a bootstrap interval over
the users. With MOVIEREC_DATA, the archives are in another folder.
"""

import sys

import numpy as np
import pandas as pd
import tables

import movierec
from movierec.baselines import Ease
from movierec.evaluation import bootstrap_interval, evaluate_ranking
from movierec.keras2 import tf
from movierec.models import LowRank
from movierec.models.settings import RANK_BEYOND

SEEDS = {"ml-100k": (0, 1, 2), "ml-latest-small": (0,)}
RANKS = (10, 20, 50, 100, 200)
TRAINED = {"whole": (), "without": ("linear",)}  # what is left out


def stand_ins(x, regularisation: float):
    """Yield (name, what stands for EASE's matrix in the linear path), one after the other: each may be large."""
    num_movies = x.shape[1]
    by_popularity = np.argsort(-np.asarray(x.sum(axis=0)), kind="stable")
    for rank in RANKS:
        yield f"{rank} directions", LowRank(*map(tf.constant, Ease.directions(x, regularisation, rank)))
        popular = by_popularity[: int((num_movies * rank) ** 0.5)]
        matrix = np.zeros((num_movies, num_movies), np.float32)
        matrix[np.ix_(popular, popular)] = Ease.solve(x[:, popular], regularisation)
        yield f"{len(popular)} popular only", tf.constant(matrix)
    yield "taken away", None


def scorer(model, linear):
    """Return the scores of a trained model with other weights in its linear path."""
    head = model.model.ranking

    def score(user_index):
        whole, head.linear = head.linear, linear
        try:
            return head(tf.constant(user_index, tf.int32)).numpy()
        finally:
            head.linear = whole

    return score


def measure(name: str) -> list[dict]:
    """Return the rows of one data set."""
    data = movierec.load(name)
    split = movierec.split_by_user_time(data.ratings)
    of_users = {}  # (part, model) -> NDCG@10 of each user, one Series a seed

    def note(part, model, score, indices):
        of_users.setdefault((part, model), []).append(evaluate_ranking(score, split, indices, part)["ndcg@10"])

    for seed in SEEDS[name]:
        for model_name, without in TRAINED.items():
            model = movierec.fit_hybrid(split, data.movies, data.users, heads=("ranking",), seed=seed, without=without)
            note("test", model_name, model.score, model.indices)
            if without:
                continue
            note("validation", "whole", model.score, model.indices)
            x, default = model.model.past.rated(), model.model.settings.linear_regularisation
            for other, linear in stand_ins(x, default):
                note("validation", other, scorer(model, linear), model.indices)
                if other in (f"{RANK_BEYOND} directions", "taken away"):
                    note("test", other, scorer(model, linear), model.indices)
            print(name, seed, {key: f"{tables_[-1].mean():.4f}" for key, tables_ in of_users.items()}, flush=True)
    return [_row(name, part, model, tables_, of_users[part, "whole"]) for (part, model), tables_ in of_users.items()]


def _row(data_set: str, part: str, model: str, mine: list, whole: list) -> dict:
    seeds = len(mine)
    mine, whole = (pd.concat(fits, axis=1).mean(axis=1) for fits in (mine, whole))
    difference = mine - whole
    low, high = bootstrap_interval(difference)
    row = {"data set": data_set, "part": part, "linear path": model, "ndcg@10": mine.mean()}
    return row | {"difference": difference.mean(), "low": low, "high": high, "users": len(mine), "seeds": seeds}


def main() -> int:
    """Measure and record; return the exit code, 0."""
    rows = [row for name in SEEDS for row in measure(name)]
    tables.write("linear_ranks.py", "linear_ranks", pd.DataFrame(rows).round(6), movierec.load("ml-100k"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
