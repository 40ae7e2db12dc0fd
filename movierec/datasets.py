"""MovieLens as four tables, whatever its format: `load`, `clean`, `fingerprint`, `find_movie`.

Downstream of this module nobody knows a file format. Taught in notebooks/01 and 02.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import os
import re
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec import download
from movierec.formats import RATINGS, read_tables

COURSE = "ml-100k"  # what the sentences of the notebooks and the report's numbers are about
NO_GENRE = {"unknown": "", "(no genres listed)": ""}
OPENING = 788_918_400  # 1995-01-01 UTC in seconds: no MovieLens rating is older
ARTICLES = r"The|A|An|Le|La|Les|L['’]|Un|Une|Der|Das|Ein|Eine|El|Los|Las|Una|Il|Lo|Gli|Os|Um|Uma|Het|Een"
RARE_ARTICLES = r"Die|Den|Det|De|En|Ett|Et|I|O|As|Uno"  # also words: "Die, Mommie, Die", "Me, Myself, I"
MOVED = rf"(^|\((?:a\.k\.a\. )?)(?:([^()]+), ({ARTICLES})|([^(),]+), ({RARE_ARTICLES}))(?= *\(| *\)| *$)"


class MovieLens(NamedTuple):
    """The tables of a data set; `users` and `tags` are None where it has none. Times are seconds, UTC."""

    ratings: pd.DataFrame  # user_id, movie_id, rating, timestamp
    movies: pd.DataFrame  # movie_id, title, year, genres
    users: pd.DataFrame | None = None  # user_id, age, gender, occupation, zip_code
    tags: pd.DataFrame | None = None  # user_id, movie_id, tag, timestamp

    def __repr__(self) -> str:
        sizes = (
            f"no {noun}" if table is None else f"{len(table):,} {noun}"
            for noun, table in zip(self._fields, self, strict=True)
        )
        return f"MovieLens({', '.join(sizes)})"


def data_folder(folder: str | os.PathLike | None = None) -> Path:
    """The data folder: as given, else the environment variable MOVIEREC_DATA, else `data` in the checkout.

    `raw/` in it holds archives, `cache/` what is made from them, such as trained models.
    """
    return Path(folder or os.environ.get("MOVIEREC_DATA") or Path(__file__).parents[1] / "data").expanduser()


def chosen() -> str:
    """The data set that the notebooks run on: the environment variable MOVIEREC_DATASET, else the course's."""
    return os.environ.get("MOVIEREC_DATASET") or COURSE


def star_step(name: str) -> float:
    """The distance of two neighbouring ratings in stars: 1.0 in the oldest two releases, 0.5 since."""
    return 1.0 if name in ("ml-100k", "ml-1m") else 0.5


def load(name: str = COURSE, folder: str | os.PathLike | None = None) -> MovieLens:
    """The cleaned tables of a MovieLens data set, fetched first where they are not in the data folder.

    Args:
        name: "ml-100k" (the course's), "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest" or
            "ml-latest-small".
        folder: Data folder, whose `raw/` holds the archives; default: the environment variable MOVIEREC_DATA,
            else `data` in the checkout.

    Raises:
        ValueError: Unknown name, or a malformed row (file and line are named).
        download.DataUnavailable: A FileNotFoundError; no source has it, or the archive is damaged.
        OSError: The disk is full or the folder cannot be written.

    Warns:
        UserWarning: Cleaning removed rows; the counts are given. It removes none of ML-100K's.
    """
    data, log = clean(read(name, folder), star_step(name))
    if (removed := log[log.removed > 0]).size:
        counts = "; ".join(f"{row.removed:,} {row.problem}" for row in removed.itertuples())
        warnings.warn(
            f"Cleaning {name} removed rows: {counts}. All decisions: "
            f'`movierec.datasets.clean(movierec.datasets.read("{name}"))[1]`.',
            stacklevel=2,
        )
    return data


def read(name: str = COURSE, folder: str | os.PathLike | None = None) -> MovieLens:
    """The tables as published: `load` before cleaning. Arguments and errors as for `load`."""
    if name not in download.ARCHIVES:
        nearest = difflib.get_close_matches(str(name).lower(), download.ARCHIVES, n=1, cutoff=0)[0]
        raise ValueError(
            f"`name` must be one of {', '.join(download.ARCHIVES)}; got {name!r}. "
            f'Did you mean movierec.load("{nearest}")?'
        )
    path = download.obtain(name, data_folder(folder) / "raw")
    return MovieLens(**read_tables(path, name))


