"""Measure the baselines of notebook 08: every rung of the ladder on the main split, the cheap ones on every split.

`repeats.py` runs and records `ladder` and `protocols`; all settings are those of `make tune`.
"""

import numpy as np
import pandas as pd

import movierec
from movierec.baselines import ladder as rungs
from movierec.evaluation import (
    bootstrap_interval,
    evaluate_ranking,
    evaluate_stars,
    leaders,
    pool_stars,
    rmse_interval,
)
from movierec.models.ncf import NETWORKS
from movierec.record import recorded

LISTS = ["ndcg@10", "recall@10", "map@10", "novelty@10", "diversity@10", "miscalibration@10"]
BENCHMARK = ["ndcg@10", "map@10", "precision@10", "recall@10"]  # what Microsoft Recommenders publish
FLOOR = {  # row of the main table -> which recommenders make its lists and its stars
    "popularity": ("popularity", None),
    "user and movie bias": ("user and movie bias", "user and movie bias"),
    "biased MF": ("biased MF", "biased MF"),
    "item-kNN": ("item-kNN", "item-kNN for stars"),
    "implicit ALS": ("implicit ALS", None),
    "EASE": ("EASE", None),
    "EASE + content": ("weighted", None),
}


def ladder(data) -> dict[str, pd.DataFrame]:
    """Measure every ranker of the ladder on test, with each of its seeds; and both tasks of the rows of `FLOOR`."""
    split = movierec.split_by_user_time(data.ratings)
    every = rungs.RECOMMENDERS | NETWORKS
    problem = rungs.Problem(split.train, data, rungs.chosen("by_user_time"), every)
    users, fits = {}, []
    for name in [*rungs.RANKERS, *NETWORKS]:
        for seed in range(every[name].seeds):
            table = evaluate_ranking(problem.fit(name, seed), split, problem.indices, genres=problem.genres)
            users[f"{name} {seed}"] = table["ndcg@10"]
            means = table[LISTS].mean().to_dict()
            fits.append({"model": name, "seed": seed, **means, "coverage": table.attrs["coverage"]})
            print(name, seed, f"{means['ndcg@10']:.4f}", flush=True)
    wide = pd.DataFrame(users).rename_axis("user_id").reset_index()
    both = {name: _both_tasks(problem, split, *parts) for name, parts in FLOOR.items()}
    floor = pd.concat(both, names=["model"]).reset_index()
    return {"ladder_users": wide, "ladder_fits": pd.DataFrame(fits), "floor_users": floor}


def _both_tasks(problem, split, lists: str, stars: str | None) -> pd.DataFrame:
    """Return one row a test user: square (stars²) and ratings, NaN without stars; ndcg@10, recall@20 and coverage."""
    scorer = problem.fit(lists)
    short, longer = (evaluate_ranking(scorer, split, problem.indices, k=k) for k in (10, 20))
    table = short[["ndcg@10"]].assign(**{"recall@20": longer["recall@20"], "coverage": short.attrs["coverage"]})
    if stars is None:
        return table.assign(square=np.nan, ratings=np.nan)
    errors = evaluate_stars(problem.fit(stars), split)
    return errors[["ratings"]].assign(square=errors["rmse"] ** 2).join(table)


def protocols(data) -> dict[str, pd.DataFrame]:
    """Measure the cheap rankers on four splits, and the predictors of stars on three; with intervals over users."""
    lists, stars = pd.DataFrame({"model": rungs.CHEAP_RANKERS}), pd.DataFrame({"model": rungs.STAR_PREDICTORS})
    lists.attrs["best"], stars.attrs["best"] = {}, {}
    made = {}
    for protocol, (split, liked_from) in rungs.PROTOCOLS.items():
        parts = split(data.ratings)
        parts = parts if isinstance(parts, list) else [parts]
        problems = [rungs.Problem(part.train, data, rungs.chosen(protocol, fold)) for fold, part in enumerate(parts)]
        if protocol != "random5":
            tables = _lists(problems[0], parts[0], liked_from)
            _add(lists, protocol, pd.DataFrame({name: table["ndcg@10"] for name, table in tables.items()}))
            made[protocol] = tables
        if protocol in ("by_user_time", "by_time", "random5"):
            errors = {name: _errors(name, problems, parts) for name in rungs.STAR_PREDICTORS}
            add_errors(stars, f"rmse {protocol}", errors)
            made[protocol, "stars"] = errors
        print(protocol, flush=True)
    add_errors(stars, "mae random5", made["random5", "stars"])
    return {
        "protocols": lists,
        "star_baselines": stars,
        "random_five": _random_five(made["random5", "stars"]),
        "stratified": _stratified(made["stratified"]),
    }


