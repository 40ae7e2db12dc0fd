"""Peers side by side: one machine, the same splits, the same metrics; report/results/peers.csv and peers_in_time.csv.

    python tests/benchmarks/run.py                 the quick ones; rows of the others stay as recorded
    python tests/benchmarks/run.py --full          all of them
    python tests/benchmarks/run.py --only cornac   those with "cornac" in their name or library

`make benchmark` and `make benchmark FULL=1` are the first two. Every fit is a process of its own (`one_fit.py`): its
memory and CPU seconds are its own, and a crash costs one row. Threads are as the libraries have them.
"""

import argparse
import itertools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import environment
import numpy as np
import pandas as pd
from evaluation_speed import answer_numbers, evaluation_seconds
from peers import OURS, OWN, PEERS, READS_ON, Peer
from tables import merged

import movierec
from movierec import evaluation
from movierec.data import Indices, make_indices
from movierec.evaluation import bootstrap_means
from movierec.record import Recorder, keep, read_table, report_folder

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 3600  # of one fit; the slowest here takes minutes
RANKING = ["ndcg@10", "map@10", "precision@10", "recall@10", "recall@20"]
STARS = ["rmse", "mae"]
COSTS = ["fit_seconds", "cpu_seconds", "peak_megabytes"]
ABOUT = ["model", "protocol", "library", "version", "settings", "reads", "folds"]
COLUMNS = [*ABOUT, *RANKING, *STARS, *COSTS, "note"]
# A refit repeats to the last digit on one machine, or nearly so; other machines add up in another order.
TOLERANCE = dict.fromkeys(RANKING + STARS, 0.005) | dict.fromkeys([*COSTS, "version", "note"], math.inf)
NOT_RUN = "not run yet; make benchmark FULL=1 runs all"


class Protocol(NamedTuple):
    """How to split, what is asked, and from how many stars on a film is relevant."""

    split: Callable  # ratings -> a `Split`, or a list of them
    predicts: str  # "scores" or "stars"
    liked_from: float = 0


def _of_known_users(ratings: pd.DataFrame) -> movierec.Split:
    """Return `split_by_time` without users whom train does not know: most libraries refuse them."""
    split = movierec.split_by_time(ratings)
    known = (part[part["user_id"].isin(split.train["user_id"])] for part in (split.validation, split.test))
    return movierec.Split(split.train, *known, split.in_time)


def _in_microsofts_order(ratings: pd.DataFrame) -> movierec.Split:
    split = movierec.split_stratified(ratings)
    # Train's rows in the order in which Microsoft's splitter leaves them: BPR and SGD draw rows by number, so another
    # order is another sample. In this one their published figures come out to four digits.
    drawn = np.random.RandomState(42).rand(len(ratings))
    order = ratings.index[np.lexsort((drawn, ratings["movie_id"]))]
    return movierec.Split(split.train.loc[order[order.isin(split.train.index)]], None, split.test)


PROTOCOLS = {
    "stratified": Protocol(_in_microsofts_order, "scores"),
    "stratified stars": Protocol(_in_microsofts_order, "stars"),
    "random5": Protocol(movierec.split_random5, "stars"),
    "by_user_time": Protocol(movierec.split_by_user_time, "scores", evaluation.LIKED_FROM_STARS),
    "by_user_time stars": Protocol(movierec.split_by_user_time, "stars"),
    "leave_last": Protocol(movierec.split_leave_last, "scores"),
    "by_time": Protocol(_of_known_users, "scores", evaluation.LIKED_FROM_STARS),
    "by_time stars": Protocol(_of_known_users, "stars"),
}
TABLES = {"peers": tuple(PROTOCOLS)[:3], "peers_in_time": tuple(PROTOCOLS)[3:]}


def folds_of(protocol: str, ratings: pd.DataFrame) -> list[movierec.Split]:
    """Return the splits of a protocol: five for `random5`, else one."""
    made = PROTOCOLS[protocol].split(ratings)
    return made if isinstance(made, list) else [made]


