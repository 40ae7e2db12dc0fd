"""The tables of a data set: their types, how text files are read as such, and how they are kept on the disk."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pandas as pd

from movierec.data.download import checksum
from movierec.data.units import say
from movierec.files import flush_all, flush_to_disk, read_sealed, sealed, sha256_of_file, unfinished, write_to_disk

RATINGS = {"user_id": "int64", "movie_id": "int64", "rating": "float32", "timestamp": "int64"}
MOVIES = {"movie_id": "int64", "title": "str", "genres": "str"}
USERS = {"user_id": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip_code": "str"}
TAGS = {"user_id": "int64", "movie_id": "int64", "tag": "str", "timestamp": "int64"}
YEAR = r".*\((\d{4})(?:[-–](?:\d{4})?)?\)"  # the last in parentheses; "(2007-2019)"
UNIT = "\x1f"  # replaces "::", because pandas reads a separator of one character 25 times faster; no title holds it
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


def read_rows(file: Path | zipfile.Path, table: Table) -> pd.DataFrame:
    """Return the rows in the order of the file; ids are int32 where they fit. ValueError if a line does not fit."""
    if find_fault(file, table, most=1):  # pandas would take the first of too many fields for an index
        raise ValueError("its first line does not fit")
    try:
        rows = _parse_whole(file, table)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    last = list(table.columns)[-1]
    is_cut_off = table.columns[last] == "str" and (rows[last] == "").any()  # pandas fills up a line that is too short
    if is_cut_off and find_fault(file, table):
        raise ValueError("a line is too short")
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


def _opened(file: Path | zipfile.Path, table: Table) -> IO:
    return file.open("r", encoding=table.encoding) if table.separator == "::" else file.open("rb")


def _parse(stream: IO, table: Table) -> pd.DataFrame:
    return pd.read_csv(
        _OneCharacter(stream) if table.separator == "::" else stream,
        sep=UNIT if table.separator == "::" else table.separator,
        names=list(table.columns),
        dtype={name: "str" if dtype == "skip" else dtype for name, dtype in table.columns.items()},
        skiprows=table.header,
        encoding=table.encoding,
        keep_default_na=False,  # "NA" and "null" are titles and tags
        na_filter=False,
        quoting=csv.QUOTE_MINIMAL if table.separator == "," else csv.QUOTE_NONE,
    )


class _OneCharacter(io.TextIOBase):
    """A text stream with `UNIT` for every "::"."""

    def __init__(self, stream: io.TextIOBase):
        self._stream = stream

    def read(self, size: int = -1) -> str:
        """Return the next `size` characters, or all; a few more if they end between two colons."""
        text = self._stream.read(size)
        while text.endswith(":") and (more := self._stream.read(1)):  # never cut between two colons
            text += more
        return text.replace("::", UNIT)


def find_fault(file: Path | zipfile.Path, table: Table, most: int | None = None) -> tuple[int, str] | None:
    """Return the number and the text of the first line that does not fit `table`, among `most` rows; None if all do."""
    types = [np.dtype("str" if dtype == "skip" else dtype).type for dtype in table.columns.values()]
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if most is not None and number > table.header + most:
                break
            if number > table.header and not line.strip():
                continue
            text = line.decode(table.encoding, errors="backslashreplace").rstrip("\r\n")
            try:
                line.decode(table.encoding)
                fields = next(csv.reader([text])) if table.separator == "," else text.split(table.separator)
                if number > table.header:
                    for read, field in zip(types, fields, strict=True):
                        read(field)
            except (ValueError, OverflowError, csv.Error):
                return number, text
    return None


def cached(folder: Path, sources: list[Path], build: Callable[[], dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Return the tables that `build` makes of the files `sources`, from the disk if they were kept there.

    They are kept as Feather files in a folder named by the checksums of the sources and of our code that reads and
    cleans them. The folder appears whole, when all files are on disk, and is never changed: another process sees all of
    it or nothing. Of two processes that build at once, the first one's files are kept; older ones are then removed.
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
        write_to_disk(place / MANIFEST, sealed(files))
        flush_all(place)
        try:
            os.rename(place, entry)
        except OSError:
            if not entry.exists():  # else another process was faster
                raise
    flush_to_disk(entry.parent)
    for older in entry.parent.iterdir():
        if older != entry and not older.name.startswith("."):  # of an unfinished one, `unfinished` knows
            shutil.rmtree(older, ignore_errors=True)
