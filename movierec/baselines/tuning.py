"""A model and its settings in, trials out: one budget for every model, on validation only, every trial kept.

Baselines that were not tuned are the commonest way to make a new model look good, so the hybrid and everything beside
it get the same number of trials. Taught in notebooks/03_baselines.

Source: Ferrari Dacrema et al. (2019), *Are we really making much progress?*; Bergstra and Bengio (2012) for random
search.
"""

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec import record
from movierec.baselines.ladder import CHEAP_RANKERS, RECOMMENDERS, STAR_PREDICTORS, Problem
from movierec.data import MovieLens, Split, load, splits
from movierec.evaluation import LIKED_FROM_STARS, evaluate_ranking, evaluate_stars

BUDGET_TRIALS = 20  # for every model
PROTOCOLS = {  # name -> how to split, what counts as liked, who is tuned there
    "by_user_time": (splits.split_by_user_time, LIKED_FROM_STARS, list(RECOMMENDERS)),
    "by_time": (splits.split_by_time, LIKED_FROM_STARS, [*CHEAP_RANKERS, *STAR_PREDICTORS]),
    "leave_last": (splits.split_leave_last, 0, CHEAP_RANKERS),
    "stratified": (splits.split_stratified, 0, list(RECOMMENDERS)),
    "random5": (splits.split_random5, 0, STAR_PREDICTORS),
}


def settings_to_try(space: dict[str, list], budget: int = BUDGET_TRIALS, seed: int = 0) -> list[dict]:
    """At most `budget` different settings: the whole grid where it is small enough, else a random part of it.

    Args:
        space: setting -> the values to choose from, e.g. {"regularisation": [100, 200, 400]}; empty: one trial, {}.
        budget: trials.
        seed: of the random part; the same for every model.

    Raises:
        ValueError: if the budget is below 1, or a setting has no value.
    """
    if budget < 1:
        raise ValueError(f"`budget` must be 1 trial or more, got {budget}.")
    empty = [name for name, values in space.items() if not len(values)]
    if empty:
        raise ValueError(f"every setting needs a value to try; {empty} has none of them in `space`.")
    sizes = [len(values) for values in space.values()]
    chosen = np.random.default_rng(seed).permutation(math.prod(sizes))[:budget]  # places in the grid
    grid = itertools.product(*space.values())
    wanted = set(chosen.tolist())
    return [dict(zip(space, values, strict=True)) for place, values in enumerate(grid) if place in wanted]