def write_fold(folder: Path, split: movierec.Split, data, indices: Indices, predicts: str) -> None:
    """Write what a model may know, ids as indices: of the test part its pairs, or for lists nothing.

    The validation part is for early stopping; a model must not learn from it.
    """
    parts = {"train": split.train, "movies": data.movies}
    if data.users is not None:
        parts["users"] = data.users
    if split.validation is not None:
        parts["validation"] = split.validation
    if predicts == "stars":
        parts["test"] = split.test.drop(columns="rating")
    for name, table in parts.items():
        table = table.rename(columns={"user_id": "user_index", "movie_id": "movie_index"})
        for column, rows_of in (("user_index", indices.user_index), ("movie_index", indices.movie_index)):
            if column in table:
                table = table.assign(**{column: rows_of(table[column])})
        if name in ("movies", "users"):
            table = table[table.iloc[:, 0] >= 0].sort_values(table.columns[0])  # train does not know the others
        table.to_csv(folder / f"{name}.csv", index=False)


def fit_one(peer: Peer, folder: Path, python: Path) -> tuple[np.ndarray, dict]:
    """Return what a model predicts and what its fit took; raise RuntimeError with the last line of an error."""
    protocol = PROTOCOLS[peer.protocol]
    job = {"runner": peer.runner, "model": peer.model, "settings": peer.settings, "library": peer.library}
    job |= {"folder": str(folder), "predicts": protocol.predicts, "liked_from": protocol.liked_from}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [python, HERE / "one_fit.py", folder / "job.json"]
    try:
        # In the fold's folder: RecBole writes logs to where it is started.
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=folder)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"stopped after {TIMEOUT_SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        raise RuntimeError(lines[-1])
    return np.load(folder / "predicted.npy"), json.loads((folder / "measured.json").read_text(encoding="utf-8"))


def quality(predicted: np.ndarray, split: movierec.Split, indices: Indices, protocol: str) -> tuple[dict, pd.DataFrame]:
    """Return the metrics of one fold, by the course's own code, and a table by user of which they are the mean.

    Its index is user_id; value: NDCG@10, or the mean squared error in stars²; weight: 1, or the number of ratings.
    """
    if PROTOCOLS[protocol].predicts == "stars":
        found = evaluation.evaluate_stars(SimpleNamespace(predict=lambda _: predicted), split)
        squares = (predicted - split.test["rating"].to_numpy()) ** 2
        by_rating = pd.Series(squares).groupby(split.test["user_id"].to_numpy())
        return found.attrs, pd.DataFrame({"value": by_rating.mean(), "weight": by_rating.size()})
    liked_from = PROTOCOLS[protocol].liked_from
    ten, twenty = (
        evaluation.evaluate_ranking(lambda users: predicted[users], split, indices, k=k, liked_from=liked_from)
        for k in (10, 20)
    )
    by_user = ten.join(twenty[["recall@20"]])
    return by_user[RANKING].mean().to_dict(), pd.DataFrame({"value": by_user["ndcg@10"], "weight": 1})


