"""Text files as people have them, in any encoding, with any delimiter and line end; what does not fit has a line."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.data.own_tables.columns import HEAD, look_at, strip, type_of
from movierec.data.tables import UNIT, Table, read_rows

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
ROWS = 1 << 18  # that are made a table at once
OTHER_KINDS = {
    b"PAR1": ("a Parquet file", "read_parquet({!r})"),
    b"ARROW1": ("a Feather file", "read_feather({!r})"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "read_excel({!r})"),
    b"PK\x03\x04": ("an Excel workbook or a zip archive of several files", "read_excel({!r})"),
    b"{": ("JSON", "read_json({!r}, lines=True)"),
    b"[": ("JSON", "read_json({!r})"),
}


class Misfit(ValueError):
    """A row does not fit; `label` is its line in a file, or its label in a DataFrame."""

    def __init__(self, label, message: str):
        super().__init__(message)
        self.label = label


class TextFile:
    """A file of one noun ("ratings", "movies", …). `said` are the lines that its user is to be told."""

    def __init__(self, path: Path, noun: str):
        self.path = path
        self.content = _content(path)
        mark = next((mark for mark in MARKS if self.content.startswith(mark)), b"")
        self.encoding = MARKS.get(mark, "utf-8")
        if self.encoding != "utf-16" and b"\0" in self.content[:HEAD]:
            raise ValueError(f"{path} must be text; it holds zero bytes. Save it as CSV, UTF-8.")
        head = self.content[:HEAD].decode(self.encoding, errors="replace")
        if len(self.content) > HEAD:
            head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
        self.look = look_at(head, path, noun)
        self.said = list(self.look.said)

    def typed(self) -> pd.DataFrame:
        """Return the columns as numbers and text, as fast as pandas parses; ValueError if that needs a slower look."""
        is_plain = self.encoding == "utf-8" or (self.encoding == "utf-8-sig" and self.look.header > 0)
        if not is_plain or b'"' in self.content or self.path.stat().st_size != len(self.content):
            raise ValueError("it must be read field by field")
        names = self.look.names
        fields = {place: [row[place] for row in self.look.rows if place < len(row)] for place in range(len(names))}
        types = {name or f"skip {place}": type_of(name, fields[place]) for place, name in enumerate(names)}
        ids = [name for name in types if name.endswith("_id") and types[name] == "int64"]
        if ids and _has_leading_zero(self.content):
            types |= dict.fromkeys(ids, "str")
        rows = read_rows(self.path, Table(self.path.name, types, self.look.separator, header=self.look.header))
        return rows.set_axis(rows.index + self.look.header + 1)  # the lines, unless some are empty

    def as_text(self) -> pd.DataFrame:
        """Return the columns as text, the index being the line; raise Misfit for a row that does not fit."""
        self._find_encoding()
        ways = [{"quoting": csv.QUOTE_MINIMAL}]
        if self.look.separator not in (",", ";"):
            ways.append({"quoting": csv.QUOTE_NONE})
        elif b'\\"' in self.content:
            ways.append({"escapechar": "\\", "doublequote": False})
        faults = []
        for way in ways:
            try:
                return self._table(way)
            except Misfit as fault:
                faults.append(fault)
        raise faults[0]

    def line(self, number: int) -> str:
        """Return the text of a line, counted from 1."""
        return next((text.rstrip("\r\n") for place, text in enumerate(self._lines(), 1) if place == number), "")

    def _find_encoding(self) -> None:
        """Raise ValueError for broken UTF-16; take what is not UTF-8 for Windows-1252 or Latin-1, and say so."""
        try:
            self.content.decode(self.encoding)
            return
        except UnicodeDecodeError as error:
            if self.encoding == "utf-16":
                raise ValueError(f"{self.path} must be whole text in UTF-16; {error}. Save it as UTF-8.") from error
            place = error.start
        before = self.content[:place]
        line = before.count(b"\n" if b"\n" in self.content else b"\r") + 1
        self.encoding = "cp1252"
        try:
            self.content.decode("cp1252")
        except UnicodeDecodeError:  # five bytes mean nothing there
            self.encoding = "latin-1"
        name = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}[self.encoding]
        self.said.append(
            f"it is not UTF-8, first in line {line} (byte 0x{self.content[place]:02x}), so it is read as {name}"
        )

    def _lines(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(self.content), self.encoding, newline="")

    def _table(self, way: dict) -> pd.DataFrame:
        wanted = {name: place for place, name in enumerate(self.look.names) if name}
        parts = []
        lines = []
        rows = []
        for line, row in self._rows(way, max(wanted.values())):
            lines.append(line)
            rows.append(row)
            if len(rows) == ROWS:
                parts.append(_frame(rows, lines, wanted))
                lines = []
                rows = []
        parts.append(_frame(rows, lines, wanted))
        return pd.concat(parts) if len(parts) > 1 else parts[0]

    def _rows(self, way: dict, last: int) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, fields) of every row that is not empty; the field at `last` must be there."""
        separator = UNIT if self.look.separator == "::" else self.look.separator
        header = self.look.header
        lines = self._lines()
        for _ in range(header):
            next(lines)
        if separator == UNIT:
            lines = (text.replace("::", UNIT) for text in lines)
        reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator == " ", **way)
        width = len(self.look.names)
        end = header
        num_blank = 0
        while True:
            line = end + 1
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise Misfit(line, _unclosed(str(error))) from error
            end = header + reader.line_num
            kept = row if row and row[-1] else strip(row)
            if not kept:
                num_blank += len(row) > 1
                continue
            if len(kept) > width or len(row) <= last:
                raise Misfit(
                    line,
                    f"it must have {width} fields, as the {'header' if header else 'first row'} has. Put a field that "
                    'holds the separator into double quotes: "Good, the Bad and the Ugly, The (1966)".',
                )
            if end > line and self._holds_rows(row, separator):
                raise Misfit(line, _unclosed("whole rows follow before the next quote"))
            yield line, row
        if num_blank:
            self.said.append(f"{num_blank:,} rows with nothing in their fields are left out")

    def _holds_rows(self, row: list[str], separator: str) -> bool:
        """Return whether a field holds whole rows, those that begin with a number: its quote was never closed."""
        inner = [text for field in row for text in re.split(r"\r\n?|\n", field)[1:-1]]
        return any(re.match(r"\d+\s*$", text.split(separator)[0]) and text.count(separator) >= len(self.look.names) - 1
                   for text in inner)  # fmt: skip


