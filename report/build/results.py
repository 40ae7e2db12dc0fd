"""Recorded and fresh results, read from their files (see `movierec.record` for where they are)."""

import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from movierec.origin import ORIGIN
from movierec.record import RESERVED, Recorder, read_table, write_file

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
