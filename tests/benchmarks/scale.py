"""What size costs, from 100,000 ratings to 20 million: report/results/scale.csv, and scale_run.csv of one whole run.

    python tests/benchmarks/scale.py           every measurement in a process of its own, about ten minutes
    python tests/benchmarks/scale.py --run     20 million ratings from CSV to a saved model; the rest stays as recorded
    python tests/benchmarks/scale.py --fits    both heads on data of several shapes: fit_costs.csv, ten minutes

The data are synthetic, 71 ratings a user. CPU seconds are those of all threads. An epoch is extrapolated from some
steps, after as many to warm up, but for `--run`: the least of three times, for others may use the machine, too.
"""

import argparse
import copy
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tables

from movierec.data import movielens as datasets

SIZES = {100_000: (1_400, 1_700), 1_000_000: (14_000, 6_000), 10_000_000: (140_000, 20_000)}
SIZES |= {20_000_000: (280_000, 42_000)}  # ratings -> users, movies
FULL = 20_000_000
SHAPES = {"made, of ML-1M's shape": (6_040, 3_706, 1_000_000)}  # users, movies, ratings
SOLVED_WHOLE = (100_000, 1_000_000)  # ratings; for 20,000 movies it would take a quarter of an hour, for 42,000 hours
CATALOGUES = (1_000, 10_000, 42_000, 100_000)  # movies, for the ranks of 20,000 users
DIM, STEPS, BATCH, TUTORIAL_BATCHES, RANK_SAMPLE = 32, 60, 8192, (1024, 8192), 2_000
LISTED_USERS = 20_000  # of the whole run, for the lists of several models
MF = dict(ids=True, hidden=(128, 64), without=("bag of movies", "bag of users", "session", "order"))
REPEATS = 3
KINDS = ("MF + MLP", "MF + MLP, no dropout", "hybrid, stars", "hybrid, lists")  # floor and tutorials have no dropout
LOGGED = ["wall_s", "cpu_s", "peak_gb", "usual_gb", "said"]  # of scale_run.csv, never compared
COLUMNS = ["task", "who", "ratings", "users", "movies", "cpu_s", "wall_s", "peak_gb", "cpu_us", "note"]


def folder(ratings: int) -> Path:
    """Return the folder of the CSV files of this size; make them if they are not there."""
    place = datasets.data_folder() / "cache/scale" / str(ratings)
    if not (place / "movies.csv").exists():
        from movierec.data import make_movielens, write_csv

        place.mkdir(parents=True, exist_ok=True)
        data = make_movielens(*SIZES[ratings], ratings)
        by_movie = data.ratings.sort_values(["user_id", "movie_id"])  # as GroupLens has them
        write_csv(data._replace(ratings=by_movie), place)
    return place


class Clock:
    """CPU and wall seconds of a `with` block, and the peak memory of the process above that before it."""

    def __enter__(self):
        self.before, self.cpu, self.wall = _peak_gb(), time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.cpu, self.wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        self.peak_gb = _peak_gb() - self.before

    def row(self, task: str, who: str, size: tuple, examples: int, note: str = "", times: float = 1.0) -> dict:
        """Return a row of the table; `size`: ratings, users, movies; `times`: blocks of which the task consists."""
        spent = self.cpu * times, self.wall * times, self.peak_gb, 1e6 * self.cpu * times / examples
        return dict(zip(COLUMNS, (task, who, *size, *spent, note), strict=True))


def least(work) -> Clock:
    """Return the clock of the cheapest of `REPEATS` times, after one to warm up."""
    clocks = [Clock() for _ in range(1 + REPEATS)]
    for clock in clocks:
        with clock:
            work()
    return min(clocks[1:], key=lambda clock: clock.cpu)


def _peak_gb() -> float:
    return _memory_gb("self", "VmHWM")[0]  # `resource` would count what the process that started this one had


