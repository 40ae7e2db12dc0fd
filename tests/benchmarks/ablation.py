"""What each part of the hybrid and of self-attention is worth: every variant tried, on validation only, losers too.

    python tests/benchmarks/ablation.py [--only TEXT]

`make ablation` runs all, about an hour; `--only` those with TEXT in their name. Each variant changes one thing of
the default; sweeps of a number run on `by_user_time` only. The stars head is judged by RMSE on the validation parts of
`by_user_time` and `random5` (a tenth of the first fold's train part); the ranking head by NDCG@10 on those of
`by_user_time` and `stratified` (a quarter of train); self-attention, "sequence", on that of `leave_last`. Means of
three seeds, recorded in report/results/ablation.csv after each.
"""

import argparse
import json
import sys
import time

import numpy as np
import pandas as pd
import tables
from tables import merged
from tune_baselines import with_validation

import movierec
from movierec import evaluation

SEEDS = (0, 1, 2)
STARS = {
    "default": {},
    "ensemble of the three": {"ensemble": True},
    "without dot": {"without": ["dot"]},
    "without deep": {"without": ["deep"]},
    "without session": {"without": ["session"]},
    "without explicit": {"without": ["explicit"]},
    "without order": {"without": ["order"]},
    "without features": {"without": ["features"]},
    "with ids": {"ids": True},
    "without bag of movies": {"without": ["bag of movies"]},
    "without bag of users": {"without": ["bag of users"]},
    "matrix factorisation alone": {
        "without": ["deep", "session", "features", "bag of movies", "bag of users"],
        "ids": True,
    },
    "squared error": {"ordinal": False},
    "two hidden layers": {"hidden": [64, 32]},
    "dim 4": {"dim": 4},
    "dim 8": {"dim": 8},
    "dim 16": {"dim": 16},
    "dim 64": {"dim": 64},
    "learning rate .0003": {"learning_rate": 0.0003},
    "learning rate .003": {"learning_rate": 0.003},
    "learning rate .01": {"learning_rate": 0.01},
    "dropout 0": {"dropout": 0.0},
    "penalty 0": {"stars_penalty": 0.0},
    "penalty .05": {"stars_penalty": 0.05},
    "user damping 5": {"user_damping": 5.0},
    "weights not averaged": {"stars_averaged": 0.0},
}
RANKING = {
    "default": {},
    "ensemble of the three": {"ensemble": True},
    "without dot": {"without": ["dot"]},
    "without deep": {"without": ["deep"]},
    "without linear": {"without": ["linear"]},
    "linear alone": {"without": ["dot", "deep"], "linear_weight": 1e6},
    "without explicit": {"without": ["explicit"]},
    "without order": {"without": ["order"]},
    "without features": {"without": ["features"]},
    "with ids": {"ids": True},
    "sampled softmax": {"sampled": True},
    "two hidden layers": {"ranking_hidden": [128, 64]},
    "dim 16": {"ranking_dim": 16},
    "dim 32": {"ranking_dim": 32},
    "dim 128": {"ranking_dim": 128},
    "learning rate .001": {"ranking_learning_rate": 0.001},
    "learning rate .01": {"ranking_learning_rate": 0.01},
    "learning rate .03": {"ranking_learning_rate": 0.03},
    "dropout 0": {"ranking_dropout": 0.0},
    "penalty 0": {"ranking_penalty": 0.0},
    "penalty .1": {"ranking_penalty": 0.1},
    "fade 2 ratings": {"fade_ratings": 2.0},
    "fade 20 ratings": {"fade_ratings": 20.0},
    "linear weight 2": {"linear_weight": 2.0},
    "linear weight 16": {"linear_weight": 16.0},
    "hidden share .5": {"hidden_share": 0.5},
    "attention for the bag": {"encoder": "attention"},
}
SEQUENCE = {
    "default": {},
    "one negative": {"loss": "bce"},
    "without places": {"has_places": False},
    "without gaps": {"has_gaps": False},
    "without places and gaps": {"has_places": False, "has_gaps": False},
    "without features": {"described": False},
    "one block": {"blocks": 1},
    "length 20": {"length": 20},
    "dropout .1": {"dropout": 0.1},
    "dropout .3": {"dropout": 0.3},
    "shuffled within a second": {"shuffled": "within a second"},
    "shuffled": {"shuffled": "all"},
    "hybrid": {"hybrid": True},
    "hybrid, attention for the bag": {"hybrid": True, "encoder": "attention"},
}
MAIN = {"stars": "by_user_time", "ranking": "by_user_time", "sequence": "leave_last"}
SWEEPS = ("dim", "learning rate", "dropout", "penalty", "fade", "linear weight")  # on MAIN only
HEADS = {"stars": ("rmse", STARS), "ranking": ("ndcg@10", RANKING), "sequence": ("ndcg@10", SEQUENCE)}


