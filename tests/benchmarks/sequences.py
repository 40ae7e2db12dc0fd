"""What notebook 10 shows from the record: two losses tuned alike, other orders to read, and parts of eSASRec.

    python tests/benchmarks/sequences.py [softmax] [one_negative] [hybrids] [parts]

`make repeats` runs all, in about half a CPU hour. Each loss has the same grid of four trials, one seed, on validation,
and the same number of epochs at most. The best trial of each is fitted with two more seeds. Parts are tried with half
the epochs, one seed each. Test is looked at once, in `sequence_users`; `sequence_tuning`, `sequence_epochs` and
`sequence_parts` are of validation. A run of some replaces what they recorded; the rest stays.
"""

import argparse
import itertools
import sys
import time

import numpy as np
import pandas as pd
from tables import write

import movierec
from movierec import evaluation
from movierec.record import recorded

SEEDS = (0, 1, 2)
LOSSES = {"softmax": "softmax", "one negative": "bce"}
NAMES = {"softmax": "attention", "one negative": "attention, one negative"}
RATES, DROPOUTS = (0.003, 0.006), (0.1, 0.3)
EPOCHS, PATIENCE = 24, 3  # of every fit: at most, and without a gain
EPOCHS_OF_PARTS = 12
HYBRID_EPOCHS = 26  # the mean of the hybrid's best on validation
PARTS = {  # of the softmax, one seed each, with fewer epochs
    "attention": {},
    "without tables": {"has_places": False, "has_gaps": False},
    "gated blocks": {"gated": True},
    "sampled softmax": {"loss": "sampled"},
    "gated and sampled": {"gated": True, "loss": "sampled"},
}

ORDERS = ("within a second", "all but the newest", "in the window")
ON_TEST = ("hybrid", *NAMES.values(), *ORDERS)
ON_VALIDATION = ("attention", "without tables", "without tables, mixed", *list(PARTS)[2:])
EXPERIMENTS = ("softmax", "one_negative", "hybrids", "parts")


def groups_of(film: np.ndarray, gap: np.ndarray, how: str, nothing: int) -> np.ndarray:
    """Return the number of the group within which films change places, int `[U, length]`; `nothing`: no film."""
    if how == "within a second":
        return np.cumsum(gap != 0, axis=1)
    groups = (film != nothing).astype(int)
    if how == "all but the newest":
        groups[:, -1] = 2
    return groups


def mixed(film: np.ndarray, gap: np.ndarray, how: str, seed: int, nothing: int) -> np.ndarray:
    """Return the films of each row in another order, the same films at the same times."""
    key = groups_of(film, gap, how, nothing) + np.random.default_rng(seed).random(film.shape)
    return np.take_along_axis(film, np.argsort(key, axis=1), axis=1)


def reading(model, how: str, seed: int):
    """Return a scorer that reads each user's newest films in another order."""
    film = mixed(model.film, model.gap, how, seed, model.indices.num_movies)
    return lambda users: model.score_next(film[users], model.gap[users])


def wide(columns: dict) -> pd.DataFrame:
    """Return one row a user: user_id, and "<model> <seed>" for each of {(model, seed): values by user}."""
    named = {f"{model} {seed}": values for (model, seed), values in columns.items()}
    return pd.DataFrame(named).rename_axis("user_id").reset_index()


