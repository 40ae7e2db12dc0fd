"""Your own CSV files as the tables of MovieLens, or an error that says what to change in them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data import tables
from movierec.data.tables import Fault, MovieLens, Table, Unreadable, movie_table, read_rows

NEEDED = {"ratings": tables.RATINGS, "movies": tables.MOVIES, "users": {"user_id": "int64"}, "tags": tables.TAGS}
OPTIONAL = {  # read as text, because a field may be empty
    "movies": {"year": "str"},
    "users": {column: "str" for column in tables.USERS if column != "user_id"},
}
SPELLINGS = {"userId": "user_id", "movieId": "movie_id"}


def found(paths: dict[str, str | os.PathLike | None]) -> dict[str, Path]:
    """Return the absolute path of each file that is given.

    Raises:
        FileNotFoundError: One of them is not there, or is a folder.
    """
    given = {noun: Path(path).expanduser().absolute() for noun, path in paths.items() if path is not None}
    for noun, path in given.items():
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise FileNotFoundError(
                f"`{noun}` must be the path of a CSV file; {path} {what}. Call "
                'movierec.read("ratings.csv", "movies.csv") with paths from the folder in which Python runs, '
                f"{Path.cwd()}, or with absolute ones."
            )
    return given


def read_own(paths: dict[str, Path]) -> MovieLens:
    """Return your own CSV files as tables, not yet cleaned.

    Args:
        paths: "ratings" and perhaps "movies", "users", "tags" -> file.

    Raises:
        ValueError: A column is missing, or a row is malformed; file and line are named.
    """
    own = {noun: _read_csv(noun, path) for noun, path in paths.items()}
    if "movies" not in own:
        movie_id = np.unique(own["ratings"].movie_id)
        title = pd.Series([f"movie {number}" for number in movie_id], dtype="str")
        return MovieLens(**own, movies=movie_table(movie_id, title, pd.Series("", title.index, dtype="str")))
    movies = own["movies"]
    _check_once(movies.movie_id, paths["movies"])
    own["movies"] = movie_table(movies.movie_id, movies.title.str.strip(), movies.genres)
    if "year" in movies:
        year = _numbers(movies.year, paths["movies"]).astype("Int64")
        own["movies"]["year"] = year.fillna(own["movies"].year)
    return MovieLens(**own)


def _read_csv(noun: str, path: Path) -> pd.DataFrame:
    table = _described(noun, path)
    try:
        rows = read_rows(path, table)
    except Unreadable as error:
        if error.fault is None:
            raise ValueError(f"{path}: {error}. Write it as comma-separated text in UTF-8.") from error
        raise ValueError(_explained(path, table, error.fault)) from error
    if noun == "users":
        _check_once(rows.user_id, path)
        if "age" in rows:
            rows["age"] = _numbers(rows.age, path)
    return rows[[column for column in {**NEEDED[noun], **OPTIONAL.get(noun, {})} if column in rows]]


def _described(noun: str, path: Path) -> Table:
    """Return how the file is written, by its header."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # a spreadsheet puts a mark in front
        try:
            header = [SPELLINGS.get(name.strip(), name.strip()) for name in next(csv.reader(file), [])]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} must be text in UTF-8; {error}. Save it as CSV, UTF-8.") from error
    needed = NEEDED[noun]
    types = needed | OPTIONAL.get(noun, {})
    missing = [name for name in needed if name not in header]
    twice = [name for name in types if header.count(name) > 1]
    if missing or twice:
        problem = f"{', '.join(missing)} is missing" if missing else f"{', '.join(twice)} is there twice"
        raise ValueError(
            f"{path} must begin with a line that names its columns, {','.join(needed)} among them, in any order; "
            f"{problem}. Its first line is {','.join(header)[:120]!r}. Rename the columns, with commas between them."
        )
    columns = {name if name in types else f"skip {place}": types.get(name, "skip") for place, name in enumerate(header)}
    return Table(path.name, columns, header=1)


def _explained(path: Path, table: Table, fault: Fault) -> str:
    if fault.column is None:
        advice = (
            f"it must have {len(table.columns)} fields, as the header has. Put a field that holds a comma into "
            'double quotes: "Good, the Bad and the Ugly, The (1966)".'
        )
    elif fault.column.endswith("_id"):
        advice = (
            f"{fault.column} must be a whole number; it is {fault.field!r}. Number the ids first, in every file that "
            f'has them: table["{fault.column}"], names = pandas.factorize(table["{fault.column}"]).'
        )
    elif fault.column == "timestamp":
        advice = (
            f"timestamp must be whole seconds since 1970-01-01, UTC; it is {fault.field!r}. Convert a date first: "
            'table["timestamp"] = (pandas.to_datetime(table["timestamp"], utc=True) '
            '- pandas.Timestamp(0, tz="UTC")) // pandas.Timedelta(seconds=1).'
        )
    else:
        advice = f"{fault.column} must be a number, 0.5 to 5 stars; it is {fault.field!r}. Mend that line."
    return f"{path}, line {fault.line}, {fault.text[:80]!r}: {advice}"


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    """Return the column as float64, NaN where it is empty."""
    text = column.str.strip()
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    wrong = text[(text != "") & (numbers % 1 != 0)]  # NaN % 1 is NaN
    if len(wrong):
        raise ValueError(
            f"{path}: {column.name} must be a whole number or empty; {len(wrong):,} are neither, e.g. "
            f"{wrong.head(3).tolist()}. Mend these, or leave the column out."
        )
    return numbers


def _check_once(ids: pd.Series, path: Path) -> None:
    """Raise ValueError unless each id is there once."""
    if (repeated := ids[ids.duplicated()]).size:
        raise ValueError(
            f"{path} must have one row for each {ids.name}; {len(repeated):,} rows repeat one, e.g. "
            f'{repeated.head(3).tolist()}. Keep one of them: table.drop_duplicates("{ids.name}").'
        )