def measure(peer: Peer, data, fit: Callable = fit_one, python: Path = Path(sys.executable)) -> dict:
    """Return a row of the table: over folds and seeds the mean quality and the median cost; a failure is a note."""
    rows, by_user, note = [], [], peer.remark
    repeats = [replace(peer, settings=peer.settings | {"seed": seed}) for seed in range(peer.seeds)] or [peer]
    for split, one in itertools.product(folds_of(peer.protocol, data.ratings), repeats):
        indices = make_indices(split.train, data.movies)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_fold(folder, split, data, indices, PROTOCOLS[peer.protocol].predicts)
            try:
                predicted, took = fit(one, folder, python)
                found, values = quality(predicted, split, indices, peer.protocol)
                rows.append(took | found)
                by_user.append(values)
            except (RuntimeError, ValueError, OSError) as error:
                note = "failed: " + re.sub(r"/\S*/", "", str(error))[:200]  # no path of this machine in the table
                break
    row = _row(peer, note) | {"folds": len(rows) // len(repeats)}
    if not note.startswith("failed"):
        keep_values(peer, by_user)
        table = pd.DataFrame(rows)
        row |= table[[name for name in RANKING + STARS if name in table]].mean().to_dict()
        row |= table[COSTS].median().to_dict() | {"version": table["version"][0]}  # one busy moment is no mean
    return row


def keep_values(peer: Peer, by_user: list[pd.DataFrame]) -> None:
    """Keep the means by user, over folds and seeds, for `differences`; they are not recorded."""
    values = pd.concat(by_user)
    values["sum"] = values["value"] * values["weight"]
    total = values.groupby(level=0)[["sum", "weight"]].sum()
    total["value"] = total["sum"] / total["weight"]
    path = values_of(peer)
    path.parent.mkdir(parents=True, exist_ok=True)
    total.rename_axis("user_id")[["value", "weight"]].to_csv(path)


def values_of(peer: Peer) -> Path:
    return report_folder() / "generated/benchmark" / re.sub(r"[^\w+]+", "_", f"{peer.protocol} {peer.name}.csv")


def differences(peers: list[Peer] = PEERS) -> pd.DataFrame:
    """Return by how much ours are better than each other row of their protocol, with the interval over users.

    Columns: protocol, metric, model, against, difference, low, high; positive in NDCG@10 and in RMSE: ours is better.
    """
    rows = []
    there = [peer for peer in peers if values_of(peer).exists()]
    for ours, other in itertools.product(there, there):
        if ours.protocol != other.protocol or ours.name not in OURS or other.name in OURS:
            continue
        if other.remark == READS_ON:
            continue  # it knows a film more; `sequence_rivals.py` compares such models
        values = [pd.read_csv(values_of(peer), index_col="user_id") for peer in (ours, other)]
        both = np.stack([values[0]["value"], values[1]["value"].reindex(values[0].index)], axis=1)
        weights = values[0]["weight"].to_numpy()
        stars = PROTOCOLS[ours.protocol].predicts == "stars"

        def better(means, stars=stars):
            return np.sqrt(means[..., 1]) - np.sqrt(means[..., 0]) if stars else means[..., 0] - means[..., 1]

        low, high = np.quantile(better(bootstrap_means(both, weights)), [0.025, 0.975])
        mean = better(np.average(both, axis=0, weights=weights))
        rows.append((ours.protocol, "rmse" if stars else "ndcg@10", ours.name, other.name, mean, low, high))
    return pd.DataFrame(rows, columns=["protocol", "metric", "model", "against", "difference", "low", "high"])


def merge(fresh: list[dict], recorded: pd.DataFrame | None, peers: list[Peer] = PEERS) -> pd.DataFrame:
    """Return the table in the order of `peers`: fresh rows, else recorded ones, else a row that says how to run it."""
    rows = {peer.key: _row(peer, NOT_RUN) for peer in peers}
    for row in [*([] if recorded is None else recorded.to_dict("records")), *fresh]:
        key = row["model"], row["protocol"]
        if key in rows:
            rows[key] |= row | {"reads": rows[key]["reads"]}  # as `peers` says it, not as it was once recorded
    return pd.DataFrame([*rows.values()])[COLUMNS]


def _row(peer: Peer, note: str) -> dict:
    who = {"model": peer.name, "protocol": peer.protocol, "library": peer.library, "settings": peer.origin}
    who |= {"reads": peer.reads} if PROTOCOLS[peer.protocol].predicts == "stars" else {}
    return dict.fromkeys(COLUMNS, "--") | who | {"note": note}


def write(fresh: list[dict]) -> None:
    """Write the tables as fresh results, and copy them to the recorded ones.

    A difference needs values by user of both rows, which are not recorded; where they are missing it stays as it was.
    """
    for name, protocols in TABLES.items():
        recorded = report_folder() / f"results/{name}.csv"
        peers = [peer for peer in PEERS if peer.protocol in protocols]
        table = merge(fresh, read_table(recorded)[0] if recorded.exists() else None, peers)
        _record(name, table, TOLERANCE)
    found = differences()
    if len(found):
        found = merged("peer_differences", found, ["protocol", "model", "against"])
        _record("peer_differences", found, dict.fromkeys(["difference", "low", "high"], math.inf))


def _record(name: str, table: pd.DataFrame, tolerance: dict) -> None:
    Recorder("tests/benchmarks/run.py", movierec.load("ml-100k")).table(name, table, tolerance=tolerance)
    keep(name)


def main(arguments: list[str] | None = None) -> int:
    """Run the peers; return the exit code: 0, also if a peer failed; 1 if there is nothing to run, or no Python."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also the models that take minutes")
    parser.add_argument("--only", default="", metavar="TEXT", help="models with this in their name, slow or not")
    parser.add_argument("--protocol", default="", help=f"one of {', '.join(PROTOCOLS)}")
    options = parser.parse_args(arguments)
    wanted = options.only.lower()
    named = [peer for peer in PEERS if wanted in f"{peer.name} {peer.library}".lower()]
    named = [peer for peer in named if options.protocol in ("", peer.protocol)]
    chosen = [peer for peer in named if options.full or wanted or not peer.slow]
    if not chosen:
        names = ", ".join(dict.fromkeys(peer.name for peer in PEERS))
        found = f"{options.only!r} is in none of {names}"
        print(f"--only takes a part of a model's or library's name; {found}", file=sys.stderr)
        return 1
    try:
        of_peers = environment.python_of_peers() if any(p.library not in OWN for p in chosen) else None
    except RuntimeError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    if hasattr(os, "getloadavg") and os.getloadavg()[0] >= os.cpu_count():
        print("this machine is busy with other work: seconds will be too long, CPU seconds a little")
    data = movierec.load("ml-100k")
    fresh = []
    for peer in chosen:
        python = Path(sys.executable) if peer.library in OWN else of_peers
        fresh.append(measure(peer, data, python=python))
        write(fresh)  # after each, so that a run that is stopped keeps what it has measured
        print(_line(fresh[-1]), flush=True)
    numbers = {"evaluation_seconds": evaluation_seconds(data)} | answer_numbers(data) | times_less_than_the_tutorial()
    for name, value in numbers.items():
        Recorder("tests/benchmarks/run.py", data).number(name, value, tolerance=math.inf, digits=2 if value < 1 else 1)
        print(f"{name.replace('_', ' ')}: {value:.2f}")
    return 0


def times_less_than_the_tutorial() -> dict[str, float]:
    """Return how many times less CPU the hybrid's lists took than the tutorial's, if the table has both."""
    rows = read_table(report_folder() / "results/peers.csv")[0].set_index(["model", "protocol"])["cpu_seconds"]
    tutorial, ours = rows[("TFRS basic_retrieval", "stratified")], rows[("hybrid", "stratified")]
    return {} if "--" in (tutorial, ours) else {"times_less_cpu": float(tutorial) / float(ours)}


def _line(row: dict) -> str:
    if row["note"].startswith("failed"):
        return f"{row['model']:28} {row['note']}"
    shown = [f"{name} {row[name]:.4f}" for name in RANKING + STARS if row[name] != "--"]
    costs = f"{row['fit_seconds']:.1f} s, {row['cpu_seconds']:.1f} CPU s, {row['peak_megabytes']:.0f} MB"
    return f"{row['protocol']:18} {row['model']:28} {', '.join(shown)}; {costs}"


if __name__ == "__main__":
    sys.exit(main())