class Sequences:
    """The experiments on one data set; each yields (name, table)."""

    def __init__(self, data):
        self.data, self.split = data, movierec.split_leave_last(data.ratings)

    def fit(self, base: str, seed: int = 0, **settings):
        """Fit one model, with the loss of `base` where `settings` have none; say what it took."""
        started = time.process_time()
        settings = {"loss": LOSSES[base], "epochs": EPOCHS, "patience": PATIENCE, "seed": seed} | settings
        model = movierec.fit_sequence(self.split, self.data.movies, **settings)
        best, seconds = model.history["validation_ndcg@10"].max(), time.process_time() - started
        print(f"{base:13} {settings} {best:.4f} in {seconds:.0f} CPU seconds", flush=True)
        return model, best, seconds

    def ndcg(self, scorer, indices, part: str):
        """Return NDCG@10 of each user's held-out film, whatever its stars."""
        return evaluation.evaluate_ranking(scorer, self.split, indices, part, liked_from=0)["ndcg@10"]

    def softmax(self):
        """Tune and measure the softmax."""
        yield from self.tuned("softmax")

    def one_negative(self):
        """Tune and measure the loss against one film drawn at random."""
        yield from self.tuned("one negative")

    def tuned(self, loss: str):
        """Try the grid, fit two more seeds of the best; measure both parts, and the softmax in other orders, too."""
        trials, best, name = [], (0,), NAMES[loss]
        for rate, dropout in itertools.product(RATES, DROPOUTS):
            settings = {"learning_rate": rate, "dropout": dropout}
            model, quality, seconds = self.fit(loss, **settings)
            took = {"best_epoch": model.best_epochs["sequence"], "ndcg@10": quality, "cpu_seconds": seconds}
            trials.append({"loss": loss} | settings | took)
            if quality > best[0]:
                best = quality, settings, model
        yield "sequence_tuning", below("sequence_tuning", pd.DataFrame(trials), "loss")
        _, settings, model = best
        models = {seed: self.fit(loss, seed, **settings)[0] if seed else model for seed in SEEDS}
        epochs, on_test = {}, {}
        for seed, model in models.items():
            epochs[name, seed] = model.history
            on_test[name, seed] = self.ndcg(model.score, model.indices, "test")
            for how in ORDERS if loss == "softmax" else ():
                on_test[how, seed] = self.ndcg(reading(model, how, seed), model.indices, "test")
        by_epoch = pd.concat(epochs, names=["model", "seed"]).droplevel(-1).reset_index()
        yield "sequence_epochs", below("sequence_epochs", by_epoch, "model")
        yield "sequence_users", beside("sequence_users", on_test, ON_TEST)

    def hybrids(self):
        """Fit the hybrid of notebook 06 on all but the last film."""
        known = pd.concat([self.split.train, self.split.validation])
        last = movierec.Split(known, None, self.split.test, self.split.in_time)
        found = {}
        for seed in SEEDS:
            settings = {"heads": ("ranking",), "ranking_epochs": HYBRID_EPOCHS}
            hybrid = movierec.fit_hybrid(last, self.data.movies, self.data.users, seed=seed, **settings)
            found["hybrid", seed] = self.ndcg(hybrid.score, hybrid.indices, "test")
        yield "sequence_users", beside("sequence_users", found, ON_TEST)

    def parts(self):
        """Add or take away one part of the softmax's model, one seed each, beside the model as it is."""
        for part, settings in PARTS.items():
            model = self.fit("softmax", **chosen()["softmax"] | {"epochs": EPOCHS_OF_PARTS} | settings)[0]
            found = {(part, 0): self.ndcg(model.score, model.indices, "validation")}
            if part == "without tables":
                scorer = reading(model.reading(self.split.train), "in the window", 0)
                found[f"{part}, mixed", 0] = self.ndcg(scorer, model.indices, "validation")
            yield "sequence_parts", beside("sequence_parts", found, ON_VALIDATION)


def chosen() -> dict[str, dict]:
    """Return the settings of the best recorded trial of each loss."""
    trials = recorded("sequence_tuning")
    best = trials.loc[trials.groupby("loss", sort=False)["ndcg@10"].idxmax()].set_index("loss")
    return best[["learning_rate", "dropout"]].to_dict("index")


def below(name: str, fresh: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the recorded table with the fresh rows in the place of those with the same `key`."""
    try:
        old = recorded(name)
    except FileNotFoundError:
        return fresh
    order = [*LOSSES, *NAMES.values()].index
    both = pd.concat([old[~old[key].isin(fresh[key])], fresh])
    return both.sort_values(key, kind="stable", key=lambda column: column.map(order))


def beside(name: str, fresh: dict, models: tuple) -> pd.DataFrame:
    """Return the recorded table of these models with the fresh columns in the place of those with the same names."""
    table = wide(fresh).set_index("user_id")
    try:
        old = recorded(name).set_index("user_id")
    except FileNotFoundError:
        old = table[[]]
    names = [f"{model} {seed}" for model in models for seed in SEEDS]
    both = old[old.columns.difference(table.columns)].join(table, how="right")
    return both[[column for column in names if column in both]].reset_index()


def main(arguments: list[str] | None = None) -> int:
    """Run the named experiments, or all; record each table as soon as it is there; return the exit code, 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *EXPERIMENTS], metavar="NAME", help=", ".join(EXPERIMENTS))
    data = movierec.load(movierec.data.chosen())
    for experiment in parser.parse_args(arguments).names or EXPERIMENTS:
        for name, table in getattr(Sequences(data), experiment)():
            write("sequences.py", name, table.round(6), data)
            print(f"{name}: {len(table):,} rows", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
