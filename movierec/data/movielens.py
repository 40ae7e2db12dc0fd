"""MovieLens as four tables, whatever its format: `load`, `read`, `read_raw`, the tag genome, links, and a fingerprint.

Downstream of this module nobody knows a file format. Taught in notebooks/01 and 02.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs

from movierec.calls import check_keywords
from movierec.data import download, formats, own_tables, units
from movierec.data.cleaning import clean
from movierec.data.tables import RATINGS, MovieLens, cached
from movierec.scale import checked_scale

COURSE = "ml-100k"  # what the sentences of the notebooks and the report's numbers are about


def data_folder(folder: str | os.PathLike | None = None) -> Path:
    """Return the folder whose `raw/` holds archives, and whose `cache/` holds what is made from them.

    The first of: `folder`; the environment variable MOVIEREC_DATA; `data` in the checkout, if this package lies in one;
    a folder of the user's, such as ~/.cache/movierec on Linux.
    """
    if given := folder or os.environ.get("MOVIEREC_DATA"):
        return Path(given).expanduser()
    checkout = Path(__file__).parents[2]
    in_checkout = (checkout / "pyproject.toml").exists()
    return checkout / "data" if in_checkout else Path(platformdirs.user_cache_dir("movierec"))


def chosen() -> str:
    """Return the data set that the notebooks run on: the environment variable MOVIEREC_DATASET, else `COURSE`."""
    return os.environ.get("MOVIEREC_DATASET") or COURSE


def star_step(name: str) -> float:
    """Return the distance of two neighbouring ratings in stars: 1.0 in the oldest two releases, 0.5 since."""
    return 1.0 if name in ("ml-100k", "ml-1m") else 0.5


@check_keywords()
def load(name: str = COURSE, folder: str | os.PathLike | None = None) -> MovieLens:
    """Return the cleaned tables of a MovieLens data set; fetch it first if need be. They are kept in `cache/tables`.

    Args:
        name: "ml-100k" (the course's), "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest", "ml-latest-small".
        folder: Data folder, whose `raw/` holds the archives; default: see `data_folder`.

    Raises:
        ValueError: Unknown name, or a malformed row (file and line are named).
        download.DataUnavailable: A FileNotFoundError; no source has it, or the archive is damaged.
        OSError: The disk is full or the folder cannot be written, and the archive is still to be fetched.

    Warns:
        UserWarning: Cleaning removed rows (none of ML-100K's), or the cache was damaged or could not be written.
    """
    path = _obtained(name, folder)

    def build() -> dict[str, pd.DataFrame]:
        cleaned, log = clean(MovieLens(**formats.read_tables(path, name)), star_step(name))
        return _present(cleaned) | {"log": log}

    found = cached(_kept(folder, name), formats.files(path, name), build)
    _warn_of_removed(found.pop("log"), name, f'All decisions: `movielens.clean(movielens.read_raw("{name}"))[1]`.')
    return MovieLens(**found)


@check_keywords()
def read(
    ratings: str | os.PathLike | pd.DataFrame,
    movies: str | os.PathLike | pd.DataFrame | None = None,
    users: str | os.PathLike | pd.DataFrame | None = None,
    tags: str | os.PathLike | pd.DataFrame | None = None,
    *,
    step: float | None = None,
    scale: tuple[float, float] | None = None,
    folder: str | os.PathLike | None = None,
) -> MovieLens:
    """Return the cleaned tables of your own files or DataFrames: `load` for data that are not MovieLens.

    Columns may be in any order and spelling (userId, item_id, stars, date, …), others are left out. What is understood
    without being written as here is said in one line each; data/README.md, "Your own tables", lists it all.

    Args:
        ratings: user_id, movie_id, and rating and timestamp where they are known. Without ratings each row says that a
            film was watched (1.0 everywhere); without times nothing is known of order (0 everywhere).
        movies: movie_id, and title, genres ("Action|Crime"), year, any of them; a year is also read from a title such
            as "Heat (1995)". Without the table each movie that is rated is called "movie 42".
        users: user_id, and age, gender, occupation, zip_code, any of them.
        tags: user_id, movie_id, tag, timestamp.
        step: 1.0 for whole stars, 0.5 for halves; None accepts any number on the scale.
        scale: the worst and the best rating there can be, such as (0, 10); None finds it from the ratings.
        folder: Data folder, whose `cache/` keeps the tables of files; default as for `load`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A column is missing, a row does not fit (file, line and cause are named), or no rating is left.

    Warns:
        UserWarning: Something was understood, cleaning removed rows, or the cache was damaged or cannot be written.
    """
    given = {"ratings": ratings, "movies": movies, "users": users, "tags": tags}
    sources = {noun: _source(noun, source) for noun, source in given.items() if source is not None}

    def build() -> dict[str, pd.DataFrame]:
        data, said = own_tables.recorded(own_tables.read_own, sources)
        if scale is not None:
            data.ratings.attrs["scale"] = tuple(checked_scale(scale))
        try:
            (cleaned, log), more = own_tables.recorded(clean, data, step)
        except ValueError:
            for line in said:  # what was taken for ratings
                units.say(line)
            raise
        if not len(cleaned.ratings):
            found = _counts(log) or "it has no rows"
            raise ValueError(f"`ratings` must hold at least one rating of a movie that is known; none is ({found}).")
        return _present(cleaned) | {"log": log, "said": pd.DataFrame({"line": pd.array(said + more, dtype="str")})}

    if any(isinstance(source, pd.DataFrame) for source in sources.values()):
        found = build()
    else:
        asked = json.dumps([*map(str, sources.items()), step, scale])
        name = f"own-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
        found = cached(_kept(folder, name), list(sources.values()), build)
    for line in found.pop("said")["line"]:
        units.say(line)
    advice = "The others are kept; of ratings that repeat a user and a movie, the newest, or of equal times the last."
    _warn_of_removed(found.pop("log"), "`ratings`" if isinstance(ratings, pd.DataFrame) else str(ratings), advice)
    return MovieLens(**found)


def _source(noun: str, source: object) -> Path | pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        return source
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            f"`{noun}` must be the path of a file or a DataFrame, got {type(source).__name__}. "
            'Call movierec.read("ratings.csv", "movies.csv"), or movierec.read(ratings, movies) with tables of pandas.'
        )
    path = Path(source).expanduser().absolute()
    if not path.is_file():
        raise FileNotFoundError(
            f"`{noun}` must be the path of a CSV file; {path} {'is a folder' if path.is_dir() else 'is not there'}"
            f". Give a path from {Path.cwd()}, where Python runs, or an absolute one."
        )
    return path


def read_raw(name: str = COURSE, folder: str | os.PathLike | None = None) -> MovieLens:
    """Return the tables as published: `load` before cleaning, never cached. Arguments and errors as for `load`."""
    return MovieLens(**formats.read_tables(_obtained(name, folder), name))


def load_genome(name: str, folder: str | os.PathLike | None = None) -> pd.DataFrame:
    """Return the tag genome: float32 [movies, 1128], how much a tag fits a movie, 0 to 1; index movie_id, columns tags.

    Arguments and errors as for `load`; "ml-20m", "ml-25m" and "ml-latest" have a genome.

    Source: Vig, Sen, Riedl. The Tag Genome. ACM Transactions on Interactive Intelligent Systems 2, 3, 2012.
    """
    if name not in formats.WITH_GENOME:
        raise ValueError(
            f"`name` must be a data set with a tag genome, {', '.join(formats.WITH_GENOME)}; got {name!r}. "
            'Try movierec.data.movielens.load_genome("ml-25m"); the tags that users wrote are `movierec.load(…).tags`.'
        )
    path = _obtained(name, folder)

    def build() -> dict[str, pd.DataFrame]:
        tables = formats.read_tables(path, name, formats.GENOME)
        tags, scores = tables["tags"].sort_values("tag_id"), tables["scores"]
        movie_id = np.unique(scores.movie_id)
        row = np.searchsorted(movie_id, scores.movie_id)
        column = pd.Index(tags.tag_id).get_indexer(scores.tag_id)  # -1 for an unknown tag: the last one, twice
        relevance = np.full((len(movie_id), len(tags)), np.nan, np.float32)
        relevance[row, column] = scores.relevance
        if (column < 0).any() or len(scores) != relevance.size or np.isnan(relevance).any():
            raise download.DataUnavailable(
                f"{path} must hold one relevance for each of {len(movie_id):,} movies and {len(tags):,} tags, "
                f"{relevance.size:,} in all; it holds {len(scores):,}. {download.again(path, name)}"
            )
        table = pd.DataFrame(relevance, pd.Index(movie_id, name="movie_id"), tags.tag, copy=False)
        return {"genome": table.rename_axis(columns=None).reset_index()}

    sources = formats.files(path, name, formats.GENOME)
    genome = cached(_kept(folder, f"{name}-genome"), sources, build)["genome"]
    return genome.set_index("movie_id").rename_axis(columns="tag")


def load_links(name: str, folder: str | os.PathLike | None = None) -> pd.DataFrame:
    """Return movie_id, imdb_id, tmdb_id as text, by which other tables about films are joined; "" if there is no page.

    The page of imdb_id "0114709" is https://www.imdb.com/title/tt0114709/, that of tmdb_id "862"
    https://www.themoviedb.org/movie/862. Arguments and errors as for `load`; releases with CSV files have links.
    """
    if name not in formats.WITH_LINKS:
        names = ", ".join(formats.WITH_LINKS)
        raise ValueError(f"`name` must be a data set with links, {names}; got {name!r}. Join by title and year.")
    return formats.read_tables(_obtained(name, folder), name, formats.LINKS)["links"]


def fingerprint(data: MovieLens) -> str:
    """Return 12 hex digits of the SHA-256 of the sorted ratings: the same from any source, format or row order."""
    ratings = data.ratings
    columns = {name: ratings[name].to_numpy() for name in RATINGS}
    places = {name: pd.factorize(ids, sort=True)[0] for name, ids in columns.items() if ids.dtype == "O"}  # of text
    order = np.lexsort([(columns | places)[name] for name in ("rating", "timestamp", "movie_id", "user_id")])
    digest = hashlib.sha256()
    for name, dtype in RATINGS.items():
        is_number, ordered = name not in places, columns[name][order]
        digest.update(ordered.astype(np.dtype(dtype).newbyteorder("<")) if is_number else "\0".join(ordered).encode())
    return digest.hexdigest()[:12]


def _kept(folder: str | os.PathLike | None, name: str) -> Path:
    return data_folder(folder) / "cache" / "tables" / name


def _present(data: MovieLens) -> dict[str, pd.DataFrame]:
    return {noun: table for noun, table in data._asdict().items() if table is not None}


def _obtained(name: str, folder: str | os.PathLike | None) -> Path:
    if name not in download.ARCHIVES:
        nearest = difflib.get_close_matches(str(name).lower(), download.ARCHIVES, n=1, cutoff=0)[0]
        raise ValueError(
            f"`name` must be one of {', '.join(download.ARCHIVES)}; got {name!r}. "
            f'Did you mean movierec.load("{nearest}")?'
        )
    return download.obtain(name, data_folder(folder) / "raw")


def _counts(log: pd.DataFrame) -> str:
    return "; ".join(f"{row.removed:,} {row.problem}" for row in log.itertuples() if row.removed)


def _warn_of_removed(log: pd.DataFrame, name: str, advice: str) -> None:
    if counts := _counts(log):
        units.say(f"Cleaning {name} removed rows: {counts}. {advice}")
