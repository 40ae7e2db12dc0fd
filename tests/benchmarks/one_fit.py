"""One fit in a process of its own, measured: `python one_fit.py JOB.json`, started by `run.py` for each model and fold.

It also runs in the peers' environment, where movierec is not installed. A runner, `runners/<library>.py`, has
`fit(data, model, **settings)`, which returns anything, and one or both of `scores(fitted, data)`, float32
`[num_users, num_movies]`, and `stars(fitted, data)`, float `[N]`, a number for each row of `data.test`.
"""

import importlib
import importlib.metadata
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Data:
    """What a model may know."""

    train: pd.DataFrame  # user_index, movie_index, rating (stars), timestamp (Unix seconds), in the order of the split
    test: pd.DataFrame | None  # the pairs to predict, without their stars; None for lists
    validation: pd.DataFrame | None  # as train, for early stopping only
    movies: pd.DataFrame  # movie_index, title, year, genres ("Action|Crime")
    users: pd.DataFrame  # user_index, age, gender, occupation
    num_users: int
    num_movies: int
    folder: Path  # for files that a library insists on
    liked_from: float = 0  # stars from which a validation rating is relevant


def read(folder: Path, liked_from: float = 0) -> Data:
    """Read the tables of one fold, as `run.write_fold` left them in `folder`."""
    parts = [folder / f"{name}.csv" for name in ("train", "test", "validation", "movies", "users")]
    tables = [pd.read_csv(path, keep_default_na=path.stem == "movies") if path.exists() else None for path in parts]
    movies = tables[3].fillna({"title": "", "genres": ""})
    num_users = int(tables[0]["user_index"].max()) + 1
    return Data(*tables[:3], movies, tables[4], num_users, len(movies), folder, liked_from)


def peak_megabytes() -> float:
    """Return the most resident memory that this process has held so far, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; its ru_maxrss would begin with the size of the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def run(job: dict) -> dict:
    """Fit, predict and write `predicted.npy`; return seconds of the fit (wall, CPU), peak memory and version."""
    folder = Path(job["folder"])
    data = read(folder, job["liked_from"])
    runner = importlib.import_module(f"runners.{job['runner']}")  # its imports are not part of the fit
    wall, cpu = time.perf_counter(), time.process_time()
    fitted = runner.fit(data, job["model"], **job["settings"])
    took = {"fit_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    predicted = np.asarray(getattr(runner, job["predicts"])(fitted, data), np.float32)
    np.save(folder / "predicted.npy", predicted)
    return took | {"peak_megabytes": peak_megabytes(), "version": importlib.metadata.version(job["library"])}


if __name__ == "__main__":
    job_file = Path(sys.argv[1])
    result = run(json.loads(job_file.read_text(encoding="utf-8")))
    job_file.with_name("measured.json").write_text(json.dumps(result), encoding="utf-8")
