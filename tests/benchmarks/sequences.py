"""What notebook 10 shows from the record: two losses tuned alike, other orders to read, and parts of eSASRec.

    python tests/benchmarks/sequences.py

`make repeats` runs it, too, in about twelve CPU minutes. Each loss has the same grid of four trials, one seed, on
validation; the softmax has half the epochs, which takes about as long. The best trial of each is fitted with three
seeds, twice as long. Test is looked at once, in `sequence_users`; `sequence_tuning`, `sequence_epochs` and
`sequence_parts` are of validation.
"""

import itertools
import sys
import time

import numpy as np
import pandas as pd
from tables import write

import movierec
from movierec import evaluation

SEEDS = (0, 1, 2)
LOSSES = {"softmax": ("softmax", 10), "one negative": ("bce", 20)}  # name -> loss, epochs at most
RATES, DROPOUTS = (0.003, 0.01), (0.1, 0.3)
HYBRID_EPOCHS = 26  # the mean of the hybrid's best on validation
PARTS = {  # of the softmax, one seed each
    "without tables": {"has_places": False, "has_gaps": False},
    "gated blocks": {"gated": True},
    "sampled softmax": {"loss": "sampled"},
    "gated and sampled": {"gated": True, "loss": "sampled"},
}


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
    """The experiments on one data set; `tables` yields each table as soon as it is there."""

    def __init__(self, data):
        self.data, self.split = data, movierec.split_leave_last(data.ratings)
        self.trials, self.epochs, self.on_validation, self.on_test = [], {}, {}, {}

    def fit(self, loss: str, seed: int = 0, **settings):
        """Fit one model and say what it took."""
        name, epochs = LOSSES[loss]
        started = time.process_time()
        settings = {"loss": name, "epochs": epochs, "seed": seed} | settings
        model = movierec.fit_sequence(self.split, self.data.movies, **settings)
        best, seconds = model.history["validation_ndcg@10"].max(), time.process_time() - started
        print(f"{loss:13} {settings} {best:.4f} in {seconds:.0f} CPU seconds", flush=True)
        return model, best, seconds

    def ndcg(self, scorer, indices, part: str):
        """Return NDCG@10 of each user's held-out film, whatever its stars."""
        return evaluation.evaluate_ranking(scorer, self.split, indices, part, liked_from=0)["ndcg@10"]

    def tables(self):
        """Yield (name, table)."""
        chosen = {}
        for loss, (_, epochs) in LOSSES.items():
            found = []
            for rate, dropout in itertools.product(RATES, DROPOUTS):
                settings = {"learning_rate": rate, "dropout": dropout}
                model, best, seconds = self.fit(loss, **settings, epochs=epochs // 2)
                found.append((best, settings))
                took = {"best_epoch": model.best_epochs["sequence"], "ndcg@10": best, "cpu_seconds": seconds}
                self.trials.append({"loss": loss} | settings | took)
            _, chosen[loss] = max(found, key=lambda one: one[0])
        yield "sequence_tuning", pd.DataFrame(self.trials)
        for seed, loss in itertools.product(SEEDS, LOSSES):
            self.measure(loss, seed, self.fit(loss, seed, **chosen[loss])[0])
        by_epoch = pd.concat(self.epochs, names=["model", "seed"]).droplevel(-1).reset_index()
        yield "sequence_epochs", by_epoch
        self.hybrids()
        yield "sequence_users", wide(self.on_test)
        for part, settings in PARTS.items():
            model = self.fit("softmax", **chosen["softmax"] | settings)[0]
            self.on_validation[part, 0] = self.ndcg(model.score, model.indices, "validation")
            if part == "without tables":
                earlier = model.reading(self.split.train)
                scorer = reading(earlier, "in the window", 0)
                self.on_validation[f"{part}, mixed", 0] = self.ndcg(scorer, model.indices, "validation")
        yield "sequence_parts", wide(self.on_validation)

    def measure(self, loss: str, seed: int, model) -> None:
        """Measure one of the tuned models on both parts; that of the softmax in other orders, too."""
        name = "attention" if loss == "softmax" else f"attention, {loss}"
        self.epochs[name, seed] = model.history
        self.on_validation[name, seed] = self.ndcg(model.score, model.indices, "validation")
        self.on_test[name, seed] = self.ndcg(model.score, model.indices, "test")
        if loss == "softmax":
            for how in ("within a second", "all but the newest", "in the window"):
                self.on_test[how, seed] = self.ndcg(reading(model, how, seed), model.indices, "test")

    def hybrids(self) -> None:
        """Fit the hybrid of notebook 06 on all but the last film."""
        known = pd.concat([self.split.train, self.split.validation])
        last = movierec.Split(known, None, self.split.test, self.split.in_time)
        for seed in SEEDS:
            settings = {"heads": ("ranking",), "ranking_epochs": HYBRID_EPOCHS}
            hybrid = movierec.fit_hybrid(last, self.data.movies, self.data.users, seed=seed, **settings)
            self.on_test["hybrid", seed] = self.ndcg(hybrid.score, hybrid.indices, "test")


def main() -> int:
    """Run all, and record each table as soon as it is there; return the exit code, 0."""
    data = movierec.load(movierec.data.chosen())
    for name, table in Sequences(data).tables():
        write("sequences.py", name, table.round(6), data)
        print(f"{name}: {len(table):,} rows", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
