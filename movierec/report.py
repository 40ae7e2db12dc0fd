"""Numbers, tables and figures on their way from the notebooks to the report, with their provenance.

report/results/*.csv             recorded: tracked by git, the source of all LaTeX
report/generated/results/*.csv   fresh: written by notebooks as a side effect of being run
report/generated/**/*.tex        LaTeX made from the recorded results by `movierec.latex.build`
report/figures/*.pdf             written by notebooks; results/figures.csv says by which

python -m movierec.report build           LaTeX; or what is missing, and which notebook makes it
python -m movierec.report check [--all]   what moved between recorded and fresh (exit code 1)
python -m movierec.report record          keep the fresh results as the recorded ones
"""

import argparse
import csv
import io
import json
import math
import os
import re
import sys
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from movierec.datasets import COURSE, chosen

FIELDS = ["name", "value", "tolerance", "digits", "unit", "notebook"]  # of numbers.csv
RESERVED = {"numbers", "figures", "provenance"}  # names that files of the report have already
ROUNDING = 1e-9  # relative; a difference of exactly the tolerance is allowed
Result = tuple[pd.DataFrame, dict[str, Any]]  # cells as text; {"notebook": ..., "tolerance": {column: ...}}


class Recorder:
    """What one notebook writes for the report; `record = movierec.report.Recorder("06_training")`.

    The report is about the course's data set. What is measured on another, see `datasets.chosen`, is written beside it,
    into `generated/<data set>/`, and nothing is compared with it.

    Args:
        notebook: its file name without the ending.
        folder: the report's folder; else the environment's MOVIEREC_REPORT; else `report/` of this checkout.
    """

    def __init__(self, notebook: str, *, folder: Path | str | None = None) -> None:
        self.notebook, self.folder = notebook, report_folder(folder)
        if chosen() != COURSE:
            self.folder = self.folder / "generated" / chosen()

    def __repr__(self) -> str:
        return f"Recorder({self.notebook!r})"

    def finding(self, sentence: str, holds: Any) -> None:
        """Nothing; prints whether what the text says holds in this run: "more users, better lists: yes".

        It stops nobody who turned a setting or took other data, and who finds something else. Where nothing was
        changed, nbval compares the line with the stored one.

        Args:
            sentence: the finding, without numbers that another run may change.
            holds: True or False, NumPy's too; not a table with one cell.

        Raises:
            ValueError: if `holds` is anything else.
        """
        require(
            isinstance(holds, bool | np.bool_),
            f"finding {sentence!r} needs one truth value; found {holds!r}.",
        )
        print(f"{sentence}: {'yes' if holds else 'no'}")

    def number(
        self, name: str, value: float, *, tolerance: float = 0.0, unit: str = "", digits: int | None = None
    ) -> None:
        r"""Nothing; writes one fresh number, in LaTeX a macro: `hybrid_rmse` becomes `\HybridRmse`.

        Args:
            name: two or more words of lowercase letters joined by `_`.
            value: finite.
            tolerance: how far a new run may be from the recorded one; `math.inf`, for seconds: not compared.
            unit: said in the LaTeX source, e.g. "stars".
            digits: after the point in LaTeX; 0 for whole numbers, else 3.

        Raises:
            ValueError: if the name makes no macro, another notebook has it, or the value is not finite.
        """
        _check_name(name, words=2)
        text = _cell(value, f"number {name!r}")
        require(is_number(text), f"number {name!r} must be one; found {text!r}. `record.table` takes text.")
        require(tolerance >= 0, f"the tolerance of {name!r} must be 0 or more; found {tolerance}.")
        digits = digits if digits is not None else 0 if isinstance(value, Integral) else 3
        path = self.folder / "generated/results/numbers.csv"
        self._upsert(path, FIELDS, name, text, f"{tolerance:.10g}", str(digits), unit)

    def table(self, name: str, table: pd.DataFrame, *, tolerance: dict[str, float] | None = None) -> None:
        """Nothing; writes one fresh table without its index; its first line holds notebook and tolerances.

        Args:
            name: lowercase letters and `_`.
            table: finite numbers and text; where a figure does not apply, the text "--".
            tolerance: column -> how far a new run may be; `math.inf`: not compared.

        Raises:
            ValueError: if a cell is missing or infinite, a tolerance has no column, or the index has a name.
        """
        _check_name(name)
        unknown = [column for column in tolerance or {} if column not in table]
        require(not unknown, f"tolerances of {name!r} must name its columns {list(table)}; found {unknown}.")
        require(
            table.index.name is None,
            f"the index of {name!r} is dropped, but it has a name: {table.index.name!r}. Record `table.reset_index()`.",
        )
        path = self.folder / f"generated/results/{name}.csv"
        self._check_owner(name, read_table(path)[1]["notebook"] if path.exists() else self.notebook, path)
        rows = [
            [
                _cell(value, f"table {name!r}, row {number}, column {column!r}")
                for column, value in zip(table, row, strict=True)
            ]
            for number, row in enumerate(table.itertuples(index=False))
        ]
        header = json.dumps({"notebook": self.notebook, "tolerance": tolerance or {}})
        write_file(path, f"# {header}\n" + _csv([list(table), *rows]))

    def figure(self, name: str, fig: Any) -> None:
        """Nothing; writes figures/{name}.pdf, the same bytes each time, and notes which notebook makes it.

        Args:
            name: lowercase letters and `_`.
            fig: a Matplotlib figure; it is left open, so that the notebook still shows it.
        """
        import matplotlib  # here: who only reads results does not wait for it

        _check_name(name)
        metadata = {"Title": name, "Subject": fig.get_label() or None}  # the label: what `plots.alt` says
        if "SOURCE_DATE_EPOCH" not in os.environ:
            metadata["CreationDate"] = None
        buffer = io.BytesIO()
        with matplotlib.rc_context({"pdf.fonttype": 42}):
            fig.savefig(buffer, format="pdf", metadata=metadata)
        self._upsert(self.folder / "results/figures.csv", ["name", "notebook"], name)
        write_file(self.folder / f"figures/{name}.pdf", buffer.getvalue())

    def _upsert(self, path: Path, fields: list[str], name: str, *values: str) -> None:
        rows = read_rows(path)
        self._check_owner(name, rows.get(name, {}).get("notebook", self.notebook), path)
        rows[name] = dict(zip(fields, (name, *values, self.notebook), strict=True))
        _write_rows(path, fields, rows)

    def _check_owner(self, name: str, owner: str, path: Path) -> None:
        require(
            owner == self.notebook,
            f"{name!r} is recorded by {owner} already. "
            f"Choose another name in {self.notebook}, or, if it moved there, delete it from {path}.",
        )


