"""What a prediction of stars reads of the rating that it predicts: its minute, its week, or nothing.

    python tests/benchmarks/reads.py

On five random folds, the hybrid's stars head is fitted with its session path reading earlier ratings only, without
that path, and without any times; the one without the path is also asked without times. Fifteen fits, a quarter of an
hour of CPU: stars_reads.csv. The fits that read both sides are those of `repeats.py folds`. A server knows the week in
which it answers, and what was rated a minute ago; it never knows ratings that come after the one that it predicts.
"""

import copy
import sys

import pandas as pd
from floor import add_errors
from tables import write

import movierec
from movierec import evaluation
from movierec.baselines import ladder
from movierec.data import chosen
from movierec.record import recorded

MINUTE = "its minute, and the user's ratings before and after it"
EARLIER = "its minute, and the user's ratings before it"
ARMS = {  # (model, what it reads of the test rating)
    "hybrid": MINUTE,
    "hybrid, session of earlier ratings": EARLIER,
    "hybrid without session": "its week",
    "hybrid without session, asked without a time": "nothing",
    "hybrid trained without times": "nothing",
    "biased MF": "nothing",
}


def errors_of(data) -> dict[str, list[pd.DataFrame]]:
    """Return {model: a table of errors for each fold}."""
    found = {name: [] for name in ARMS}
    kept = recorded("fold_users").query("model == 'hybrid'")
    problems = [ladder.Problem(part.train, data, ladder.chosen("random5")) for part in folds(data.ratings)]
    for number, part in enumerate(folds(data.ratings)):
        found["hybrid"].append(pooled(kept[kept["seed"] == number].set_index("user_id")))
        in_time = copy.copy(part)  # a random fold whose session path reads earlier ratings only
        object.__setattr__(in_time, "in_time", "user")  # `Split` refuses it for lists; for stars it leaks less
        earlier = fit(in_time, data)
        found["hybrid, session of earlier ratings"].append(evaluation.evaluate_stars(earlier, in_time))
        session = fit(part, data, without="session")
        found["hybrid without session"].append(evaluation.evaluate_stars(session, part))
        timeless = folds(data.ratings.drop(columns="timestamp"))[number]
        asked = "hybrid without session, asked without a time"
        found[asked].append(evaluation.evaluate_stars(session, timeless))
        found["hybrid trained without times"].append(evaluation.evaluate_stars(fit(timeless, data), timeless))
        found["biased MF"].append(evaluation.evaluate_stars(problems[number].fit("biased MF"), part))
        print("fold", number, {name: round(one[-1].attrs["rmse"], 4) for name, one in found.items()}, flush=True)
    return found


def folds(ratings: pd.DataFrame) -> list[movierec.Split]:
    """Return the five random folds."""
    return movierec.split_random5(ratings)


def fit(split: movierec.Split, data, **settings):
    """Return the hybrid with its stars head trained."""
    return movierec.fit_hybrid(split, data.movies, data.users, heads=("stars",), seed=0, **settings)


def pooled(errors: pd.DataFrame) -> pd.DataFrame:
    """Return a table of errors by user as `evaluate_stars` gives it, with the error per rating in its attrs."""
    table = errors[["rmse", "mae", "ratings"]].copy()
    share = table["ratings"] / table["ratings"].sum()
    table.attrs = {"rmse": (table["rmse"] ** 2 * share).sum() ** 0.5, "mae": (table["mae"] * share).sum()}
    return table


def main() -> int:
    """Fit, measure, record; return the exit code, 0."""
    data = movierec.load(chosen())
    table = pd.DataFrame({"model": list(ARMS), "reads": list(ARMS.values())})
    table.attrs["best"] = {}
    add_errors(table, "rmse", errors_of(data))
    write("reads.py", "stars_reads", table.round(6), data)
    print(table.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
