"""The four tables of MovieLens, their columns and types; and the same as plain arrays and lists, for the cache."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

RATINGS = {"user_id": "int64", "movie_id": "int64", "rating": "float32", "timestamp": "int64"}  # ids are narrowed
MOVIES = {"movie_id": "int64", "title": "str", "genres": "str"}
USERS = {"user_id": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip_code": "str"}
TAGS = {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
YEAR = r".*\((\d{4})(?:[-–](?:\d{4})?)?\)"  # the last in parentheses; "(2007-2019)"
SMALL = np.iinfo(np.int32)
NO_YEAR = np.iinfo(np.int64).min  # stands for <NA> in an array


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


def fits_int32(values: np.ndarray) -> bool:
    """Whether every integer of `values` is an int32, so that an id takes half the memory."""
    return values.size == 0 or bool(SMALL.min <= values.min() and values.max() <= SMALL.max)


def narrowed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its `*_id` columns as int32, but those that do not fit, which are int64."""
    ids = {column: table[column].to_numpy() for column in table if column.endswith("_id")}
    return table.astype({column: "int32" if fits_int32(values) else "int64" for column, values in ids.items()})


def movie_table(movie_id: pd.Series | np.ndarray, title: pd.Series, genres: pd.Series) -> pd.DataFrame:
    """movie_id, title, year, genres; the year is the last in parentheses of the title, or <NA>."""
    found = [re.search(YEAR, text) for text in title]
    year = pd.array([int(match[1]) if match else None for match in found], dtype="Int64")
    return pd.DataFrame({"movie_id": movie_id, "title": title, "year": year, "genres": genres})


def as_columns(data: MovieLens) -> dict[str, np.ndarray | list[str]]:
    """The tables as {"ratings.user_id": array, "movies.title": list of str, …}; what `from_columns` takes back."""
    columns: dict[str, np.ndarray | list[str]] = {}
    for noun, table in zip(data._fields, data, strict=True):
        for name in () if table is None else table:
            column = table[name]
            if column.dtype == "Int64":
                columns[f"{noun}.{name}"] = column.to_numpy("int64", na_value=NO_YEAR)
            else:
                numeric = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"
                columns[f"{noun}.{name}"] = column.to_numpy() if numeric else column.tolist()
    return columns


def from_columns(columns: dict[str, np.ndarray | list[str]]) -> MovieLens:
    """The tables of which `columns` was made by `as_columns`; arrays are not copied."""
    tables: dict[str, dict] = {}
    for key, values in columns.items():
        noun, name = key.split(".")
        if name == "year":
            missing = values == NO_YEAR
            values = pd.arrays.IntegerArray(np.where(missing, 0, values), missing)
        elif isinstance(values, list):
            values = pd.Series(values, dtype="str")
        tables.setdefault(noun, {})[name] = values
    return MovieLens(**{noun: pd.DataFrame(table, copy=False) for noun, table in tables.items()})
