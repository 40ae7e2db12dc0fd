"""Rows of a text file as a typed table, in memory that the table itself needs; or the line that does not fit."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from movierec.data.tables import fits_int32

ROWS = 1 << 18  # in memory as text at a time: 10 MB; larger ones are not faster
UNIT = "\x1f"  # stands for "::", because pandas reads one character 25 times faster; no title holds it


class Table(NamedTuple):
    """How one file is written."""

    member: str
    columns: dict[str, str]  # name -> dtype, in the order of the file; "skip" is not read
    separator: str = ","
    encoding: str = "utf-8"
    header: int = 0  # lines before the first row


class Fault(NamedTuple):
    """A line that does not fit, and the column where that shows; None where the number of fields is wrong."""

    line: int
    text: str
    column: str | None
    field: str | None


class Unreadable(ValueError):
    """A file is not as its `Table` says; `fault` is the first line that shows it, or None if none was found."""

    def __init__(self, message: str, fault: Fault | None):
        super().__init__(message)
        self.fault = fault


def read_rows(file: Path | zipfile.Path, table: Table) -> pd.DataFrame:
    """The rows in the order of the file; ids int32 where they fit, other columns as `table` says.

    Numbers are appended, chunk by chunk, to arrays that grow in place: 20 million ratings need their own 400 MB and
    one chunk.

    Raises:
        Unreadable: A ValueError; a row is malformed.
    """
    if fault := find_fault(file, table, most=1):  # pandas takes what is too much in the first row for an index
        raise Unreadable("a line does not fit", fault)
    wanted = {name: dtype for name, dtype in table.columns.items() if dtype != "skip"}
    numbers = {name: _Growing(dtype, name.endswith("_id")) for name, dtype in wanted.items() if dtype != "str"}
    texts: dict[str, list[pd.Series]] = {name: [] for name in wanted if name not in numbers}
    last, done = list(table.columns)[-1], 0
    try:
        with file.open("rb") as stream, _chunks(stream, table, wanted) as chunks:
            for chunk in chunks:
                if last in texts and (chunk[last] == "").any() and (fault := find_fault(file, table, done)):
                    raise Unreadable("a line is too short", fault)
                for name, column in numbers.items():
                    column.append(chunk[name].to_numpy())
                for name, parts in texts.items():
                    parts.append(chunk[name])
                done += len(chunk)
    except Unreadable:
        raise
    except (ValueError, OverflowError) as error:
        raise Unreadable(str(error), find_fault(file, table, done)) from error
    columns = {name: pd.concat(texts[name]).array if name in texts else numbers[name].values for name in wanted}
    return pd.DataFrame(columns, copy=False)


def _chunks(stream: BinaryIO, table: Table, wanted: dict[str, str]) -> Iterable[pd.DataFrame]:
    only_numbers = "str" not in wanted.values()  # else a comma too many must not be overlooked
    types = {name: "str" if dtype == "skip" else dtype for name, dtype in table.columns.items()}
    return pd.read_csv(
        io.BufferedReader(_OneCharacter(stream)) if table.separator == "::" else stream,
        sep=UNIT if table.separator == "::" else table.separator,
        names=list(table.columns),
        usecols=list(wanted) if only_numbers and len(wanted) < len(types) else None,
        dtype=types,
        skiprows=table.header,
        encoding=table.encoding,
        keep_default_na=False,  # "NA" and "null" are titles and tags
        na_filter=False,
        quoting=csv.QUOTE_MINIMAL if table.separator == "," else csv.QUOTE_NONE,
        chunksize=ROWS,
    )


class _Growing:
    """A numeric column that grows in place: the memory is extended, on Linux without a copy."""

    def __init__(self, dtype: str, is_id: bool):
        self.values, self._is_id = np.empty(0, np.int32 if is_id else dtype), is_id

    def append(self, more: np.ndarray) -> None:
        if self._is_id and self.values.dtype == np.int32 and not fits_int32(more):
            self.values = self.values.astype(np.int64)
        old = len(self.values)
        self.values.resize(old + len(more), refcheck=False)  # nobody else has seen the array yet
        self.values[old:] = more


class _OneCharacter(io.RawIOBase):
    """A stream with `UNIT` for every "::", replaced from left to right, piece by piece."""

    def __init__(self, stream: BinaryIO):
        self._stream, self._rest, self._ready = stream, b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._ready:
            piece = self._stream.read(1 << 20)
            text = (self._rest + piece).replace(b"::", UNIT.encode())
            self._rest = b":" if piece and text.endswith(b":") else b""  # its other half may come next
            self._ready = text[: len(text) - len(self._rest)]
            if not piece:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def find_fault(file: Path | zipfile.Path, table: Table, skip: int = 0, most: int | None = None) -> Fault | None:
    """The first line that does not fit `table`; None if all do.

    Args:
        file: Where the rows are.
        table: How they should be written.
        skip: Rows that are known to be good.
        most: Look at so many rows after them; None at all.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if most is not None and number > table.header + skip + most:
                break
            if table.header < number <= table.header + skip or (number > table.header and line.strip() == b""):
                continue
            text = line.decode(table.encoding, errors="backslashreplace").rstrip("\r\n")
            column = field = None
            try:
                line.decode(table.encoding)
                fields = next(csv.reader([text])) if table.separator == "," else text.split(table.separator)
                if number > table.header:
                    if len(fields) != len(table.columns):
                        return Fault(number, text, None, None)
                    for column, field in zip(table.columns, fields, strict=True):
                        dtype = table.columns[column]
                        np.dtype("str" if dtype == "skip" else dtype).type(field)
            except (ValueError, OverflowError):
                return Fault(number, text, column, field)
    return None