def _unclosed(why: str) -> str:
    return (
        f"a double quote opens here and is not closed where its field ends ({why}). Close it; write a quote that is "
        'part of the text twice: "Seven ""(Se7en)""".'
    )


def _frame(rows: list[list[str]], lines: list[int], wanted: dict[str, int]) -> pd.DataFrame:
    index = pd.Index(lines, dtype="int64")
    fields = {name: pd.array([row[place] for row in rows], dtype="str") for name, place in wanted.items()}
    return pd.DataFrame(fields, index)


def _content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is compressed; ValueError if it is no text."""
    content = path.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):
            return gzip.decompress(content)
        if content.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if len(archive.namelist()) == 1:
                    return archive.read(archive.namelist()[0])
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a whole compressed file; it is damaged or cut short ({error}).") from error
    for start, (kind, call) in OTHER_KINDS.items():
        if content.startswith(start):
            raise ValueError(
                f"{path} must be text, one row a line; it is {kind}. Read it with pandas first: "
                f"movierec.read(pandas.{call.format(path.name)})."
            )
    return content


def _has_leading_zero(content: bytes) -> bool:
    """Return whether a field begins with 0 and another digit, as an id such as 007 does."""
    text = np.frombuffer(content, np.uint8)
    piece = 1 << 18  # fits into the processor's cache
    for start in range(0, len(text), piece):
        part = text[start : start + piece + 2]
        zero = part[1:-1] == ord("0")
        zero &= part[:-2] - ord("0") > 9  # bytes below 0 wrap to above 9
        zero &= part[:-2] != ord(".")
        zero &= part[2:] - ord("0") <= 9
        if zero.any():
            return True
    return content[:1] == b"0" and content[1:2].isdigit()
