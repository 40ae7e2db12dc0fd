"""The four tables of a data set, and text files read as typed tables, or the line that does not fit."""

from __future__ import annotations

import contextlib
import csv
import io
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd

from movierec.data.indices import PAIR, pair_repeats

RATINGS = {"user_id": "int64", "movie_id": "int64", "rating": "float32", "timestamp": "int64"}
MOVIES = {"movie_id": "int64", "title": "str", "genres": "str"}
USERS = {"user_id": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip_code": "str"}
TAGS = {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
YEAR = r".*\((\d{4})(?:[-–](?:\d{4})?)?\)"  # the last in parentheses; "(2007-2019)"
UNIT = "\x1f"  # replaces "::", because pandas reads a separator of one character 25 times faster; no title holds it
ROWS = 1 << 18  # parsed at a time in the search for a faulty line


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


def movie_table(movie_id: pd.Series | np.ndarray, title: pd.Series, genres: pd.Series) -> pd.DataFrame:
    """Return movie_id, title, year, genres; the year is the last in parentheses of the title, or <NA>."""
    year = pd.to_numeric(title.str.extract(YEAR, expand=False)).astype("Int64")
    return pd.DataFrame({"movie_id": movie_id, "title": title, "year": year, "genres": genres})


def genre_flags(genres: pd.Series) -> pd.DataFrame:
    """Return one column a genre, alphabetical, int64: 1 where a text such as "Action|Crime" names it, 0 elsewhere.

    An empty or missing text names no genre. The texts are split as Python objects: pandas' own split of Arrow strings
    would add a column "", so that the result would depend on whether pyarrow is installed.

    Args:
        genres: Texts with "|" between genres; the result has the same index.
    """
    return genres.astype(object).fillna("").str.get_dummies("|")


def check_ratings(ratings: pd.DataFrame, name: str = "ratings") -> None:
    """Raise ValueError unless `ratings` has rows of user_id, movie_id, rating, timestamp, each pair once."""
    check_columns(ratings, name)
    if pair_repeats(ratings):
        repeated = ratings.duplicated(PAIR).to_numpy()
        raise ValueError(
            f"`{name}` must hold each user's rating of a movie once; {repeated.sum():,} of {len(ratings):,} rows "
            f"repeat one, e.g. {ratings[repeated][PAIR].head(3).to_numpy().tolist()}. "
            'Try ratings.drop_duplicates(["user_id", "movie_id"], keep="last").'
        )


def check_columns(ratings: pd.DataFrame, name: str) -> None:
    """Raise ValueError unless `ratings` has rows of whole ids and finite stars and times."""
    if not isinstance(ratings, pd.DataFrame):
        raise ValueError(
            f"`{name}` must be a DataFrame, got {type(ratings).__name__}. "
            '`movierec.load("ml-100k").ratings` is such a table.'
        )
    missing = [column for column in RATINGS if column not in ratings]
    if missing:
        raise ValueError(
            f"`{name}` needs {', '.join(RATINGS)}; {', '.join(f'`{c}`' for c in missing)} is missing. "
            '`movierec.load("ml-100k").ratings` is such a table.'
        )
    if ratings.empty:
        raise ValueError(f"`{name}` has no row. A split needs ratings in train and in test.")
    for column, unit in (("rating", "stars"), ("timestamp", "Unix seconds")):
        values = ratings[column]
        is_number = pd.api.types.is_numeric_dtype(values)
        bad = ~np.isfinite(values.to_numpy(float, na_value=np.nan)) if is_number else np.ones(len(values), bool)
        if bad.any():
            raise ValueError(
                f"every {column} in `{name}` must be a number ({unit}); {bad.sum():,} of {len(ratings):,} are not, "
                f"e.g. {values[bad].head(3).tolist()}. Drop or mend them."
            )
    for column in PAIR:
        if not pd.api.types.is_integer_dtype(ratings[column]):
            raise ValueError(
                f"{column} in `{name}` must be whole numbers; found {ratings[column].dtype}, "
                f"e.g. {ratings[column].head(3).tolist()}. pandas.factorize makes numbers of names."
            )


class Table(NamedTuple):
    """How one text file is written.

    Attributes:
        member: The name of the file.
        columns: name -> dtype, in the order of the file; "skip" is not read.
        header: The number of lines before the first row.
    """

    member: str
    columns: dict[str, str]
    separator: str = ","
    encoding: str = "utf-8"
    header: int = 0


class Fault(NamedTuple):
    """A line that does not fit its `Table`. Column and field are None where the number of fields is wrong."""

    line: int
    text: str
    column: str | None = None
    field: str | None = None


class Unreadable(ValueError):
    """A file is not as its `Table` says. `fault` is the first line that shows it, or None if none was found."""

    def __init__(self, message: str, fault: Fault | None):
        super().__init__(message)
        self.fault = fault


def read_rows(file: Path | zipfile.Path, table: Table) -> pd.DataFrame:
    """Return the rows in the order of the file; ids are int32 where they fit, other columns as `table` says.

    Raises:
        Unreadable: A ValueError; a row is malformed.
    """
    if fault := find_fault(file, table, most=1):  # pandas would take the first of too many fields for an index
        raise Unreadable("a line does not fit", fault)
    try:
        rows = _parse_whole(file, table)
    except (ValueError, OverflowError) as error:
        raise Unreadable(str(error), _second_look(file, table)) from error
    last = list(table.columns)[-1]
    cut_off = table.columns[last] == "str" and (rows[last] == "").any()  # pandas fills up a line that is too short
    if cut_off and (fault := find_fault(file, table)):
        raise Unreadable("a line is too short", fault)
    wanted = [name for name, dtype in table.columns.items() if dtype != "skip"]
    return rows if list(rows) == wanted else rows[wanted]


def _parse_whole(file: Path | zipfile.Path, table: Table) -> pd.DataFrame:
    """Return the rows, ids as int32; if that is too small for one of them, those that fit."""
    ids = [name for name, dtype in table.columns.items() if name.endswith("_id") and dtype == "int64"]
    narrow = table._replace(columns=table.columns | dict.fromkeys(ids, "int32"))
    with contextlib.suppress(ValueError, OverflowError), _opened(file, table) as stream:
        return _parse(stream, narrow)
    with _opened(file, table) as stream:
        rows = _parse(stream, table)
    small = [name for name in ids if rows[name].between(-(2**31), 2**31 - 1).all()]
    return rows.astype(dict.fromkeys(small, "int32"))


def _second_look(file: Path | zipfile.Path, table: Table) -> Fault | None:
    """Return the first faulty line: find the chunk that pandas cannot parse, then look at it line by line."""
    done = 0
    with _opened(file, table) as stream, contextlib.suppress(ValueError, OverflowError):
        for chunk in _parse(stream, table, chunksize=ROWS):
            done += len(chunk)
    return find_fault(file, table, skip=done)


def _opened(file: Path | zipfile.Path, table: Table) -> IO:
    return file.open("r", encoding=table.encoding) if table.separator == "::" else file.open("rb")


def _parse(stream: IO, table: Table, chunksize: int | None = None):
    """Return the rows as typed columns, or an iterator of chunks of them."""
    wanted = [name for name, dtype in table.columns.items() if dtype != "skip"]
    only_numbers = "str" not in table.columns.values()  # else pandas would overlook a comma too many
    return pd.read_csv(
        _OneCharacter(stream) if table.separator == "::" else stream,
        sep=UNIT if table.separator == "::" else table.separator,
        names=list(table.columns),
        usecols=wanted if only_numbers and len(wanted) < len(table.columns) else None,
        dtype={name: "str" if dtype == "skip" else dtype for name, dtype in table.columns.items()},
        skiprows=table.header,
        encoding=table.encoding,
        keep_default_na=False,  # "NA" and "null" are titles and tags
        na_filter=False,
        quoting=csv.QUOTE_MINIMAL if table.separator == "," else csv.QUOTE_NONE,
        chunksize=chunksize,
    )


class _OneCharacter(io.TextIOBase):
    """A text stream with `UNIT` for every "::"."""

    def __init__(self, stream: io.TextIOBase):
        self._stream = stream

    def read(self, size: int = -1) -> str:
        text = self._stream.read(size)
        while text.endswith(":") and (more := self._stream.read(1)):  # never cut between two colons
            text += more
        return text.replace("::", UNIT)


def find_fault(file: Path | zipfile.Path, table: Table, skip: int = 0, most: int | None = None) -> Fault | None:
    """Return the first line that does not fit `table`; None if all do.

    Args:
        file: Where the rows are.
        table: How they should be written.
        skip: The number of rows that are known to be good.
        most: The number of rows to look at after them; default: all.
    """
    first = table.header + skip
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if most is not None and number > first + most:
                break
            if table.header < number <= first or (number > table.header and not line.strip()):
                continue
            text = line.decode(table.encoding, errors="backslashreplace").rstrip("\r\n")
            column = field = None
            try:
                line.decode(table.encoding)
                fields = next(csv.reader([text])) if table.separator == "," else text.split(table.separator)
                if number <= table.header:
                    continue
                if len(fields) != len(table.columns):
                    return Fault(number, text)
                for column, field in zip(table.columns, fields, strict=True):
                    dtype = table.columns[column]
                    np.dtype("str" if dtype == "skip" else dtype).type(field)
            except (ValueError, OverflowError):
                return Fault(number, text, column, field)
    return None
