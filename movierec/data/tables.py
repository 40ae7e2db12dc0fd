"""The tables of a data set: their types, how text files are read as such, and how they are kept on the disk."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from movierec.data.download import checksum
from movierec.data.units import say
from movierec.files import read_sealed, sealed, sha256_of_file, unfinished

RATINGS = {"user_id": "int64", "movie_id": "int64", "rating": "float32", "timestamp": "int64"}
MOVIES = {"movie_id": "int64", "title": "str", "genres": "str"}
USERS = {"user_id": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip_code": "str"}
TAGS = {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
YEAR = r".*\((\d{4})(?:[-–](?:\d{4})?)?\)"  # the last in parentheses; "(2007-2019)"
ARROW = {"int64": pa.int64(), "float32": pa.float32(), "str": pa.string()}
UNIT = "\x1f"  # replaces "::", because Arrow knows separators of one character only; no title holds it
CODE = [Path(__file__).parent / f"{name}.py" for name in ("cleaning", "formats", "tables", "units", "../scale")]
CODE += sorted(Path(__file__).with_name("own_tables").glob("*.py"))
MANIFEST = "manifest.json"  # the checksums of the cached files beside it


class MovieLens(NamedTuple):
    """The tables of a data set; `users` and `tags` are None where it has none. Times are seconds, UTC."""

    ratings: pd.DataFrame  # user_id, movie_id, rating, timestamp
    movies: pd.DataFrame  # movie_id, title, year, genres
    users: pd.DataFrame | None = None  # user_id, age, gender, occupation, zip_code
    tags: pd.DataFrame | None = None  # user_id, movie_id, tag, timestamp

    def __repr__(self) -> str:
        sizes = (f"no {noun}" if table is None else f"{len(table):,} {noun}" for noun, table in self._asdict().items())
        return f"MovieLens({', '.join(sizes)})"


def movie_table(movie_id: pd.Series | np.ndarray, title: pd.Series, genres: pd.Series) -> pd.DataFrame:
    """Return movie_id, title, year, genres; the year is the last in parentheses of the title, or <NA>."""
    year = pd.to_numeric(title.str.extract(YEAR, expand=False)).astype("Int64")
    return pd.DataFrame({"movie_id": movie_id, "title": title, "year": year, "genres": genres})


def check_has(table: pd.DataFrame, name: str, columns: Iterable[str], example: str) -> None:
    """Raise ValueError unless the table `name` has the columns, as `example` has."""
    if missing := [f"`{column}`" for column in columns if column not in table]:
        raise ValueError(
            f"`{name}` needs {', '.join(columns)}; {', '.join(missing)} is missing. `{example}` is such a table."
        )


class Table(NamedTuple):
    """How one text file is written."""

    member: str  # the name of the file
    columns: dict[str, str]  # name -> dtype, in the order of the file; "skip" is not read
    separator: str = ","
    encoding: str = "utf-8"
    header: int = 0  # lines before the first row


class FaultyLine(ValueError):
    """A line of a text file does not fit: its `number`, counted from 1, and its `text`."""

    def __init__(self, number: int, text: str):
        super().__init__(f"line {number} is {text[:80]!r}")
        self.number = number
        self.text = text


def read_rows(file: Path | zipfile.Path, table: Table) -> pd.DataFrame:
    """Return the rows in the order of the file; ids are int32 where they fit. FaultyLine if a line does not fit."""
    wanted = {name: ARROW[dtype] for name, dtype in table.columns.items() if dtype != "skip"}
    ids = [name for name, dtype in wanted.items() if name.endswith("_id") and dtype == pa.int64()]
    try:
        return _parsed(file, table, wanted | dict.fromkeys(ids, pa.int32()))
    except pa.ArrowInvalid:  # perhaps that is too small for an id
        try:
            rows = _parsed(file, table, wanted)
        except pa.ArrowInvalid as error:
            if row := re.search(r"Row #(\d+)", str(error)):
                raise FaultyLine(int(row[1]), line_of(file, int(row[1]), table.encoding)) from error
            raise
    small = [name for name in ids if rows[name].between(-(2**31), 2**31 - 1).all()]
    return rows.astype(dict.fromkeys(small, "int32"))


def _parsed(file: Path | zipfile.Path, table: Table, types: dict[str, pa.DataType]) -> pd.DataFrame:
    source = file.open("rb")
    if table.separator == "::":
        with source:
            source = io.BytesIO(source.read().replace(b"::", UNIT.encode()))
    parsing = csv.ParseOptions(
        delimiter=UNIT if table.separator == "::" else table.separator,
        quote_char='"' if table.separator == "," else False,
        newlines_in_values=table.separator == ",",
    )
    reading = csv.ReadOptions(
        use_threads=False,  # else errors do not know the row
        column_names=list(table.columns),
        skip_rows=table.header,
        encoding=table.encoding,
    )
    converting = csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[])
    with source:
        return csv.read_csv(source, reading, parsing, converting).to_pandas()


def line_of(file: Path | zipfile.Path, number: int, encoding: str) -> str:
    """Return the text of a line, counted from 1; bytes that mean nothing are written as \\xe9."""
    with file.open("rb") as lines:
        line = next(itertools.islice(lines, number - 1, None), b"")
    return line.decode(encoding, errors="backslashreplace").rstrip("\r\n")


def cached(folder: Path, sources: list[Path], build: Callable[[], dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Return the tables that `build` makes of the files `sources`, from the disk if they were kept there.

    They are kept as Feather files in a folder named by the checksums of the sources and of our code that reads and
    cleans them. The folder appears whole and is never changed: another process sees all of it or nothing. Of two
    processes that build at once, the first one's files are kept; older ones are then removed.
    Warn if the files were damaged, and are made again; or if they could not be written.
    """
    entry = folder / _key(sources)
    try:
        files = read_sealed(entry / MANIFEST)
        if not files or not all(map(str.isidentifier, files)):
            raise ValueError(f"{MANIFEST} does not name the tables")
        for name, expected in files.items():
            if sha256_of_file(entry / f"{name}.feather") != expected:
                raise ValueError(f"{name}.feather has another checksum")
        return {name: pd.read_feather(entry / f"{name}.feather") for name in files}
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, MemoryError) as error:
        if entry.exists():
            say(f"The tables in {entry} are damaged ({error}): they are made again.")
            shutil.rmtree(entry, ignore_errors=True)
    tables = build()
    if entry.name != _key(sources):  # a source changed while it was read
        return tables
    try:
        _keep(entry, tables)
    except OSError as error:
        megabytes = sum(table.memory_usage().sum() for table in tables.values()) / 1e6
        say(
            f"The tables could not be cached, about {megabytes:,.0f} MB in {folder}: {error.strerror or error}. They "
            "are whole, but will be read from their source again next time. Make room, or set the environment "
            "variable MOVIEREC_DATA to a folder that can be written."
        )
    return tables


def _key(sources: list[Path]) -> str:
    checksums = [*map(checksum, sources), *map(sha256_of_file, CODE)]
    return hashlib.sha256(json.dumps(checksums).encode()).hexdigest()[:16]


def _keep(entry: Path, tables: dict[str, pd.DataFrame]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(entry.parent) as part:
        place = part / entry.name
        place.mkdir()
        for name, table in tables.items():
            table.to_feather(place / f"{name}.feather", compression="uncompressed")  # four times as fast to read
        files = {name: sha256_of_file(place / f"{name}.feather") for name in tables}
        (place / MANIFEST).write_bytes(sealed(files))
        try:
            os.rename(place, entry)
        except OSError:
            if not entry.exists():  # else another process was faster
                raise
    for older in entry.parent.iterdir():
        if older != entry and not older.name.startswith("."):  # of an unfinished one, `unfinished` knows
            shutil.rmtree(older, ignore_errors=True)
