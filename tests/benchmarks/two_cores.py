"""One core against two: threads of one process, and workers that share every batch. report/results/two_cores.csv.

    python tests/benchmarks/two_cores.py        about ten minutes, on a machine that does nothing else

A million synthetic ratings. "threads": an epoch of `scale.py`, with one or two threads for the operations of
TensorFlow. "workers": an epoch of `python -m movierec train`, one or two processes of one thread each. The shortest of
`REPEATS` wall times counts, since other programs only add to it; one and two take turns. Nothing is said about more
than two cores: this was not measured.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import scale
import tables

RATINGS, REPEATS, EPOCHS = 1_000_000, 5, 3
ASKED = {"threads": ("hybrid, stars", "hybrid, lists"), "workers": ("hybrid, stars",)}


def environment(threads: int) -> dict:
    """Return the environment of a process with so many threads."""
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONUNBUFFERED": "1"}


def seconds_of_threads(kind: str, threads: int) -> float:
    """Return the wall seconds of an epoch in one process."""
    command = [sys.executable, scale.__file__, "--ask", "train", str(RATINGS), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(threads))
    return json.loads(done.stdout.splitlines()[-1])[0]["wall_s"]


def seconds_of_workers(_, workers: int) -> float:
    """Return the wall seconds of the shortest epoch after the first, with its validation, by so many workers."""
    place = scale.folder(RATINGS)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "movierec", "train", str(place / "ratings.csv"), str(Path(folder) / "model")]
        command += ["--movies", str(place / "movies.csv"), "--heads", "stars", "--epochs", str(EPOCHS)]
        command += ["--patience", str(EPOCHS), "--workers", str(workers)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(1))
    ends = [float(wall) for wall in re.findall(r"^ *([\d.]+) s .* epoch +epoch", done.stdout, re.MULTILINE)]
    return min(after - before for before, after in zip(ends, ends[1:], strict=False))


def main() -> int:
    """Measure and record; return the exit code, 0."""
    scale.folder(RATINGS)
    rows = []
    for how, seconds in (("threads", seconds_of_threads), ("workers", seconds_of_workers)):
        for kind in ASKED[how]:
            shortest = {1: float("inf"), 2: float("inf")}
            for _ in range(REPEATS):
                shortest = {number: min(best, seconds(kind, number)) for number, best in shortest.items()}
            row = {"what": kind, "how": how, "one_s": shortest[1], "two_s": shortest[2]}
            rows.append(row | {"speedup": shortest[1] / shortest[2]})
            print(rows[-1], flush=True)
    tables.write("two_cores.py", "two_cores", pd.DataFrame(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
