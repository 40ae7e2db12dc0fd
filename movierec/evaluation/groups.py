"""Who is served how well: a metric by group of users, with intervals, and what of a gap other things explain.

Taught in notebooks/11_people_and_films.
"""

import numpy as np
import pandas as pd

from movierec.evaluation.comparison import bootstrap_interval, bootstrap_means, holm

FEWEST_USERS = 20  # of a group: the bootstrap of fewer says more about them than about the group


def by_group(values: pd.Series, groups: pd.Series, fewest: int = FEWEST_USERS) -> pd.DataFrame:
    """One row a group: how many users it has, their mean with its interval, and how far it is from all the others.

    difference = mean of the group − mean of all the other users. Its interval is the bootstrap's, of both sides
    resampled; p is the share of resampled differences that are as far from the difference as 0 is (two-sided, at least
    1 / 2001); p_holm is p corrected for the number of groups. Two groups that are all users are one comparison.

    Args:
        values: one number a user, index user_id, e.g. a column of `evaluate_ranking`; NaN is refused.
        groups: a name a user, index user_id; users without one (or without a value) are left out.
        fewest: groups with fewer users are left out of the table. They still are among the others.

    Returns:
        DataFrame group, users, mean, low, high, difference, difference_low, difference_high, p, p_holm, by name.

    Raises:
        ValueError: if fewer than two groups are left.

    Source: Ekstrand et al. (2018), *All the cool kids, how do they fit in?*; Holm (1979).
    """
    groups = groups.reindex(values.index).dropna()
    values = values.loc[groups.index]
    count = groups.value_counts()
    names = sorted(count.index[count >= fewest])
    if len(names) < 2:
        raise ValueError(
            f"a gap needs two groups of {fewest} users or more; found {len(names)}: "
            f"{count.head(3).to_dict()}. Lower `fewest`, or join small groups."
        )
    rows = []
    for name in names:
        inside, outside = (values[mask].to_numpy(float) for mask in (groups == name, groups != name))
        difference = inside.mean() - outside.mean()
        resampled = bootstrap_means(inside, seed=0) - bootstrap_means(outside, seed=1)
        low, high = np.quantile(resampled, [0.025, 0.975])
        p = ((abs(resampled - difference) >= abs(difference)).sum() + 1) / (len(resampled) + 1)
        rows.append((name, len(inside), inside.mean(), *bootstrap_interval(inside), difference, low, high, p))
    columns = ["group", "users", "mean", "low", "high", "difference", "difference_low", "difference_high", "p"]
    if len(names) == 2 and count[names].sum() == len(values):  # the same comparison from the other side
        _, _, _, _, _, difference, low, high, p = rows[0]
        rows[1] = (*rows[1][:5], -difference, -high, -low, p)
        return pd.DataFrame(rows, columns=columns).assign(p_holm=p)
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def gap_given(values: pd.Series, in_group: pd.Series, other: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The gap of a group before and after `other` is held equal: how much of it history length, say, explains.

    values_u = a + gap · in_group_u + Σ_c b_c other_uc + error, by least squares, first without `other`, then with it.

    Args:
        values: one number a user, index user_id.
        in_group: bool, index user_id.
        other: numbers, index user_id: what else may explain the gap.
        seed: of the bootstrap over users.

    Returns:
        DataFrame given ("nothing", then the columns of `other`), gap, low, high (95 % bootstrap interval).

    Raises:
        ValueError: if a user of `values` is missing in a table, or the group is everybody or nobody.
    """
    missing = values.index.difference(in_group.index.intersection(other.dropna().index))
    if len(missing):
        raise ValueError(
            f"each of the {len(values):,} users of `values` needs a group and numbers; {len(missing):,} have none, "
            f"e.g. user_id {missing[:3].tolist()}. Take values.loc[other.dropna().index]."
        )
    inside = in_group.loc[values.index].to_numpy(bool)
    if inside.all() or not inside.any():
        raise ValueError(f"`in_group` must hold for some users and not for others; it holds for {inside.sum():,}.")
    more = other.loc[values.index].to_numpy(float)
    more = (more - more.mean(axis=0)) / np.where(more.std(axis=0) > 0, more.std(axis=0), 1)
    rng, y = np.random.default_rng(seed), values.to_numpy(float)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(1000)]
    rows = []
    for given, columns in (("nothing", more[:, :0]), (", ".join(other), more)):
        x = np.column_stack([inside, np.ones(len(y)), columns]).astype(float)
        gaps = [np.linalg.lstsq(x[rows_], y[rows_], rcond=None)[0][0] for rows_ in draws]
        rows.append((given, np.linalg.lstsq(x, y, rcond=None)[0][0], *np.quantile(gaps, [0.025, 0.975])))
    return pd.DataFrame(rows, columns=["given", "gap", "low", "high"])


def guess_group(rated: np.ndarray, is_group: np.ndarray, folds: int = 5, pull: float = 1, seed: int = 0) -> np.ndarray:
    """How much each user's history looks like the group's: a logistic regression's log odds, each by others. `[U]`.

    P(group) = σ(a + x_u · w), w by Newton's steps on the log likelihood − pull / 2 · ‖w‖². Each user is in one of
    `folds` parts and is guessed by a model of the other parts.

    Args:
        rated: float or bool `[U, num_movies]`, 1 where rated; rows are divided by their length, or a long history would
            be a loud one.
        is_group: bool `[U]`.
        folds: 2 or more.
        pull: > 0, of w towards 0.
        seed: of the folds.

    Raises:
        ValueError: if a fold has only users of one kind to learn from.
    """
    x = np.asarray(rated, float)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    is_group = np.asarray(is_group, bool)
    fold = np.random.default_rng(seed).permutation(np.arange(len(x)) % folds)
    kernel, guess = x @ x.T, np.zeros(len(x))
    for part in range(folds):
        learn, ask = fold != part, fold == part
        if is_group[learn].all() or not is_group[learn].any():
            raise ValueError(
                f"each of {folds} folds needs users of both kinds to learn from; {is_group.sum()} are in it."
            )
        guess[ask] = _log_odds(kernel[np.ix_(learn, learn)], is_group[learn], kernel[np.ix_(ask, learn)], pull)
    return guess


def _log_odds(kernel: np.ndarray, is_group: np.ndarray, asked: np.ndarray, pull: float) -> np.ndarray:
    """a + x · w with w = Σ_u c_u x_u, so that only products of users are needed: as many unknowns as users."""
    size, weights, start = len(kernel), np.zeros(len(kernel)), 0.0
    for _ in range(30):
        p = 1 / (1 + np.exp(-(start + kernel @ weights)))
        error, slope = is_group - p, np.maximum(p * (1 - p), 1e-9)
        # Newton: (K + pull · diag(1 / slope)) c + a = K c + a + error / slope, and Σ c = 0
        left = np.block([[kernel + np.diag(pull / slope), np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
        right = np.append(start + kernel @ weights + error / slope, 0)
        solved = np.linalg.solve(left, right)
        change = abs(solved[:-1] - weights).max()
        weights, start = solved[:-1], solved[-1]
        if change < 1e-8:
            break
    return start + asked @ weights
