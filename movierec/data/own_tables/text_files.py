"""Text files as people have them, in any encoding, with any delimiter and line end; what does not fit has a line."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from movierec.data.own_tables.columns import HEAD, look_at
from movierec.data.tables import UNIT

QUOTED = {"quote_char": '"'}
UNQUOTED = {"quote_char": False}
QUOTE_IT = 'Put a field that holds the separator into double quotes: "Good, the Bad and the Ugly, The (1966)".'
NOT_CLOSED = (
    "a double quote opens here and is not closed where its field ends ({}). Close it; write a quote that is part of "
    'the text twice: "Seven ""(Se7en)""".'
)
LINE_END = r"\r\n|\r|\n"
PIECE = 2**26  # bytes that are parsed at once
FEW_TEXTS = pa.dictionary(pa.int32(), pa.string())  # each text once, and 4 bytes a row
FAST = {"user_id": FEW_TEXTS, "movie_id": FEW_TEXTS, "rating": pa.float64(), "timestamp": pa.int64()}


class Misfit(ValueError):
    """A row does not fit; `label` is its line in a file, or its label in a DataFrame."""

    def __init__(self, label, message: str):
        super().__init__(message)
        self.label = label


class TextFile:
    """A file of one noun ("ratings", "movies", …). `said` are the lines that its user is to be told."""

    def __init__(self, path: Path, noun: str):
        self.said = []
        self.content = self._in_utf8(_content(path), path)
        head = self.content[:HEAD].decode(errors="ignore")
        if len(self.content) > HEAD:
            head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
        self.look = look_at(head, path, noun)
        self.said = self.look.said + self.said

    def _in_utf8(self, content: bytes, path: Path) -> bytes:
        """Return UTF-8 without a mark; take what is neither UTF-8 nor UTF-16 for Windows-1252 or Latin-1, and say so.

        ValueError for broken UTF-16.
        """
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            try:
                return content.decode("utf-16").encode()
            except UnicodeDecodeError as error:
                raise ValueError(f"{path} must be whole text in UTF-16; {error}. Save it as UTF-8.") from error
        content = content.removeprefix(b"\xef\xbb\xbf")
        try:
            content.decode()
            return content
        except UnicodeDecodeError as error:
            place = error.start
        try:
            name, text = "Windows-1252", content.decode("cp1252")
        except UnicodeDecodeError:  # five bytes mean nothing there
            name, text = "Latin-1", content.decode("latin-1")
        line = len(re.split(LINE_END.encode(), content[:place]))
        self.said.append(
            f"it is not UTF-8, first in line {line} (byte 0x{content[place]:02x}), so it is read as {name}"
        )
        return text.encode()

    def rows(self) -> pd.DataFrame:
        """Return the wanted columns as text, the index being the line; raise Misfit for a row that does not fit."""
        try:
            return self._parsed(QUOTED)
        except Misfit:
            if self.look.separator in (",", ";"):
                raise
            return self._parsed(UNQUOTED)  # 9|Marlene "Dietrich"|

    def line(self, number: int) -> str:
        """Return the text of a line, counted from 1."""
        return re.split(LINE_END, self.content.decode())[number - 1]

    def _parsed(self, way: dict) -> pd.DataFrame:
        """Return the rows if quotes are read in one way; raise Misfit for the first one that does not fit."""
        separator, header, names = self.look.separator, self.look.header, self.look.names
        content = self.content
        if separator == " ":
            content = re.sub(rb"(?m)^ +| +(?= )", b"", content)
        elif separator == "::":
            separator = UNIT
            content = content.replace(b"::", UNIT.encode())
        columns = [name or f"{place} left out" for place, name in enumerate(names)]
        try:
            table, misfits = _rows(content, separator, header, columns, way, FAST)
        except pa.ArrowInvalid:
            table, misfits = _rows(content, separator, header, columns, way, {})
        number = pd.RangeIndex(header + 1, header + 1 + len(table) + len(misfits))
        number = number.delete([at - header - 1 for at in misfits]) if misfits else number
        many = f"it must have {len(names)} fields, as the {'header' if header else 'first row'} has. {QUOTE_IT}"
        faults = {
            at: NOT_CLOSED.format("its row goes on in the next line") if re.search(LINE_END, text) else many
            for at, text in misfits.items()
            if text.strip(f"{separator} \t")
        }
        breaks = np.zeros(1, int)  # line ends within fields of each row; or of all rows
        if b'"' in content:
            texts = table.select_dtypes(["str", "category"]).astype("str")
            breaks = sum(texts[name].str.count(LINE_END).to_numpy() for name in texts)
            row = re.compile(rf"[\r\n]\d+\s*({re.escape(separator)}[^\r\n]*){{{len(names) - 1},}}[\r\n]")
            for at in np.flatnonzero(breaks):
                if any(map(row.search, texts.iloc[at])):
                    faults[number[at]] = NOT_CLOSED.format("whole rows follow")
            follows = rb'(?m)(?:^|[\r%b])"[^"\r\n]+"[^"\r\n%b]' % (2 * (re.escape(separator).encode(),))
            if not faults and way == QUOTED and (found := re.search(follows, content)):
                line = len(re.split(LINE_END.encode(), content[: found.start() + 1]))
                raise Misfit(line, NOT_CLOSED.format("text follows"))
        if faults:
            first = min(faults)
            raise Misfit(int(first + np.sum(breaks * (number < first))), faults[first])
        table.index = number + np.cumsum(breaks) - breaks if breaks.any() else number
        is_empty = np.ones(len(table), bool)
        for name in table:
            is_empty &= (table[name].isna() | (table[name] == "")).to_numpy(bool)
        wanted = table[[name for name in names if name]]
        return wanted[~is_empty] if is_empty.any() else wanted


def _rows(
    content: bytes, separator: str, header: int, names: list[str], way: dict, types: dict[str, pa.DataType]
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Return the rows that have as many fields as `names`; and the others, {their number in the file: text}."""
    misfits = {}

    def skip(row: csv.InvalidRow) -> str:
        misfits[row.number] = row.text
        return "skip"

    in_one = b'"' in content and way != UNQUOTED  # a quote that is never closed holds all the rest
    size = min(len(content) + 1, 2**30 if in_one else PIECE)
    reading = csv.ReadOptions(use_threads=False, block_size=size, column_names=names, skip_rows=header)
    parsing = csv.ParseOptions(
        delimiter=separator,
        newlines_in_values=way != UNQUOTED,
        ignore_empty_lines=False,
        invalid_row_handler=skip,
        **way,
    )
    converting = csv.ConvertOptions(
        column_types={name: types.get(name, pa.string()) for name in names}, null_values=[""]
    )
    table = csv.read_csv(pa.BufferReader(content), reading, parsing, converting)
    return table.to_pandas(split_blocks=True, self_destruct=True), misfits  # column by column, not twice in memory


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
    is_json = content[:1] in (b"{", b"[")
    is_utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if is_json or (b"\0" in content[:HEAD] and not is_utf_16):
        call = f"read_json({path.name!r}, lines=True)" if is_json else f"read_excel({path.name!r})"
        raise ValueError(
            f"{path} must be text, one row a line; it {'is JSON' if is_json else 'holds zero bytes'}. Read it with "
            f"pandas first: movierec.read(pandas.{call}); or save it as CSV, UTF-8."
        )
    return content
