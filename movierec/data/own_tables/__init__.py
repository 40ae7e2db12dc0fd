"""Your own files and tables in, the four tables of the course out, not yet cleaned.

`columns` sees how a text file is written and what its columns are called, `text_files` reads it, `values` knows what
stands in it. Described in data/README.md, "Your own tables".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data import units
from movierec.data.indices import check_one_row_each, is_text
from movierec.data.own_tables import columns
from movierec.data.own_tables.text_files import Misfit, TextFile
from movierec.data.own_tables.values import understand
from movierec.data.tables import MovieLens, movie_table

KEYS = {"movies": "movie_id", "users": "user_id"}  # one row each


def read_own(sources: dict[str, Path | pd.DataFrame]) -> MovieLens:
    """Return your own tables: "ratings" and perhaps "movies", "users", "tags", each a path or a DataFrame.

    Ids are whole numbers if they are in every table, else text in every table. Warn of what is understood and not
    written as in the course; ValueError as `movielens.read`.
    """
    names = {noun: f"`{noun}`" if isinstance(source, pd.DataFrame) else str(source) for noun, source in sources.items()}
    found = {noun: _read(noun, source, names[noun]) for noun, source in sources.items()}
    for key in ("user_id", "movie_id"):
        _agree_on_ids(found, key)
    row = "row" if isinstance(sources["ratings"], pd.DataFrame) else "line"
    rated = found["ratings"] = _with_stars_and_times(found["ratings"], names["ratings"], row)
    if "tags" in found and "timestamp" not in found["tags"]:
        found["tags"] = found["tags"].assign(timestamp=np.int64(0))
        units.say(f"{names['tags']}: there are no times, so that each tag counts as known from the start.")
    movies = found.pop("movies", None)
    if movies is None:
        movies = _movies_of(rated)
    elif len(rated) and not rated["movie_id"].isin(movies["movie_id"]).any():
        raise ValueError(
            "`ratings` and `movies` must name movies by the same ids; none of the ids in ratings, e.g. "
            f"{rated['movie_id'].head(3).tolist()}, is in movies, e.g. {movies['movie_id'].head(3).tolist()}. Look for "
            "another column of ids in one of the two, or read the ratings alone: movierec.read(ratings)."
        )
    shown = {
        noun: table[[name for name in columns.USUAL[noun] if name in table]].reset_index(drop=True)
        for noun, table in found.items()
    }
    return MovieLens(**shown, movies=_as_movies(movies.reset_index(drop=True)))


def recorded(function: Callable, *arguments) -> tuple[object, list[str]]:
    """Return what the function returns, and the warnings that it would have given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments)
    return result, [str(warning.message) for warning in caught]


def _read(noun: str, source: Path | pd.DataFrame, name: str) -> pd.DataFrame:
    """Return what one source says in its columns; errors and warnings name the source, and its line or row."""
    file = None
    try:
        if isinstance(source, pd.DataFrame):
            raw, said = _columns_of(source, noun)
            table, more = recorded(understand, noun, raw, "row")
        else:
            file = TextFile(source, noun)
            said = file.said
            table, more = recorded(understand, noun, file.rows(), "line")
    except Misfit as fault:
        where = f"line {fault.label}, {file.line(fault.label)[:80]!r}" if file else f"row {fault.label!r}"
        raise ValueError(f"{name}, {where}: {fault}") from fault
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(name) else f"{name}: {error}") from error
    for line in [*(["; ".join(said) + "."] if said else []), *more]:
        units.say(f"{name}: {line}")
    return _one_row_each(table, noun, name)


def _columns_of(frame: pd.DataFrame, noun: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns of a DataFrame by our names; an index with a name is a column, too."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    header = list(frame.columns)
    found, renamed = columns.match_columns(header, noun, f"`{noun}`")
    columns.check_needed(found, header, noun, f"`{noun}`")
    return frame.iloc[:, list(found.values())].set_axis(list(found), axis=1), renamed


def _one_row_each(table: pd.DataFrame, noun: str, name: str) -> pd.DataFrame:
    """Return the table without rows that are there twice; ValueError if rows of one id differ."""
    key = KEYS.get(noun)
    if key is None or not table[key].duplicated().any():
        return table
    kept = table.drop_duplicates()
    check_one_row_each(kept[key], name)
    units.say(f"{name}: {len(table) - len(kept):,} rows are there twice; one of each is kept.")
    return kept


def _agree_on_ids(found: dict[str, pd.DataFrame], key: str) -> None:
    """Make the ids of all tables text if those of one are, or numbers if only leading zeros keep them apart."""
    ids = {noun: table[key] for noun, table in found.items() if key in table}
    if len({is_text(column) for column in ids.values()}) < 2:
        return
    ids = {noun: column.astype("str") for noun, column in ids.items()}
    distinct = pd.concat([column.drop_duplicates() for column in ids.values()]).drop_duplicates()
    if distinct.str.fullmatch(r"\d{1,18}").all() and distinct.astype("int64").duplicated().any():
        numbers = {noun: column.astype("int64") for noun, column in ids.items()}
        if all(numbers[noun].nunique() == ids[noun].nunique() for noun in ids):  # 0114709 here, 114709 there
            units.say(f"{key} has leading zeros in some tables only: they are read as numbers in all.")
            ids = numbers
    for noun, column in ids.items():
        found[noun] = found[noun].assign(**{key: column})


def _with_stars_and_times(rated: pd.DataFrame, name: str, row: str) -> pd.DataFrame:
    """Return ratings with a rating and a timestamp in every row; say what is not known."""
    if "rating" in rated and rated["rating"].isna().any():
        empty = rated["rating"].isna().to_numpy()
        if empty.all():
            rated = rated.drop(columns="rating")
        else:
            units.say(
                f"{name}: {empty.sum():,} of {len(empty):,} rows have no rating, the first in {row} "
                f"{rated.index[empty][0]}: they are left out. To learn from what was watched, leave that column out."
            )
            rated = rated[~empty]
    if "rating" not in rated:
        units.say(
            f"{name}: there are no ratings, so that every row says that a film was watched, and 1.0 is its rating."
        )
        rated = rated.assign(rating=np.float32(1))
    if "timestamp" not in rated:
        units.say(f"{name}: there are no times, so that nothing is known of order, and 0 is every timestamp.")
        rated = rated.assign(timestamp=np.int64(0))
    return rated


def _movies_of(rated: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each movie that is rated, with what the ratings say of it."""
    about = [name for name in ("title", "year", "genres") if name in rated]
    if "title" in about and len(rated[["movie_id", "title"]].drop_duplicates()) > rated["movie_id"].nunique():
        about = []  # names of something else
    if about:
        return rated[["movie_id", *about]].drop_duplicates("movie_id").sort_values("movie_id")
    return rated[["movie_id"]].drop_duplicates().sort_values("movie_id")


def _as_movies(movies: pd.DataFrame) -> pd.DataFrame:
    """Return movie_id, title, year, genres; without a title it is "movie 7", or the id if that is text."""
    movie_id = movies["movie_id"]
    name = movie_id.astype("str") if is_text(movie_id) else "movie " + movie_id.astype("str")
    title = movies["title"].where(movies["title"] != "", name) if "title" in movies else name
    genres = movies["genres"] if "genres" in movies else pd.Series("", movies.index, dtype="str")
    table = movie_table(movie_id, title.astype("str"), genres)
    if "year" in movies:
        table["year"] = movies["year"].astype("Int64").fillna(table["year"])
    return table
