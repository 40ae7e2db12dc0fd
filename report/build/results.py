"""Recorded and fresh results, read from their files (see `movierec.record`), and their tables as a reader sees them.

`report/tables.toml` declares the columns and their form: rounded, with intervals beside their values and the leaders in
bold. LaTeX and Markdown are two styles of the same cells.
"""

import json
import math
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from movierec.origin import ORIGIN
from movierec.record import RESERVED, Recorder, read_table, require, write_file

NUMBERS = ["name", "value", "tolerance", "digits", "unit", *ORIGIN]  # columns of results/numbers.csv
FIGURES = ["name", "alt", *ORIGIN]  # columns of results/figures.csv
COMMANDS = {  # what makes the results of a script
    "conftest.py": "make notebooks",
    "tests/benchmarks/tune_baselines.py": "make tune",
    "tests/benchmarks/ablation.py": "make ablation",
    "tests/benchmarks/people_and_films.py": "python tests/benchmarks/people_and_films.py",
    "tests/benchmarks/repeats.py": "make repeats",
    "tests/benchmarks/sequences.py": "make repeats",
    "tests/benchmarks/retuned.py": "make ablation",
    "tests/benchmarks/in_time.py": "python tests/benchmarks/in_time.py",
    "tests/benchmarks/reads.py": "python tests/benchmarks/reads.py",
    "tests/benchmarks/scale.py": "make benchmark SCALE=1",
    "tests/benchmarks/linear_ranks.py": "make benchmark SCALE=1",
    "tests/benchmarks/optimizers_at_size.py": "make benchmark SCALE=1",
}
SETTINGS = {"column", "header", "format", "unit", "best", "interval", "align"}  # of a column in tables.toml
Columns = list[dict[str, Any]]
Row = dict[str, str]
Table = tuple[pd.DataFrame, dict[str, Any]]  # cells as text, and what the first line says


class Results(NamedTuple):
    """Numbers, figures and tables by name."""

    numbers: dict[str, Row]
    figures: dict[str, Row]
    tables: dict[str, Table]

    def as_tables(self) -> dict[str, Table]:
        """Return tables as "name.csv" and each number as a table of one cell, so that all can be compared alike."""
        numbers = {
            name: (pd.DataFrame({"value": [row["value"]]}), {**row, "tolerance": {"value": float(row["tolerance"])}})
            for name, row in self.numbers.items()
        }
        return {f"{name}.csv": table for name, table in self.tables.items()} | numbers

    def owners(self) -> set[str]:
        """Return the notebooks and scripts that made them."""
        rows = [*self.numbers.values(), *self.figures.values(), *(says for _, says in self.tables.values())]
        return {row["notebook"] for row in rows}


def read_recorded(folder: Path) -> Results:
    """Return the results that git tracks."""
    tables = [path for path in sorted(folder.glob("results/*.csv")) if path.stem not in RESERVED]
    rows = [_read_rows(folder / f"results/{file}.csv") for file in ("numbers", "figures")]
    return Results(*rows, {path.stem: read_table(path) for path in tables})


def read_fresh(folder: Path) -> Results:
    """Return what the last run of each notebook wrote; the ends of an interval are numbers, too."""
    fresh = folder / "generated/results"
    numbers = {}
    for row in _read_json(fresh, "number"):
        ends = {end: row.pop(end) for end in ("low", "high") if end in row}
        numbers[row["name"]] = row
        for end, value in ends.items():
            name = f"{row['name']}_{end}"
            numbers[name] = row | {"name": name, "value": value}
    figures = {row["name"]: row for row in _read_json(fresh, "figure")}
    return Results(numbers, figures, {path.stem: read_table(path) for path in sorted(fresh.glob("*/*.csv"))})


def write_rows(path: Path, fields: list[str], rows: dict[str, Row]) -> None:
    """Write results/numbers.csv or results/figures.csv, sorted by name."""
    table = pd.DataFrame([[rows[name].get(field, "") for field in fields] for name in sorted(rows)], columns=fields)
    write_file(path, table.to_csv(index=False, lineterminator="\n"))


def record_minutes() -> None:
    """Record the minutes of the notebooks as a fresh table, once conftest.py has left a stamp for each of them."""
    recorder = Recorder("conftest.py")
    notebooks = sorted(path.stem for path in recorder.folder.parent.glob("notebooks/*.ipynb"))
    stamps = [recorder.folder / f"generated/notebooks/{notebook}.json" for notebook in notebooks]
    if notebooks and all(stamp.exists() for stamp in stamps):
        minutes = [json.loads(stamp.read_text(encoding="utf-8"))["seconds"] / 60 for stamp in stamps]
        table = pd.DataFrame({"notebook": notebooks, "minutes": minutes, "cores": os.cpu_count()})
        recorder.table("notebook_minutes", table, tolerance={"minutes": math.inf, "cores": math.inf})


def command(owner: str) -> str:
    """Return what to type to make the results of a notebook or script again: "make 06", "make ablation", …"""
    return COMMANDS.get(owner) or (f"make {owner[:2]}" if owner[:2].isdigit() else "make benchmark")


def is_number(text: str) -> bool:
    """Return whether a cell's text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _read_rows(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return {row["name"]: row for row in table.to_dict("records")}


def _read_json(folder: Path, kind: str) -> list[Row]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"*/*.{kind}.json"))]


# ---- tables as a reader sees them


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
