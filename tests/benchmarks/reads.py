"""What a prediction of stars reads of the rating that it predicts: its minute, its week, or nothing.

    python tests/benchmarks/reads.py [NAME ...]

The hybrid's stars head on the five folds of `random5`, in arms that differ in what they may read; one fit of one fold
takes about a minute of CPU, all of them an hour: stars_reads.csv. Named arms alone replace their rows. The first arm is
what `repeats.py folds` recorded. A server knows the week in which it answers, and what was rated a minute ago; it never
knows ratings that come after the one that it predicts.
"""

import argparse
import copy
import sys

import pandas as pd
from floor import add_errors
from peers import BEFORE, BOTH_SIDES, NOTHING, WEEK
from tables import merged, write

import movierec
from movierec import evaluation
from movierec.baselines import ladder
from movierec.data import chosen
from movierec.recommend import Ensemble
from movierec.record import recorded
from movierec.training import EPOCHS_ON_ML_100K

SEEDS = (0, 1, 2)  # of a mean of three
READS = {  # what each arm reads of the test rating
    "hybrid": BOTH_SIDES,
    "hybrid, session of earlier ratings": BEFORE,
    "hybrid without session": WEEK,
    "mean of three without session": WEEK,
    "hybrid without session, asked without a time": NOTHING,
    "hybrid trained without times": NOTHING,
    "mean of three trained without times": NOTHING,
    "biased MF": NOTHING,
}


def errors_of(arm: str, fold: int, data) -> pd.DataFrame:
    """Return the errors of an arm on a fold, one row a user."""
    split = movierec.split_random5(data.ratings)[fold]
    timeless = movierec.split_random5(data.ratings.drop(columns="timestamp"))[fold]
    if arm == "hybrid":
        kept = recorded("fold_users").query("model == 'hybrid' and seed == @fold")
        return pooled(kept.set_index("user_id"))
    if arm == "biased MF":
        model = ladder.Problem(split.train, data, ladder.chosen("random5")).fit(arm)
        return evaluation.evaluate_stars(model, split)
    seeds = SEEDS if arm.startswith("mean of three") else SEEDS[:1]
    settings = EPOCHS_ON_ML_100K | ({"without": "session"} if "without session" in arm else {})
    asked = split
    if "trained without times" in arm:
        split = asked = timeless
    elif "asked without a time" in arm:
        asked = timeless
    elif "earlier" in arm:
        split = copy.copy(split)
        object.__setattr__(split, "in_time", "user")  # `Split` refuses this for a random fold; for stars it leaks less
    fits = [
        movierec.fit_hybrid(split, data.movies, data.users, heads=("stars",), seed=seed, **settings) for seed in seeds
    ]
    return evaluation.evaluate_stars(fits[0] if len(fits) == 1 else Ensemble(fits), asked)


def pooled(errors: pd.DataFrame) -> pd.DataFrame:
    """Return recorded errors by user as `evaluate_stars` gives them, with the error per rating in `attrs`."""
    table = errors[["rmse", "mae", "ratings"]].copy()
    share = table["ratings"] / table["ratings"].sum()
    table.attrs = {"rmse": (table["rmse"] ** 2 * share).sum() ** 0.5, "mae": (table["mae"] * share).sum()}
    return table


def main(arguments: list[str] | None = None) -> int:
    """Fit, measure, record the named arms, or all; return the exit code, 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *READS], metavar="NAME", help="; ".join(READS))
    arms = parser.parse_args(arguments).names or list(READS)
    data = movierec.load(chosen())
    for arm in arms:
        table = pd.DataFrame({"model": [arm], "reads": READS[arm]})
        table.attrs["best"] = {}
        add_errors(table, "rmse", {arm: [errors_of(arm, fold, data) for fold in range(5)]})
        both = merged("stars_reads", table.round(6), ["model"])
        order = both["model"].map(list(READS).index).argsort()
        write("reads.py", "stars_reads", both.iloc[order], data)
        print(table.to_string(index=False, header=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
