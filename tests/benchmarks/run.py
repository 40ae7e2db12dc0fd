"""Peers side by side: one machine, the same splits, the same metrics, one table, report/results/peers.csv.

    python tests/benchmarks/run.py                 the quick ones; rows of the others stay as recorded
    python tests/benchmarks/run.py --full          all of them
    python tests/benchmarks/run.py --only cornac   those with "cornac" in their name or library

`make benchmark` and `make benchmark FULL=1` are the first two. Every fit is a process of its own (`one_fit.py`), so
that its memory and its CPU seconds are its own, and a crash costs one row. Threads are as the libraries have them.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import environment
import numpy as np
import pandas as pd
from evaluation_speed import evaluation_seconds
from peers import OWN, PEERS, Peer

import movierec
from movierec import evaluation
from movierec.indices import Indices, make_indices
from movierec.report import Recorder, read_table, report_folder, write_file

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 3600  # of one fit; the slowest here takes minutes
RANKING = ["ndcg@10", "map@10", "precision@10", "recall@10"]
STARS = ["rmse", "mae"]
COSTS = ["fit_seconds", "cpu_seconds", "peak_megabytes"]
COLUMNS = ["model", "protocol", "library", "version", "settings", "folds", *RANKING, *STARS, *COSTS, "note"]
# A refit repeats to the last digit on one machine, or nearly so; other machines add up in another order.
TOLERANCE = dict.fromkeys(RANKING + STARS, 0.005) | dict.fromkeys([*COSTS, "version", "note"], math.inf)
NOT_RUN = "not run yet; make benchmark FULL=1 runs all"


def folds_of(protocol: str, ratings: pd.DataFrame) -> list[movierec.Split]:
    """The splits of a protocol: one for lists, five for stars."""
    if protocol == "random5":
        return movierec.split_random5(ratings)
    split = movierec.split_stratified(ratings)
    # Train's rows in the order in which Microsoft's splitter leaves them: BPR and SGD draw rows by number, so another
    # order is another sample. In this one their published figures come out to four digits.
    drawn = np.random.RandomState(42).rand(len(ratings))
    order = ratings.index[np.lexsort((drawn, ratings["movie_id"]))]
    return [movierec.Split(split.train.loc[order[order.isin(split.train.index)]], None, split.test)]


def write_fold(folder: Path, split: movierec.Split, data, indices: Indices, predicts: str) -> None:
    """Writes what a model may know, ids as indices. Stars of the test part stay here; for lists, the part itself."""
    parts = {"train": split.train, "movies": data.movies, "users": data.users}
    if predicts == "stars":
        parts["test"] = split.test.drop(columns="rating")
    for name, table in parts.items():
        if "user_id" in table:
            table = table.assign(user_id=indices.user_index(table["user_id"]))
        if "movie_id" in table:
            table = table.assign(movie_id=indices.movie_index(table["movie_id"]))
        if name in ("movies", "users"):
            table = table[table.iloc[:, 0] >= 0].sort_values(table.columns[0])  # train does not know the others
        renamed = table.rename(columns={"user_id": "user_index", "movie_id": "movie_index"})
        renamed.to_csv(folder / f"{name}.csv", index=False)


def fit_one(peer: Peer, folder: Path, python: Path) -> tuple[np.ndarray, dict]:
    """What one model predicts, and what its fit took. Raises RuntimeError with the last line of what went wrong."""
    predicts = "scores" if peer.protocol == "stratified" else "stars"
    job = {"runner": peer.runner, "model": peer.model, "settings": peer.settings, "library": peer.library}
    (folder / "job.json").write_text(json.dumps(job | {"folder": str(folder), "predicts": predicts}), encoding="utf-8")
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


def quality(predicted: np.ndarray, split: movierec.Split, indices: Indices, protocol: str) -> dict[str, float]:
    """The metrics of one fold, by the course's own code."""
    if protocol == "random5":
        return evaluation.evaluate_stars(SimpleNamespace(predict=lambda _: predicted), split).attrs
    by_user = evaluation.evaluate_ranking(lambda users: predicted[users], split, indices, k=10, liked_from=0)
    return by_user[RANKING].mean().to_dict()


