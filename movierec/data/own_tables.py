"""A reader's own CSV files as the tables of MovieLens, or an error that says what to change in them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data.rows import Fault, Table, Unreadable, read_rows
from movierec.data.tables import RATINGS, TAGS, USERS, MovieLens, movie_table

NEEDED = {
    "ratings": RATINGS,
    "movies": {"movie_id": "int64", "title": "str", "genres": "str"},
    "users": {"user_id": "int64"},
    "tags": TAGS,
}
OPTIONAL = {  # text, because an empty field is nothing wrong
    "movies": {"year": "str"},
    "users": {column: "str" for column in USERS if column != "user_id"},
}
SPELLINGS = {"userId": "user_id", "movieId": "movie_id"}


def found(paths: dict[str, str | os.PathLike | None]) -> dict[str, Path]:
    """The absolute path of each file that is given.

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


def read_tables(paths: dict[str, Path]) -> MovieLens:
    """The tables as they stand in the files.

    Raises:
        ValueError: A column is missing, or a row is malformed; file and line are named.
    """
    tables = {noun: _read_table(noun, path) for noun, path in paths.items()}
    movies, users = tables.get("movies"), tables.get("users")
    if movies is None:
        movie_id = np.unique(tables["ratings"].movie_id)
        title = pd.Series([f"movie {number}" for number in movie_id], dtype="str")
        tables["movies"] = movie_table(movie_id, title, pd.Series("", title.index, dtype="str"))
    else:
        tables["movies"] = movie_table(movies.movie_id, movies.title.str.strip(), movies.genres)
        if "year" in movies:
            year = _numbers(movies.year, "year", paths["movies"])
            tables["movies"]["year"] = year.astype("Int64").fillna(tables["movies"].year)
        _check_once(movies.movie_id, paths["movies"])
    if users is not None:
        _check_once(users.user_id, paths["users"])
        if "age" in users:
            tables["users"] = users.assign(age=_numbers(users.age, "age", paths["users"]))
    return MovieLens(**tables)


def _read_table(noun: str, path: Path) -> pd.DataFrame:
    table = _described(noun, path)
    try:
        rows = read_rows(path, table)
    except Unreadable as error:
        if error.fault is None:
            raise ValueError(f"{path}: {error}. Write it as comma-separated text in UTF-8.") from error
        raise ValueError(_explained(path, table, error.fault)) from error
    return rows[[column for column in {**NEEDED[noun], **OPTIONAL.get(noun, {})} if column in rows]]


def _described(noun: str, path: Path) -> Table:
    """How the file is written, by its header."""
    with open(path, encoding="utf-8-sig", newline="") as file:  # a spreadsheet puts a mark in front
        try:
            header = [SPELLINGS.get(name.strip(), name.strip()) for name in next(csv.reader(file), [])]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} must be text in UTF-8; {error}. Save it as CSV, UTF-8.") from error
    needed, types = NEEDED[noun], NEEDED[noun] | OPTIONAL.get(noun, {})
    missing, twice = [name for name in needed if name not in header], [name for name in types if header.count(name) > 1]
    if missing or twice:
        problem = f"{', '.join(missing)} is missing" if missing else f"{', '.join(twice)} is there twice"
        raise ValueError(
            f"{path} must begin with a line that names its columns, {','.join(needed)} among them, in any order; "
            f"{problem}. Its first line is {','.join(header)[:120]!r}. Rename the columns, with commas between them."
        )
    columns = {name if name in types else f"skip {place}": types.get(name, "skip") for place, name in enumerate(header)}
    return Table(path.name, columns, header=1)


def _explained(path: Path, table: Table, fault: Fault) -> str:
    start = f"{path}, line {fault.line}, {fault.text[:80]!r}: "
    if fault.column is None:
        return start + (
            f"it must have {len(table.columns)} fields, as the header has. Put a field that holds a comma into "
            'double quotes: "Good, the Bad and the Ugly, The (1966)".'
        )
    if fault.column.endswith("_id"):
        return start + (
            f"{fault.column} must be a whole number; it is {fault.field!r}. Number the ids first, in every file that "
            f'has them: table["{fault.column}"], names = pandas.factorize(table["{fault.column}"]).'
        )
    if fault.column == "timestamp":
        return start + (
            f"timestamp must be whole seconds since 1970-01-01, UTC; it is {fault.field!r}. Convert a date first: "
            'table["timestamp"] = (pandas.to_datetime(table["timestamp"], utc=True) '
            '- pandas.Timestamp(0, tz="UTC")) // pandas.Timedelta(seconds=1).'
        )
    return start + f"{fault.column} must be a number, 0.5 to 5 stars; it is {fault.field!r}. Mend that line."


def _numbers(column: pd.Series, name: str, path: Path) -> pd.Series:
    """The column as numbers, NaN where it is empty."""
    text = column.str.strip()
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    if (wrong := text[numbers.isna() & (text != "")]).size or (wrong := text[numbers % 1 != 0][text != ""]).size:
        raise ValueError(
            f"{path}: {name} must be a whole number or empty; {len(wrong):,} are neither, e.g. "
            f"{wrong.head(3).tolist()}. Mend these, or leave the column out."
        )
    return numbers


def _check_once(ids: pd.Series, path: Path) -> None:
    if (repeated := ids[ids.duplicated()]).size:
        raise ValueError(
            f"{path} must have one row for each {ids.name}; {len(repeated):,} rows repeat one, e.g. "
            f'{repeated.head(3).tolist()}. Keep one of them: table.drop_duplicates("{ids.name}").'
        )
