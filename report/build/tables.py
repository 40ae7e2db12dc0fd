"""Recorded tables as a reader sees them: rounded, with intervals beside their values and the leaders in bold.

`report/tables.toml` declares the columns and their form; LaTeX and Markdown are two styles of the same cells.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from movierec.record import require
from report.build.results import is_number

SETTINGS = {"column", "header", "format", "unit", "best", "interval", "align"}  # of a column in tables.toml
Columns = list[dict[str, Any]]


class Style(NamedTuple):
    """How a kind of page writes text, rounded numbers, bold type and an interval: functions from text to text."""

    text: Callable[[str], str]
    number: Callable[[str], str]
    bold: Callable[[str], str]
    interval: Callable[[str], str]


def declared_tables(folder: Path) -> dict[str, Columns]:
    """Return name -> columns, as `tables.toml` in the report's folder declares them."""
    return tomllib.loads((folder / "tables.toml").read_text(encoding="utf-8"))


def rounded(text: str, form: str, style: Style) -> str:
    """Return a number in the form that Python's `format` understands, as the style writes it, without a minus zero."""
    formatted = format(float(text), form)
    return style.number(formatted.lstrip("-") if float(formatted.replace(",", "")) == 0 else formatted)


def header(columns: Columns, style: Style) -> list[str]:
    """Return the first line of a table, with units in brackets."""
    return [style.text(spec["header"] + (f" ({spec['unit']})" if "unit" in spec else "")) for spec in columns]


def cells(
    name: str, table: pd.DataFrame, columns: Columns, best: dict[str, list[str]], style: Style
) -> list[list[str]]:
    """Return the cells of a table row by row; a row that leads in a column, by a recorded test, is in bold there.

    Args:
        table: Cells as text, see `record.read_table`; `name` is for messages.
        columns: One dict a column: column, header; optional format (".3f"), unit, align, best (true), and interval: the
            two columns that hold its ends.
        best: Column -> the first cells of the rows that lead, see `Recorder.table`.

    Raises:
        ValueError: A column or a setting is unknown, or bold is asked where no test says which rows lead.
    """
    rendered = []
    for spec in columns:
        column, unknown = spec.get("column"), sorted(set(spec) - SETTINGS)
        ends = spec.get("interval", [])
        absent = [needed for needed in (column, *ends) if needed not in table]
        require(not absent, f"tables.toml: {name} has no column {absent}; it has {list(table)}.")
        require(not unknown, f"tables.toml: {name} has unknown settings {unknown}; known: {sorted(SETTINGS)}.")
        require(len(ends) in (0, 2), f"tables.toml: interval of {column!r} in {name} must name two columns.")
        require(
            not spec.get("best") or column in best,
            f"tables.toml: {name} sets the best of {column!r} in bold, and no test says which rows lead. Record it "
            f"with `record.table(…, best={{{column!r}: comparison.leaders(by_user)}})`, or take `best` away.",
        )
        leaders = best.get(column, []) if spec.get("best") else []
        rendered.append([_cell(row, spec, row.iloc[0] in leaders, style) for _, row in table.iterrows()])
    return [list(row) for row in zip(*rendered, strict=True)]


def _cell(row: pd.Series, spec: dict[str, Any], leads: bool, style: Style) -> str:
    value, form = row[spec["column"]], spec.get("format")
    if form is None or not is_number(value):
        return style.text(value)
    text = style.bold(rounded(value, form, style)) if leads else rounded(value, form, style)
    ends = [row[end] for end in spec.get("interval", [])]
    if ends and all(is_number(end) for end in ends):
        text += style.interval(", ".join(rounded(end, form, style) for end in ends))
    return text