def _memory_gb(pid: int | str, what: str) -> list[float]:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return []
    return [int(kb) / 1e6 for kb in re.findall(rf"{what}:\s+(\d+)", status)]


# ---- what is measured, each in a process of its own


def read(ratings: int, who: str) -> list[dict]:
    """Read the CSV files as typed tables: ours first, ours again, or pandas as it comes."""
    place, size = folder(ratings), (ratings, *SIZES[ratings])
    files = place / "ratings.csv", place / "movies.csv"
    with Clock() as clock:
        if who == "pandas":
            [pd.read_csv(file) for file in files]
        else:
            datasets.read(*files, folder=place / "data", step=0.5)
    return [clock.row("read", who, size, ratings)]


def history(ratings: int):
    """Return the history, the columns to train on, and what a model needs besides, of synthetic data of this size."""
    from movierec.baselines import Bias
    from movierec.data import make_indices, movie_features, user_features
    from movierec.models import make_history, session_features

    place = folder(ratings)
    data = datasets.read(place / "ratings.csv", place / "movies.csv", folder=place / "data", step=0.5)
    indices = make_indices(data.ratings, data.movies)
    bias = Bias(data.ratings, indices)
    past = make_history(data.ratings, indices, bias, in_order=True)
    stars = past.residual + bias.mean + bias.user[past.user_index] + bias.movie[past.movie_index]
    columns = {
        "user_index": past.user_index,
        "movie_index": past.movie_index,
        "week_index": np.zeros(len(stars), np.int32),
        "rating": (np.round(2 * stars) / 2).astype(np.float32),
        "residual": past.residual,
        "session": session_features(past, dtype=np.float16),
    }
    known = user_features(None, indices), movie_features(data.movies, indices)
    return past, columns, (*known, bias, 1)


def train(ratings: int, kind: str) -> list[dict]:
    """Train one of `KINDS` for `STEPS` steps of an epoch, after as many to warm up; the least of `REPEATS`."""
    from movierec.data import batches
    from movierec.keras2 import tf
    from movierec.models import HybridModel, Settings, deterministic_ops
    from movierec.training import LazyAdam

    past, columns, known = history(ratings)
    head = "ranking" if kind == "hybrid, lists" else "stars"
    is_mf, dropout = kind.startswith("MF + MLP"), 0.0 if kind.endswith("no dropout") else Settings().dropout
    settings = Settings(**MF, dropout=dropout) if is_mf else Settings(linear_weight=0.0)
    model = HybridModel(past, *known, (head,), settings)
    num_rows, batch, groups = len(past.user_index), BATCH, None
    if head == "ranking":
        columns, batch = {"user_index": np.arange(past.num_users, dtype=np.int32)}, 256
    elif not is_mf:
        groups = past.starts
    epoch = len(columns["user_index"]) // batch
    steps = min(STEPS, epoch)
    model.compile(LazyAdam(0.001), steps_per_execution=steps)
    stream = batches(columns, batch, seed=0, groups=groups)
    clocks = []
    each = tf.keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: clocks.append(Clock().__enter__()),
        on_epoch_end=lambda epoch, logs: clocks[-1].__exit__(),
    )
    with deterministic_ops():
        model.fit(stream, epochs=1 + REPEATS, steps_per_epoch=steps, verbose=0, callbacks=[each])
    clock = min(clocks[1:], key=lambda clock: clock.cpu)  # in the first, the graph is built and all rows are shuffled
    size = num_rows, past.num_users, past.num_movies
    note = f"{steps} of {epoch:,} steps"
    return [clock.row("epoch", kind, size, num_rows, note, epoch / steps)]