def clean(data: MovieLens, step: float | None = None) -> tuple[MovieLens, pd.DataFrame]:
    """The tables after cleaning, and the log: problem, found, decision, removed (rows).

    Cleaning twice is cleaning once.

    Args:
        data: Tables as `read` returns them, or a reader's own.
        step: 1.0 for whole stars 1 … 5, 0.5 for halves 0.5 … 5; None accepts any number from 0.5 to 5.

    Raises:
        ValueError: A column is missing.
    """
    for noun, columns in [("ratings", RATINGS), ("movies", ["movie_id", "title", "year", "genres"])]:
        if missing := [column for column in columns if column not in getattr(data, noun)]:
            raise ValueError(
                f"`{noun}` needs {', '.join(columns)}; {', '.join(missing)} is missing. "
                '`movierec.load("ml-100k")` returns such a table.'
            )
    log: list[tuple[str, int, str, int]] = []
    movies = _clean_movies(data.movies, log)
    ratings = _clean_ratings(data.ratings, movies, data.users, step, log)
    tags = data.tags
    if tags is not None:
        tags = _keep(tags, tags.movie_id.isin(movies.movie_id), "tags of unknown movies", log)
    return MovieLens(ratings, movies, data.users, tags), pd.DataFrame(
        log, columns=["problem", "found", "decision", "removed"]
    )


def _clean_movies(movies: pd.DataFrame, log: list) -> pd.DataFrame:
    title, genres = movies.title.map(natural_title), movies.genres.fillna("").replace(NO_GENRE)
    log += [
        ("titles with the article moved", int((title != movies.title).sum()), "put in natural order", 0),
        (
            "titles that an earlier movie_id has",
            int(title.duplicated().sum()),
            "kept: merging would change published figures",
            0,
        ),
        ("movies without a year", int(movies.year.isna().sum()), "kept, year is NA", 0),
        ("movies without genres", int((genres == "").sum()), 'kept, genres is ""', 0),
    ]
    return movies.assign(title=title, genres=genres)


def _clean_ratings(
    ratings: pd.DataFrame, movies: pd.DataFrame, users: pd.DataFrame | None, step: float | None, log: list
) -> pd.DataFrame:
    ratings = ratings.reset_index(drop=True)
    on_scale = ratings.rating.between(step or 0.5, 5.0) & ((ratings.rating % step == 0) if step else True)
    ratings = _keep(ratings, on_scale, "ratings off the scale", log)
    ratings = _keep(ratings, ratings.movie_id.isin(movies.movie_id), "ratings of unknown movies", log)
    pair = ["user_id", "movie_id"]
    latest = ~ratings.duplicated(pair)
    if not latest.all():  # MovieLens has no repeats: the sort is for a reader's own table
        by_time = ratings.sort_values("timestamp", kind="stable")
        latest = ~by_time.duplicated(pair, keep="last").reindex(ratings.index)
    ratings = _keep(ratings, latest, "ratings by a user who rated the movie again later", log)
    strangers = 0 if users is None else int((~ratings.user_id.isin(users.user_id)).sum())
    odd_times = int((~ratings.timestamp.between(OPENING, time.time())).sum())
    log += [
        ("ratings by users without a profile", strangers, "kept: a rating counts without a profile", 0),
        ("times before 1995 or in the future", odd_times, "kept: seconds since 1970, UTC, no time zone", 0),
    ]
    return ratings


def _keep(rows: pd.DataFrame, wanted: pd.Series, problem: str, log: list) -> pd.DataFrame:
    """The rows that are wanted; the others are counted in the log."""
    found = int((~wanted).sum())
    log.append((problem, found, "removed", found))
    return rows[wanted].reset_index(drop=True) if found else rows


def fingerprint(data: MovieLens) -> str:
    """12 hex digits of the SHA-256 of the sorted ratings: the same from any source, format or row order."""
    ratings = data.ratings
    order = np.lexsort([ratings[column] for column in ("rating", "timestamp", "movie_id", "user_id")])
    digest = hashlib.sha256()
    for column, dtype in RATINGS.items():
        digest.update(ratings[column].to_numpy()[order].astype(np.dtype(dtype).newbyteorder("<")).tobytes())
    return digest.hexdigest()[:12]


def natural_title(title: str) -> str:
    """The title with its article in front: "Matrix, The (1999)" -> "The Matrix (1999)", in parentheses too.

    MovieLens files titles under their first real word. Articles of a dozen languages are known; those that
    are also words ("Die", "I", "O") move only if the rest holds no comma: "Die, Mommie, Die" stays.
    """
    return re.sub(MOVED, _article_first, title)


def _article_first(match: re.Match) -> str:
    start, body, article, rare_body, rare_article = match.groups()
    body, article = body or rare_body, article or rare_article
    space = "" if article.endswith(("'", "’")) else " "
    return f"{start}{article}{space}{body}"


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
    whole = re.sub(MOVED, _article_first, title.strip(), flags=re.IGNORECASE).casefold()
    short = re.sub(r"(?<=.) \(.*", "", whole)
    return whole, re.sub(r" *\(\d{4}[^)]*\)( \(v\))?$", "", whole), short, re.sub(r"^(the|an?) ", "", short)


def _listed(found: pd.DataFrame) -> str:
    return ", ".join(f"{row.title!r} (movie_id {row.movie_id})" for row in found.head(5).itertuples())
