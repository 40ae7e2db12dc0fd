"""Turn tables of one row a user into statements: means with intervals, and which differences are more than luck.

A tidy result is a table of model, seed, user_id, metric, k, value (`tidy`). Users are the unit: seeds are averaged per
user first. Models are compared *paired*, on the same users. Intervals are percentile bootstraps, Efron and Tibshirani
(1993). Taught in notebooks/08_evaluation.
"""

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 2000  # moves the ends of an interval by about a fiftieth of its width
ENDS = [0.025, 0.975]  # of a 95 % interval
TIDY = ["model", "seed", "user_id", "metric", "k", "value"]
VALUES_PER_BATCH = 2**22  # resampled at a time: 32 MB


def tidy(table: pd.DataFrame, model: str, seed: int = 0) -> pd.DataFrame:
    """Return a table of `evaluate_ranking` or `evaluate_stars` with one row a value; without missing values.

    The columns are model, seed, user_id, metric ("ndcg", "rmse", …), k (Int64; NA where there is no list), value.
    """
    long = table.drop(columns="movie_index", errors="ignore").reset_index()
    long = long.melt("user_id", var_name="metric").dropna(subset="value")
    name_and_k = long["metric"].str.split("@", expand=True).reindex(columns=[0, 1])
    long = long.assign(metric=name_and_k[0], k=pd.to_numeric(name_and_k[1]).astype("Int64"), model=model, seed=seed)
    return long[TIDY].reset_index(drop=True)


def tidy_fits(wide: pd.DataFrame, metric: str = "ndcg", k: int | None = 10) -> pd.DataFrame:
    """Return a table of user_id and a column "<model> <seed>" for each fit as `tidy` does, for one metric."""
    long = wide.melt("user_id", var_name="fit").dropna(subset="value")
    long[["model", "seed"]] = long.pop("fit").str.rsplit(n=1, expand=True).to_numpy()
    k = pd.array([pd.NA if k is None else k] * len(long), "Int64")
    return long.assign(seed=long["seed"].astype(int), metric=metric, k=k)[TIDY].reset_index(drop=True)


