"""MovieLens as four tables, whatever its format: `load`, `read`, `clean`, `fingerprint`, `find_movie`.

Downstream of this module nobody knows a file format. Taught in notebooks/01 and 02.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data import download, formats
from movierec.data import own_tables as own
from movierec.data.cache import Cache
from movierec.data.cleaning import LOG, MOVED, article_first, clean
from movierec.data.cleaning import natural_title as natural_title  # one of the names that are taught
from movierec.data.tables import RATINGS, MovieLens, as_columns, from_columns

COURSE = "ml-100k"  # what the sentences of the notebooks and the report's numbers are about


def data_folder(folder: str | os.PathLike | None = None) -> Path:
    """The data folder: as given, else the environment variable MOVIEREC_DATA, else `data` in the checkout.

    `raw/` in it holds archives, `cache/` what is made from them, such as trained models.
    """
    return Path(folder or os.environ.get("MOVIEREC_DATA") or Path(__file__).parents[2] / "data").expanduser()


def chosen() -> str:
    """The data set that the notebooks run on: the environment variable MOVIEREC_DATASET, else the course's."""
    return os.environ.get("MOVIEREC_DATASET") or COURSE


def star_step(name: str) -> float:
    """The distance of two neighbouring ratings in stars: 1.0 in the oldest two releases, 0.5 since."""
    return 1.0 if name in ("ml-100k", "ml-1m") else 0.5


def load(name: str = COURSE, folder: str | os.PathLike | None = None) -> MovieLens:
    """The cleaned tables of a MovieLens data set, fetched first where they are not in the data folder.

    They are kept in `cache/tables` of the data folder, and read from there for as long as the archive is the same.

    Args:
        name: "ml-100k" (the course's), "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest" or
            "ml-latest-small".
        folder: Data folder, whose `raw/` holds the archives; default: the environment variable MOVIEREC_DATA,
            else `data` in the checkout.

    Raises:
        ValueError: Unknown name, or a malformed row (file and line are named).
        download.DataUnavailable: A FileNotFoundError; no source has it, or the archive is damaged.
        OSError: The disk is full or the folder cannot be written, and the archive is still to be fetched.

    Warns:
        UserWarning: Cleaning removed rows; the counts are given. It removes none of ML-100K's. Or the cache could
            not be written.
    """
    _check_name(name)
    cache = Cache(data_folder(folder) / "cache" / "tables" / name)
    path = download.obtain(name, data_folder(folder) / "raw", cache.digest)
    key = cache.key(formats.files(path, name))
    data, log = _cached(cache, key, lambda: clean(MovieLens(**formats.read_tables(path, name)), star_step(name)))
    _warn_of_removed(log, name, f'All decisions: `movielens.clean(movielens.read_raw("{name}"))[1]`.')
    return data


def read(
    ratings: str | os.PathLike,
    movies: str | os.PathLike | None = None,
    users: str | os.PathLike | None = None,
    tags: str | os.PathLike | None = None,
    *,
    step: float | None = None,
    folder: str | os.PathLike | None = None,
) -> MovieLens:
    """The cleaned tables of your own CSV files: `load` for data that are not MovieLens.

    Files are UTF-8, separated by commas, with a header; columns in any order, others are left out. An id is a whole
    number; `userId` and `movieId` are understood as well as `user_id` and `movie_id`.

    Args:
        ratings: user_id, movie_id, rating (0.5 to 5 stars), timestamp (seconds since 1970-01-01, UTC).
        movies: movie_id, title, genres ("Action|Crime"), and year if you have it, else it is read from a title
            such as "Heat (1995)". Without the file each movie that is rated is called "movie 42".
        users: user_id, and age, gender, occupation, zip_code, any of them.
        tags: user_id, movie_id, tag, timestamp.
        step: 1.0 for whole stars, 0.5 for halves; None accepts any number from 0.5 to 5.
        folder: Data folder, whose `cache/` keeps the tables; default as for `load`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A column is missing, a row is malformed (file and line are named), or no rating is left.

    Warns:
        UserWarning: Cleaning removed rows, or the cache could not be written.
    """
    paths = own.found({"ratings": ratings, "movies": movies, "users": users, "tags": tags})
    asked = json.dumps([*map(str, paths.items()), step])
    name = f"own-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"
    cache = Cache(data_folder(folder) / "cache" / "tables" / name)
    key = cache.key(list(paths.values()))
    data, log = _cached(cache, key, lambda: _clean_own(own.read_tables(paths), paths["ratings"], step))
    _warn_of_removed(log, str(ratings), "The others are kept; mend the file if that is not what you expect.")
    return data


