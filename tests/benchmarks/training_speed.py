"""What training costs for one rating: ours beside two TFRS tutorials; report/results/training_speed.csv.

    python tests/benchmarks/training_speed.py           on MovieLens-100K
    python tests/benchmarks/training_speed.py --large   on tables of 280,000 users and 42,000 movies

The part that is not run stays as recorded. An epoch is one pass over the ratings of train; a rating is an example. CPU
seconds are those of all threads; an epoch that is not timed traces and fills the tutorials' cache. Everything is
repeated from new models: the table has medians, and the range of the ratio. Whole fits are in peers.csv.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
from runners.tfrs import LEARNING_RATE, MovielensModel, RetrievalModel
from tables import merged

import movierec
from movierec.baselines import Bias
from movierec.data import Features, Indices, batches
from movierec.keras2 import tf
from movierec.models import History, HybridModel, deterministic_ops
from movierec.record import Recorder, keep
from movierec.training import MOST_PASSES, LazyAdam, stars_recipe

COSTS = ["cpu_us_per_example", "wall_us_per_example", "times_less_cpu"]
COLUMNS = ["tables", "model", "library", *COSTS, "times low", "times high", "repeats", "note"]
TOLERANCE = dict.fromkeys([*COSTS, "times low", "times high"], float("inf"))
TUTORIALS = {"lists": "TFRS basic_retrieval", "stars": "TFRS basic_ranking"}  # what each kind is compared with
GOALS = {("943 x 1,682", "hybrid, lists"): 20, ("280,000 x 42,000", "hybrid, lists"): 40}  # times less CPU
NUM_USERS, NUM_MOVIES, RATINGS_A_USER = 280_000, 42_000, 71  # 20 million ratings
NUM_GENRES, NUM_YEARS = 20, 22  # features of the synthetic movies
TUTORIAL_BATCH, LARGE_BATCH, USERS_PER_BATCH, STARS_BATCH = 8192, 1024, 256, 1024
SLOW_STEPS, OUR_STEPS, STEPS = 5, 10, 30  # of an epoch on the large tables; slow is FactorizedTopK over 42,000 movies
EPOCHS = 3  # timed, after one that is not
REPEATS = 5  # of everything


class Cost(NamedTuple):
    """Microseconds for each example: of CPU, all threads together, and of the clock on the wall."""

    cpu: float
    wall: float


def cost(epochs: Callable[[int], int]) -> Cost:
    """Return what `epochs(n)` costs, which trains n epochs and returns the number of examples; after a warm-up."""
    epochs(1)
    cpu, wall = time.process_time(), time.perf_counter()
    examples = epochs(EPOCHS)
    return Cost(1e6 * (time.process_time() - cpu) / examples, 1e6 * (time.perf_counter() - wall) / examples)


# ---- the tutorials


class WithoutMetrics(RetrievalModel):
    """The retrieval tutorial with the one change that its authors advise for speed."""

    def compute_loss(self, features, training=False):
        vectors = self.user_model(features["user_id"]), self.movie_model(features["movie_title"])
        return self.task(*vectors, compute_metrics=not training)


def tutorial_cost(model, ratings: pd.DataFrame, batch_size: int, optimizer=None) -> Cost:
    """Return the cost of `fit` as in runners/tfrs.py; `optimizer`: None is the tutorials' own."""
    names = {"user_id": "user_index", "movie_title": "movie_index"}
    rows = {name: ratings[column].astype(str).to_numpy(str) for name, column in names.items()}
    if isinstance(model, MovielensModel):
        rows["user_rating"] = ratings["rating"].to_numpy("float32")
    stream = tf.data.Dataset.from_tensor_slices(rows).shuffle(100_000).batch(batch_size).cache()
    model.compile(optimizer=optimizer or tf.keras.optimizers.Adagrad(learning_rate=LEARNING_RATE))

    def epochs(number):
        model.fit(stream, epochs=number, verbose=0)
        return number * len(ratings)

    return cost(epochs)


def retrieval_model(kind: type, num_users: int, num_movies: int) -> RetrievalModel:
    users, movies = (pd.Series(np.arange(size)).astype(str) for size in (num_users, num_movies))
    data = SimpleNamespace(train=pd.DataFrame({"user_index": users}), movies=pd.DataFrame({"movie_index": movies}))
    return kind(data, tf.data.Dataset.from_tensor_slices(movies.to_numpy(str)))


