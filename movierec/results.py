"""The files in which results are kept, and what each says of where it is from.

    results/*.csv             recorded: tracked by git, the source of all LaTeX
    generated/results/*.csv   fresh: written by notebooks as a side effect of being run

A table's first line is a comment in JSON: notebook, cell (as in `In [12]`), commit ("+": the code was changed since),
data (`datasets.fingerprint`), tolerance of each column, and best: who leads in it. Numbers and figures are rows of
numbers.csv and figures.csv, and say the same in columns of their own. A script has no cell, and made data no checksum.
"""

import csv
import functools
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
ORIGIN = ["notebook", "cell", "commit", "data"]  # where a result is from
NUMBERS = ["name", "value", "tolerance", "digits", "unit", *ORIGIN]  # of numbers.csv
FIGURES = ["name", "alt", *ORIGIN]  # of figures.csv
RESERVED = {"numbers", "figures", "provenance"}  # names that files of the report have already
COMMANDS = {  # what makes a result that no notebook makes
    "conftest.py": "make notebooks",
    "movierec/baselines/tuning.py": "make tune",
    "tests/benchmarks/ablation.py": "make ablation",
    "tests/benchmarks/people_and_films.py": "python tests/benchmarks/people_and_films.py",
    "tests/benchmarks/scale.py": "make benchmark SCALE=1",
}
Result = tuple[pd.DataFrame, dict[str, Any]]  # cells as text; what the first line says


def report_folder(folder: Path | str | None = None) -> Path:
    """The report's folder: as given, or the environment's MOVIEREC_REPORT, or this checkout's `report/`."""
    return Path(folder or os.environ.get("MOVIEREC_REPORT") or ROOT / "report")


def command(owner: str) -> str:
    """What to type to make the results of a notebook or script again: `make 06`, `make ablation`, …"""
    return COMMANDS.get(owner) or (f"make {owner[:2]}" if owner[:2].isdigit() else "make benchmark")


def running_cell(notebook: str) -> str:
    """The number of the cell that is running, as in `In [12]` after "restart and run all"; "" outside the notebook.

    Found by its source: nbval keeps no count, and a reader may run cells in any order. A cell that was changed and
    not saved is not found.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cells = _code_cells(ROOT / f"notebooks/{notebook}.ipynb")
    code = parent.get("content", {}).get("code")
    return str(cells.index(code) + 1) if code in cells else ""


@functools.cache
def _code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@functools.cache
def commit() -> str:
    """Seven digits of the checkout's commit, with "+" if code or notebooks differ from it; "unknown" without git."""
    try:
        said = [
            subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for words in (
                ["rev-parse", "--short=7", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no", "movierec", "notebooks/*.ipynb", "tests/benchmarks"],
            )
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said[0] + ("+" if said[1] else "")


def origin_of(row: dict[str, Any]) -> str:
    """A result's origin in a line: "06_training, cell 30, commit 2c473a5, data f40682aea0f2"."""
    parts = [f"{what} {row[what]}" for what in ORIGIN[1:] if row.get(what)]
    return ", ".join([row["notebook"], *parts])


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    """name -> row of numbers.csv or figures.csv; empty if there is no such file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {row["name"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def read_table(path: Path) -> Result:
    """A table's cells as text, and what its first line says: notebook, tolerance, …"""
    first, body = path.read_text(encoding="utf-8").split("\n", 1)
    header = json.loads(first.removeprefix("#"))
    return pd.read_csv(io.StringIO(body), dtype=str, keep_default_na=False), header


def read_all(folder: Path) -> dict[str, Result]:
    """Every table and number of a folder as a table; a number is a table of one cell."""
    paths = [path for path in sorted(folder.glob("*.csv")) if path.stem not in RESERVED]
    results = {path.name: read_table(path) for path in paths}
    for name, row in read_rows(folder / "numbers.csv").items():
        header = {**row, "tolerance": {"value": float(row["tolerance"])}}
        results[name] = pd.DataFrame({"value": [row["value"]]}), header
    return results


def is_number(text: str) -> bool:
    """Whether a cell's text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def as_csv(rows: Any) -> str:
    """Rows as the text of a CSV file."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def write_rows(path: Path, fields: list[str], rows: dict[str, dict[str, str]]) -> None:
    """Nothing; writes numbers.csv or figures.csv, sorted by name."""
    write_file(path, as_csv([fields, *([rows[name].get(field, "") for field in fields] for name in sorted(rows))]))


def write_file(path: Path, content: str | bytes) -> None:
    """Nothing; replaces a file at once, or leaves it and its date alone if it has this content already."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def require(holds: Any, message: str) -> None:
    """Nothing; what does not hold is a ValueError with this message."""
    if not holds:
        raise ValueError(message)