def splits_of(head: str, ratings: pd.DataFrame) -> dict:
    """protocol -> (a split whose test part is not looked at, from how many stars on a film is liked)."""
    if head == "sequence":
        return {"leave_last": (movierec.split_leave_last(ratings), 0)}
    parts = {"by_user_time": (movierec.split_by_user_time(ratings), evaluation.LIKED_FROM_STARS)}
    if head == "ranking":
        return parts | {"stratified": (with_validation(movierec.split_stratified(ratings)), 0)}
    fold = movierec.split_random5(ratings)[0]
    held_out = np.random.default_rng(0).random(len(fold.train)) < 0.1
    return parts | {"random5": (movierec.Split(fold.train[~held_out], fold.train[held_out], fold.test), 0)}


def measure(head: str, split, liked_from: float, data, settings: dict) -> dict:
    """value and deviation over the seeds, epochs (mean of the best ones), and CPU seconds of one fit."""
    settings = dict(settings)
    together, started = settings.pop("ensemble", False), time.process_time()
    fits = [_fit(head, split, liked_from, data, seed, **settings) for seed in SEEDS]
    seconds = (time.process_time() - started) / len(fits)
    models = [movierec.recommend.Ensemble(fits)] if together else fits
    values = [_quality(head, model, split, liked_from) for model in models]
    return {
        "value": np.mean(values),
        "deviation": np.std(values, ddof=1) if len(values) > 1 else np.nan,
        "epochs": np.mean([max(fit.best_epochs.values()) for fit in fits]),
        "cpu_seconds": seconds * (len(fits) if together else 1),
    }


def _fit(head: str, split, liked_from: float, data, seed: int, **settings):
    if head != "sequence" or settings.pop("hybrid", False):
        heads = ("ranking",) if head == "sequence" else (head,)
        tables = data.movies, data.users
        return movierec.fit_hybrid(split, *tables, heads=heads, seed=seed, liked_from=liked_from, **settings)
    movies = data.movies if settings.pop("described", True) else None
    train = shuffled(split.train, settings.pop("shuffled", ""), seed)
    in_this_order = movierec.Split(train, split.validation, split.test, "user")
    settings = {"dropout": 0.5} | settings  # with which all were tried; .3, the default since, was found so
    return movierec.fit_sequence(in_this_order, movies, seed=seed, **settings)


def shuffled(ratings: pd.DataFrame, how: str, seed: int) -> pd.DataFrame:
    """Return the ratings with films that change places within a second, or ("all") with any film of their user.

    No file knows the order of films of the same second.
    """
    if not how:
        return ratings
    table = ratings.sample(frac=1, random_state=seed)  # of equal times the order of the rows counts
    if how == "all":
        table = table.sort_values("user_id", kind="stable")
        table["timestamp"] = ratings.sort_values(["user_id", "timestamp"])["timestamp"].to_numpy()
    return table


def _quality(head: str, model, split, liked_from: float) -> float:
    if head == "stars":
        return evaluation.evaluate_stars(model, split, "validation").attrs["rmse"]
    ranked = evaluation.evaluate_ranking(model.score, split, model.indices, "validation", liked_from=liked_from)
    return ranked["ndcg@10"].mean()


def write(fresh: dict) -> None:
    """Record a row; `better` is by how much a variant beats the default of its head and protocol."""
    rows = merged("ablation", pd.DataFrame([fresh]), ["head", "protocol", "variant"])
    if not (rows["variant"] == "default").any():
        return
    default = rows[rows["variant"] == "default"].set_index(["head", "protocol"])["value"]
    gain = rows["value"] - default.reindex(pd.MultiIndex.from_frame(rows[["head", "protocol"]])).to_numpy()
    rows["better"] = np.where(rows["metric"] == "rmse", -gain, gain)
    tables.write("ablation.py", "ablation", rows, movierec.load("ml-100k"))


def main(arguments: list[str] | None = None) -> int:
    """Try the variants that are asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="variants with this in their name")
    parser.add_argument("--protocol", default="", help="one of by_user_time, random5, stratified, leave_last")
    options = parser.parse_args(arguments)
    data = movierec.load("ml-100k")
    for head, (metric, variants) in HEADS.items():
        for name, settings in variants.items():
            if options.only.lower() not in f"{head} {name}".lower():
                continue
            for protocol, (split, liked_from) in splits_of(head, data.ratings).items():
                if options.protocol not in ("", protocol) or (protocol != MAIN[head] and name.startswith(SWEEPS)):
                    continue
                found = measure(head, split, liked_from, data, settings)
                row = {"head": head, "protocol": protocol, "variant": name, "settings": json.dumps(settings)}
                write(row | {"metric": metric} | found)
                print(f"{head:8} {protocol:13} {name:24} {found['value']:.4f} ± {found['deviation']:.4f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