def tutorials(sizes: tuple, ratings: pd.DataFrame, batch: int, few: int | None = None) -> Iterator[dict]:
    """Yield the rows of the tutorials; with `few`, the slowest has so many ratings only, and one has Adam, too."""
    tables, note = f"{sizes[0]:,} x {sizes[1]:,}", f"batches of {batch:,} ratings"
    tf.keras.utils.set_random_seed(42)
    variants = [("", RetrievalModel, ratings[:few]), (", no metrics in training", WithoutMetrics, ratings)]
    for name, kind, rows in variants:
        spent = tutorial_cost(retrieval_model(kind, *sizes), rows, batch)
        yield row(tables, TUTORIALS["lists"] + name, spent, note)
    users, movies = (np.arange(size).astype(str) for size in sizes)
    for name, optimizer in (("", None), (", Adam", tf.keras.optimizers.Adam()))[: 2 if few else 1]:
        spent = tutorial_cost(MovielensModel({"user": users, "movie": movies}), ratings, batch, optimizer)
        yield row(tables, TUTORIALS["stars"] + name, spent, note)


# ---- ours


def lists_cost(model: HybridModel, passes: int, steps: int | None = None) -> Cost:
    """Return the cost of the ranking head, trained on shuffled users as `fit_hybrid` does it.

    An epoch has `steps`, or `passes` over the users. Examples are the ratings of an average user times the users.
    """
    num_users = model.past.num_users
    steps = steps or passes * (num_users // USERS_PER_BATCH)
    examples = steps * USERS_PER_BATCH * len(model.past.user_index) / num_users
    return fit_cost(model, "ranking", 0.004, {"user_index": tf.range(num_users)}, USERS_PER_BATCH, steps, examples)


def stars_cost(model: HybridModel, rows: dict) -> Cost:
    """Return the cost of the stars head, trained on shuffled ratings as `fit_hybrid` does it."""
    steps = len(rows["user_index"]) // STARS_BATCH
    return fit_cost(model, "stars", 0.001, rows, STARS_BATCH, steps, steps * STARS_BATCH)


def fit_cost(model: HybridModel, head: str, rate: float, rows: dict, batch: int, steps: int, examples: float) -> Cost:
    """Return the cost of Keras's `fit` on one head; an epoch has so many steps and examples."""
    model.train_only((head,))
    model.compile(LazyAdam(rate), steps_per_execution=min(steps, 100))
    stream = batches(rows, batch, seed=0)

    def epochs(number):
        model.fit(stream, epochs=number, steps_per_epoch=steps, verbose=0)
        return number * examples

    with deterministic_ops():
        return cost(epochs)


# ---- the two sizes


def synthetic_history(num_users: int, num_movies: int, rng: np.random.Generator) -> History:
    """Draw 20 or more ratings of each user, long-tailed, 71 in the mean; popularity of rank r is ∝ 1 / (50 + r).

    So the first movie has .3 % of all ratings, as in the large MovieLens sets. Order and time say nothing.
    """
    length = 20 + np.minimum(rng.lognormal(np.log(RATINGS_A_USER - 20) - 0.72, 1.2, num_users), num_movies / 10)
    popularity = np.cumsum(1 / (50 + np.arange(num_movies)))
    user = np.repeat(np.arange(num_users), length.astype(int))
    movie = np.searchsorted(popularity, rng.random(len(user)) * popularity[-1])
    user, movie = np.divmod(np.unique(user * num_movies + movie), num_movies)  # nobody rates a movie twice
    residual = rng.standard_normal(len(user)).astype(np.float32)
    columns = user.astype(np.int32), movie.astype(np.int32), residual, np.zeros(len(user), np.int64)
    return History(*columns, num_users, num_movies, in_order=False)


def synthetic_features(num_movies: int, rng: np.random.Generator) -> Features:
    """Draw a genre and a year of each movie."""
    parts = [np.eye(size, dtype=np.float32)[rng.integers(size, size=num_movies)] for size in (NUM_GENRES, NUM_YEARS)]
    names = [f"genre={i}" for i in range(NUM_GENRES)] + [f"year={i}" for i in range(NUM_YEARS)]
    return Features(np.concatenate(parts, axis=1), names)


def small() -> Iterator[dict]:
    """Yield the rows on MovieLens-100K, the train part of Microsoft's split."""
    data = movierec.load("ml-100k")
    split = movierec.split_stratified(data.ratings)
    train = split.train
    ratings = pd.DataFrame({name: pd.factorize(train[f"{name[:-6]}_id"])[0] for name in ("user_index", "movie_index")})
    ratings["rating"] = train["rating"].to_numpy()
    sizes = train["user_id"].nunique(), len(data.movies)
    yield from tutorials(sizes, ratings, TUTORIAL_BATCH)
    hybrid = movierec.fit_hybrid(split, data.movies, data.users, stars_epochs=1, ranking_epochs=1)
    tables, spent = f"{sizes[0]:,} x {sizes[1]:,}", lists_cost(hybrid.model, MOST_PASSES)
    yield row(tables, "hybrid, lists", spent, f"batches of {USERS_PER_BATCH} users")
    spent = stars_cost(hybrid.model, stars_recipe(hybrid, train, STARS_BATCH)["rows"])
    yield row(tables, "hybrid, stars", spent, f"batches of {STARS_BATCH:,} ratings")


def large() -> Iterator[dict]:
    """Yield the rows on tables of full size, timed on some steps of an epoch."""
    rng = np.random.default_rng(0)
    history, features = synthetic_history(NUM_USERS, NUM_MOVIES, rng), synthetic_features(NUM_MOVIES, rng)
    chosen = rng.choice(len(history.user_index), STEPS * LARGE_BATCH, replace=False)
    columns = {"user_index": history.user_index[chosen], "movie_index": history.movie_index[chosen]}
    ratings = pd.DataFrame(columns | {"rating": rng.integers(1, 6, len(chosen))})
    yield from tutorials((NUM_USERS, NUM_MOVIES), ratings, LARGE_BATCH, few=SLOW_STEPS * LARGE_BATCH)
    nothing = Features(np.zeros((NUM_USERS, 0), np.float32), [])  # MovieLens says nothing of the users there
    ids = Indices(np.arange(NUM_USERS), np.arange(NUM_MOVIES))
    bias = Bias.restore(ids, np.zeros(NUM_USERS), np.zeros(NUM_MOVIES), 3.5, np.arange(1.0, 6.0), 5)
    model = HybridModel(history, nothing, features, bias, num_weeks=1, heads=("ranking",))
    spent = lists_cost(model, 1, OUR_STEPS)
    note = f"batches of {USERS_PER_BATCH} users; no linear path"
    yield row(f"{NUM_USERS:,} x {NUM_MOVIES:,}", "hybrid, lists", spent, note)


# ---- the table


def row(tables: str, model: str, spent: Cost, note: str) -> dict:
    """Print and return a row of the table; `compare` fills in `times_less_cpu`."""
    print(f"{tables:18} {model:44} {spent.cpu:10.2f} CPU µs {spent.wall:10.2f} µs for each example", flush=True)
    library = "tensorflow-recommenders" if model.startswith("TFRS") else "movierec"
    return dict(zip(COLUMNS, (tables, model, library, *spent, 1.0, 1.0, 1.0, 1, note), strict=True))


def compare(rows: list[dict]) -> pd.DataFrame:
    """Return the table, with how many times less CPU each row takes than the tutorial of its kind."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    spent = table.set_index("model")["cpu_us_per_example"]
    kinds = ["lists" if "lists" in name or TUTORIALS["lists"] in name else "stars" for name in table["model"]]
    table["times_less_cpu"] = [spent[TUTORIALS[kind]] for kind in kinds] / table["cpu_us_per_example"]
    return table


def repeated(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one table of several: medians of the costs, and the range of the ratio, each within its own run."""
    costs = np.stack([table[COSTS].to_numpy(float) for table in tables])  # [repeats, rows, costs]
    times = costs[:, :, COSTS.index("times_less_cpu")]
    whole = tables[0].assign(
        **{"times low": times.min(axis=0), "times high": times.max(axis=0), "repeats": len(tables)}
    )
    whole[COSTS] = np.median(costs, axis=0)
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Measure and record; return the exit code: 0, or 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help=f"tables of {NUM_USERS:,} x {NUM_MOVIES:,}; some minutes")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"of everything; default {REPEATS}")
    options = parser.parse_args(arguments)
    table = repeated([compare(list(large() if options.large else small())) for _ in range(options.repeats)])
    whole = merged("training_speed", table, ["tables", "model"])
    Recorder("tests/benchmarks/training_speed.py").table("training_speed", whole, tolerance=TOLERANCE)
    keep("training_speed")
    print(table.drop(columns="note").round(2).to_string(index=False))
    found = table.set_index(["tables", "model"])["times_less_cpu"]
    missed = [key for key, goal in GOALS.items() if key in found.index and found[key] < goal]
    for key in found.index.intersection(list(GOALS)):
        verdict = "missed" if key in missed else "reached"
        print(f"{' '.join(key)}: {found[key]:.0f} times less CPU; the goal is {GOALS[key]} ({verdict})")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