def _lists(problem, split, liked_from: float) -> dict[str, pd.DataFrame]:
    """Return each cheap ranker's table; of those with a seed, the mean over three seeds."""
    tables = {}
    for name in rungs.CHEAP_RANKERS:
        fits = [problem.fit(name, seed) for seed in range(rungs.RECOMMENDERS[name].seeds)]
        found = [evaluate_ranking(fit, split, problem.indices, liked_from=liked_from)[BENCHMARK] for fit in fits]
        tables[name] = sum(found) / len(found)
    return tables


def _errors(name: str, problems: list, parts: list) -> list[pd.DataFrame]:
    """Return a table of errors for each fold, or, of a single split, for each seed."""
    seeds = range(rungs.RECOMMENDERS[name].seeds if len(parts) == 1 else 1)
    return [
        evaluate_stars(problem.fit(name, seed), part)
        for problem, part in zip(problems, parts, strict=True)
        for seed in seeds
    ]


def _add(table: pd.DataFrame, column: str, by_user: pd.DataFrame) -> None:
    """Add means over users, their intervals, and who leads."""
    table[column] = by_user.mean().to_numpy()
    table[[f"{column} low", f"{column} high"]] = [bootstrap_interval(by_user[name]) for name in by_user]
    table.attrs["best"][column] = leaders(by_user)


def add_errors(table: pd.DataFrame, column: str, errors: dict[str, list]) -> None:
    """Add an error per rating, "rmse …" or "mae …": the mean over folds or seeds, with its interval over users."""
    kind = column.split()[0]
    pools = {name: pool_stars(tables) for name, tables in errors.items()}
    table[column] = [np.mean([one.attrs[kind] for one in tables]) for tables in errors.values()]
    table[[f"{column} low", f"{column} high"]] = [
        rmse_interval(pool) if kind == "rmse" else bootstrap_interval(pool["mae"], pool["ratings"])
        for pool in pools.values()
    ]
    losses = pd.DataFrame({name: pool["square" if kind == "rmse" else "mae"] for name, pool in pools.items()})
    weights = next(iter(pools.values()))["ratings"]
    table.attrs["best"][column] = leaders(losses, lowest=True, weights=weights)


def _random_five(errors: dict[str, list]) -> pd.DataFrame:
    """Return RMSE and MAE on five random folds of three baselines, and of the hybrid as `folds` recorded it."""
    kept = recorded("fold_users").set_index("user_id")
    kept = kept[kept["model"] == "hybrid"]
    found = {name: errors[name] for name in ("user and movie bias", "item-kNN for stars", "biased MF")}
    found["hybrid"] = []
    for _, fold in kept.groupby("seed"):
        one = fold[["rmse", "mae", "ratings"]].copy()
        square, mae = np.average(np.stack([one["rmse"] ** 2, one["mae"]]), axis=1, weights=one["ratings"])
        one.attrs = {"rmse": square**0.5, "mae": mae}
        found["hybrid"].append(one)
    table = pd.DataFrame({"model": list(found)})
    table.attrs["best"] = {}
    for column in ("rmse", "mae"):
        add_errors(table, column, found)
    return table


def _stratified(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the lists on Microsoft's split, with the hybrid's as `stratified` recorded them."""
    tables = {name: tables[name] for name in ("popularity", "item-kNN", "EASE", "implicit ALS")}
    tables["hybrid"] = recorded("stratified_users").set_index("user_id")[BENCHMARK]
    table = pd.DataFrame({"model": list(tables)})
    table.attrs["best"] = {}
    for column in BENCHMARK:
        _add(table, column, pd.DataFrame({name: of_model[column] for name, of_model in tables.items()}))
    return table