def measure(peer: Peer, data, fit: Callable = fit_one, python: Path = Path(sys.executable)) -> dict:
    """One row of the table: over the folds the mean quality and the median cost; a failure is a note."""
    rows, note = [], peer.remark
    for split in folds_of(peer.protocol, data.ratings):
        indices = make_indices(split.train, data.movies)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_fold(folder, split, data, indices, "stars" if peer.protocol == "random5" else "scores")
            try:
                predicted, took = fit(peer, folder, python)
                rows.append(took | quality(predicted, split, indices, peer.protocol))
            except (RuntimeError, ValueError, OSError) as error:
                note = "failed: " + re.sub(r"/\S*/", "", str(error))[:200]  # no path of this machine in the table
                break
    row = dict.fromkeys(COLUMNS, "--") | _who(peer) | {"folds": len(rows), "note": note}
    if not note.startswith("failed"):
        table = pd.DataFrame(rows)
        row |= table[[name for name in RANKING + STARS if name in table]].mean().to_dict()
        row |= table[COSTS].median().to_dict() | {"version": table["version"][0]}  # one busy moment is no mean
    return row


def merge(fresh: list[dict], recorded: pd.DataFrame | None, peers: list[Peer] = PEERS) -> pd.DataFrame:
    """The table in the order of `peers`: fresh rows, else the recorded ones, else a row that says how to run it."""
    rows = {} if recorded is None else {(row["model"], row["protocol"]): row for row in recorded.to_dict("records")}
    rows |= {(row["model"], row["protocol"]): row for row in fresh}
    missing = {peer.key: dict.fromkeys(COLUMNS, "--") | _who(peer) | {"note": NOT_RUN} for peer in peers}
    return pd.DataFrame([{**missing[peer.key], **rows.get(peer.key, {})} for peer in peers])[COLUMNS]


def _who(peer: Peer) -> dict:
    return {"model": peer.name, "protocol": peer.protocol, "library": peer.library, "settings": peer.origin}


def write(fresh: list[dict]) -> None:
    """Writes the table as a fresh result, and copies it to the recorded ones."""
    recorded = report_folder() / "results/peers.csv"
    table = merge(fresh, read_table(recorded)[0] if recorded.exists() else None)
    Recorder("benchmarks").table("peers", table, tolerance=TOLERANCE)
    write_file(recorded, (report_folder() / "generated/results/peers.csv").read_bytes())


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, also if a peer failed; 1 if there is nothing to run or nothing to run it with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also the models that take minutes")
    parser.add_argument("--only", default="", metavar="TEXT", help="models with this in their name, slow or not")
    options = parser.parse_args(arguments)
    wanted = options.only.lower()
    named = [peer for peer in PEERS if wanted in f"{peer.name} {peer.library}".lower()]
    chosen = [peer for peer in named if options.full or wanted or not peer.slow]
    if not chosen:
        names = ", ".join(dict.fromkeys(peer.name for peer in PEERS))
        print(
            f"--only takes a part of a model's or library's name; {options.only!r} is in none of {names}",
            file=sys.stderr,
        )
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
        write(fresh)  # after each: who stops the run keeps what it has measured
        print(_line(fresh[-1]), flush=True)
    seconds = evaluation_seconds(data)
    Recorder("benchmarks").number("evaluation_seconds", seconds, tolerance=math.inf, unit="s", digits=2)
    print(f"evaluating one score matrix with all metrics: {seconds:.2f} s")
    return 0


def _line(row: dict) -> str:
    """A row for the eye."""
    if row["note"].startswith("failed"):
        return f"{row['model']:28} {row['note']}"
    shown = [f"{name} {row[name]:.4f}" for name in RANKING + STARS if row[name] != "--"]
    costs = f"{row['fit_seconds']:.1f} s, {row['cpu_seconds']:.1f} CPU s, {row['peak_megabytes']:.0f} MB"
    return f"{row['model']:28} {', '.join(shown)}; {costs}"


if __name__ == "__main__":
    sys.exit(main())
