"""What moved between the recorded results and those of the last run; and how the last run becomes the recorded one."""

import math
import re

import pandas as pd

from movierec.record import keep, report_folder
from report.build.results import FIGURES, NUMBERS, Row, Table, command, is_number, read_fresh, read_recorded, write_rows

ROUNDING = 1e-9  # relative; a difference of exactly the tolerance is allowed
SAME = ["value", "tolerance", "digits", "unit", "alt", "notebook", "cell"]  # of a row; the commit may be another


def check() -> pd.DataFrame:
    """Return one row for each result that is not as recorded.

    Columns: status, name, recorded, fresh, tolerance, notebook. Status is "moved" (by more than the recorded
    tolerance; or other text, rows or columns), "new" (not recorded), "not run yet" (no fresh result of its notebook),
    or "no maker" (its notebook is gone, or has run and left it out).
    """
    folder = report_folder()
    recorded, fresh = read_recorded(folder).as_tables(), read_fresh(folder).as_tables()
    ran = {says["notebook"] for _, says in fresh.values()}
    notebooks = folder.parent / "notebooks"
    rows = []
    for name in sorted({*recorded, *fresh}):
        owner = (recorded.get(name) or fresh[name])[1]["notebook"]
        if name in recorded and name in fresh:
            rows += [("moved", *move, owner) for move in _moves(name, recorded[name], fresh[name][0])]
        elif name in fresh:
            rows.append(("new", name, "", "", "", owner))
        else:
            of_notebook = re.match(r"\d\d_", owner)  # a script has modes: what one leaves out, another made
            gone = of_notebook and notebooks.is_dir() and not (notebooks / f"{owner}.ipynb").exists()
            left_out = gone or (of_notebook and owner in ran)
            rows.append(("no maker" if left_out else "not run yet", name, "", "", "", owner))
    return pd.DataFrame(rows, columns=["status", "name", "recorded", "fresh", "tolerance", "notebook"])


def format_drift(rows: pd.DataFrame) -> str:
    """Return what `check` found as text: a table of what moved, and a line for each status and notebook of the rest."""
    moved, others = rows[rows["status"] == "moved"], rows[rows["status"] != "moved"]
    lines = []
    if len(moved):
        lines.append(f"{len(moved)} moved:\n{moved.drop(columns='status').to_string(index=False)}")
        lines.append("Was that meant? `make record` keeps them; `make report RESULTS=mine` shows them in the paper.")
    for (status, notebook), group in others.groupby(["status", "notebook"]):
        advice = f"; {command(notebook)}" if status == "not run yet" else ""
        lines.append(f"{status} ({notebook}{advice}): {', '.join(group['name'])}")
    return "\n".join(lines) or "every result is as recorded"


def record() -> list[str]:
    """Keep the fresh results as the recorded ones; return the names of the fresh numbers and tables.

    A recorded result without a fresh one stays, unless its notebook has run and left it out. A result that came out the
    same keeps the commit that first made it, see `record.keep`.
    """
    folder = report_folder()
    recorded, fresh = read_recorded(folder), read_fresh(folder)
    left_out = set(check().query("status == 'no maker'")["name"])
    ran = fresh.owners()
    numbers = {name: row for name, row in recorded.numbers.items() if name not in left_out}
    figures = {name: row for name, row in recorded.figures.items() if row["notebook"] not in ran}
    for file, fields, kept, old, new in (
        ("numbers", NUMBERS, numbers, recorded.numbers, fresh.numbers),
        ("figures", FIGURES, figures, recorded.figures, fresh.figures),
    ):
        kept |= {name: old[name] if _is_same(old.get(name), row) else row for name, row in new.items()}
        if kept or old:
            write_rows(folder / f"results/{file}.csv", fields, kept)
    for name in left_out - set(recorded.numbers):
        (folder / "results" / name).unlink()
    for name in fresh.tables:
        keep(name)
    return sorted(fresh.as_tables())


def _is_same(old: Row | None, new: Row) -> bool:
    committed = old is not None and not old.get("commit", "").endswith("+")
    return committed and all(old.get(field) == new.get(field) for field in SAME)


def _moves(name: str, recorded: Table, new: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Return (where, recorded, fresh, tolerance) of every cell that moved."""
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
