"""The notebooks on another data set: `python tests/benchmarks/other_size.py [01_exploration …]`.

MovieLens-latest-small cannot be had everywhere, so its twin is made from ML-100K: the same files and columns, half
stars, no users, tags, articles moved in titles, ids with gaps. Each notebook runs to its end on it, and what it finds
differently ("…: no") is listed. Nothing is compared or recorded: only that a reader with other data gets through.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pandas as pd

from movierec.data import movielens as datasets

ROOT = Path(__file__).resolve().parents[2]
NAME = "ml-latest-small"
USERS, TAGS = 610, 3_000
RENAMED = {  # as in the releases since, so that a notebook cannot rely on the titles of ML-100K
    "Star Wars (1977)": "Star Wars: Episode IV - A New Hope (1977)",
    "Empire Strikes Back, The (1980)": "Star Wars: Episode V - The Empire Strikes Back (1980)",
    "Return of the Jedi (1983)": "Star Wars: Episode VI - Return of the Jedi (1983)",
}


def write_twin(raw: Path) -> Path:
    """The archive of the twin in `raw`."""
    rng = np.random.default_rng(0)
    data = datasets.read_raw(datasets.COURSE)  # as published, titles with their articles moved
    users = rng.choice(np.sort(data.ratings["user_id"].unique()), USERS, replace=False)
    ratings = data.ratings[data.ratings["user_id"].isin(users)].copy()
    number = pd.Series(np.arange(1, USERS + 1), index=np.sort(users))
    halves = 0.5 * rng.integers(0, 2, len(ratings))
    ratings = pd.DataFrame(
        {
            "userId": ratings["user_id"].map(number).to_numpy(),
            "movieId": 3 * ratings["movie_id"].to_numpy() - 2,
            "rating": ratings["rating"].to_numpy() - halves,
            "timestamp": ratings["timestamp"].to_numpy(),
        }
    ).sort_values(["userId", "movieId"])
    movies = data.movies.sort_values("movie_id")
    genres = movies["genres"].where(~movies["genres"].isin(["", "unknown"]), "(no genres listed)")
    movies = pd.DataFrame(
        {"movieId": 3 * movies["movie_id"] - 2, "title": movies["title"].replace(RENAMED), "genres": genres}
    )
    tagged = ratings.sample(TAGS, random_state=0)
    words = movies.set_index("movieId")["genres"].str.split("|").str[0].str.lower()
    tags = tagged[["userId", "movieId"]].assign(
        tag=tagged["movieId"].map(words).to_numpy(), timestamp=tagged["timestamp"] + 60
    )
    path = raw / f"{NAME}.zip"
    raw.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in {"ratings": ratings, "movies": movies, "tags": tags}.items():
            text = io.StringIO()
            table.to_csv(text, index=False)
            archive.writestr(f"{NAME}/{name}.csv", text.getvalue())
    return path


def run(path: Path) -> tuple[float, str, list[str]]:
    """Seconds, the error (or nothing) and the findings that do not hold."""
    notebook = nbformat.read(path, as_version=4)
    started, error = time.perf_counter(), ""
    client = nbclient.NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as raised:
        error = str(raised)
    printed = [
        line
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for line in output.get("text", "").splitlines()
    ]
    return time.perf_counter() - started, error, [line for line in printed if line.endswith(": no")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", help="names without the ending; all, if none is given")
    parser.add_argument("--folder", type=Path, default=ROOT / "report/generated/other_size", help="of the twin")
    given = parser.parse_args()
    write_twin(given.folder / "raw")
    shutil.copytree(ROOT / "report/results", given.folder / "report/results", dirs_exist_ok=True)  # some are read
    os.environ |= {"MOVIEREC_DATA": str(given.folder.resolve()), "MOVIEREC_DATASET": NAME}
    os.environ["MOVIEREC_REPORT"] = str((given.folder / "report").resolve())
    subprocess.run([sys.executable, Path(__file__).with_name("repeats.py")], check=True)  # what notebooks read
    failed = 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if given.notebooks and path.stem not in given.notebooks:
            continue
        seconds, error, differs = run(path)
        failed += bool(error)
        print(f"{path.stem}: {'FAILED' if error else 'to its end'}, {seconds:.0f} s, {len(differs)} findings differ")
        for line in [*differs, *error.splitlines()[-40:]]:
            print("   ", line)
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
