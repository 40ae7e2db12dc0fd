"""Is lazy Adam as good as Adam where a batch touches few rows of a table? report/results/optimizers_at_size.csv.

    python tests/benchmarks/optimizers_at_size.py        about fifteen CPU minutes

Matrix factorisation on made data of two sizes, 71 ratings a user: pairs with the long tails of `make_movielens`, stars
from two planted factors and noise, so that the least possible RMSE is known. 80 % is train, a tenth validation, a
tenth test. Each optimiser gets the same number of learning rates, of which validation chooses (seed 0); then three
seeds are measured on test. Training stops after the first epoch that is worse on validation.
"""

import sys
import time

import numpy as np
import pandas as pd
import tables

from movierec.data import batches, make_movielens
from movierec.evaluation import metrics
from movierec.keras2 import tf, tfrs
from movierec.training import OPTIMIZERS

SIZES = {100_000: (1_400, 1_700), 400_000: (5_600, 3_500)}  # ratings -> users, movies
ADAM = (0.002, 0.004, 0.008)
RATES = {"adam": ADAM, "lazy_adam": ADAM, "adagrad": (0.8, 1.6, 3.2)}
SEEDS, MOST_EPOCHS, DIM, BATCH, PENALTY = (0, 1, 2), 20, 32, 1024, 0.01
FACTORS, SIGNAL, NOISE = 2, 0.8, 0.8  # of the made stars


class Factorisation(tfrs.Model):
    """loss = mean ((e − ⟨p_u, q_i⟩)² + PENALTY (|p_u|² + |q_i|²)). Typed in notebooks/13_scale."""

    def __init__(self, num_users: int, num_movies: int, seed: int):
        super().__init__()
        small = np.random.default_rng(seed).normal(0, 0.1, (num_users + num_movies, DIM)).astype(np.float32)
        self.p, self.q = tf.Variable(small[:num_users]), tf.Variable(small[num_users:])

    def call(self, batch):
        return tf.reduce_sum(tf.gather(self.p, batch["u"]) * tf.gather(self.q, batch["i"]), axis=1)

    def compute_loss(self, batch, training=False):
        p, q = tf.gather(self.p, batch["u"]), tf.gather(self.q, batch["i"])
        square = (batch["e"] - tf.reduce_sum(p * q, axis=1)) ** 2
        return tf.reduce_mean(square + PENALTY * tf.reduce_sum(p**2 + q**2, axis=1))


def parts_of(ratings: int) -> dict:
    """Return the columns u, i and e (stars less their mean) of train, validation and test."""
    num_users, num_movies = SIZES[ratings]
    pairs, rng = make_movielens(num_users, num_movies, ratings).ratings, np.random.default_rng(0)
    u, i = (pairs[name].to_numpy(np.int32) - 1 for name in ("user_id", "movie_id"))
    a, b = rng.normal(size=(num_users, FACTORS)), rng.normal(size=(num_movies, FACTORS))
    e = SIGNAL * (a[u] * b[i]).sum(axis=1) / FACTORS**0.5 + NOISE * rng.normal(size=len(u))
    part = rng.choice(3, len(u), p=(0.8, 0.1, 0.1))
    columns = {"u": u, "i": i, "e": e.astype(np.float32)}
    return {
        name: {key: column[part == number] for key, column in columns.items()}
        for number, name in enumerate(("train", "validation", "test"))
    }


def rmse(model, rows: dict) -> float:
    """Return the RMSE in stars."""
    return float(metrics.rmse(np.asarray(model({name: tf.constant(rows[name]) for name in ("u", "i")})), rows["e"]))


class Watch(tf.keras.callbacks.Callback):
    """Keep the best epoch on validation and what it has on test, stop after a worse one, and count CPU seconds."""

    def __init__(self, columns: dict):
        super().__init__()
        self.columns, self.spent, self.best = columns, [], {"validation": np.inf}

    def on_epoch_begin(self, epoch, logs=None):
        self.before = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.spent.append(time.process_time() - self.before)
        now = {name: rmse(self.model, self.columns[name]) for name in ("validation", "test")}
        self.model.stop_training = now["validation"] > self.best["validation"]
        if not self.model.stop_training:
            self.best = now | {"epoch": epoch + 1}


def train(columns: dict, size: tuple, optimizer: str, rate: float, seed: int) -> dict:
    """Train until validation gets worse; return the RMSE of the best epoch on validation and test, and the cost."""
    model, watch = Factorisation(*size, seed), Watch(columns)
    steps = len(columns["train"]["u"]) // BATCH
    model.compile(OPTIMIZERS[optimizer](rate), steps_per_execution=steps)
    how = {"epochs": MOST_EPOCHS, "steps_per_epoch": steps, "verbose": 0}
    model.fit(batches(columns["train"], BATCH, seed), callbacks=[watch], **how)
    return watch.best | {"cpu_us": 1e6 * np.mean(watch.spent[1:]) / (steps * BATCH)}  # the first one is traced, too


def main() -> int:
    """Measure and record; return the exit code, 0."""
    rows = []
    for ratings in SIZES:
        columns, size = parts_of(ratings), SIZES[ratings]
        touched = 1 - np.exp(-BATCH / size[0])  # of the users, in a batch
        spread = float(np.sqrt(np.mean(columns["test"]["e"] ** 2)))
        rows.append({"ratings": ratings, "model": "the mean alone", "seed": 0, "test rmse": spread})
        for name, rates in RATES.items():
            tried = {rate: train(columns, size, name, rate, SEEDS[0]) for rate in rates}
            rate = min(tried, key=lambda rate: tried[rate]["validation"])
            for seed in SEEDS:
                found = tried[rate] if seed == SEEDS[0] else train(columns, size, name, rate, seed)
                row = {"ratings": ratings, "model": name, "seed": seed, "rate": rate, "epoch": found["epoch"]}
                row |= {"validation rmse": found["validation"], "test rmse": found["test"]}
                rows.append(row | {"cpu_us": found["cpu_us"], "users in a batch": touched})
                print(rows[-1], flush=True)
            print({rate: round(found["validation"], 4) for rate, found in tried.items()}, flush=True)
    tables.write("optimizers_at_size.py", "optimizers_at_size", pd.DataFrame(rows).round(6))
    return 0


if __name__ == "__main__":
    sys.exit(main())
