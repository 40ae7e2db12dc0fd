"""How a text file is written, as its first lines show: its delimiter, its header, and the kind of every column."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

from movierec.data.own_tables import columns

SEPARATORS = {
    ",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars (|)", "::": "double colons (::)", ":": "colons (:)",
    " ": "spaces",
}  # fmt: skip
BY_SUFFIX = {".tsv": "\t", ".tab": "\t", ".dat": "::"}
HEAD = 1 << 16  # bytes that are looked at
WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,17})")


class Look(NamedTuple):
    """How a file is written."""

    separator: str
    header: int  # lines before the first row
    names: list[str]  # of every field: our name, or "" if the column is left out
    said: list[str]  # what was understood, and is to be told
    rows: list[list[str]]  # the first ones


def look_at(head: str, path: Path, noun: str) -> Look:
    """Return how a file of one noun (ratings, movies, …) is written; `head` is its text, or the first lines of it.

    ValueError if columns are missing, or two columns fit one name.
    """
    lines = head.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    skipped = 0
    while skipped < len(lines) - 1 and (not lines[skipped].strip(",;\t ") or lines[skipped][0] in "#%"):
        skipped += 1
    skipped += re.fullmatch(r'"?sep=.+', lines[skipped]) is not None  # Excel's hint
    rest = [line for line in lines[skipped:] if line.strip()]
    separator = _separator(rest[:50], noun, path.suffix.lower())
    rows = [strip(row) for row in _fields(rest, separator)]
    header = rows[0] if rows else []
    said = [] if separator == "," else [f"its fields are separated by {SEPARATORS[separator]}"]
    found, renamed = columns.match_columns(header, noun, str(path))
    order = columns.columns_without_header(rows[:50], noun) if rows and not found else None
    if order:
        said.append(f"it has no header, so its columns are taken for {', '.join(filter(None, order[:5]))}")
        return Look(separator, skipped, order, said, rows)
    columns.check_needed(found, header, noun, str(path))
    name_of = {place: name for name, place in found.items()}
    names = [name_of.get(place, "") for place in range(len(header))]
    return Look(separator, skipped + 1, names, said + renamed, rows[1:])


def strip(row: list[str]) -> list[str]:
    """Return the fields without the empty ones at the end, which a spreadsheet leaves."""
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row if end == len(row) else row[:end]


def type_of(name: str, fields: list[str]) -> str:
    """Return the dtype as which a column can be read at once, by its first fields: a number, "str" or "skip"."""
    if not name:
        return "skip"
    if (name.endswith("_id") or name == "timestamp") and all(WHOLE.fullmatch(field) for field in fields):
        return "int64"
    if name in ("rating", "timestamp"):
        return "float32" if name == "rating" else "float64"
    return "str"


def _separator(lines: list[str], noun: str, suffix: str) -> str:
    """Return what the fields are separated by: what gives most names that are known, then equal and many fields."""
    order = sorted(SEPARATORS, key=lambda separator: separator != BY_SUFFIX.get(suffix))
    if lines and "::" in lines[0]:
        order.remove(":")
    best = (0, False, 0)
    chosen = ","
    for separator in order:
        rows = _fields(lines, separator)
        if not rows or len(rows[0]) < 2:
            continue
        known = columns.count_known(rows[0], noun)
        if separator == " " and known < 2 and not all(columns.is_number(field) for row in rows for field in row):
            continue
        score = (known, len({len(row) for row in rows}) == 1, len(rows[0]))
        if score > best:
            best = score
            chosen = separator
    return chosen


def _fields(lines: list[str], separator: str) -> list[list[str]]:
    if separator == "::":
        return [line.split("::") for line in lines]
    try:
        return list(csv.reader(lines, delimiter=separator, skipinitialspace=separator == " "))
    except csv.Error:  # a quote that is never closed
        return [line.split(separator) for line in lines]