def report_folder(folder: Path | str | None = None) -> Path:
    """The report's folder: as given, or the environment's MOVIEREC_REPORT, or this checkout's `report/`."""
    return Path(folder or os.environ.get("MOVIEREC_REPORT") or Path(__file__).resolve().parents[1] / "report")


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    """name -> row of numbers.csv or figures.csv; empty if there is no such file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {row["name"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def read_table(path: Path) -> Result:
    """A table's cells as text, and what its first line says: notebook and tolerances."""
    first, body = path.read_text(encoding="utf-8").split("\n", 1)
    header = json.loads(first.removeprefix("#"))
    return pd.read_csv(io.StringIO(body), dtype=str, keep_default_na=False), header


def check(folder: Path | str | None = None) -> pd.DataFrame:
    """One row a result that is not as recorded: status, name, recorded, fresh, tolerance, notebook.

    Status is "moved" (by more than the recorded tolerance; or other text, rows, columns); "new" (not
    recorded); "not run yet" (no fresh result of its notebook); "no maker" (its notebook is gone, or ran and
    left it out).
    """
    folder = report_folder(folder)
    recorded, fresh = _load(folder / "results"), _load(folder / "generated/results")
    ran = {header["notebook"] for _, header in fresh.values()}
    notebooks = folder.parent / "notebooks"
    rows = []
    for name in sorted({*recorded, *fresh}):
        owner = (recorded.get(name) or fresh[name])[1]["notebook"]
        if name in recorded and name in fresh:
            rows += [("moved", *move, owner) for move in _moves(name, recorded[name], fresh[name][0])]
        elif name in fresh:
            rows.append(("new", name, "", "", "", owner))
        else:
            notebook = notebooks / f"{owner}.ipynb"
            gone = re.match(r"\d\d_", owner) and notebooks.is_dir() and not notebook.exists()
            rows.append(("no maker" if gone or owner in ran else "not run yet", name, "", "", "", owner))
    return pd.DataFrame(rows, columns=["status", "name", "recorded", "fresh", "tolerance", "notebook"])


def record(folder: Path | str | None = None, *, only: list[str] | None = None) -> list[str]:
    """The names of the results copied from fresh to recorded.

    A recorded result without a fresh one stays, unless its notebook has run and left it out.

    Args:
        only: tables to copy, e.g. ["peers.csv"], and nothing else; None: everything.
    """
    folder = report_folder(folder)
    results, fresh = folder / "results", folder / "generated/results"
    if only is not None:
        for name in only:
            write_file(results / name, (fresh / name).read_bytes())
        return only
    left_out = set(check(folder).query("status == 'no maker'")["name"])
    numbers = read_rows(results / "numbers.csv") | read_rows(fresh / "numbers.csv")
    if numbers:
        kept = {name: row for name, row in numbers.items() if name not in left_out}
        _write_rows(results / "numbers.csv", FIELDS, kept)
    for name in left_out:
        (results / name).unlink(missing_ok=True)
    for path in fresh.glob("*.csv"):
        if path.stem not in RESERVED:
            write_file(results / path.name, path.read_bytes())
    return sorted(_load(fresh))


