"""What moved between the recorded results and those of the last run, and how the last run becomes the recorded one."""

import math
import re
from pathlib import Path

import pandas as pd

from movierec.results import (
    FIGURES,
    NUMBERS,
    RESERVED,
    Result,
    command,
    is_number,
    read_all,
    read_rows,
    read_table,
    report_folder,
    write_file,
    write_rows,
)

ROUNDING = 1e-9  # relative; a difference of exactly the tolerance is allowed
SAME = ["value", "tolerance", "digits", "unit", "alt", "notebook", "cell"]  # of a row; the commit may be another


def check(folder: Path | str | None = None) -> pd.DataFrame:
    """One row a result that is not as recorded: status, name, recorded, fresh, tolerance, notebook.

    Status is "moved" (by more than the recorded tolerance; or other text, rows, columns); "new" (not
    recorded); "not run yet" (no fresh result of its notebook); "no maker" (its notebook is gone, or ran and
    left it out).
    """
    folder = report_folder(folder)
    recorded, fresh = read_all(folder / "results"), read_all(folder / "generated/results")
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


def told(rows: pd.DataFrame) -> str:
    """What `check` found, as it is printed: a table of what moved, and lines for the rest."""
    moved, others = rows[rows["status"] == "moved"], rows[rows["status"] != "moved"]
    lines = []
    if len(moved):
        lines.append(f"{len(moved)} moved:\n{moved.drop(columns='status').to_string(index=False)}")
        lines.append("Was that meant? `make record` keeps them; `make report RESULTS=mine` shows them in the paper.")
    for (status, notebook), group in others.groupby(["status", "notebook"]):
        advice = f"; {command(notebook)}" if status == "not run yet" else ""
        lines.append(f"{status} ({notebook}{advice}): {', '.join(group['name'])}")
    return "\n".join(lines) or "every result is as recorded"


def record(folder: Path | str | None = None, *, only: list[str] | None = None) -> list[str]:
    """The names of the results copied from fresh to recorded.

    A recorded result without a fresh one stays, unless its notebook has run and left it out. One that came out the
    same stays, too, and with it the commit that first made it, unless that was not committed ("+").

    Args:
        only: tables to copy, e.g. ["peers.csv"], and nothing else; None: everything.
    """
    folder = report_folder(folder)
    results, fresh = folder / "results", folder / "generated/results"
    if only is not None:
        for name in only:
            _keep(results / name, fresh / name)
        return only
    left_out = set(check(folder).query("status == 'no maker'")["name"])
    made = {says["notebook"] for _, says in read_all(fresh).values()}
    made |= {row["notebook"] for row in read_rows(fresh / "figures.csv").values()}
    for file, fields in (("numbers.csv", NUMBERS), ("figures.csv", FIGURES)):
        kept, new = read_rows(results / file), read_rows(fresh / file)
        ran = made if fields is FIGURES else set()  # a figure has no value to compare: who ran and left it out drops it
        kept = {name: row for name, row in kept.items() if name not in left_out and row["notebook"] not in ran}
        for name, row in new.items():
            old = read_rows(results / file).get(name, {})
            kept[name] = old if _is_same(old, row) else row
        if kept or (results / file).exists():
            write_rows(results / file, fields, kept)
    for name in left_out:
        (results / name).unlink(missing_ok=True)
    for path in fresh.glob("*.csv"):
        if path.stem not in RESERVED:
            _keep(results / path.name, path)
    return sorted(read_all(fresh))


def forget(notebook: str, folder: Path | str | None = None) -> list[str]:
    """The names of the fresh results of a notebook, now removed: it is about to run, and may write others."""
    fresh = report_folder(folder) / "generated/results"
    gone = sorted(name for name, (_, header) in read_all(fresh).items() if header["notebook"] == notebook)
    for file, fields in (("numbers.csv", NUMBERS), ("figures.csv", FIGURES)):
        rows = read_rows(fresh / file)
        left = {name: row for name, row in rows.items() if row["notebook"] != notebook}
        if len(left) < len(rows):
            write_rows(fresh / file, fields, left)
    for name in gone:
        (fresh / name).unlink(missing_ok=True)
    return gone


def _is_same(old: dict[str, str], new: dict[str, str]) -> bool:
    return (
        bool(old)
        and not old.get("commit", "").endswith("+")
        and all(old.get(field) == new.get(field) for field in SAME)
    )


def _keep(recorded: Path, fresh: Path) -> None:
    """A fresh table becomes the recorded one, unless only the commit or the data's checksum is another."""
    if recorded.exists():
        (old, said), (new, says) = read_table(recorded), read_table(fresh)
        clean = not said.get("commit", "").endswith("+")
        if clean and old.equals(new) and {**said, "commit": "", "data": ""} == {**says, "commit": "", "data": ""}:
            return
    write_file(recorded, fresh.read_bytes())


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