def tune(
    fit: Callable,
    measure: Callable[[object], float],
    space: dict[str, list],
    *,
    budget: int = BUDGET_TRIALS,
    seed: int = 0,
    lower_is_better: bool = False,
) -> pd.DataFrame:
    """One row a trial: trial (from 1), settings (JSON), value, cpu_seconds, and chosen: True for the first of the best.

    Args:
        fit: called with one of `settings_to_try` as keywords; returns a model fitted on train.
        measure: the model's value on *validation*, e.g. NDCG@10.
        space: see `settings_to_try`.
        lower_is_better: for RMSE.

    Raises:
        ValueError: if a value is not finite: the trial cannot be compared.
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
    """The settings of the chosen trial."""
    return json.loads(trials.loc[trials["chosen"], "settings"].iloc[0])


def with_validation(split: Split) -> Split:
    """The split itself; or, if it has no validation part, one whose validation is cut from its train in the same way.

    A quarter of each movie's train ratings, as in `split_stratified`: settings are chosen there, and then the model is
    fitted on all of train.
    """
    if split.validation is not None:
        return split
    inner = splits.split_stratified(split.train)
    return Split(inner.train, inner.test, split.test)


def tune_recommender(name: str, problem: Problem, split: Split, liked_from: float) -> pd.DataFrame:
    """Every trial of one recommender on the validation part: model, metric, and the columns of `tune`.

    What is built of others uses their settings in `problem`.
    """
    one = RECOMMENDERS[name]

    def measure(model) -> float:
        if one.judged_by == "rmse":
            return evaluate_stars(model, split, "validation").attrs["rmse"]
        table = evaluate_ranking(model, split, problem.indices, "validation", liked_from=liked_from)
        return table[one.judged_by].mean()

    def fit(**settings):
        return one.fit(problem, 0, **settings)

    trials = tune(fit, measure, one.space, lower_is_better=one.judged_by == "rmse")
    trials.insert(0, "metric", one.judged_by)
    trials.insert(0, "model", name)
    return trials


def chosen(protocol: str, fold: int = 0, folder=None) -> dict[str, dict]:
    """name -> the settings recorded for a protocol in report/results/tuning_*.csv.

    Args:
        protocol: one of `PROTOCOLS`.
        fold: 0, or 0 to 4 for "random5": each fold has settings of its own, from its own train.
        folder: the report's folder.

    Raises:
        FileNotFoundError: if nothing is recorded for it.
    """
    trials = _recorded(protocol, folder)
    if trials is None:
        raise FileNotFoundError(f"report/results has no trials for {protocol!r}: `make tune`, half an hour.")
    return _chosen(trials, fold)


def _chosen(trials: pd.DataFrame, fold: int) -> dict[str, dict]:
    best = trials[trials["chosen"] & (trials["fold"] == fold)]
    return {row.model: json.loads(row.settings) for row in best.itertuples()}


def _recorded(protocol: str, folder=None) -> pd.DataFrame | None:
    path = record.report_folder(folder) / "results" / f"{_table_name(protocol)}.csv"
    if not path.exists():
        return None
    trials, _ = record.read_table(path)
    numbers = {"trial": int, "value": float, "cpu_seconds": float, "fold": int}
    return trials.astype(numbers).assign(chosen=trials["chosen"] == "True")


def _table_name(protocol: str) -> str:
    if protocol not in PROTOCOLS:
        raise ValueError(f"`protocol` must be one of {list(PROTOCOLS)}; got {protocol!r}.")
    return "tuning_" + protocol.replace("5", "_five")


def tune_and_record(protocol: str, data: MovieLens, only: list[str] | None = None) -> None:
    """Nothing; tunes the recommenders of a protocol, and records after each, so that a run that is stopped keeps them.

    Args:
        only: names to tune again; what is recorded of the others stays. None: all of them.
    """
    make, liked_from, names = PROTOCOLS[protocol]
    made = make(data.ratings)
    for fold, split in enumerate(made if isinstance(made, list) else [made]):
        split = with_validation(split)
        problem = Problem(split.train, data)
        for name in names:
            trials = _recorded(protocol)
            if only is None or name in only:
                new = tune_recommender(name, problem, split, liked_from).assign(fold=fold)
                kept = None if trials is None else trials[(trials["model"] != name) | (trials["fold"] != fold)]
                trials = new if kept is None else pd.concat([kept, new], ignore_index=True)
                _record(protocol, trials, data)
                print(
                    f"{protocol} {fold}: {name} {new.loc[new['chosen'], ['settings', 'value']].iloc[0].tolist()}",
                    flush=True,
                )
            problem.settings[name] = _chosen(trials, fold)[name]


def _record(protocol: str, trials: pd.DataFrame, data: MovieLens) -> None:
    name = _table_name(protocol)
    order = trials["model"].map(list(RECOMMENDERS).index)
    trials = trials.assign(order=order).sort_values(["fold", "order", "trial"]).drop(columns="order")
    loose = {"value": np.inf, "cpu_seconds": np.inf}  # never compared: nothing but this command makes them
    record.Recorder("movierec/baselines/tuning.py", data).table(name, trials, tolerance=loose)
    record.keep(name)


def main(arguments: list[str] | None = None) -> int:
    """The exit code of `make tune`: every trial of every recommender, recorded protocol by protocol."""
    parser = argparse.ArgumentParser(prog="make tune", description="tune every baseline; half an hour")
    parser.add_argument("protocols", nargs="*", default=list(PROTOCOLS), help="default: all of them")
    parser.add_argument("--only", action="append", help="a recommender to tune again; may be given more than once")
    options = parser.parse_args(arguments)
    data = load("ml-100k")
    for protocol in options.protocols:
        tune_and_record(protocol, data, options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
