"""Choose the settings of every baseline, with one budget, on validation only; record every trial.

    python tests/benchmarks/tune_baselines.py [PROTOCOL …] [--only NAME]

What is recorded of the other recommenders stays. `make tune` does all of it in half an hour.
"""

import argparse
import sys

import numpy as np
import pandas as pd

import movierec
from movierec.baselines import ladder
from movierec.baselines.ladder import PROTOCOLS, RECOMMENDERS, Problem
from movierec.data import MovieLens, Split, split_stratified
from movierec.evaluation import evaluate_ranking, evaluate_stars
from movierec.models.ncf import NETWORKS
from movierec.record import Recorder, keep, recorded

EVERY = RECOMMENDERS | NETWORKS
TUNED = {  # protocol -> the recommenders that are tuned there
    "by_user_time": list(EVERY),
    "by_time": [*ladder.CHEAP_RANKERS, *ladder.STAR_PREDICTORS],
    "leave_last": ladder.CHEAP_RANKERS,
    "stratified": list(EVERY),
    "random5": ladder.STAR_PREDICTORS,
}


def with_validation(split: Split) -> Split:
    """Return the split; if it has no validation part, with a quarter of each movie's train ratings as validation."""
    if split.validation is not None:
        return split
    inner = split_stratified(split.train)
    return Split(inner.train, inner.test, split.test)


def tune_recommender(name: str, problem: Problem, split: Split, liked_from: float) -> pd.DataFrame:
    """Return every trial of one recommender on the validation part: model, metric, and the columns of `ladder.tune`."""
    one = problem.recommenders[name]

    def measure(model) -> float:
        if one.judged_by == "rmse":
            return evaluate_stars(model, split, "validation").attrs["rmse"]
        by_user = evaluate_ranking(model, split, problem.indices, "validation", liked_from=liked_from)
        return by_user[one.judged_by].mean()

    def fit(**settings):
        return one.fit(problem, 0, **settings)

    trials = ladder.tune(fit, measure, one.space, lower_is_better=one.judged_by == "rmse")
    trials.insert(0, "metric", one.judged_by)
    trials.insert(0, "model", name)
    return trials


def recorded_trials(protocol: str) -> pd.DataFrame:
    try:
        return recorded(ladder.name_of_trials(protocol))
    except FileNotFoundError:
        return pd.DataFrame({"model": [], "fold": []})


def tune_and_record(protocol: str, data: MovieLens, only: list[str] | None = None) -> None:
    """Tune the recommenders of a protocol; record after each, so that a run that is stopped keeps them.

    With `only`, the others stay as recorded. Hybrids are made of parts with their recorded settings, or else defaults.
    """
    make, liked_from = PROTOCOLS[protocol]
    made = make(data.ratings)
    for fold, split in enumerate(made if isinstance(made, list) else [made]):
        split = with_validation(split)
        problem = Problem(split.train, data, recommenders=EVERY)
        for name in TUNED[protocol]:
            trials = recorded_trials(protocol)
            is_this = (trials["model"] == name) & (trials["fold"] == fold)
            if only is None or name in only:
                new = tune_recommender(name, problem, split, liked_from).assign(fold=fold)
                _record(protocol, pd.concat([trials[~is_this], new], ignore_index=True), data)
                print(protocol, fold, name, new.loc[new["chosen"], ["settings", "value"]].iloc[0].tolist(), flush=True)
                problem.settings[name] = ladder.best_settings(new)
            elif is_this.any():
                problem.settings[name] = ladder.best_settings(trials[is_this])


def _record(protocol: str, trials: pd.DataFrame, data: MovieLens) -> None:
    name = ladder.name_of_trials(protocol)
    order = trials["model"].map(list(EVERY).index)
    trials = trials.assign(order=order).sort_values(["fold", "order", "trial"]).drop(columns="order")
    loose = {"value": np.inf, "cpu_seconds": np.inf}  # never compared: only this command makes them
    Recorder("tests/benchmarks/tune_baselines.py", data).table(name, trials, tolerance=loose)
    keep(name)


def main(arguments: list[str] | None = None) -> int:
    """Tune and record, protocol by protocol; return the exit code."""
    parser = argparse.ArgumentParser(prog="make tune", description="tune every baseline; half an hour")
    parser.add_argument("protocols", nargs="*", default=list(PROTOCOLS), help="default: all of them")
    parser.add_argument(
        "--only", action="append", choices=list(EVERY), metavar="NAME", help="tune this one; repeatable"
    )
    options = parser.parse_args(arguments)
    data = movierec.load("ml-100k")
    for protocol in options.protocols:
        tune_and_record(protocol, data, options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