def floor(ratings: int, _) -> list[dict]:
    """Train the perceptron of MF + MLP alone, without looking up embeddings: a lower bound."""
    from movierec.keras2 import tf

    network = tf.keras.Sequential([tf.keras.layers.Dense(n, activation="relu") for n in MF["hidden"]])
    network.add(tf.keras.layers.Dense(1))
    network.build((None, 3 * DIM))
    x = tf.random.normal([BATCH, 3 * DIM])

    @tf.function
    def steps():
        total = 0.0
        for _ in tf.range(STEPS):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_mean(network(x) ** 2)
            gradients = tape.gradient(loss, [x, *network.trainable_variables])
            total += sum(gradient[0][0] if gradient.shape.rank > 1 else gradient[0] for gradient in gradients)
        return total

    clock = least(lambda: steps().numpy())
    note = f"its arithmetic alone, {STEPS} steps"
    return [clock.row("epoch", "floor of MF + MLP", (ratings, *SIZES[ratings]), ratings, note, ratings / STEPS / BATCH)]


def tutorial(ratings: int, batch: str) -> list[dict]:
    """Train by the TFRS ranking tutorial's recipe with Adam, on some batches."""
    from runners.tfrs import MovielensModel

    from movierec.keras2 import tf

    num_users, num_movies = SIZES[ratings]
    batch, rng = int(batch), np.random.default_rng(0)
    rows = max(10 * batch, 30_000)
    users, movies = (np.arange(n).astype(str) for n in (num_users, num_movies))
    columns = {
        "user_id": users[rng.integers(num_users, size=rows)],
        "movie_title": movies[rng.integers(num_movies, size=rows)],
        "user_rating": rng.integers(1, 6, rows).astype("float32"),
    }
    model = MovielensModel({"user": users, "movie": movies})
    model.compile(optimizer=tf.keras.optimizers.Adam())
    batches = tf.data.Dataset.from_tensor_slices(columns).shuffle(100_000).batch(batch).cache()
    clock = least(lambda: model.fit(batches, epochs=1, verbose=0))
    who, note = f"TFRS tutorial, batches of {batch:,}", f"{rows:,} ratings"
    return [clock.row("epoch", who, (ratings, num_users, num_movies), ratings, note, ratings / rows)]


