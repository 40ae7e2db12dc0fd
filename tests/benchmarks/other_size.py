"""The notebooks on another data set: `python tests/benchmarks/other_size.py [01_exploration …]`.

MovieLens-latest-small cannot be had everywhere, so its twin is made from ML-100K: the same files and columns, half
stars, no users, tags, articles moved in titles, ids with gaps. Each notebook runs to its end on it, and what it finds
differently ("…: no") is listed. Nothing is compared or recorded: only that a reader with other data gets through.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import numpy as np

from movierec.data import MovieLens, write_csv
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
    """Write the twin's CSV files to a folder in `raw`; return it."""
    rng = np.random.default_rng(0)
    data = datasets.read_raw(datasets.COURSE)  # as published, titles with their articles moved
    users = rng.choice(np.sort(data.ratings["user_id"].unique()), USERS, replace=False)
    ratings = data.ratings[data.ratings["user_id"].isin(users)].copy()
    ratings["user_id"] = 1 + np.searchsorted(np.sort(users), ratings["user_id"])
    ratings["movie_id"] = 3 * ratings["movie_id"] - 2
    ratings["rating"] -= 0.5 * rng.integers(0, 2, len(ratings))
    ratings = ratings.sort_values(["user_id", "movie_id"], ignore_index=True)
    movies = data.movies.sort_values("movie_id")
    movies["movie_id"] = 3 * movies["movie_id"] - 2
    movies["title"] = movies["title"].replace(RENAMED)
    movies["genres"] = movies["genres"].replace("unknown", "")
    tags = ratings.sample(TAGS, random_state=0)
    words = movies.set_index("movie_id")["genres"].str.split("|").str[0].str.lower()
    tags = tags.assign(tag=tags["movie_id"].map(words).replace("", "none"), timestamp=tags["timestamp"] + 60)
    return write_csv(MovieLens(ratings, movies, None, tags), raw / NAME)


def run(path: Path) -> tuple[str, list[str]]:
    """Run a notebook; return its error, if there is one, and the findings that do not hold."""
    notebook, error = nbformat.read(path, as_version=4), ""
    client = nbclient.NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as raised:
        error = str(raised)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = [line for output in outputs for line in output.get("text", "").splitlines()]
    return error, [line for line in printed if line.endswith(": no")]


def main() -> int:
    """Run the notebooks on the twin; return how many failed."""
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
        error, differs = run(path)
        failed += bool(error)
        print(f"{path.stem}: {'FAILED' if error else 'to its end'}, {len(differs)} findings differ", flush=True)
        for line in [*differs, *error.splitlines()[-40:]]:
            print("   ", line, flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