def forget(notebook: str, folder: Path | str | None = None) -> list[str]:
    """The names of the fresh results of a notebook, now removed: it is about to run, and may write others."""
    fresh = report_folder(folder) / "generated/results"
    gone = sorted(name for name, (_, header) in _load(fresh).items() if header["notebook"] == notebook)
    numbers = read_rows(fresh / "numbers.csv")
    if any(name in numbers for name in gone):
        _write_rows(fresh / "numbers.csv", FIELDS, {name: numbers[name] for name in numbers if name not in gone})
    for name in gone:
        (fresh / name).unlink(missing_ok=True)
    return gone


def main(arguments: list[str] | None = None) -> int:
    """The exit code of `python -m movierec.report`: 0, or 1 if something moved or is missing."""
    parser = argparse.ArgumentParser(prog="python -m movierec.report", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["build", "check", "record"])
    parser.add_argument("--all", action="store_true", help="check: what was not compared fails, too")
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            from movierec.latex import build  # here: it imports this module

            print(f"build: {len(build())} tables")
            return 0
        if options.command == "record":
            print(f"record: {len(record())} results")
            return 0
        rows = check()
    except (FileNotFoundError, ValueError) as error:
        print(f"movierec.report: {error}", file=sys.stderr)
        return 1
    moved, others = rows[rows["status"] == "moved"], rows[rows["status"] != "moved"]
    if len(moved):
        print(
            f"{len(moved)} moved:\n{moved.drop(columns='status').to_string(index=False)}\n"
            "If that is meant: python -m movierec.report record"
        )
    for (status, notebook), group in others.groupby(["status", "notebook"]):
        print(f"{status} ({notebook}): {', '.join(group['name'])}")
    if rows.empty:
        print("every result is as recorded")
    return int(len(moved) > 0 or (options.all and len(others) > 0))


def _load(folder: Path) -> dict[str, Result]:
    """Every result of a folder as a table; a number is a table of one cell."""
    paths = [path for path in sorted(folder.glob("*.csv")) if path.stem not in RESERVED]
    results = {path.name: read_table(path) for path in paths}
    for name, row in read_rows(folder / "numbers.csv").items():
        header = {"notebook": row["notebook"], "tolerance": {"value": float(row["tolerance"])}}
        results[name] = pd.DataFrame({"value": [row["value"]]}), header
    return results


def _moves(name: str, recorded: Result, new: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """(where, recorded, fresh, tolerance) of every cell that moved."""
    old, header = recorded
    if list(old) != list(new) or len(old) != len(new):
        return [(name, *(f"{len(table)} rows of {', '.join(table)}" for table in (old, new)), "")]
    moves = []
    for column in old:
        tolerance = header["tolerance"].get(column, 0.0)
        for key, was, now in zip(old.iloc[:, 0], old[column], new[column], strict=True):
            same = was == now or tolerance == math.inf
            if not same and is_number(was) and is_number(now):
                same = abs(float(now) - float(was)) <= tolerance + ROUNDING * max(1.0, abs(float(was)))
            if not same:
                where = f"{name}: {key}, {column}" if name.endswith(".csv") else name
                moves.append((where, was, now, f"{tolerance:g}"))
    return moves


def require(holds: Any, message: str) -> None:
    """Nothing; what does not hold is a ValueError with this message."""
    if not holds:
        raise ValueError(message)


def _check_name(name: str, words: int = 1) -> None:
    require(
        re.fullmatch(r"[a-z]+(_[a-z]+)*", name),
        "a name must be lowercase letters, words joined by '_'; "
        f"found {name!r}. LaTeX macros have no digits: write them as words, e.g. 'random_five_rmse'.",
    )
    require(
        name.count("_") + 1 >= words,
        f"a number's name must have two words, whose and what; found "
        f"{name!r}, which may be a macro of LaTeX itself. Use e.g. 'hybrid_rmse'.",
    )
    require(name not in RESERVED, f"{name!r} is the name of a file of the report already. Choose another.")


def _cell(value: Any, where: str) -> str:
    """A value as text: whole numbers in full, others to ten digits, so a rerun is equal."""
    missing = value is None or value is pd.NA or value is pd.NaT
    require(
        not missing and not (isinstance(value, Real) and not math.isfinite(value)),
        f"{where} must be finite; found {value}. Where nothing applies, write '--' into the table.",
    )
    return f"{value:.10g}" if isinstance(value, Real) and not isinstance(value, Integral) else str(value)


def is_number(text: str) -> bool:
    """Whether a cell's text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _csv(rows: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _write_rows(path: Path, fields: list[str], rows: dict[str, dict[str, str]]) -> None:
    write_file(path, _csv([fields, *([rows[name][field] for field in fields] for name in sorted(rows))]))


def write_file(path: Path, content: str | bytes) -> None:
    """Replaces a file at once, or leaves it and its date alone if it has this content already."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main())