def ranks(num_users: int, movies: str) -> list[dict]:
    """Count the exact rank of a held-out movie of each user, among all movies."""
    from movierec.data import Indices
    from movierec.evaluation import held_out_ranks

    num_movies, rng = int(movies), np.random.default_rng(0)
    queries, candidates = (rng.normal(size=(n, DIM)).astype(np.float32) for n in (num_users, num_movies))
    indices = Indices(np.arange(num_users), np.arange(num_movies))
    held_out = pd.DataFrame({"user_id": np.arange(num_users), "movie_id": np.zeros(num_users, int)})
    a_user = min(71, num_movies // 20)
    seen_movie = 1 + (np.arange(a_user)[None] * 13 + rng.integers(num_movies, size=(num_users, 1))) % (num_movies - 1)
    seen = pd.DataFrame({"user_id": np.repeat(np.arange(num_users), a_user), "movie_id": seen_movie.ravel()})
    with Clock() as clock:
        held_out_ranks(lambda user: queries[user] @ candidates.T, held_out, seen.drop_duplicates(), indices)
    return [clock.row("ranks", "counted", (len(seen), num_users, num_movies), num_users)]


def products(num_users: int, movies: str) -> list[dict]:
    """Compute the scores alone, in blocks of the same size: a lower bound."""
    from movierec.evaluation import users_per_block_of

    num_movies, rng = int(movies), np.random.default_rng(0)
    queries, candidates = (rng.normal(size=(n, DIM)).astype(np.float32) for n in (num_users, num_movies))
    size = users_per_block_of(num_movies)
    with Clock() as clock:
        for start in range(0, num_users, size):
            queries[start : start + size] @ candidates.T
    return [clock.row("ranks", "floor of the ranks", (0, num_users, num_movies), num_users)]


def linear(ratings: int, how: str) -> list[dict]:
    """Solve the linear path: "whole", as a matrix of films, or its strongest "directions"."""
    from scipy import sparse

    from movierec.baselines import Ease
    from movierec.models.settings import RANK_BEYOND, Settings

    place, size = folder(ratings), (ratings, *SIZES[ratings])
    data = datasets.read(place / "ratings.csv", place / "movies.csv", folder=place / "data", step=0.5).ratings
    user, movie = (data[name].to_numpy(np.int32) - 1 for name in ("user_id", "movie_id"))
    x = sparse.csr_array((np.ones(len(data), np.float32), (user, movie)), shape=size[1:])
    del data
    with Clock() as clock:
        if how == "whole":
            Ease.solve(x, Settings().linear_regularisation)
        else:
            Ease.directions(x, Settings().linear_regularisation, RANK_BEYOND)
    return [clock.row("linear path", how, size, ratings)]


def factorized_top_k(num_users: int, movies: str) -> list[dict]:
    """Run TFRS's FactorizedTopK with its streaming search over the whole catalogue, for some users."""
    from movierec.keras2 import tf, tfrs

    num_movies, rng = int(movies), np.random.default_rng(0)
    queries, candidates = (tf.constant(rng.normal(size=(n, DIM)), tf.float32) for n in (RANK_SAMPLE, num_movies))
    blocks = tf.data.Dataset.from_tensor_slices(candidates).batch(128)
    metric = tfrs.metrics.FactorizedTopK(candidates=blocks)
    metric.update_state(queries[:64], candidates[:64])
    with Clock() as clock:
        for start in range(0, RANK_SAMPLE, 500):
            metric.update_state(queries[start : start + 500], candidates[:500])
    note, times = f"{RANK_SAMPLE:,} users", num_users / RANK_SAMPLE
    return [clock.row("ranks", "TFRS FactorizedTopK", (0, num_users, num_movies), num_users, note, times)]


# ---- fits of several shapes


def fit(name: str, _) -> list[dict]:
    """Fit both heads with the defaults and save them; measure validation, beside models without a network.

    Validation decides how many epochs that takes; a second fit has ten of each head, to compare equal work.
    """
    import movierec
    from movierec import baselines
    from movierec.data import make_movielens
    from movierec.evaluation import evaluate_ranking, evaluate_stars
    from movierec.models.settings import RANK_BEYOND

    data = make_movielens(*SHAPES[name]) if name in SHAPES else movierec.load(name)
    split = movierec.split_by_user_time(data.ratings)
    with Clock() as clock:
        model = movierec.fit_hybrid(split, data.movies, data.users)
    with Clock() as of_ten:
        movierec.fit_hybrid(split, data.movies, data.users, epochs=10, patience=10)
    place = datasets.data_folder() / "cache/scale/fitted"
    shutil.rmtree(place, ignore_errors=True)
    model.save(place)
    sizes = data.ratings["user_id"].nunique(), model.indices.num_movies
    row = {"data": name, "ratings": len(data.ratings), "users": sizes[0], "movies": sizes[1]}
    row |= {"fit_cpu_s": clock.cpu, "fit_wall_s": clock.wall, "fit_gb": clock.peak_gb}
    row["ten_epochs_cpu_s"] = of_ten.cpu
    row["folder_mb"] = sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6
    row["epochs"] = " and ".join(f"{best} of {model.history['epoch'].max()}" for best in model.best_epochs.values())
    kept = {"NoneType": "left out", "FewUsers": "by users", "LowRank": f"{RANK_BEYOND} directions"}
    row["linear_path"] = kept.get(type(model.model.ranking.linear).__name__, "matrix")
    row["rmse"] = evaluate_stars(model, split, "validation").attrs["rmse"]
    indices = model.indices
    scorers = {"hybrid": model.score, "popularity": baselines.Popularity(split.train, indices)}
    scorers |= {"markov": baselines.MarkovChain(split.train, indices), "ease": baselines.Ease(split.train, indices)}
    for who, scorer in scorers.items():
        row[f"ndcg_{who}"] = evaluate_ranking(scorer, split, indices, "validation")["ndcg@10"].mean()
    return [row]


def load(name: str, _) -> list[dict]:
    """Load what `fit` saved, in a process that has TensorFlow and answers once."""
    import movierec
    from movierec.keras2 import tf  # noqa: F401, its seconds are not those of the model

    with Clock() as clock:
        movierec.load_model(datasets.data_folder() / "cache/scale/fitted")
    return [{"data": name, "load_cpu_s": clock.cpu, "load_wall_s": clock.wall, "load_gb": clock.peak_gb}]


def fit_costs() -> pd.DataFrame:
    """Return one row a data set; the costs beside those of ML-100K in this run."""
    rows = []
    for name in ("ml-100k", "ml-latest-small", *SHAPES):
        rows.append(ask("fit", name, "")[0] | ask("load", name, "")[0])
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    for cost in ("fit_cpu_s", "ten_epochs_cpu_s", "fit_gb", "load_cpu_s", "folder_mb"):
        table[f"times_{cost}"] = table[cost] / table[cost].iloc[0]
    return table


# ---- one whole run


def whole_run() -> pd.DataFrame:
    """Return the log of `python -m movierec train` on 20 million ratings, with its memory before each line."""
    place = folder(FULL)
    for old in ("data", "model", "checkpoint"):
        shutil.rmtree(place / old, ignore_errors=True)
    command = [sys.executable, "-m", "movierec", "train", str(place / "ratings.csv"), str(place / "model")]
    command += ["--movies", str(place / "movies.csv"), "--checkpoint", str(place / "checkpoint")]
    command += ["--epochs", "3", "--patience", "1"]
    environment = os.environ | {"MOVIEREC_DATA": str(place / "data"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    os.set_blocking(process.stdout.fileno(), False)
    rows, memory = [], []
    text, ended = "", False
    while text or not ended:
        ended = process.poll() is not None  # asked before reading: nothing is printed after it
        text = process.stdout.readline()
        if found := re.match(r" *([\d.]+) s +([\d.]+) CPU s +([\d.]+) GB +(\w+) +(.*)", text or ""):
            *costs, step, said = found.groups()
            usual = float(np.median(memory)) if memory else np.nan
            rows.append([step, *map(float, costs), usual, re.sub(r"/\S*/", "", said)])  # no path of this machine
            print(text, end="", flush=True)
            memory = []
        elif text and text.startswith("Note: The linear path"):  # whether it helps on validation, and by how much
            rows.append(["linear", *[np.nan] * 4, text.removeprefix("Note: ").strip()])
        memory += _memory_gb(process.pid, "VmRSS")
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"the run ended with exit code {process.returncode}")
    return pd.DataFrame(rows, columns=["step", *LOGGED])


def lists_of_the_run() -> pd.DataFrame:
    """Return NDCG@10 on test of the model of `whole_run`, and of models without a network, for the same users."""
    import movierec
    from movierec import baselines
    from movierec.data import make_indices
    from movierec.evaluation import LIKED_FROM_STARS, bootstrap_interval, evaluate_ranks, held_out_ranks, rated_pairs
    from movierec.keras2 import tf
    from movierec.models.settings import RANK_BEYOND, Settings

    place = folder(FULL)
    data = datasets.read(place / "ratings.csv", place / "movies.csv", folder=place / "data", step=0.5)
    split = movierec.split_by_user_time(data.ratings)
    indices, known = make_indices(split.train, data.movies), pd.concat([split.train, split.validation])
    liked = split.test[split.test["rating"] >= LIKED_FROM_STARS]
    users = np.random.default_rng(0).choice(liked["user_id"].unique(), LISTED_USERS, replace=False)
    liked = liked[liked["user_id"].isin(users)]
    x = rated_pairs(split.train, indices).astype(np.float32)
    f, own = baselines.Ease.directions(x, Settings().linear_regularisation, RANK_BEYOND)

    def ease(user_index):
        rows = x[user_index]
        return ((rows @ f) @ f.T - rows.multiply(own).toarray()) / (1 - own)

    scorers = {"popularity": baselines.Popularity(split.train, indices)}
    scorers |= {"Markov chain": baselines.MarkovChain(split.train, indices), f"EASE, {RANK_BEYOND} directions": ease}
    hybrid = movierec.load_model(place / "model")
    scorers["hybrid"] = hybrid.score
    if hybrid.model.ranking.linear is not None:
        bare = copy.copy(hybrid.model.ranking)
        vars(bare)["linear"] = None  # not by Keras, which would count it among the layer's parts
        scorers["hybrid without its linear path"] = lambda user_index: bare(tf.constant(user_index)).numpy()
    rows = []
    for who, scorer in scorers.items():
        ranks = held_out_ranks(scorer, liked, known, indices)
        ndcg = evaluate_ranks(ranks, liked, indices, liked_from=LIKED_FROM_STARS)["ndcg@10"]
        rows.append((who, ndcg.mean(), *bootstrap_interval(ndcg), len(ndcg)))
        print(*rows[-1], flush=True)
    return pd.DataFrame(rows, columns=["model", "ndcg@10", "low", "high", "users"])


# ---- the table


def questions() -> list[tuple]:
    """Return (function, first argument, second) of every measurement."""
    asked = []
    for ratings in SIZES:
        asked += [("read", ratings, "first"), ("read", ratings, "again")]
        asked += [("train", ratings, kind) for kind in KINDS]
    asked += [("read", FULL, "pandas"), ("floor", FULL, "")]
    asked += [("tutorial", FULL, str(batch)) for batch in TUTORIAL_BATCHES]
    asked += [(which, 20_000, str(movies)) for which in ("ranks", "products") for movies in CATALOGUES]
    asked += [("linear", ratings, "whole") for ratings in SOLVED_WHOLE]
    asked += [("linear", ratings, "directions") for ratings in SIZES]
    return asked + [("ranks", 280_000, "42000"), ("factorized_top_k", 280_000, "42000")]


def ask(function: str, first: int | str, second: str) -> list[dict]:
    """Return the rows of one measurement, made in a new process."""
    if function == "read" and second == "first":
        shutil.rmtree(folder(first) / "data", ignore_errors=True)
    command = [sys.executable, __file__, "--ask", function, str(first), second]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    rows = json.loads(done.stdout.splitlines()[-1])
    for row in rows if "task" in rows[0] else ():
        print(f"{row['task']:6} {row['who']:36} {row['ratings']:11,} ratings {row['cpu_s']:9.2f} CPU s", flush=True)
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure and record; return the exit code, 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="one whole run of 20 million ratings instead; 15 minutes")
    parser.add_argument("--lists", action="store_true", help="the lists of the last whole run alone")
    parser.add_argument("--fits", action="store_true", help="both heads on data of several shapes instead")
    parser.add_argument("--only", help="a function of this file: the rows of others stay as recorded")
    parser.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.ask:
        function, first, second = options.ask
        print(json.dumps(globals()[function](int(first) if first.isdecimal() else first, second)))
    elif options.fits:
        tables.write("scale.py", "fit_costs", fit_costs())
    elif options.run or options.lists:
        if options.run:
            tables.write("scale.py", "scale_run", whole_run(), tolerance=dict.fromkeys(LOGGED, math.inf))
        tables.write("scale.py", "scale_lists", lists_of_the_run())
    else:
        wanted = [asked for asked in questions() if options.only in (None, asked[0])]
        table = pd.DataFrame([row for asked in wanted for row in ask(*asked)], columns=COLUMNS)
        tables.write("scale.py", "scale", tables.merged("scale", table, ["task", "who", "users", "movies"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