def read_raw(name: str = COURSE, folder: str | os.PathLike | None = None) -> MovieLens:
    """The tables as published: `load` before cleaning, never cached. Arguments and errors as for `load`."""
    _check_name(name)
    path = download.obtain(name, data_folder(folder) / "raw")
    return MovieLens(**formats.read_tables(path, name))


def load_genome(name: str, folder: str | os.PathLike | None = None) -> pd.DataFrame:
    """The tag genome: float32 [movies, 1128], from 0 to 1, how much a tag fits a movie; index movie_id, a column a tag.

    Args:
        name: "ml-20m", "ml-25m" or "ml-latest".
        folder: Data folder, as for `load`.

    Raises:
        ValueError: The data set has no genome, or a row is malformed.
        download.DataUnavailable: As for `load`.

    Source: Vig, Sen, Riedl. The Tag Genome. ACM Transactions on Interactive Intelligent Systems 2, 3, 2012.
    """
    if name not in formats.WITH_GENOME:
        raise ValueError(
            f"`name` must be a data set with a tag genome, {', '.join(formats.WITH_GENOME)}; got {name!r}. "
            'Try movierec.data.movielens.load_genome("ml-25m"); the tags that users wrote are `movierec.load(…).tags`.'
        )
    cache = Cache(data_folder(folder) / "cache" / "tables" / f"{name}-genome")
    path = download.obtain(name, data_folder(folder) / "raw", cache.digest)
    key = cache.key(formats.files(path, name, genome=True))
    if (found := cache.load(key)) is None:
        columns = dict(zip(("movie_id", "tag", "relevance"), formats.read_genome(path, name), strict=True))
        cache.save(key, columns, [])
    else:
        columns, _ = found
    index = pd.Index(columns["movie_id"], name="movie_id")
    return pd.DataFrame(columns["relevance"], index, pd.Index(columns["tag"], name="tag"), copy=False)


def load_links(name: str, folder: str | os.PathLike | None = None) -> pd.DataFrame:
    """movie_id, imdb_id, tmdb_id: what another table about films is joined by, as text; "" where there is no such page.

    The page of imdb_id "0114709" is https://www.imdb.com/title/tt0114709/, that of tmdb_id "862"
    https://www.themoviedb.org/movie/862.

    Args:
        name: "ml-20m", "ml-25m", "ml-32m", "ml-latest" or "ml-latest-small".
        folder: Data folder, as for `load`.

    Raises:
        ValueError: The data set has no links, or a row is malformed.
        download.DataUnavailable: As for `load`.
    """
    if name not in formats.WITH_LINKS:
        raise ValueError(
            f"`name` must be a data set with links, {', '.join(formats.WITH_LINKS)}; got {name!r}. Without them, join "
            "by title and year."
        )
    root = data_folder(folder)
    path = download.obtain(name, root / "raw", Cache(root / "cache" / "tables" / name).digest)
    return formats.read_links(path, name)


def _check_name(name: str) -> None:
    if name not in download.ARCHIVES:
        nearest = difflib.get_close_matches(str(name).lower(), download.ARCHIVES, n=1, cutoff=0)[0]
        raise ValueError(
            f"`name` must be one of {', '.join(download.ARCHIVES)}; got {name!r}. "
            f'Did you mean movierec.load("{nearest}")?'
        )