def pool_stars(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return tables of `evaluate_stars`, of several folds or seeds of one model, as one: a user may be in several.

    Index user_id, columns "rmse", "mae", "square" (stars squared) and "ratings", of all tables together.
    """
    together = pd.concat(tables)
    sums = together[["ratings"]].assign(square=together["ratings"] * together["rmse"] ** 2)
    sums = sums.assign(mae=together["ratings"] * together["mae"]).groupby("user_id").sum()
    means = sums[["square", "mae"]].div(sums["ratings"], axis=0)
    return means.assign(rmse=np.sqrt(means["square"]), ratings=sums["ratings"])


def bootstrap_means(values: np.ndarray, weights: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Return means of `values` over 2,000 resamples of the users, the same for every column. float64 `[2000, …]`.

    `values` are float `[users]` or `[users, models]`, a ValueError if there is none or one is NaN; `weights` float
    `[users]`, e.g. each user's number of ratings; None: users count alike.
    """
    values = np.asarray(values, float)
    if not len(values) or np.isnan(values).any():
        raise ValueError(
            f"every user needs a value; {np.isnan(values).sum():,} of {values.size:,} are NaN. "
            "Leave out users without a relevant movie: values.dropna()."
        )
    if len(values) == 1:  # SciPy asks for two
        return np.repeat(values, RESAMPLES, axis=0)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    weighted = values.T * weights  # […, users]

    def mean(users: np.ndarray, axis: int) -> np.ndarray:
        return weighted[..., users].sum(axis=axis) / weights[users].sum(axis=axis)

    batch = max(1, VALUES_PER_BATCH // values.size)
    drawn = stats.bootstrap((np.arange(len(values)),), mean, n_resamples=RESAMPLES, batch=batch, vectorized=True,
                            method="percentile", rng=np.random.default_rng(seed))  # fmt: skip
    return drawn.bootstrap_distribution.T


def bootstrap_interval(values: np.ndarray, weights: np.ndarray | None = None, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean over users: the 2.5 % and 97.5 % quantiles of `bootstrap_means`."""
    low, high = np.quantile(bootstrap_means(values, weights, seed), ENDS)
    return float(low), float(high)


def rmse_interval(errors: pd.DataFrame, less: pd.DataFrame | None = None) -> tuple[float, float]:
    """Return the 95 % interval over users of the RMSE per rating in stars, or of another model's RMSE less this one's.

    Both tables are as `evaluate_stars` returns them. The difference is paired, and positive where the first is better.
    Raise ValueError if the two were measured on different users or ratings.
    """
    if less is not None and not errors["ratings"].equals(less["ratings"]):
        raise ValueError(
            f"two models are compared on the same ratings; found {len(errors):,} and {len(less):,} users with "
            f"{errors['ratings'].sum():,} and {less['ratings'].sum():,} ratings. Evaluate both on one split."
        )
    tables = [errors] if less is None else [errors, less]
    squares = np.stack([table["rmse"].to_numpy(float) ** 2 for table in tables], axis=1)
    roots = np.sqrt(bootstrap_means(squares, errors["ratings"].to_numpy()))
    low, high = np.quantile(roots[:, 0] if less is None else roots[:, 1] - roots[:, 0], ENDS)
    return float(low), float(high)


def table_of_tasks(per_user: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a model: stars and lists with intervals, and coverage; "--" where a model has no stars.

    `per_user` is model -> one row a user: square (stars²) and ratings, NaN or left out without stars; ndcg@10 and
    recall@20, NaN without a list; coverage.

    Returns:
        DataFrame model, rmse, rmse low, rmse high, ndcg@10, low, high, recall@20, recall@20 low, recall@20 high,
        coverage. `attrs["best"]` is {column: the `leaders`}.
    """
    stars = {name: stars_of(users) for name, users in per_user.items() if "square" in users}
    stars = {name: errors for name, errors in stars.items() if len(errors)}
    columns = ["model", "rmse", "rmse low", "rmse high", "ndcg@10", "low", "high"]
    columns += ["recall@20", "recall@20 low", "recall@20 high", "coverage"]
    rows, best = [], {}
    for name, users in per_user.items():
        row = [name, *((pooled_rmse(stars[name]), *rmse_interval(stars[name])) if name in stars else ["--"] * 3)]
        for values in (users[column].dropna() for column in ("ndcg@10", "recall@20")):
            row += [values.mean(), *bootstrap_interval(values)]
        rows.append([*row, users["coverage"].mean()])
    for column in ("ndcg@10", "recall@20"):
        best[column] = leaders(pd.DataFrame({name: users[column] for name, users in per_user.items()}).dropna())
    table = pd.DataFrame(rows, columns=columns)
    table.attrs["best"] = best
    if stars:
        squares = pd.DataFrame({name: errors["square"] for name, errors in stars.items()})
        weights = next(reversed(stars.values())).loc[squares.index, "ratings"]
        best["rmse"] = leaders(squares, lowest=True, weights=weights)
    return table


def stars_of(users: pd.DataFrame) -> pd.DataFrame:
    """Return rmse, ratings and square of the users who have them, as `evaluate_stars` does, from square and ratings."""
    return users.assign(rmse=users["square"] ** 0.5)[["rmse", "ratings", "square"]].dropna().astype(float)


def pooled_rmse(errors: pd.DataFrame) -> float:
    """Return the RMSE per rating, in stars, of a table as of `evaluate_stars`."""
    return float(np.sqrt(np.average(errors["rmse"] ** 2, weights=errors["ratings"])))


def summarize(results: pd.DataFrame, metric: str = "ndcg", k: int | None = 10) -> pd.DataFrame:
    """Return one row a model: mean, low, high (95 % bootstrap interval over users), users, seeds, seed_deviation.

    The last is the standard deviation of the seeds' means, 0 for one seed. The order is that of `results`.
    """
    chosen = _chosen(results, metric, k)
    rows = []
    for model, of_model in chosen.groupby("model", sort=False):
        by_user = of_model.groupby("user_id")["value"].mean()
        by_seed = of_model.groupby("seed")["value"].mean()
        low, high = bootstrap_interval(by_user.to_numpy())
        deviation = by_seed.std() if len(by_seed) > 1 else 0.0
        rows.append((model, by_user.mean(), low, high, len(by_user), len(by_seed), deviation))
    return pd.DataFrame(rows, columns=["model", "mean", "low", "high", "users", "seeds", "seed_deviation"])


def compare(results: pd.DataFrame, model: str, metric: str = "ndcg", k: int | None = 10) -> pd.DataFrame:
    """Return one row for each other model: how far `model` is above it, user by user, and whether that is luck.

    d_u = value of `model` − value of the other, of user u, each averaged over seeds. Columns: against, difference
    (mean d), low, high (bootstrap), effect_size (mean d / standard deviation of d: 0.2 is small), p (`share_as_far`),
    p_holm (corrected for the number of comparisons: of twenty true ties, one plain p is below 0.05), users.
    Source: Cohen (1988) for the effect size d_z; Holm (1979).

    Raises:
        ValueError: if a model is not there, or two were measured on different users.
    """
    by_user = _chosen(results, metric, k).pivot_table("value", "user_id", "model", sort=False)
    if model not in by_user:
        raise ValueError(f"`model` must be one of {list(by_user)}; got {model!r}.")
    if len(by_user.columns) < 2:
        raise ValueError(f"a comparison needs two models; `results` has only {model!r} for {metric!r}.")
    missing = by_user.isna().sum()
    if missing.any():
        raise ValueError(
            f"models are compared on the same users; of {len(by_user):,} users, "
            f"{', '.join(f'{name!r} lacks {count:,}' for name, count in missing[missing > 0].items())}, "
            f"e.g. user_id {by_user.index[by_user.isna().any(axis=1)][:3].tolist()}. "
            "Evaluate all models on one split, with the same `liked_from`."
        )
    others = by_user.drop(columns=model)
    d = by_user[[model]].to_numpy() - others.to_numpy()  # [users, others]
    mean, deviation = d.mean(axis=0), d.std(axis=0, ddof=1)
    resampled = bootstrap_means(d)
    low, high = np.quantile(resampled, ENDS, axis=0)
    effect, p = mean / np.where(deviation > 0, deviation, 1), share_as_far(resampled, mean)
    columns = {"against": list(others), "difference": mean, "low": low, "high": high, "effect_size": effect, "p": p}
    return pd.DataFrame(columns).assign(p_holm=holm(p), users=len(by_user))


def leaders(by_user: pd.DataFrame, *, lowest: bool = False, weights: np.ndarray | None = None) -> list:
    """Return the best model and each that cannot be told from it: the 95 % interval of their difference holds 0.

    An interval that ends in 0 holds it, so equal models lead together. `by_user` is float `[users, models]`, averaged
    over seeds, a ValueError if a value is missing; `lowest` is for errors; `weights` are as of `bootstrap_means`.
    """
    values = by_user.to_numpy(float)
    means = np.average(values, axis=0, weights=weights) if len(values) else np.zeros(len(by_user.columns))
    best = means.argmin() if lowest else means.argmax()
    low, high = np.quantile(bootstrap_means(values - values[:, [best]], weights), ENDS, axis=0)
    return [model for model, level in zip(by_user, (low <= 0) & (high >= 0), strict=True) if level]


def share_as_far(resampled: np.ndarray, difference: np.ndarray | float) -> np.ndarray | float:
    """Return the two-sided p: the share of `resampled` `[2000, …]` as far from `difference` `[…]` as 0, ≥ 1 / 2001."""
    return ((abs(resampled - difference) >= abs(difference)).sum(axis=0) + 1) / (len(resampled) + 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Return p corrected for many comparisons: the i-th smallest of m times m − i + 1, made monotone, at most 1. `[m]`.

    Source: Holm (1979), the sequentially rejective procedure.
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return corrected


def _chosen(results: pd.DataFrame, metric: str, k: int | None) -> pd.DataFrame:
    wanted = results["metric"] == metric
    wanted &= results["k"].isna() if k is None else results["k"].eq(k).fillna(False).astype(bool)
    if not wanted.any():
        there = zip(results["metric"], results["k"], strict=True)
        found = sorted({name if pd.isna(at) else f"{name}@{at}" for name, at in there})
        raise ValueError(
            f"`results` has no {metric if k is None else f'{metric}@{k}'}; it has {', '.join(found)}. "
            "Metrics without a list, such as rmse and auc, have k=None."
        )
    return results[wanted]