def _cached(
    cache: Cache, key: list[str], build: Callable[[], tuple[MovieLens, pd.DataFrame]]
) -> tuple[MovieLens, pd.DataFrame]:
    """Tables and log of cleaning from the cache, or as `build` makes them; then they are kept."""
    if (found := cache.load(key)) is not None:
        columns, log = found
        return from_columns(columns), pd.DataFrame(log, columns=LOG)
    data, log = build()
    cache.save(key, as_columns(data), log.to_numpy().tolist())
    return data, log


def _clean_own(data: MovieLens, path: Path, step: float | None) -> tuple[MovieLens, pd.DataFrame]:
    cleaned, log = clean(data, step)
    if not len(cleaned.ratings):
        removed = "; ".join(f"{row.removed:,} {row.problem}" for row in log.itertuples() if row.removed)
        raise ValueError(
            f"{path} must hold at least one rating of a movie that is known, on a scale of 0.5 to 5 stars; none of "
            f"{len(data.ratings):,} is ({removed or 'it has no rows'}). Convert another scale first, e.g. "
            'table["rating"] = table["rating"] / 2.'
        )
    return cleaned, log


def _warn_of_removed(log: pd.DataFrame, name: str, advice: str) -> None:
    if (removed := log[log.removed > 0]).size:
        counts = "; ".join(f"{row.removed:,} {row.problem}" for row in removed.itertuples())
        warnings.warn(f"Cleaning {name} removed rows: {counts}. {advice}", stacklevel=3)


def fingerprint(data: MovieLens) -> str:
    """12 hex digits of the SHA-256 of the sorted ratings: the same from any source, format or row order."""
    ratings = data.ratings
    order = np.lexsort([ratings[column] for column in ("rating", "timestamp", "movie_id", "user_id")])
    digest = hashlib.sha256()
    for column, dtype in RATINGS.items():
        digest.update(ratings[column].to_numpy()[order].astype(np.dtype(dtype).newbyteorder("<")).tobytes())
    return digest.hexdigest()[:12]


def find_movie(movies: pd.DataFrame, title: str) -> int:
    """The movie_id of a title: natural or as published, in any case, with or without year and translation.

    Raises:
        ValueError: No movie has it (the nearest titles are listed), or several have (all are listed).
    """
    exact = movies.movie_id[movies.title == title]
    if len(exact) == 1:  # the usual case, fifty times as fast
        return int(exact.iloc[0])
    asked = _short_names.__wrapped__(title)  # not remembered: anybody may ask for anything
    wanted, names = asked[0], movies.title.map(_short_names)
    for level in range(4):
        found = movies[names.str[level] == wanted]
        if len(found) == 1:
            return int(found.movie_id.iloc[0])
        if len(found) > 1:
            raise ValueError(
                f"`title` must be that of one movie; {len(found)} have {title!r}: "
                f"{_listed(found)}. Take one of these movie_id, or add the year if it differs."
            )
    near = difflib.get_close_matches(asked[1], names.str[1], n=3)
    found = movies[names.str[1].isin(near)]
    advice = f"Nearest: {_listed(found)}." if near else "None is near; `movies.title` lists them all."
    raise ValueError(f"`title` must be in `movies`; none of {len(movies):,} titles is {title!r}. {advice}")


@functools.cache  # asked for the whole catalogue at every look-up
def _short_names(title: str) -> tuple[str, ...]:
    """A title in lower case, natural order: whole; then without year; without parentheses; without "the" or "a"."""
    whole = re.sub(MOVED, article_first, title.strip(), flags=re.IGNORECASE).casefold()
    short = re.sub(r"(?<=.) \(.*", "", whole)
    return whole, re.sub(r" *\(\d{4}[^)]*\)( \(v\))?$", "", whole), short, re.sub(r"^(the|an?) ", "", short)


def _listed(found: pd.DataFrame) -> str:
    return ", ".join(f"{row.title!r} (movie_id {row.movie_id})" for row in found.head(5).itertuples())
